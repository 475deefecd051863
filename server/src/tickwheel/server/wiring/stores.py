"""Opens the store that the settings name, waiting for it where it is not there yet."""

import asyncio
import contextlib
from pathlib import Path

import structlog
from tickwheel.server.domain.clock import Clock
from tickwheel.server.domain.errors import StoreUnavailable
from tickwheel.server.settings import Engine, Settings
from tickwheel.server.store.port import Store

_log = structlog.get_logger(__name__)

MEMORY = ":memory:"
RETRY_S = 1.0


def data_dir(settings: Settings) -> Path | None:
    """Where the embedded engine keeps its files; None for memory."""
    return None if settings.data == MEMORY else Path(settings.data).expanduser()


async def open_store(settings: Settings, clock: Clock, stopped: asyncio.Event) -> Store | None:
    """Opens the store; says plainly what it waits for, and waits as long as it must.

    None when the process is asked to stop meanwhile.
    """
    said = ""
    while not stopped.is_set():
        try:
            return await _open(settings, clock)
        except StoreUnavailable as error:
            if error.message != said:
                _log.warning("waiting for the store", engine=settings.store, why=error.message)
                said = error.message
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(RETRY_S):
                await stopped.wait()
    return None


async def _open(settings: Settings, clock: Clock) -> Store:
    # Imported here so that a process loads the driver of its own engine alone.
    if settings.store is Engine.SQLITE:
        from tickwheel.server.store.sqlite import open_sqlite

        folder = data_dir(settings)
        path = None if folder is None else folder / "tickwheel.db"
        return await open_sqlite(path, segments=settings.segments, clock=clock)
    raise EngineMissingError("the Cassandra engine is not complete yet; use TICKWHEEL_STORE=sqlite")


class EngineMissingError(Exception):
    """The settings name an engine that this release does not have."""
