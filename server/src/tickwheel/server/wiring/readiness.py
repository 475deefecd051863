"""Tells the health service whether the process can do its work."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable

import structlog

from tickwheel.server.domain.clock import Clock
from tickwheel.server.domain.errors import StoreUnavailable
from tickwheel.server.store.port import Store

_log = structlog.get_logger(__name__)

PING_S = 2.0


@contextlib.asynccontextmanager
async def watch_store(
    store: Store,
    clock: Clock,
    set_ready: Callable[[bool], Awaitable[None]],
    begun: asyncio.Event | None = None,
) -> AsyncGenerator[None]:
    """Keeps readiness true as long as the store answers, while the block lasts.

    Args:
        store: is asked every two seconds.
        clock: for the waiting in between.
        set_ready: is told on every change.
        begun: not ready before this is set.
    """
    task = asyncio.create_task(_watch(store, clock, set_ready, begun))
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await set_ready(False)


async def _watch(
    store: Store,
    clock: Clock,
    set_ready: Callable[[bool], Awaitable[None]],
    begun: asyncio.Event | None,
) -> None:
    if begun is not None:
        await begun.wait()
    ready = False
    while True:
        try:
            await store.ping()
            answers = True
        except StoreUnavailable as error:
            answers = False
            if ready:
                _log.warning("not ready: the store does not answer", why=error.message)
        if answers != ready:
            await set_ready(answers)
            if answers:
                _log.info("ready")
        ready = answers
        await clock.sleep(PING_S)
