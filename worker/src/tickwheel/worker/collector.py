"""Python's garbage collector, kept out of the way of what is due.

Left alone it passes over everything that is held, again and again, while tens of thousands of
runs come in: that doubles their cost, and a pass amid a burst makes it late. What schedulers and
workers hold is freed by reference counts; only the odd cycle is left to collect, and that can wait.
"""

import asyncio
import contextlib
import gc
from collections.abc import AsyncGenerator, Callable

from tickwheel.worker.clock import Clock

#: How often it is looked whether to collect, in seconds.
_LOOK_S = 1.0
#: A collection of what is young takes some milliseconds, one of everything up to 100.
_YOUNG_QUIET_MS = 50
_FULL_QUIET_MS = 500
#: Fewer new objects than this are not worth a collection.
_FEW = 10_000
#: So many are collected however busy it is; as many objects are some 100 MB.
_MANY = 1_000_000
#: A full collection is due this long after the last, and is done in any case after ten times that.
_FULL_EVERY_MS = 60_000


@contextlib.asynccontextmanager
async def collecting(
    clock: Clock, quiet_ms: Callable[[], int | None] = lambda: None
) -> AsyncGenerator[None]:
    """Collects in quiet moments, and only then, while the block lasts.

    Args:
        clock: for the pauses.
        quiet_ms: for how many milliseconds nothing is due; None for ever.
    """
    collector = asyncio.create_task(collect_when_quiet(quiet_ms, clock))
    try:
        yield
    finally:
        collector.cancel()
        await asyncio.gather(collector, return_exceptions=True)


async def collect_when_quiet(quiet_ms: Callable[[], int | None], clock: Clock) -> None:
    """Takes the collector over for as long as it runs.

    Args:
        quiet_ms: for how many milliseconds nothing is due; None for ever.
        clock: for the pauses.
    """
    gc.collect()
    gc.freeze()
    gc.disable()
    full_ms = clock.steady_ms()
    try:
        while True:
            await clock.sleep(_LOOK_S)
            since_ms = clock.steady_ms() - full_ms
            quiet = quiet_ms()
            if _is_due(since_ms, quiet, _FULL_QUIET_MS):
                gc.collect()
                full_ms = clock.steady_ms()
            elif (new := gc.get_count()[0]) > _MANY or (
                new > _FEW and (quiet is None or quiet > _YOUNG_QUIET_MS)
            ):
                gc.collect(1)
    finally:
        gc.enable()
        gc.unfreeze()


def _is_due(since_ms: int, quiet: int | None, needed_ms: int) -> bool:
    if since_ms > 10 * _FULL_EVERY_MS:
        return True
    return since_ms > _FULL_EVERY_MS and (quiet is None or quiet > needed_ms)
