"""Workers' streams: both ends of a TCP connection that can stall, and break on either side."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import grpc

from simulator.calls import Calls, Server
from simulator.loop import SimLoop
from simulator.network import TCP_TIMEOUT_US, Network
from simulator.process import SimProcess
from simulator.serving import CallContext, CallFailed, answer
from tickwheel.v1 import scheduler_service_pb2 as pb
from tickwheel.worker.connector import Duplex, StreamFailedError

_METHOD = "/tickwheel.v1.SchedulerService/Connect"
#: Messages under way in each direction; a sender waits when there are more.
_CAPACITY = 64
_CONNECT_S = 5.0


class SimConnector:
    """The worker's port to schedulers."""

    def __init__(self, calls: Calls, network: Network, process: SimProcess) -> None:
        self._calls = calls
        self._network = network
        self._process = process

    @asynccontextmanager
    async def connect(self, address: str) -> AsyncGenerator[Duplex]:
        """As the port says."""
        server = await self._reach(address)
        stream = _Stream(self._network, self._process, server)
        stream.open()
        try:
            yield stream
        finally:
            stream.leave()

    async def _reach(self, address: str) -> Server:
        mine = self._process.host.name
        server = self._calls.servers.get(address)
        there = server.process.host.name if server is not None else address
        travel_us = self._network.travel_us(mine, there) + self._network.travel_us(there, mine)
        cut_us = max(self._network.cut_us(mine, there), self._network.cut_us(there, mine))
        await self._process.clock.sleep(min(_CONNECT_S, (travel_us + cut_us) / 1_000_000))
        server = self._calls.servers.get(address)
        if cut_us >= _CONNECT_S * 1_000_000 or server is None or not server.process.alive:
            raise StreamFailedError(f"no connection to {address}")
        return server


class _Way:
    """One direction: in order, each message when the one before it has come or later."""

    def __init__(self, network: Network, source: SimProcess, target: SimProcess) -> None:
        self._loop = cast("SimLoop", asyncio.get_running_loop())
        self._network = network
        self._source = source
        self._target = target
        self._free_us = 0
        self._room: deque[asyncio.Future[None]] = deque()
        self._under_way = 0
        self.arrived: deque[Any] = deque()
        self._waiting: asyncio.Future[None] | None = None
        #: Why there is nothing more: the reader is told once it has read all.
        self.end: CallFailed | None = None
        self.ended = False
        self._shut = False

    async def send(self, message: Any) -> None:
        """Waits while too much is under way."""
        while self._under_way >= _CAPACITY and not self._shut:
            room: asyncio.Future[None] = self._loop.create_future()
            self._room.append(room)
            await room
        self._under_way += 1
        self.post(self._arrive, message)

    def post(self, work: Any, *args: Any) -> None:
        """Has something happen at the other end after all that was sent before."""
        source, target = self._source.host.name, self._target.host.name
        now_us = self._loop.now_us
        cut_us = self._network.cut_us(source, target)
        self._free_us = max(
            self._free_us, now_us + cut_us + self._network.travel_us(source, target)
        )
        self._target.call_in_us(self._free_us - now_us, work, *args)

    def _arrive(self, message: Any) -> None:
        """At the receiving end."""
        if self.ended:
            return
        self.arrived.append(message)
        self._tell()

    def finish(self, reason: CallFailed | None) -> None:
        """Nothing more comes; what has come is still read."""
        if not self.ended:
            self.ended = True
            self.end = reason
            self._tell()

    def shut(self) -> None:
        """Nothing more is sent; nobody waits for room any longer."""
        self._shut = True
        while self._room:
            _wake(self._room.popleft())

    def _tell(self) -> None:
        if self._waiting is not None:
            _wake(self._waiting)

    async def receive(self) -> Any:
        """The next message; None at the end."""
        while not self.arrived:
            if self.ended:
                if self.end is not None:
                    raise self.end
                return None
            self._waiting = self._loop.create_future()
            await self._waiting
        self._under_way -= 1
        if self._room:
            _wake(self._room.popleft())
        return self.arrived.popleft()


class _Stream:
    """A stream; the worker's end of it is this object itself."""

    def __init__(self, network: Network, worker: SimProcess, server: Server) -> None:
        self._network = network
        self._worker = worker
        self._server = server
        self._up = _Way(network, worker, server.process)
        self._down = _Way(network, server.process, worker)
        self._serving: asyncio.Task[Any] | None = None

    def open(self) -> None:
        """Begins the scheduler's side."""
        self._up.post(self._begin)
        self._server.process.on_death(self, self._server_died)
        self._worker.on_death(self, self._worker_died)

    # -- the worker's end --------------------------------------------------------------------

    async def send(self, request: pb.ConnectRequest) -> None:
        """As the port says."""
        if self._down.ended:
            raise StreamFailedError(str(self._down.end or "the stream has ended"))
        cut_us = self._network.cut_us(self._worker.host.name, self._server.process.host.name)
        if cut_us > TCP_TIMEOUT_US:
            self._worker.call_in_us(TCP_TIMEOUT_US, self._lost, _RESET)
        await self._up.send(request)

    async def responses(self) -> AsyncIterator[pb.ConnectResponse]:
        """As the port says."""
        try:
            while (message := await self._down.receive()) is not None:
                yield message
        except CallFailed as failure:
            raise StreamFailedError(str(failure)) from None

    def leave(self) -> None:
        """The worker ends it from its side."""
        self._lost(None)
        self._up.post(self._hang_up)
        self._server.process.forget(self)
        self._worker.forget(self)

    def _lost(self, reason: CallFailed | None) -> None:
        """The worker's side learns that it is over."""
        self._down.finish(reason)
        self._up.shut()

    # -- the scheduler's end -----------------------------------------------------------------

    def _begin(self) -> None:
        self._serving = self._server.process.spawn(self._serve())

    async def _serve(self) -> None:
        context = CallContext(f"ipv4:{self._worker.host.name}", self._write)
        reason: CallFailed | None = None
        try:
            await answer(self._server.methods.streaming(_METHOD), self._requests(), context)
        except CallFailed as failure:
            reason = failure
        self._down.post(self._lost, reason)

    async def _write(self, response: pb.ConnectResponse) -> None:
        if self._up.ended:
            raise CallFailed(grpc.StatusCode.CANCELLED, "the worker has gone")
        cut_us = self._network.cut_us(self._server.process.host.name, self._worker.host.name)
        if cut_us > TCP_TIMEOUT_US:
            self._server.process.call_in_us(TCP_TIMEOUT_US, self._hang_up)
        await self._down.send(response)

    async def _requests(self) -> AsyncIterator[pb.ConnectRequest]:
        while (message := await self._up.receive()) is not None:
            yield message

    def _hang_up(self) -> None:
        """The scheduler's side learns that the worker has gone: its handler is cancelled."""
        self._up.finish(None)
        self._down.shut()
        if self._serving is not None:
            self._serving.cancel()

    # -- what the operating systems do when a process dies ------------------------------------

    def _server_died(self) -> None:
        self._down.post(self._lost, _RESET)

    def _worker_died(self) -> None:
        self._up.post(self._hang_up)


_RESET = CallFailed(grpc.StatusCode.UNAVAILABLE, "connection reset")


def _wake(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)
