"""gRPC health of the worker's process, for probes."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import grpc.aio
import structlog
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

_log = structlog.get_logger(__name__)

#: How often readiness is looked at, in seconds.
_LOOK_S = 0.5


@asynccontextmanager
async def serve_health(address: str, ready: Callable[[], bool]) -> AsyncGenerator[int]:
    """Serves grpc.health.v1 while the context lasts; yields the port.

    The service "" (the process) is SERVING while `ready()` is true, "live" always.

    Args:
        address: `host:port`; port 0 takes a free one.
        ready: whether the worker takes work.

    Raises:
        RuntimeError: the address cannot be bound.
    """
    server = grpc.aio.server()
    # The generated stubs and this library are typed for synchronous servers only.
    servicer = cast("Any", health).aio.HealthServicer()
    cast("Any", health_pb2_grpc).add_HealthServicer_to_server(servicer, server)
    port = server.add_insecure_port(address)
    await servicer.set("live", health_pb2.HealthCheckResponse.SERVING)
    await server.start()
    _log.info("health is served", address=address, port=port)
    watcher = asyncio.create_task(_watch(servicer, ready), name="health")
    try:
        yield port
    finally:
        watcher.cancel()
        await asyncio.gather(watcher, return_exceptions=True)
        await server.stop(grace=0)


async def _watch(servicer: Any, ready: Callable[[], bool]) -> None:
    while True:
        status = health_pb2.HealthCheckResponse
        await servicer.set("", status.SERVING if ready() else status.NOT_SERVING)
        await asyncio.sleep(_LOOK_S)
