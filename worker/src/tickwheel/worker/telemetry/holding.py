"""What a worker holds, sampled once a second."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator

from tickwheel.worker.clock import Clock
from tickwheel.worker.runtime import Worker
from tickwheel.worker.telemetry.names import HELD, UNACKNOWLEDGED
from tickwheel.worker.telemetry.setup import Telemetry

_SAMPLE_S = 1.0


@contextlib.asynccontextmanager
async def sampled(worker: Worker, telemetry: Telemetry, clock: Clock) -> AsyncGenerator[None]:
    """Looks again and again while the block lasts."""
    held, unacknowledged = telemetry.gauge(HELD), telemetry.gauge(UNACKNOWLEDGED)

    async def look() -> None:
        while True:
            held.set(worker.held_count)
            unacknowledged.set(worker.unacknowledged)
            await clock.sleep(_SAMPLE_S)

    task = asyncio.create_task(look(), name="metrics")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
