"""What a scheduler does first with a segment of which much came due while nobody owned it."""

import asyncio

import pytest

from scheduler.making import SECOND, entry_of, make_job
from scheduler.running import until_owned
from scheduler.test_desk import CLOCK
from tickwheel.server.domain.names import new_uid
from tickwheel.server.scheduler.cursors import Cursors
from tickwheel.server.scheduler.options import Identity, SchedulerOptions
from tickwheel.server.scheduler.runtime import Scheduler
from tickwheel.server.store.port import NewJob, Store

SLICE = 50


async def test_what_came_due_meanwhile_is_gone_over_by_slices(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its session is renewed on the same event loop, and that of many segments adds up."""
    now_ms = CLOCK.now_ms()
    begun_ms = now_ms - 10 * SLICE * SECOND
    job = make_job(every_s=1, create_ms=begun_ms)
    await store.jobs.create([NewJob(job=job, entry=entry_of(job, begun_ms))])
    step = Cursors.step
    passed: list[int] = []

    def noted(cursors: Cursors, at_ms: int, most: int) -> int:
        passed.append(step(cursors, at_ms, most))
        return passed[-1]

    monkeypatch.setattr(Cursors, "step", noted)
    options = SchedulerOptions(exclusive=True, read_ms=20, slice=SLICE)
    identity = Identity(session_id=new_uid(), address="local", version="test")
    scheduler = Scheduler(store, CLOCK, identity, options)
    running = asyncio.create_task(scheduler.run())
    async with asyncio.timeout(20):
        await until_owned(scheduler)
        while sum(passed) < 10 * SLICE:
            await asyncio.sleep(0.005)
    await scheduler.stop()
    await running
    assert max(passed) <= SLICE
