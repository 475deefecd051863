"""The worker's process: wires the parts together and runs until a signal."""

import asyncio
import os
import random
import signal
import socket
from contextlib import AsyncExitStack
from importlib.metadata import version

import structlog
import uvloop

from tickwheel.worker.clock import Clock, SystemClock
from tickwheel.worker.collector import collect_when_quiet
from tickwheel.worker.core import Identity, Limits, WorkerCore
from tickwheel.worker.grpc_connector import GrpcConnector
from tickwheel.worker.health import serve_health
from tickwheel.worker.publisher.kafka import KafkaPublisher
from tickwheel.worker.publisher.kafka_lane import KafkaOptions
from tickwheel.worker.runtime import Worker, WorkerOptions
from tickwheel.worker.settings import WorkerSettings

_log = structlog.get_logger(__name__)


def run_process(settings: WorkerSettings, clock: Clock | None = None) -> None:
    """Runs a worker on Kafka until SIGTERM or SIGINT.

    Args:
        settings: what it is told.
        clock: in place of the machine's, for drills.
    """
    uvloop.run(_run(settings, clock or SystemClock()))


async def _run(settings: WorkerSettings, clock: Clock) -> None:
    identity = Identity(
        worker_id=settings.worker_id,
        version=version("tickwheel-worker"),
        host=f"{socket.gethostname()} (pid {os.getpid()})",
    )
    limits = Limits(settings.worker_window_count, settings.worker_window_bytes)
    publisher = KafkaPublisher(
        KafkaOptions(
            bootstrap=settings.kafka_bootstrap, client_id=f"tickwheel-{settings.worker_id}"
        ),
        clock,
    )
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
        collector = asyncio.create_task(collect_when_quiet(lambda: worker.quiet_ms, clock))
        try:
            await worker.run()
        finally:
            collector.cancel()
            await asyncio.gather(collector, return_exceptions=True)
    _log.info("worker has stopped", worker=identity.worker_id)
