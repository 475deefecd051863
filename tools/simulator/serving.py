"""Servers as grpc.aio would run them: production servicers, called without sockets."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, cast

import grpc
import grpc.aio

Handler = Callable[[Any, Any], Awaitable[Any]]


class CallFailed(Exception):
    """A call has ended with a status that is not OK."""

    def __init__(
        self, code: grpc.StatusCode, details: str, trailers: tuple[tuple[str, Any], ...] = ()
    ) -> None:
        super().__init__(f"{code.name}: {details}")
        self.code = code
        self.details = details
        self.trailers = trailers


class CallContext:
    """The part of grpc.aio.ServicerContext that our servicers use."""

    def __init__(self, peer: str, write: Callable[[Any], Awaitable[None]] | None = None) -> None:
        self._peer = peer
        self._write = write
        self._code: grpc.StatusCode | None = None
        self.status: CallFailed | None = None
        self._when_done: list[Callable[[Any], None]] = []

    def peer(self) -> str:
        """Who calls."""
        return self._peer

    def code(self) -> grpc.StatusCode | None:
        """The status it was aborted with."""
        return self._code

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        """None is sent."""
        return ()

    def add_done_callback(self, callback: Callable[[Any], None]) -> None:
        """Has it called when the call is over."""
        self._when_done.append(callback)

    def done(self) -> None:
        """The call is over."""
        for callback in self._when_done:
            callback(self)

    async def write(self, message: Any) -> None:
        """Sends a message of a stream."""
        assert self._write is not None, "not a stream"
        await self._write(message)

    async def abort(
        self,
        code: grpc.StatusCode,
        details: str = "",
        trailing_metadata: tuple[tuple[str, Any], ...] = (),
    ) -> None:
        """Ends the call with a status."""
        self._code = code
        self.status = CallFailed(code, details, trailing_metadata)
        raise grpc.aio.AbortError


class Methods:
    """In place of a grpc.aio.Server: takes generated registrations, and knows their handlers."""

    def __init__(self) -> None:
        self._handlers: dict[str, Any] = {}

    def add_generic_rpc_handlers(self, handlers: Iterable[Any]) -> None:
        """The other way to register; what it brings comes through the next one as well."""

    def add_registered_method_handlers(self, service: str, handlers: dict[str, Any]) -> None:
        """As generated code calls it."""
        for name, handler in handlers.items():
            self._handlers[f"/{service}/{name}"] = handler

    def register(self, adders: Iterable[Callable[[grpc.aio.Server], None]]) -> "Methods":
        """Registers services."""
        for add in adders:
            add(cast("grpc.aio.Server", self))
        return self

    async def intercept(self, interceptor: grpc.aio.ServerInterceptor) -> "Methods":
        """Wraps every handler as a server with this interceptor would."""
        for method, handler in list(self._handlers.items()):
            details = cast("grpc.HandlerCallDetails", _Details(method))

            async def found(_: grpc.HandlerCallDetails, handler: Any = handler) -> Any:
                return handler

            self._handlers[method] = await interceptor.intercept_service(found, details)
        return self

    def unary(self, method: str) -> Handler:
        """The behaviour of a method that answers once."""
        return self._handlers[method].unary_unary

    def streaming(self, method: str) -> Handler:
        """The behaviour of a method with a stream in both directions."""
        return self._handlers[method].stream_stream


class _Details:
    invocation_metadata = ()

    def __init__(self, method: str) -> None:
        self.method = method


async def answer(handler: Handler, request: Any, context: CallContext) -> Any:
    """Runs a handler as a server does.

    Raises:
        CallFailed: it was aborted, or raised what it should not.
    """
    try:
        return await handler(request, context)
    except grpc.aio.AbortError:
        assert context.status is not None
        raise context.status from None
    except Exception as error:
        raise CallFailed(grpc.StatusCode.UNKNOWN, f"{type(error).__name__}: {error}") from error
    finally:
        context.done()
