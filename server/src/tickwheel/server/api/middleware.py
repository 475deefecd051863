"""What happens around every call: trace, count, errors to status, access log.

One interceptor, because each one costs a task's worth of work for every call.
"""

import asyncio
import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping
from contextlib import aclosing, contextmanager
from typing import Any, Protocol, TypeAlias

import grpc
import grpc.aio
import structlog
from google.protobuf.message import DecodeError, Message

from tickwheel.server.api.errors import ServerStopping, grpc_code, status_of
from tickwheel.server.api.limits import ApiLimits
from tickwheel.server.api.subject import subject
from tickwheel.server.domain.clock import Clock
from tickwheel.server.domain.errors import InvalidInput, Overloaded
from tickwheel.server.trace import current_trace_id, enter
from tickwheel.v1 import errors_pb2

#: Only our own calls are counted and logged: not health checks, not reflection.
_OURS = "/tickwheel."
#: What servers say to each other.
_INTERNAL = "/tickwheel.internal."
#: Unary calls that wait for something to come, without doing anything.
_WAITING = frozenset({"/tickwheel.v1.ExecutorService/PullRecords"})
_DETAILS_KEY = "grpc-status-details-bin"

_log = structlog.get_logger()

Context = grpc.aio.ServicerContext[Any, Any]
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
MaybeHandler: TypeAlias = "grpc.RpcMethodHandler[Any, Any] | None"


class CallsInProgress:
    """Counts calls: no more are taken than can be carried out, and a server waits for them to end.

    grpc.aio does not wait for aborted ones.
    """

    def __init__(self, limits: ApiLimits) -> None:
        self._limits = limits
        self.count = 0
        self.stopping = False
        self._unary = 0
        self._unary_bytes = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @contextmanager
    def one(self, size: int | None) -> Generator[None]:
        """A call is in progress while the block lasts.

        Args:
            size: of its request, in bytes; None for a stream, or what else mostly waits: how many
                of those there are is not bounded here.

        Raises:
            ServerStopping: none may begin any more.
            Overloaded: there are too many.
        """
        if self.stopping:
            raise ServerStopping("this server is stopping; another one will answer")
        if size is not None:
            self._check_room(size)
            self._unary += 1
            self._unary_bytes += size
        self.count += 1
        self._idle.clear()
        try:
            yield
        finally:
            self.count -= 1
            if size is not None:
                self._unary -= 1
                self._unary_bytes -= size
            if not self.count:
                self._idle.set()

    def _check_room(self, size: int) -> None:
        if self._unary >= self._limits.max_calls:
            raise Overloaded(f"{self._unary} calls are in progress here; come again")
        if self._unary and self._unary_bytes + size > self._limits.max_calls_bytes:
            mib = self._unary_bytes // 2**20
            raise Overloaded(f"requests of {mib} MiB are in progress here; come again")

    async def wait_idle(self) -> None:
        """Returns once no call is in progress."""
        await self._idle.wait()


#: Is told the status of a call when it ends, and what it was about (see `subject`).
CallEnd = Callable[[str, Mapping[str, Any]], None]


class CallObserver(Protocol):
    """Hears of calls. Within a call its trace is the current one."""

    def begin(self, method: str, traceparent: str) -> CallEnd:
        """A call begins; what it returns is called when it ends.

        Args:
            method: full name, with a slash before it.
            traceparent: the caller's; may be empty, or none.
        """
        ...


class Unobserved:
    """Continues the caller's trace, and keeps nothing."""

    def begin(self, method: str, traceparent: str) -> CallEnd:
        """As the protocol says."""
        enter(traceparent)
        return _ignore


def _ignore(code: str, about: Mapping[str, Any]) -> None:
    return None


