"""Makes or updates the schema of the store."""

import structlog

from tickwheel.server.domain.clock import SystemClock
from tickwheel.server.domain.errors import StoreUnavailable
from tickwheel.server.settings import Engine, Settings
from tickwheel.server.wiring.signals import stop_event
from tickwheel.server.wiring.stores import RETRY_S, cassandra_options, open_store

_log = structlog.get_logger(__name__)


async def run_migrate(settings: Settings) -> None:
    """Brings the schema up to date, waiting for the store where it is not there yet."""
    clock = SystemClock()
    stopped = stop_event()
    if settings.store is Engine.SQLITE:
        # The embedded engine brings its schema up to date whenever it is opened.
        store = await open_store(settings, clock, stopped)
        if store is not None:
            await store.close()
        return
    from tickwheel.server.store.cassandra import migrate_cassandra

    said = ""
    while not stopped.is_set():
        try:
            await migrate_cassandra(cassandra_options(settings), segments=settings.segments)
        except StoreUnavailable as error:
            if error.message != said:
                _log.warning("waiting for the store", engine=settings.store, why=error.message)
                said = error.message
            await clock.sleep(RETRY_S)
        else:
            _log.info("schema is up to date", keyspace=settings.cassandra_keyspace)
            return
