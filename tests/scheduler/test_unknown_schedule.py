"""A job whose schedule cannot be computed here, by older data or an older program, waits alone."""

import asyncio
from dataclasses import replace

import pytest

from scheduler.making import (
    NOW,
    SECOND,
    assign,
    changed,
    entry_of,
    load,
    make_job,
    make_owner,
    notice,
)
from scheduler.running import until_owned
from tickwheel.server.convert.schedule import schedule_of
from tickwheel.server.domain.clock import SystemClock
from tickwheel.server.domain.job import Job
from tickwheel.server.domain.names import instant_id, new_uid
from tickwheel.server.domain.occurrence import ScheduleEntry
from tickwheel.server.schedule import ScheduleError
from tickwheel.server.scheduler.live import AttemptKey
from tickwheel.server.scheduler.options import Identity, SchedulerOptions
from tickwheel.server.scheduler.runtime import Scheduler
from tickwheel.server.scheduler.strays import stray_run
from tickwheel.server.store.port import NewJob, Store

CLOCK = SystemClock()


def of_an_unknown_zone(at_ms: int) -> tuple[Job, ScheduleEntry]:
    """A job whose api has newer time-zone data, and its row."""
    job = make_job(every_s=10, create_ms=at_ms)
    row = entry_of(job, at_ms)
    job.spec.schedule.time_zone = "Mars/Olympus"
    with pytest.raises(ScheduleError):
        schedule_of(job)
    return job, row


async def test_all_others_are_fired(store: Store) -> None:
    now_ms = CLOCK.now_ms()
    unknown, row = of_an_unknown_zone(now_ms)
    await store.jobs.create([NewJob(job=unknown, entry=row, inbox=notice(unknown, now_ms, row))])
    identity = Identity(session_id=new_uid(), address="local", version="test")
    scheduler = Scheduler(store, CLOCK, identity, SchedulerOptions(exclusive=True, read_ms=20))
    running = asyncio.create_task(scheduler.run())
    async with asyncio.timeout(20):
        await until_owned(scheduler)
        now_ms = CLOCK.now_ms()
        job = make_job(at_ms=now_ms, create_ms=now_ms)
        entry = entry_of(job, now_ms)
        await store.jobs.create([NewJob(job=job, entry=entry, inbox=notice(job, now_ms, entry))])
        key = AttemptKey(job.uid, instant_id(now_ms), 1)
        while scheduler.find(key, 0) is None:
            assert not running.done()
            await asyncio.sleep(0.005)
        assert scheduler.find(AttemptKey(unknown.uid, row.run_id, 1), 0) is None
        await scheduler.stop()
        await running


def test_it_holds_its_place_and_is_fired_once_it_is_known() -> None:
    owner = make_owner()
    job, row = of_an_unknown_zone(NOW)
    assert load(owner, job, row) == []
    assert owner.position_ms(NOW + 60 * SECOND) == NOW
    assert owner.uncommitted(NOW + SECOND) == [row]
    job.spec.schedule.time_zone = "UTC"
    assert [run.due_ms for run in load(owner, job, row)] == [NOW]


def test_a_change_to_it_is_not_taken_for_heard_of() -> None:
    owner = make_owner()
    job = make_job(every_s=10)
    load(owner, job, entry_of(job, NOW))
    spec = type(job.spec)()
    spec.CopyFrom(job.spec)
    spec.schedule.time_zone = "Mars/Olympus"
    after = changed(job, NOW + 1, spec=spec, generation=2, schedule_from_ms=NOW + 2)
    row = replace(entry_of(job, NOW + 10 * SECOND), generation=2)
    assert owner.notice(notice(after, NOW + 1, row), after, NOW + 1) == []
    assert owner.change(after, None, NOW + 1) == []
    owner.rederive([row], {after.key: after}, NOW + 1)
    assert owner.is_behind(job.uid, after.version)
    owner.step(NOW + 1)
    assert assign(owner) == []


def test_what_is_on_the_log_of_it_has_a_run() -> None:
    job, row = of_an_unknown_zone(NOW)
    run = stray_run(instant_id(row.schedule_ms), 1, job, (), schedule_of)
    assert run.due_ms == NOW
