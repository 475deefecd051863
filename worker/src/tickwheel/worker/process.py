"""The worker's process: wires the parts together and runs until a signal."""

import asyncio
import os
import random
import signal
import socket
from contextlib import AsyncExitStack
from importlib.metadata import version
from typing import TYPE_CHECKING

import structlog
import uvloop

from tickwheel.worker.about import visible
from tickwheel.worker.clock import Clock, SystemClock
from tickwheel.worker.collector import collecting
from tickwheel.worker.core import Identity, Limits, WorkerCore
from tickwheel.worker.grpc_connector import GrpcConnector
from tickwheel.worker.health import serve_health
from tickwheel.worker.publisher.kafka import KafkaPublisher
from tickwheel.worker.publisher.kafka_lane import KafkaOptions
from tickwheel.worker.publisher.port import Publisher
from tickwheel.worker.runtime import Worker, WorkerOptions
from tickwheel.worker.settings import WorkerSettings

if TYPE_CHECKING:
    from tickwheel.worker.telemetry.setup import Telemetry

_log = structlog.get_logger(__name__)


def run_process(
    settings: WorkerSettings, clock: Clock | None = None, publisher: Publisher | None = None
) -> None:
    """Runs a worker on Kafka until SIGTERM or SIGINT.

    Args:
        settings: what it is told.
        clock: in place of the machine's, for drills.
        publisher: in place of Kafka's, for benches.
    """
    uvloop.run(_run(settings, clock or SystemClock(), publisher))


def _kafka(settings: WorkerSettings, clock: Clock) -> Publisher:
    options = KafkaOptions(
        bootstrap=settings.kafka_bootstrap, client_id=f"tickwheel-{settings.worker_id}"
    )
    return KafkaPublisher(options, clock)


async def _run(settings: WorkerSettings, clock: Clock, publisher: Publisher | None) -> None:
    publisher = publisher or _kafka(settings, clock)
    if not (settings.metrics_address or settings.otlp_endpoint):
        await _work(settings, clock, publisher, None)
        return
    from tickwheel.worker.telemetry.setup import Telemetry, TelemetryOptions

    telemetry = Telemetry(
        TelemetryOptions(
            service="tickwheel-worker",
            instance=settings.worker_id,
            version=version("tickwheel-worker"),
            metrics_address=settings.metrics_address,
            metrics_required="metrics_address" in settings.model_fields_set,
            otlp_endpoint=settings.otlp_endpoint,
            settings=visible(settings),
        )
    )
    try:
        await _work(settings, clock, publisher, telemetry)
    finally:
        await asyncio.to_thread(telemetry.close)


async def _work(
    settings: WorkerSettings, clock: Clock, publisher: Publisher, telemetry: "Telemetry | None"
) -> None:
    identity = Identity(
        worker_id=settings.worker_id,
        version=version("tickwheel-worker"),
        host=f"{socket.gethostname()} (pid {os.getpid()})",
    )
    limits = Limits(settings.worker_window_count, settings.worker_window_bytes)
    if telemetry is not None:
        from tickwheel.worker.telemetry.publisher import ObservedPublisher

        publisher = ObservedPublisher(publisher, telemetry, "kafka")
    worker = Worker(
        WorkerCore(identity, limits, settings.scheduler_addresses),
        clock,
        GrpcConnector(),
        publisher,
        WorkerOptions(),
        random.Random(),
    )
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, worker.stop)
    async with AsyncExitStack() as stack:
        if settings.worker_health_address:
            health = serve_health(settings.worker_health_address, lambda: worker.ready)
            await stack.enter_async_context(health)
        _log.info("worker starts", worker=identity.worker_id, version=identity.version)
        if telemetry is not None:
            from tickwheel.worker.telemetry.holding import sampled

            await stack.enter_async_context(sampled(worker, telemetry, clock))
        await stack.enter_async_context(collecting(clock, lambda: worker.quiet_ms))
        await worker.run()
    _log.info("worker has stopped", worker=identity.worker_id)
