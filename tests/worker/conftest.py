"""A worker in virtual time."""

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from tickwheel.worker.core import Identity, Limits, WorkerCore
from tickwheel.worker.memory_connector import MemoryConnector, Serve
from tickwheel.worker.runtime import Worker, WorkerOptions
from worker.fakes import FakePublisher, FakeScheduler
from worker.making import NOW_MS
from worker.virtual import VirtualClock, VirtualTime


@dataclass
class World:
    """A worker, its log, and schedulers by address; `a` is there from the beginning."""

    time: VirtualTime
    clock: VirtualClock
    scheduler: FakeScheduler
    schedulers: dict[str, Serve]
    publisher: FakePublisher
    worker: Worker
    core: WorkerCore
    running: asyncio.Task[None] | None = field(default=None)

    def start(self) -> None:
        self.running = asyncio.create_task(self.worker.run())

    def add_scheduler(self, address: str) -> FakeScheduler:
        scheduler = FakeScheduler(self.time, f"scheduler {address}")
        self.schedulers[address] = scheduler.serve
        return scheduler


@pytest.fixture
async def world() -> AsyncIterator[World]:
    time = VirtualTime(NOW_MS)
    clock = VirtualClock(time)
    scheduler = FakeScheduler(time)
    schedulers: dict[str, Serve] = {"a": scheduler.serve}
    publisher = FakePublisher(time)
    core = WorkerCore(
        Identity(worker_id="w", version="1", host="h"), Limits(20_000, 64 << 20), ["a"]
    )
    worker = Worker(
        core, clock, MemoryConnector(schedulers), publisher, WorkerOptions(), random.Random(1)
    )
    world = World(time, clock, scheduler, schedulers, publisher, worker, core)
    world.start()
    await time.advance(10)
    yield world
    if world.running is not None:
        world.running.cancel()
        await asyncio.gather(world.running, return_exceptions=True)
