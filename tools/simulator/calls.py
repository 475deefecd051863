"""Single calls from one process to another."""

import asyncio
from dataclasses import dataclass
from typing import Any

import grpc
import grpc.aio

from simulator.network import Network
from simulator.process import SimProcess, calling_process
from simulator.serving import CallContext, CallFailed, Methods, answer

#: How long it takes to see that nobody listens at an address.
_REFUSED_US = 1_500


@dataclass(slots=True, eq=False)
class Server:
    """A process that answers calls."""

    process: SimProcess
    methods: Methods


class Calls:
    """Carries calls; knows who listens where."""

    def __init__(self, network: Network) -> None:
        self._network = network
        #: By address; an entry of a dead process is as none.
        self.servers: dict[str, Server] = {}

    async def call(
        self, caller: str, address: str, method: str, request: Any, timeout_s: float
    ) -> Any:
        """Calls, as a gRPC client with a deadline does.

        Args:
            caller: name of the host that calls.
            address: whom.
            method: full name.
            request: the message.
            timeout_s: the deadline from now on.

        Raises:
            CallFailed: with what a client would see.
        """
        return await _Call(self._network, self.servers, caller, address, timeout_s).run(
            method, request
        )


class _Call:
    def __init__(
        self,
        network: Network,
        servers: dict[str, Server],
        caller: str,
        address: str,
        timeout_s: float,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._network = network
        self._servers = servers
        self._caller = caller
        self._address = address
        self._timeout_s = timeout_s
        self._process = calling_process()
        self._done: asyncio.Future[Any] = self._loop.create_future()
        self._server: SimProcess | None = None
        self._serving: asyncio.Task[Any] | None = None

    async def run(self, method: str, request: Any) -> Any:
        timer = self._loop.call_later(
            self._timeout_s, self._fail, grpc.StatusCode.DEADLINE_EXCEEDED
        )
        self._send(method, request)
        try:
            return await self._done
        finally:
            timer.cancel()
            # Whoever gives up cancels the call, and the server hears of it if it can.
            self._give_up()

    def _send(self, method: str, request: Any) -> None:
        server = self._servers.get(self._address)
        if server is None or not server.process.alive:
            self._reply_in(_REFUSED_US, CallFailed(grpc.StatusCode.UNAVAILABLE, "refused"))
            return
        self._server = server.process
        server.process.on_death(self, self._server_died)
        target = server.process.host.name
        cut_us = self._network.cut_us(self._caller, target)
        if self._network.loses(self._caller, target):
            return
        travel_us = cut_us + self._network.travel_us(self._caller, target)
        server.process.call_in_us(travel_us, self._arrive, server, method, request)

    def _arrive(self, server: Server, method: str, request: Any) -> None:
        """In the server's process."""
        if self._done.done():
            # Its deadline has passed, or its caller has gone.
            return
        self._serving = server.process.spawn(self._serve(server, method, request))

    async def _serve(self, server: Server, method: str, request: Any) -> None:
        context = CallContext(f"ipv4:{self._caller}")
        try:
            result = await answer(server.methods.unary(method), request, context)
        except CallFailed as failure:
            result = failure
        source = server.process.host.name
        self._reply(source, result)

    def _reply(self, source: str, result: Any) -> None:
        if self._network.loses(source, self._caller):
            return
        travel_us = self._network.cut_us(source, self._caller)
        self._reply_in(travel_us + self._network.travel_us(source, self._caller), result)

    def _reply_in(self, delay_us: int, result: Any) -> None:
        self._process.call_in_us(delay_us, self._settle, result)

    def _server_died(self) -> None:
        if not self._done.done():
            self._reply_in(500, CallFailed(grpc.StatusCode.UNAVAILABLE, "connection reset"))

    def _fail(self, code: grpc.StatusCode) -> None:
        self._settle(CallFailed(code, "deadline exceeded"))

    def _settle(self, result: Any) -> None:
        if self._done.done():
            return
        if isinstance(result, CallFailed):
            self._done.set_exception(result)
        else:
            self._done.set_result(result)

    def _give_up(self) -> None:
        self._done.cancel()
        if self._server is None:
            return
        self._server.forget(self)
        if self._serving is not None and not self._serving.done():
            self._server.call_in_us(500, self._serving.cancel)


class SimChannel:
    """In place of a grpc.aio.Channel: what a generated stub needs of it."""

    def __init__(self, calls: Calls, caller: str, address: str) -> None:
        self._calls = calls
        self._caller = caller
        self._address = address

    def unary_unary(self, method: str, *_args: Any, **_kwargs: Any) -> Any:
        """A callable for one method."""

        async def call(request: Any, *, timeout: float) -> Any:
            try:
                return await self._calls.call(self._caller, self._address, method, request, timeout)
            except CallFailed as failure:
                raise grpc.aio.AioRpcError(
                    failure.code,
                    grpc.aio.Metadata(),
                    grpc.aio.Metadata(*failure.trailers),
                    failure.details,
                ) from None

        return call
