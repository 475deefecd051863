"""Calls as they are served and made: one span and one duration each."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import grpc
import grpc.aio
from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from typing_extensions import override

from tickwheel.server.api.middleware import CallEnd
from tickwheel.server.api.subject import subject
from tickwheel.server.trace import continue_as, enter, is_sampled
from tickwheel.worker.telemetry.names import RPC_SERVER
from tickwheel.worker.telemetry.setup import Telemetry
from tickwheel.worker.telemetry.timing import Timing

_SYSTEM = {"rpc.system.name": "grpc"}
#: What a call was about, as its span has it.
_ABOUT = {
    "job": "tickwheel.job.name",
    "run": "tickwheel.run.name",
    "attempt": "tickwheel.run.attempt",
    "runs": "tickwheel.run.names",
    "count": "tickwheel.run.count",
    "worker": "tickwheel.worker",
}
_PROPAGATOR = TraceContextTextMapPropagator()
_NO_PARENT = Context()
#: Statuses that are the server's fault (semantic conventions for gRPC).
_FAULTS = frozenset(
    {"UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"}
)


class ObservedCalls:
    """A CallObserver of the api's middleware."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._duration = telemetry.histogram(RPC_SERVER)
        self._tracer = telemetry.tracer if telemetry.spans is not None else None

    def begin(self, method: str, traceparent: str) -> CallEnd:
        """A call begins; returns what is to be called when it ends."""
        name = method.removeprefix("/")
        # Whether it is traced is known before a span is made: one that is not kept costs 20 us.
        if not is_sampled(enter(traceparent)) or self._tracer is None:
            return _Call(self._duration, name).end
        parent = _PROPAGATOR.extract({"traceparent": traceparent}) if traceparent else _NO_PARENT
        span = self._tracer.start_span(
            name, parent, SpanKind.SERVER, attributes={**_SYSTEM, "rpc.method": name}
        )
        continue_as(_traceparent(span))
        return _TracedCall(self._duration, name, span).end


class _Call:
    def __init__(self, duration: Timing, method: str) -> None:
        self._duration = duration
        self._method = method
        self._begun = time.perf_counter()

    def end(self, code: str, about: Mapping[str, Any]) -> None:
        self._duration.record(time.perf_counter() - self._begun, "grpc", self._method, code)


class _TracedCall(_Call):
    def __init__(self, duration: Timing, method: str, span: Span) -> None:
        super().__init__(duration, method)
        self._span = span
        self._token = otel_context.attach(trace.set_span_in_context(span))

    @override
    def end(self, code: str, about: Mapping[str, Any]) -> None:
        super().end(code, about)
        self._span.set_attributes(_named(about))
        self._span.set_attribute("rpc.response.status_code", code)
        if code in _FAULTS:
            self._span.set_attribute("error.type", code)
            self._span.set_status(StatusCode.ERROR, code)
        self._span.end()
        otel_context.detach(self._token)


class CallsOut(grpc.aio.UnaryUnaryClientInterceptor):
    """Calls from one server to another: a span where the caller has one, and its context."""

    def __init__(self, telemetry: Telemetry, address: str) -> None:
        """Of calls to the server at `host:port`."""
        self._tracer = telemetry.tracer
        host, _, port = address.rpartition(":")
        self._server: dict[str, str | int] = {**_SYSTEM, "server.address": host or address}
        if host and port.isdecimal():
            self._server["server.port"] = int(port)

    async def intercept_unary_unary(
        self,
        continuation: Callable[..., Any],
        client_call_details: grpc.aio.ClientCallDetails,
        request: Any,
    ) -> Any:
        """Makes the call."""
        if not trace.get_current_span().is_recording():
            return await continuation(client_call_details, request)
        # As the library's own interceptors get it, whatever its types say.
        method: Any = client_call_details.method
        name = (method.decode() if isinstance(method, bytes) else str(method)).removeprefix("/")
        attributes = {**self._server, "rpc.method": name, **_named(subject(request))}
        with self._tracer.start_as_current_span(
            name, kind=SpanKind.CLIENT, attributes=attributes
        ) as span:
            metadata = grpc.aio.Metadata(*(client_call_details.metadata or ()))
            metadata["traceparent"] = _traceparent(span)
            details = grpc.aio.ClientCallDetails(
                client_call_details.method,
                client_call_details.timeout,
                metadata,
                client_call_details.credentials,
                client_call_details.wait_for_ready,
            )
            call = await continuation(details, request)
            code = await call.code()
            span.set_attribute("rpc.response.status_code", code.name)
            if code is not grpc.StatusCode.OK:
                span.set_attribute("error.type", code.name)
                span.set_status(StatusCode.ERROR, code.name)
            return call


def _named(about: Mapping[str, Any]) -> dict[str, Any]:
    """What a call is about, as attributes."""
    return {_ABOUT[key]: value for key, value in about.items() if key in _ABOUT}


def _traceparent(span: Span) -> str:
    context = span.get_span_context()
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
