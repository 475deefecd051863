"""A scheduler and a worker whose clocks contradict each other, on the embedded store."""

import asyncio
import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
from typing_extensions import override

from scheduler.making import SECOND, entry_of, make_job, notice
from scheduler.running import until_owned
from tickwheel.server.dev.publisher import EmbeddedPublisher
from tickwheel.server.domain.clock import SystemClock
from tickwheel.server.domain.job import Job
from tickwheel.server.domain.names import instant_id, new_uid
from tickwheel.server.domain.run import Run, RunState
from tickwheel.server.records.log import RecordLog
from tickwheel.server.scheduler.options import Identity, SchedulerOptions
from tickwheel.server.scheduler.runtime import Scheduler
from tickwheel.server.store.port import NewJob, Store
from tickwheel.v1 import run_pb2
from tickwheel.worker.core import Identity as WorkerIdentity
from tickwheel.worker.core import Limits, WorkerCore
from tickwheel.worker.memory_connector import MemoryConnector
from tickwheel.worker.runtime import Worker, WorkerOptions

HOURS_MS = 7_200_000
OPTIONS = SchedulerOptions(membership_ms=20, read_ms=20, renew_ms=100, heartbeat_ms=50)


class OffClock(SystemClock):
    """Its wall clock may be off."""

    def __init__(self, off_ms: int = 0) -> None:
        self.off_ms = off_ms

    @override
    def now_ms(self) -> int:
        return super().now_ms() + self.off_ms

    @override
    def now_us(self) -> int:
        return super().now_us() + self.off_ms * 1000


@asynccontextmanager
async def running(
    store: Store, scheduler_clock: OffClock, worker_clock: OffClock
) -> AsyncGenerator[Scheduler]:
    """Both as in dev mode, but each with a clock of its own."""
    identity = Identity(session_id=new_uid(), address="local", version="test")
    scheduler = Scheduler(store, scheduler_clock, identity, OPTIONS)
    log = await RecordLog.open(None, worker_clock)
    worker = Worker(
        WorkerCore(
            WorkerIdentity(worker_id="w", version="test", host="here"),
            Limits(100, 1 << 20),
            ["local"],
        ),
        worker_clock,
        MemoryConnector({"local": scheduler.fleet.serve}),
        EmbeddedPublisher(log, worker_clock),
        WorkerOptions(),
        random.Random(1),
    )
    async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
        scheduling = tasks.create_task(scheduler.run())
        working = tasks.create_task(worker.run())
        await until_owned(scheduler)
        yield scheduler
        worker.stop()
        await working
        await scheduler.stop()
        await scheduling
    await log.close()


async def create(store: Store, job: Job, due_ms: int) -> None:
    row = entry_of(job, due_ms)
    inbox = notice(job, SystemClock().now_ms(), row)
    await store.jobs.create([NewJob(job=job, entry=row, inbox=inbox)])


async def ended(store: Store, job: Job, due_ms: int) -> Run:
    while True:
        run = await store.runs.get(job.uid, instant_id(due_ms))
        if run is not None and run.state.is_final:
            return run
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("window_s", [0, 10, 3_600])
async def test_a_scheduler_that_is_hours_ahead_skips_nothing_that_is_not_due(
    store: Store, window_s: int
) -> None:
    clock = OffClock(HOURS_MS)
    now_ms = SystemClock().now_ms()
    due_ms = now_ms + 6 * SECOND
    once = make_job(at_ms=due_ms, create_ms=now_ms, window_s=window_s)
    far = make_job(at_ms=now_ms + HOURS_MS // 2, create_ms=now_ms, window_s=window_s)
    await create(store, once, due_ms)
    await create(store, far, now_ms + HOURS_MS // 2)
    async with running(store, clock, OffClock()):
        run = await ended(store, once, due_ms)
        assert run.state is RunState.SUCCEEDED
        assert due_ms <= run.publish_ms < due_ms + SECOND
        # It is set right.
        clock.off_ms = 0
        again_ms = SystemClock().now_ms() // SECOND * SECOND + 3 * SECOND
        again = make_job(at_ms=again_ms, create_ms=now_ms, window_s=window_s)
        await create(store, again, again_ms)
        assert (await ended(store, again, again_ms)).state is RunState.SUCCEEDED
        found = await store.runs.get(far.uid, instant_id(now_ms + HOURS_MS // 2))
        assert found is None


async def test_what_the_only_worker_contradicts_is_skipped_once_it_is_set_right(
    store: Store,
) -> None:
    worker_clock = OffClock(-HOURS_MS)
    now_ms = SystemClock().now_ms()
    due_ms = now_ms - 60 * SECOND
    missed = make_job(at_ms=due_ms, create_ms=due_ms - SECOND, window_s=1)
    await create(store, missed, due_ms)
    # What the worker, too, takes to have come is run, so the schedule was read.
    early_ms = due_ms - HOURS_MS
    other = make_job(at_ms=early_ms, create_ms=early_ms - SECOND, window_s=None)
    await create(store, other, early_ms)
    async with running(store, OffClock(), worker_clock) as scheduler:
        assert (await ended(store, other, early_ms)).state is RunState.SUCCEEDED
        assert scheduler.fleet.clock.ahead_ms > 0
        assert await store.runs.get(missed.uid, instant_id(due_ms)) is None
        worker_clock.off_ms = 0
        run = await ended(store, missed, due_ms)
        assert run.state is RunState.SKIPPED
        assert run.skip_reason == run_pb2.SKIP_REASON_CATCH_UP_WINDOW
