"""What is read of jobs is no older than what was told of them meanwhile."""

import asyncio
from collections.abc import Iterable

import pytest

from scheduler.making import SECOND, changed, entry_of, make_job, make_owner, notice
from tickwheel.server.domain.clock import SystemClock
from tickwheel.server.domain.job import Job
from tickwheel.server.domain.lease import SegmentLease
from tickwheel.server.domain.names import JobKey, new_uid
from tickwheel.server.scheduler.holding import Holding
from tickwheel.server.scheduler.options import Identity, SchedulerOptions
from tickwheel.server.scheduler.reader import News, Reader
from tickwheel.server.scheduler.runtime import Scheduler
from tickwheel.server.store.port import JobChange, NewJob
from tickwheel.server.store.sqlite import open_sqlite


async def test_a_change_is_told_while_another_job_is_read_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = SystemClock()
    store = await open_sqlite(None, segments=1, clock=clock)
    now_ms = clock.now_ms()
    jobs = [make_job(at_ms=now_ms + 60 * SECOND, create_ms=now_ms) for _ in range(3)]
    rows = [entry_of(job, now_ms + 60 * SECOND) for job in jobs]
    await store.jobs.create(
        [NewJob(job=job, entry=row) for job, row in zip(jobs, rows, strict=True)]
    )
    owner = make_owner()
    lease = SegmentLease(segment=0, epoch=1, session_id="s", address="local", floor_us=0)
    identity = Identity(session_id=new_uid(), address="local", version="test")
    fleet = Scheduler(store, clock, identity, SchedulerOptions()).fleet
    reader = Reader(store, clock, fleet, {0: Holding(lease, owner)}, asyncio.Event())
    get_many = store.jobs.get_many
    reads = 0

    async def read(keys: Iterable[JobKey]) -> dict[JobKey, Job]:
        """While the first job is being read anew, the second one changes, and so on."""
        nonlocal reads
        found = await get_many(keys)
        if reads < len(jobs):
            before = jobs[reads]
            reads += 1
            after = changed(before, now_ms, paused=True)
            inbox = notice(after, now_ms)
            change = JobChange(before=before, after=after, entry=None, inbox=inbox)
            assert await store.jobs.change(change) is not None
            await reader.notice([News(after.key, 0, after.version)])
        return found

    monkeypatch.setattr(store.jobs, "get_many", read)
    await reader.load(rows)
    assert reads == len(jobs)
    assert [job.uid for job in jobs if owner.is_behind(job.uid, 2)] == []
    assert all(owner.has_at_hand(job.uid) for job in jobs)
    await store.close()
