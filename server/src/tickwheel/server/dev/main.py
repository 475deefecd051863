"""Dev mode's process."""

import asyncio
import contextlib
import os
import random
import socket
import sys
from pathlib import Path

import structlog

from tickwheel.server.api.build import build_api
from tickwheel.server.api.limits import ApiLimits
from tickwheel.server.api.server import Service, start_grpc_server
from tickwheel.server.dev.gateway import check_free, find_gateway, gateway_child
from tickwheel.server.dev.publisher import EmbeddedPublisher
from tickwheel.server.domain.clock import SystemClock
from tickwheel.server.domain.names import new_uid
from tickwheel.server.owner.directory import OwnerDirectory
from tickwheel.server.owner.schedulers import Schedulers
from tickwheel.server.records.log import RecordLog
from tickwheel.server.records.service import RecordService
from tickwheel.server.scheduler.endpoint import SchedulerEndpoint
from tickwheel.server.scheduler.options import Identity, SchedulerOptions
from tickwheel.server.scheduler.runtime import Scheduler
from tickwheel.server.scheduler.services import scheduler_services
from tickwheel.server.settings import Settings
from tickwheel.server.wiring.limits import dispatch_limits
from tickwheel.server.wiring.readiness import watch_store
from tickwheel.server.wiring.signals import stop_event
from tickwheel.server.wiring.stores import data_dir, open_store
from tickwheel.server.wiring.telemetry import Observing, observing
from tickwheel.server.wiring.version import program_version
from tickwheel.server.wiring.zones import installed_zone_data
from tickwheel.worker.collector import collecting
from tickwheel.worker.core import Identity as WorkerIdentity
from tickwheel.worker.core import Limits, WorkerCore
from tickwheel.worker.memory_connector import MemoryConnector
from tickwheel.worker.runtime import Worker, WorkerOptions

_log = structlog.get_logger(__name__)

LOCAL = "local"
GRACE_S = 1.0
#: What the scheduler does in one turn of the loop: the worker waits for it.
SLICE = 100
#: How long a thread may keep the interpreter's lock where another one wants it, in seconds.
SWITCH_S = 0.001
#: Seven eighths of it, which one user may fill, are more than 20,000.
WINDOW = Limits(count=24_000, size=64 << 20)


async def run_dev(settings: Settings) -> None:
    """Runs every part until SIGINT or SIGTERM."""
    program = find_gateway(settings)
    if program is not None:
        check_free(settings.http_address)
    identity = Identity(session_id=new_uid(), address=LOCAL, version=program_version())
    async with observing(settings, "dev", identity.session_id) as seen:
        await _live(settings, identity, program, seen)


async def _live(
    settings: Settings, identity: Identity, program: Path | None, seen: Observing
) -> None:
    # SQLite's threads compute beside the event loop: what is due waits for their turns to end.
    sys.setswitchinterval(SWITCH_S)
    clock = SystemClock()
    stopped = stop_event()
    opened = await open_store(settings, clock, stopped)
    if opened is None:
        return
    store = seen.store(opened)
    folder = data_dir(settings)
    # The lock on the data directory makes sure that no other scheduler lives.
    options = SchedulerOptions(exclusive=True, limits=dispatch_limits(settings), slice=SLICE)
    scheduler = Scheduler(store, clock, identity, options, installed_zone_data())
    endpoint = SchedulerEndpoint(scheduler, store)
    limits = ApiLimits(max_payload_bytes=settings.payload_limit)
    log = await RecordLog.open(folder / "records.db" if folder else None, clock)
    records = RecordService(log)
    owners = OwnerDirectory(store.leases, clock, lambda _: endpoint)
    schedulers = Schedulers(store.leases, clock, lambda _: endpoint)
    api = build_api(store, owners, clock, limits, schedulers, records)
    worker = Worker(
        WorkerCore(
            WorkerIdentity(
                worker_id=LOCAL,
                version=program_version(),
                host=f"{socket.gethostname()} (pid {os.getpid()})",
            ),
            WINDOW,
            [LOCAL],
        ),
        clock,
        MemoryConnector({LOCAL: scheduler.fleet.serve}),
        seen.publisher(EmbeddedPublisher(log, clock), "tickwheel"),
        WorkerOptions(),
        random.Random(),
    )
    services = [Service(name, add) for name, add in scheduler_services(scheduler.fleet, endpoint)]
    server = await start_grpc_server(
        [*api.services, *services],
        settings.grpc_address,
        clock=clock,
        limits=limits,
        observer=seen.calls,
    )
    async with contextlib.AsyncExitStack() as children:
        async with asyncio.TaskGroup() as tasks:
            scheduling = tasks.create_task(scheduler.run())
            working = tasks.create_task(worker.run())
            async with (
                watch_store(store, clock, server.set_ready, scheduler.ready),
                seen.watching(scheduler, clock),
                seen.holding(worker, clock),
                collecting(clock, lambda: worker.quiet_ms),
            ):
                if program is not None:
                    await children.enter_async_context(gateway_child(program, settings))
                greet(settings, program is not None)
                await stopped.wait()
            _log.info("stopping")
            worker.stop()
            await working
            await scheduler.stop()
            await scheduling
        records.stop()
        await server.stop(GRACE_S, api.end_streams)
    await log.close()
    await store.close()


def greet(settings: Settings, has_gateway: bool) -> None:
    """Says where everything is: on standard output, for standard error has nothing but logs."""
    rest = (
        f"REST   http://{settings.http_address}"
        if has_gateway
        else "REST   not served: tickwheel-gateway was not found (it is built with Go)"
    )
    sys.stdout.write(
        f"Tickwheel runs on {settings.data}. Ctrl-C stops it.\n"
        f"  gRPC   {settings.grpc_address}\n  {rest}\n"
    )
    sys.stdout.flush()
