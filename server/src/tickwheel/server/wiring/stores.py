"""Opens the store that the settings name, waiting for it where it is not there yet."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import structlog

from tickwheel.server.domain.clock import Clock
from tickwheel.server.domain.errors import StoreUnavailable
from tickwheel.server.settings import Engine, Settings
from tickwheel.server.store.port import Store

if TYPE_CHECKING:
    from tickwheel.server.store.cassandra import CassandraOptions

_log = structlog.get_logger(__name__)

MEMORY = ":memory:"
RETRY_S = 1.0


def data_dir(settings: Settings) -> Path | None:
    """Where the embedded engine keeps its files; None for memory."""
    return None if settings.data == MEMORY else Path(settings.data).expanduser()


T = TypeVar("T")


async def open_store(settings: Settings, clock: Clock, stopped: asyncio.Event) -> Store | None:
    """Opens the store, waiting for it; None when the process is asked to stop meanwhile.

    Raises:
        DataInUseError: another process has the embedded engine's data.
        StoreUnavailable: the embedded engine cannot use its data; waiting does not help.
    """
    if settings.store is Engine.SQLITE:
        return await _open(settings, clock)
    return await until_available(lambda: _open(settings, clock), settings.store, stopped)


async def until_available(
    attempt: Callable[[], Awaitable[T]], engine: str, stopped: asyncio.Event
) -> T | None:
    """Repeats what the store refuses as unavailable; says plainly, once, what is waited for.

    None when the process is asked to stop meanwhile.
    """
    said = ""
    while not stopped.is_set():
        try:
            return await attempt()
        except StoreUnavailable as error:
            if error.message != said:
                _log.warning("waiting for the store", engine=engine, why=error.message)
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
    from tickwheel.server.store.cassandra import open_cassandra

    return await open_cassandra(cassandra_options(settings), clock)


def cassandra_options(settings: Settings) -> "CassandraOptions":
    """How the settings say to reach Cassandra."""
    from tickwheel.server.store.cassandra import CassandraOptions

    return CassandraOptions(
        contact_points=settings.cassandra_contact_points,
        keyspace=settings.cassandra_keyspace,
        consistency=settings.cassandra_consistency,
        serial_consistency=settings.cassandra_serial_consistency,
        local_dc=settings.cassandra_local_dc,
        username=settings.cassandra_username,
        password=settings.cassandra_password.get_secret_value(),
        request_timeout_s=settings.cassandra_request_timeout_s,
        speculative_delay_s=settings.cassandra_speculative_delay_s,
    )
