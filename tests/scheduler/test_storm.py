"""What a scheduler does first when one user has thousands of runs due and another one has one."""

import asyncio
from dataclasses import replace

import pytest

from scheduler.making import SECOND, entry_of, make_job
from tickwheel.server.domain.clock import SystemClock
from tickwheel.server.domain.job import Job
from tickwheel.server.domain.names import new_uid
from tickwheel.server.scheduler.fairqueue import FairQueue
from tickwheel.server.scheduler.live import LiveRun
from tickwheel.server.scheduler.options import Identity, SchedulerOptions
from tickwheel.server.scheduler.runtime import Scheduler
from tickwheel.server.store.port import NewJob
from tickwheel.server.store.sqlite import open_sqlite

SLICE = SchedulerOptions().slice
STORM = 6 * SLICE


def job_of(user: str, at_ms: int, create_ms: int) -> Job:
    return replace(make_job(at_ms=at_ms, create_ms=create_ms), user=user)


async def test_the_run_of_another_is_not_behind_the_storm_though_it_is_due_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = SystemClock()
    store = await open_sqlite(None, segments=1, clock=clock)
    now_ms = clock.now_ms()
    jobs = [job_of("storm", now_ms + SECOND, now_ms) for _ in range(STORM)]
    calm = job_of("calm", now_ms + 2 * SECOND, now_ms)
    new = [
        NewJob(job=job, entry=entry_of(job, job.spec.schedule.at.ToMilliseconds()))
        for job in [*jobs, calm]
    ]
    await store.jobs.create(new)
    scheduler = Scheduler(
        store,
        clock,
        Identity(session_id=new_uid(), address="local", version="test"),
        SchedulerOptions(exclusive=True),
    )
    users: list[str] = []
    others = 0
    everything = asyncio.Event()

    def assign(waiting: FairQueue, most: int, now_ms: int) -> list[LiveRun]:
        taken = waiting.take(most, now_ms, lambda run: True)
        users.extend(run.job.user for run in taken)
        if len(users) == len(new):
            everything.set()
        return taken

    async def beside() -> None:
        """Has its turn whenever the scheduler lets others go on."""
        nonlocal others
        while not everything.is_set():
            others += 0 < len(users) < len(new)
            await asyncio.sleep(0)

    monkeypatch.setattr(scheduler.fleet, "assign", assign)
    running = asyncio.create_task(scheduler.run())
    async with asyncio.timeout(60):
        await beside()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await store.close()
    assert users.index("calm") < SLICE
    # Nor does the storm keep the event loop, on which heartbeats are answered, for itself.
    assert others >= 5
