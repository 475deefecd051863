"""The gRPC server: services, health, reflection, and stopping without cutting anybody off."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import grpc
import grpc.aio
import structlog
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from tickwheel.server.api.limits import ApiLimits
from tickwheel.server.api.middleware import CallObserver, CallsInProgress, Middleware
from tickwheel.server.domain.clock import Clock

#: What is left of the grace for the transport itself, in seconds.
_LAST_GRACE_S = 0.5
#: Calls that have come and were not looked at yet; each takes some KiB.
_MAX_UNSEEN = 10_000
_KEEPALIVE_MS = 30_000

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Service:
    """One gRPC service to serve."""

    #: As in the proto: `tickwheel.v1.JobService`.
    name: str
    #: Adds its servicer to a server.
    add: Callable[[grpc.aio.Server], None]


class GrpcServer:
    """A server that has been started."""

    def __init__(
        self,
        server: grpc.aio.Server,
        health_servicer: Any,
        names: Sequence[str],
        calls: CallsInProgress,
        port: int,
    ) -> None:
        self._server = server
        self._health = health_servicer
        self._names = names
        self._calls = calls
        #: The port it listens on, also where 0 was asked for.
        self.port = port

    async def set_ready(self, ready: bool) -> None:
        """Tells health checks, of the whole and of each service."""
        status = (
            health_pb2.HealthCheckResponse.SERVING
            if ready
            else health_pb2.HealthCheckResponse.NOT_SERVING
        )
        for name in ("", *self._names):
            await self._health.set(name, status)

    async def stop(
        self, grace_s: float, end_streams: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        """Takes no new calls, lets those in progress end, and closes.

        Args:
            grace_s: after this many seconds what is still in progress is cut off.
            end_streams: ends the streams that would not end by themselves.
        """
        await self._health.enter_graceful_shutdown()
        self._calls.stopping = True
        try:
            async with asyncio.timeout(grace_s):
                if end_streams is not None:
                    await end_streams()
                await self._calls.wait_idle()
        except TimeoutError:
            _log.warning("calls are cut off", count=self._calls.count, after_s=grace_s)
        await self._server.stop(_LAST_GRACE_S)


async def start_grpc_server(
    services: Sequence[Service],
    address: str,
    *,
    clock: Clock,
    limits: ApiLimits,
    observer: CallObserver | None = None,
) -> GrpcServer:
    """Starts to serve; health says NOT_SERVING until it is set to ready.

    Args:
        services: what to serve, beside health and reflection.
        address: `host:port`; port 0 takes a free one.
        clock: for the durations in the access log.
        limits: bounds the size of messages, and how many calls are in progress.
        observer: hears of each call.

    Raises:
        OSError: the address cannot be had.
    """
    calls = CallsInProgress(limits)
    server = grpc.aio.server(
        interceptors=(Middleware(calls, clock, observer),),
        options=(
            ("grpc.max_receive_message_length", limits.max_message_bytes),
            ("grpc.max_send_message_length", limits.max_message_bytes),
            # More of one client wait on its side. What has come and was not looked at yet, gRPC
            # cancels beyond some bounds, without a word; they are to be beyond our own.
            ("grpc.max_concurrent_streams", limits.max_calls + limits.max_watches),
            ("grpc.server.max_pending_requests", _MAX_UNSEEN),
            ("grpc.server.max_pending_requests_hard_limit", 2 * _MAX_UNSEEN),
            # Two servers on one port would share its calls by chance.
            ("grpc.so_reuseport", 0),
            ("grpc.keepalive_time_ms", _KEEPALIVE_MS),
            ("grpc.keepalive_permit_without_calls", 1),
            ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
        ),
    )
    for service in services:
        service.add(server)
    # The package has no types for its asyncio part.
    health_servicer: Any = health.aio.HealthServicer()  # pyright: ignore
    health_pb2_grpc.add_HealthServicer_to_server(health_servicer, server)  # pyright: ignore
    names = [service.name for service in services]
    reflection.enable_server_reflection(
        (*names, health.SERVICE_NAME, reflection.SERVICE_NAME), server
    )
    try:
        port = server.add_insecure_port(address)
    except RuntimeError as error:
        raise OSError(f"cannot listen on {address}: {str(error).partition(';')[0]}") from error
    started = GrpcServer(server, health_servicer, names, calls, port)
    await started.set_ready(False)
    await server.start()
    return started
