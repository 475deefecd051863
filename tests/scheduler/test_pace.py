"""How often a scheduler looks at all its segments when something comes due all the time."""

import asyncio

import pytest

from scheduler.making import SECOND, entry_of, make_job
from tickwheel.server.domain.clock import SystemClock
from tickwheel.server.domain.names import new_uid
from tickwheel.server.scheduler.fairqueue import FairQueue
from tickwheel.server.scheduler.live import LiveRun
from tickwheel.server.scheduler.options import Identity, SchedulerOptions
from tickwheel.server.scheduler.runtime import Scheduler
from tickwheel.server.store.port import LOOK_AHEAD_MS, NewJob
from tickwheel.server.store.sqlite import open_sqlite

JOBS = 200
APART_MS = 5
PACE_MS = 100
#: Runs that lie in the look-ahead when the scheduler begins come all at once, these after them.
RUNS = 300


async def test_what_comes_due_shortly_after_each_other_is_handed_out_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = SystemClock()
    store = await open_sqlite(None, segments=1, clock=clock)
    now_ms = clock.now_ms()
    # Each every second, one after the other: something comes due every five milliseconds.
    instants = [now_ms + number * APART_MS for number in range(JOBS)]
    jobs = [make_job(every_s=1, create_ms=at_ms) for at_ms in instants]
    await store.jobs.create(
        [
            NewJob(job=job, entry=entry_of(job, at_ms + SECOND))
            for job, at_ms in zip(jobs, instants, strict=True)
        ]
    )
    scheduler = Scheduler(
        store,
        clock,
        Identity(session_id=new_uid(), address="local", version="test"),
        SchedulerOptions(exclusive=True, pace_ms=PACE_MS),
    )
    sizes: list[int] = []
    enough = asyncio.Event()
    at_first = JOBS * LOOK_AHEAD_MS // SECOND

    def assign(waiting: FairQueue, most: int, now_ms: int) -> list[LiveRun]:
        taken = waiting.take(most, now_ms, lambda run: True)
        sizes.append(len(taken))
        if sum(sizes) >= at_first + RUNS:
            enough.set()
        return taken

    monkeypatch.setattr(scheduler.fleet, "assign", assign)
    running = asyncio.create_task(scheduler.run())
    async with asyncio.timeout(60):
        await enough.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await store.close()
    total = 0
    later = [size for size in sizes if (total := total + size) > at_first]
    # Twenty in each round, but for those that a reading of the store has asked for.
    assert sum(later) / len(later) >= PACE_MS / APART_MS / 2
