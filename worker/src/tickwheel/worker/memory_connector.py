"""Streams within one process: the embedded engine's, and those of tests."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from tickwheel.v1 import scheduler_service_pb2 as pb
from tickwheel.worker.connector import Duplex, StreamFailedError

#: A scheduler's side of a stream: is given the worker's messages and a way to answer, and ends the
#: stream by returning.
Serve = Callable[
    [AsyncIterator[pb.ConnectRequest], Callable[[pb.ConnectResponse], Awaitable[None]]],
    Awaitable[None],
]

#: Messages under way in each direction; a sender waits when there are more.
_CAPACITY = 64


class MemoryConnector:
    """Connects to schedulers in this process, by address."""

    def __init__(self, schedulers: dict[str, Serve]) -> None:
        """Knows these schedulers.

        Args:
            schedulers: by address. The mapping is not copied: it may change.
        """
        self._schedulers = schedulers

    @asynccontextmanager
    async def connect(self, address: str) -> AsyncGenerator[Duplex]:
        """As the port says."""
        serve = self._schedulers.get(address)
        if serve is None:
            raise StreamFailedError(f"no scheduler at {address!r}")
        stream = _MemoryStream()
        served = asyncio.ensure_future(serve(stream.requests(), stream.answer))
        served.add_done_callback(stream.end)
        try:
            yield stream
        finally:
            served.cancel()
            await asyncio.gather(served, return_exceptions=True)


class _MemoryStream:
    """Both directions of one stream."""

    def __init__(self) -> None:
        self._up: asyncio.Queue[pb.ConnectRequest] = asyncio.Queue(_CAPACITY)
        self._down: asyncio.Queue[pb.ConnectResponse] = asyncio.Queue(_CAPACITY)
        self._over: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def send(self, request: pb.ConnectRequest) -> None:
        if self._over.done():
            raise StreamFailedError(self._over.result())
        await self._until_over(self._up.put(request))

    async def responses(self) -> AsyncIterator[pb.ConnectResponse]:
        while not (self._over.done() and self._down.empty()):
            if self._down.empty():
                getter = asyncio.ensure_future(self._down.get())
                await asyncio.wait((getter, self._over), return_when=asyncio.FIRST_COMPLETED)
                if not getter.done():
                    getter.cancel()
                    continue
                yield getter.result()
            else:
                yield self._down.get_nowait()
        if reason := self._over.result():
            raise StreamFailedError(reason)

    async def requests(self) -> AsyncIterator[pb.ConnectRequest]:
        while True:
            yield await self._up.get()

    async def answer(self, response: pb.ConnectResponse) -> None:
        await self._down.put(response)

    def end(self, served: "asyncio.Future[None]") -> None:
        """The scheduler's side has returned or failed."""
        error = None if served.cancelled() else served.exception()
        self._over.set_result(str(error) if error is not None else "")

    async def _until_over(self, sending: Awaitable[None]) -> None:
        put = asyncio.ensure_future(sending)
        await asyncio.wait((put, self._over), return_when=asyncio.FIRST_COMPLETED)
        if not put.done():
            put.cancel()
            raise StreamFailedError(self._over.result())
