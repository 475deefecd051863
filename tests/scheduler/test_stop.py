"""A scheduler that is asked to stop while it writes."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from scheduler.making import SECOND, changed, entry_of, make_job, notice
from scheduler.test_ownership import SleepyClock
from tickwheel.server.domain.clock import SystemClock
from tickwheel.server.domain.errors import StoreUnavailable
from tickwheel.server.domain.lease import SchedulerSession, WriteStamp
from tickwheel.server.domain.names import instant_id, new_uid
from tickwheel.server.domain.occurrence import ScheduleEntry
from tickwheel.server.scheduler.live import AttemptKey, LiveRun, Phase
from tickwheel.server.scheduler.options import Identity, SchedulerOptions
from tickwheel.server.scheduler.runtime import Scheduler
from tickwheel.server.store.port import JobChange, NewJob, Store


async def test_a_segment_is_given_back_after_the_write_that_is_under_way(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SystemClock()
    now = clock.now_ms()
    job = replace(make_job(every_s=1, create_ms=now - 3 * SECOND), paused=True)
    entry = entry_of(job, now - 2 * SECOND)
    await store.jobs.create([NewJob(job=job, entry=entry)])

    writes = newest_us = 0
    begun, may_end = asyncio.Event(), asyncio.Event()
    advance = store.schedule.advance

    async def slow(
        stamp: WriteStamp, put: Sequence[ScheduleEntry], remove: Sequence[ScheduleEntry]
    ) -> None:
        nonlocal writes, newest_us
        writes += 1
        newest_us = max(newest_us, stamp.timestamp_us)
        begun.set()
        await may_end.wait()
        await advance(stamp, put, remove)

    monkeypatch.setattr(store.schedule, "advance", slow)
    scheduler = Scheduler(
        store,
        clock,
        Identity(session_id=new_uid(), address="local", version="test"),
        SchedulerOptions(exclusive=True, advance_ms=20, membership_ms=20),
    )
    running = asyncio.create_task(scheduler.run())
    async with asyncio.timeout(20):
        await begun.wait()
        await scheduler.stop()
        # Both the loop and the one who gives the segment back have something to write now.
        await clock.sleep(0.1)
        assert writes == 1
        may_end.set()
        await running
    (lease,) = await store.leases.segments()
    assert lease.session_id == ""
    # Whoever takes it next may have a clock that is behind.
    assert lease.floor_us >= newest_us > 0


async def test_who_is_stopped_while_its_session_has_run_out_waits_for_no_store(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, options = SleepyClock(), SchedulerOptions(exclusive=True, membership_ms=20)
    identity = Identity(session_id=new_uid(), address="local", version="test")
    scheduler = Scheduler(store, clock, identity, options)
    running = asyncio.create_task(scheduler.run())

    async def away(_session: SchedulerSession) -> bool:
        raise StoreUnavailable("away")

    async with asyncio.timeout(20):
        while not scheduler.epochs():
            await asyncio.sleep(0.01)
        monkeypatch.setattr(store.leases, "renew_session", away)
        clock.slept_ms += options.lease_ms
        assert scheduler.permission_left_ms() <= 0
        assert scheduler.epochs(), "it is kept"
        await scheduler.stop()
        await running
    assert not scheduler.epochs()


def is_taken_back(run: LiveRun) -> bool:
    return run.phase is Phase.DROPPED


async def test_a_segment_is_not_given_back_while_a_worker_may_still_publish_what_was_taken_back(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was asked to drop it, as its job was paused, and has not answered."""
    clock = SystemClock()
    now = clock.now_ms()
    job = make_job(at_ms=now + 3 * SECOND, create_ms=now)
    entry = entry_of(job, now + 3 * SECOND)
    await store.jobs.create([NewJob(job=job, entry=entry)])
    options = SchedulerOptions(exclusive=True, worker_lease_ms=100, permission_ms=100, read_ms=20)
    identity = Identity(session_id=new_uid(), address="local", version="test")
    scheduler = Scheduler(store, clock, identity, options)
    running = asyncio.create_task(scheduler.run())
    key = AttemptKey(job.uid, instant_id(now + 3 * SECOND), 1)
    async with asyncio.timeout(20):
        while (run := scheduler.find(key, 0)) is None:
            await asyncio.sleep(0.01)

        def revoke(_: object) -> None:
            """Goes out, and is not answered."""

        monkeypatch.setattr(scheduler.fleet, "revoke", revoke)
        run.phase, run.worker = Phase.ASSIGNED, "w"
        after = changed(job, clock.now_ms(), paused=True)
        told = notice(after, after.update_ms)
        change = JobChange(before=job, after=after, entry=None, inbox=told)
        assert await store.jobs.change(change) is not None
        while not is_taken_back(run):
            await asyncio.sleep(0.01)
        await scheduler.stop()
        await running
    (lease,) = await store.leases.segments()
    assert lease.session_id == identity.session_id
    assert [one.closed for one in await store.leases.sessions()] == [True]
