"""The run's trace goes on in the handler, where the program has OpenTelemetry's API installed."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext

Span = Callable[[str, Mapping[str, str]], AbstractContextManager[object]]


def handler_spans() -> Span:
    """How to enter the span of a handler, from (topic, headers of the record).

    Inside of it the run's trace is the current one. Without OpenTelemetry it does nothing.
    """
    try:
        from opentelemetry import trace
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
    except ImportError:
        return lambda topic, headers: nullcontext()
    propagator = TraceContextTextMapPropagator()
    tracer = trace.get_tracer("tickwheel.client")

    def span(topic: str, headers: Mapping[str, str]) -> AbstractContextManager[object]:
        # https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/
        return tracer.start_as_current_span(
            f"process {topic}",
            context=propagator.extract(headers),
            kind=trace.SpanKind.CONSUMER,
            attributes={
                "messaging.operation.type": "process",
                "messaging.destination.name": topic,
                "messaging.message.id": headers.get("ce_id", ""),
                "tickwheel.job": headers.get("ce_source", ""),
            },
        )

    return span
