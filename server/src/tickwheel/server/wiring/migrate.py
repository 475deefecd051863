"""Makes or updates the schema of the store."""

import structlog
from tickwheel.server.domain.clock import SystemClock
from tickwheel.server.settings import Settings
from tickwheel.server.wiring.signals import stop_event
from tickwheel.server.wiring.stores import open_store

_log = structlog.get_logger(__name__)


async def run_migrate(settings: Settings) -> None:
    """Brings the schema up to date, waiting for the store where it is not there yet."""
    store = await open_store(settings, SystemClock(), stop_event())
    if store is not None:
        # An engine brings its schema up to date whenever it is opened.
        await store.close()
        _log.info("schema is up to date", engine=settings.store)
