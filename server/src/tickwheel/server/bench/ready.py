"""Waiting until a server says that it is ready."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2

START_S = 120.0
_POLL_S = 0.02
_LOG_END = 2_000


class NotReadyError(Exception):
    """A process ended at its start, or was not ready in time; the text ends with its log."""


async def until_ready(address: str, running: Callable[[], bool], log: Path) -> None:
    """Asks gRPC's health service until it says SERVING.

    Raises:
        NotReadyError: the process has ended, or does not serve within two minutes.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + START_S
    while not await serves(address):
        if not running() or loop.time() > deadline:
            raise NotReadyError(f"{address} does not become ready\n{end_of(log)}")
        await asyncio.sleep(_POLL_S)


def end_of(log: Path) -> str:
    """The last lines of a process's log."""
    return log.read_text(errors="replace")[-_LOG_END:]


async def serves(address: str) -> bool:
    """Whether the server at an address is ready."""
    async with grpc.aio.insecure_channel(address) as channel:
        # grpc_health's own stub carries no types.
        check = channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        try:
            answer = await check(health_pb2.HealthCheckRequest(), timeout=2.0)
        except grpc.aio.AioRpcError:
            return False
    return answer.status == health_pb2.HealthCheckResponse.SERVING
