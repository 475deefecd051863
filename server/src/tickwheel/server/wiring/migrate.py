"""Makes or updates the schema of the store."""

import structlog

from tickwheel.server.domain.clock import SystemClock
from tickwheel.server.settings import Engine, Settings
from tickwheel.server.wiring.signals import stop_event
from tickwheel.server.wiring.stores import cassandra_options, open_store, until_available

_log = structlog.get_logger(__name__)


async def run_migrate(settings: Settings) -> None:
    """Brings the schema up to date, waiting for the store where it is not there yet."""
    clock, stopped = SystemClock(), stop_event()
    if settings.store is Engine.SQLITE:
        # The embedded engine brings its schema up to date whenever it is opened.
        store = await open_store(settings, clock, stopped)
        if store is not None:
            await store.close()
        return
    from tickwheel.server.store.cassandra import SchemaOptions, migrate

    schema = SchemaOptions(
        segments=settings.segments,
        replication=settings.cassandra_replication,
        datacenters=settings.cassandra_datacenters,
    )
    options = cassandra_options(settings)
    steps = await until_available(lambda: migrate(options, schema, clock), settings.store, stopped)
    if steps is not None:
        _log.info("schema is up to date", keyspace=options.keyspace, steps_taken=len(steps))
