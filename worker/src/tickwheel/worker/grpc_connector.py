"""Streams to schedulers over gRPC."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio

from tickwheel.v1 import scheduler_service_pb2 as pb
from tickwheel.v1.scheduler_service_pb2_grpc import SchedulerServiceStub
from tickwheel.worker.connector import Duplex, StreamFailedError

_MAX_MESSAGE_BYTES = 16 << 20
_OPTIONS = (
    ("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", _MAX_MESSAGE_BYTES),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    # Each connection has its own: a stuck one is given up with its stream.
    ("grpc.use_local_subchannel_pool", 1),
)

_Call = grpc.aio.StreamStreamCall[pb.ConnectRequest, pb.ConnectResponse]


class GrpcConnector:
    """Connects over plain-text gRPC."""

    def __init__(self, connect_s: float = 5.0) -> None:
        """Makes one.

        Args:
            connect_s: how long a scheduler may take to accept a connection, in seconds.
        """
        self._connect_s = connect_s

    @asynccontextmanager
    async def connect(self, address: str) -> AsyncGenerator[Duplex]:
        """As the port says."""
        async with grpc.aio.insecure_channel(address, options=_OPTIONS) as channel:
            # What Hello says about permissions and clocks must not grow old while connecting.
            try:
                async with asyncio.timeout(self._connect_s):
                    await channel.channel_ready()
            except TimeoutError:
                message = f"no connection within {self._connect_s:g} s"
                raise StreamFailedError(message) from None
            call = SchedulerServiceStub(channel).Connect()
            try:
                yield _GrpcStream(call)
            finally:
                call.cancel()


class _GrpcStream:
    def __init__(self, call: Any) -> None:
        self._call: _Call = call

    async def send(self, request: pb.ConnectRequest) -> None:
        try:
            await self._call.write(request)
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError) as error:
            # The latter where the call had ended before; reading says why.
            raise StreamFailedError(_in_words(error)) from error

    async def responses(self) -> AsyncIterator[pb.ConnectResponse]:
        try:
            async for response in self._call:
                yield response
        except grpc.aio.AioRpcError as error:
            raise StreamFailedError(_in_words(error)) from error


def _in_words(error: Exception) -> str:
    if isinstance(error, grpc.aio.AioRpcError):
        return f"{error.code().name}: {error.details()}"
    return str(error)
