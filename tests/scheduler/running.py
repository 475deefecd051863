"""Whole schedulers that run in a test."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from tickwheel.server.domain.clock import SystemClock
from tickwheel.server.domain.names import new_uid
from tickwheel.server.scheduler.options import Identity, SchedulerOptions
from tickwheel.server.scheduler.runtime import Scheduler
from tickwheel.server.store.port import Store


@asynccontextmanager
async def owning(store: Store, options: SchedulerOptions) -> AsyncGenerator[Scheduler]:
    """One that owns something from the beginning of the block on, and gives it back at its end."""
    identity = Identity(session_id=new_uid(), address="local", version="test")
    made = Scheduler(store, SystemClock(), identity, options)
    running = asyncio.create_task(made.run())
    async with asyncio.timeout(20):
        await until_owned(made)
    yield made
    await made.stop()
    await running


async def until_owned(scheduler: Scheduler) -> None:
    """Until it has a segment that may be served."""
    while not scheduler.epochs():
        await asyncio.sleep(0.005)
