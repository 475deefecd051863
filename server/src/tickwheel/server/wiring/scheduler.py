"""The scheduler as a process."""

import asyncio

import structlog

from tickwheel.server.api.limits import ApiLimits
from tickwheel.server.api.server import Service, start_grpc_server
from tickwheel.server.domain.clock import SystemClock
from tickwheel.server.domain.names import new_uid
from tickwheel.server.scheduler.endpoint import SchedulerEndpoint
from tickwheel.server.scheduler.options import Identity, SchedulerOptions
from tickwheel.server.scheduler.runtime import Scheduler
from tickwheel.server.scheduler.services import scheduler_services
from tickwheel.server.settings import Settings
from tickwheel.server.wiring.limits import dispatch_limits
from tickwheel.server.wiring.readiness import watch_store
from tickwheel.server.wiring.signals import stop_event
from tickwheel.server.wiring.stores import open_store
from tickwheel.server.wiring.telemetry import Observing, observing
from tickwheel.server.wiring.version import program_version
from tickwheel.server.wiring.zones import installed_zone_data
from tickwheel.worker.collector import collecting

_log = structlog.get_logger(__name__)

GRACE_S = 1.0


async def run_scheduler(settings: Settings) -> None:
    """Owns segments and serves workers until SIGINT or SIGTERM."""
    identity = Identity(
        session_id=new_uid(),
        address=settings.advertised_address or settings.grpc_address,
        version=program_version(),
    )
    async with observing(settings, "scheduler", identity.session_id) as seen:
        await _own(settings, identity, seen)


async def _own(settings: Settings, identity: Identity, seen: Observing) -> None:
    clock = SystemClock()
    stopped = stop_event()
    opened = await open_store(settings, clock, stopped)
    if opened is None:
        return
    store = seen.store(opened)
    options = SchedulerOptions(limits=dispatch_limits(settings))
    scheduler = Scheduler(store, clock, identity, options, installed_zone_data())
    endpoint = SchedulerEndpoint(scheduler, store)
    server = await start_grpc_server(
        [Service(name, add) for name, add in scheduler_services(scheduler.fleet, endpoint)],
        settings.grpc_address,
        clock=clock,
        limits=ApiLimits(),
        observer=seen.calls,
    )
    _log.info("scheduler serves", grpc=identity.address, session=identity.session_id)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(scheduler.run())
        async with (
            watch_store(store, clock, server.set_ready, scheduler.ready),
            seen.watching(scheduler, clock),
            collecting(clock),
        ):
            await stopped.wait()
        _log.info("scheduler stops")
        await scheduler.stop()
    await server.stop(GRACE_S)
    await store.close()