class Middleware(grpc.aio.ServerInterceptor):
    """Wraps the handlers of our own services, each once."""

    def __init__(
        self, calls: CallsInProgress, clock: Clock, observer: CallObserver | None = None
    ) -> None:
        self._calls = calls
        self._clock = clock
        self._observer = observer or Unobserved()
        self._wrapped: dict[str, Handler] = {}

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[MaybeHandler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> MaybeHandler:
        """Gives the wrapped handler of the method that is called."""
        method = handler_call_details.method
        known = self._wrapped.get(method)
        if known is not None:
            return known
        handler = await continuation(handler_call_details)
        if handler is None or not method.startswith(_OURS):
            return handler
        self._wrapped[method] = wrapped = self._wrap(method, handler)
        return wrapped

    def _wrap(self, method: str, handler: Handler) -> Handler:
        deserialize: Any = handler.request_deserializer
        if deserialize is not None and not handler.request_streaming:
            deserialize = _reading(deserialize)
        if not handler.response_streaming:
            make = (
                grpc.stream_unary_rpc_method_handler
                if handler.request_streaming
                else grpc.unary_unary_rpc_method_handler
            )
            inner: Any = handler.stream_unary if handler.request_streaming else handler.unary_unary
            behaviour = self._unary(method, inner)
        else:
            make = (
                grpc.stream_stream_rpc_method_handler
                if handler.request_streaming
                else grpc.unary_stream_rpc_method_handler
            )
            inner = handler.stream_stream if handler.request_streaming else handler.unary_stream
            behaviour = self._streaming(method, inner)
        return make(
            behaviour,
            request_deserializer=deserialize,
            response_serializer=handler.response_serializer,
        )

    def _unary(
        self, method: str, inner: Callable[[Any, Context], Awaitable[Any]]
    ) -> Callable[[Any, Context], Awaitable[Any]]:
        async def serve(request: Any, context: Context) -> Any:
            is_bounded = isinstance(request, Message) and method not in _WAITING
            size = request.ByteSize() if is_bounded else None
            return await self._serve(
                method, context, request, size, lambda: inner(_readable(request), context)
            )

        return serve

    def _streaming(
        self, method: str, inner: Callable[[Any, Context], Any]
    ) -> Callable[[Any, Context], Awaitable[None]]:
        """Streams by writing, so that a generator is closed at once when its call is cancelled."""
        is_generator = inspect.isasyncgenfunction(inner)

        async def write_all(request: Any, context: Context) -> None:
            responses: AsyncGenerator[Any] = inner(_readable(request), context)
            async with aclosing(responses):
                async for response in responses:
                    await context.write(response)

        async def serve(request: Any, context: Context) -> None:
            behaviour = write_all if is_generator else inner
            await self._serve(method, context, request, None, lambda: behaviour(request, context))

        return serve

    async def _serve(
        self,
        method: str,
        context: Context,
        request: Any,
        size: int | None,
        call: Callable[[], Awaitable[Any]],
    ) -> Any:
        began_ms = self._clock.steady_ms()
        ended = self._observer.begin(method, _traceparent(context))
        code = grpc.StatusCode.OK.name
        try:
            with self._calls.one(size):
                return await call()
        except asyncio.CancelledError:
            code = grpc.StatusCode.CANCELLED.name
            raise
        except grpc.aio.AbortError:
            code = context.code().name
            raise
        except Exception as error:
            status = status_of(error)
            found = grpc_code(status)
            code = found.name
            await context.abort(
                found, status.message, ((_DETAILS_KEY, status.SerializeToString()),)
            )
        finally:
            about = subject(request)
            ended(code, about)
            # A line costs a tenth of a call that creates a job; most say that all is well.
            is_usual = code == grpc.StatusCode.OK.name or method.startswith(_INTERNAL)
            log = _log.debug if is_usual else _log.info
            log(
                "call",
                method=method,
                code=code,
                ms=self._clock.steady_ms() - began_ms,
                trace=current_trace_id(),
                **about,
            )


class _Unreadable:
    """In the place of a request that could not be read: gRPC would call that a defect of ours."""


def _reading(deserialize: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    def read(data: bytes) -> Any:
        try:
            return deserialize(data)
        except DecodeError:
            return _Unreadable()

    return read


def _readable(request: Any) -> Any:
    """The request.

    Raises:
        InvalidInput: it could not be read.
    """
    if isinstance(request, _Unreadable):
        raise InvalidInput(
            errors_pb2.MALFORMED_REQUEST,
            "the request cannot be read as the method's message: it is none, it has text that is "
            "not UTF-8, or something in it, such as a JSON payload, is nested too deeply (protobuf "
            "takes 100 levels; one of JSON is two, or three, of them)",
        )
    return request


def _traceparent(context: Context) -> str:
    for key, value in context.invocation_metadata() or ():
        if key == "traceparent":
            return value if isinstance(value, str) else value.decode("ascii", "replace")
    return ""
