"""Streams over real gRPC, on loopback."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import grpc
import grpc.aio
import pytest

from tickwheel.v1 import scheduler_service_pb2 as pb
from tickwheel.v1 import scheduler_service_pb2_grpc
from tickwheel.worker.connector import StreamFailedError
from tickwheel.worker.grpc_connector import GrpcConnector
from worker.making import NOW_MS, assignment, assignments, welcome

HELLO = pb.ConnectRequest(hello=pb.Hello(worker_id="w", protocol_version=1))
Handler = Callable[[AsyncIterator[pb.ConnectRequest], Any], Awaitable[None]]


class Servicer(scheduler_service_pb2_grpc.SchedulerServiceServicer):
    def __init__(self, handler: Handler) -> None:
        self._handler = handler

    async def Connect(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, request_iterator: AsyncIterator[pb.ConnectRequest], context: Any
    ) -> None:
        await self._handler(request_iterator, context)


@asynccontextmanager
async def scheduler(handler: Handler) -> AsyncGenerator[str]:
    server = grpc.aio.server()
    scheduler_service_pb2_grpc.add_SchedulerServiceServicer_to_server(
        Servicer(handler), cast("Any", server)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(0)


async def test_both_ways_and_a_clean_end() -> None:
    large = assignments(*(assignment(str(n), NOW_MS, payload=b"x" * 250_000) for n in range(40)))

    async def handle(incoming: AsyncIterator[pb.ConnectRequest], context: Any) -> None:
        first = await anext(incoming)
        await context.write(welcome(first.hello.worker_id))
        # 10 MB: above gRPC's default limit, below ours.
        await context.write(large)

    async with scheduler(handle) as address, GrpcConnector().connect(address) as stream:
        await stream.send(HELLO)
        got = [response async for response in stream.responses()]
    assert got == [welcome("w"), large]


async def test_a_refusal_says_why() -> None:
    async def handle(_: AsyncIterator[pb.ConnectRequest], context: Any) -> None:
        await context.abort(grpc.StatusCode.FAILED_PRECONDITION, "version 1 is not supported")

    async with scheduler(handle) as address, GrpcConnector().connect(address) as stream:
        with pytest.raises(StreamFailedError, match="FAILED_PRECONDITION: version 1 is not"):
            async for _ in stream.responses():
                pass
        with pytest.raises(StreamFailedError):
            await stream.send(HELLO)


async def test_nobody_there() -> None:
    with pytest.raises(StreamFailedError, match="no connection within"):
        async with GrpcConnector(connect_s=0.3).connect("127.0.0.1:1"):
            pass
