"""The api as a process."""

import structlog

from tickwheel.server.api.build import build_api
from tickwheel.server.api.limits import ApiLimits
from tickwheel.server.api.server import start_grpc_server
from tickwheel.server.domain.clock import SystemClock
from tickwheel.server.owner.directory import OwnerDirectory
from tickwheel.server.owner.remote import RemoteOwners
from tickwheel.server.owner.schedulers import Schedulers
from tickwheel.server.settings import Settings
from tickwheel.server.wiring.readiness import watch_store
from tickwheel.server.wiring.signals import stop_event
from tickwheel.server.wiring.stores import open_store
from tickwheel.server.wiring.telemetry import Observing, observing
from tickwheel.worker.about import process_name
from tickwheel.worker.collector import collecting

_log = structlog.get_logger(__name__)

GRACE_S = 4.0


async def run_api(settings: Settings) -> None:
    """Serves until SIGINT or SIGTERM."""
    # Many may be told the same address to listen on, each on a machine of its own.
    async with observing(settings, "api", process_name()) as seen:
        await _serve(settings, seen)


async def _serve(settings: Settings, seen: Observing) -> None:
    clock = SystemClock()
    stopped = stop_event()
    opened = await open_store(settings, clock, stopped)
    if opened is None:
        return
    store = seen.store(opened)
    remote = RemoteOwners(seen.interceptors)
    limits = ApiLimits(max_payload_bytes=settings.payload_limit)
    owners = OwnerDirectory(store.leases, clock, remote.dial)
    schedulers = Schedulers(store.leases, clock, remote.dial)
    api = build_api(store, owners, clock, limits, schedulers)
    server = await start_grpc_server(
        api.services,
        settings.grpc_address,
        clock=clock,
        limits=limits,
        observer=seen.calls,
    )
    _log.info("api serves", grpc=settings.grpc_address, store=store.engine)
    async with watch_store(store, clock, server.set_ready), collecting(clock):
        await stopped.wait()
    _log.info("api stops")
    await server.stop(GRACE_S, api.end_streams)
    await remote.close()
    await store.close()
