"""The port to schedulers: how a worker's streams are opened."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from tickwheel.v1 import scheduler_service_pb2 as pb


class StreamFailedError(Exception):
    """A stream could not be opened, or has broken; the message is for people."""


class Duplex(Protocol):
    """One open stream. One task sends, one task receives."""

    async def send(self, request: pb.ConnectRequest) -> None:
        """Sends one message; waits while the other side reads too slowly.

        Raises:
            StreamFailedError: the stream has ended.
        """
        ...

    def responses(self) -> AsyncIterator[pb.ConnectResponse]:
        """The other side's messages, until it ends the stream; to be called once.

        Raises:
            StreamFailedError: the stream could not be opened, was refused, or has broken.
        """
        ...


class Connector(Protocol):
    """Opens streams."""

    def connect(self, address: str) -> AbstractAsyncContextManager[Duplex]:
        """A stream to the scheduler at an address (`host:port`), for as long as the context.

        Leaving the context ends the stream at once; what was sent and not yet read is lost.

        Raises:
            StreamFailedError: on entering.
        """
        ...
