"""The run's trace goes on in the handler, where the program has OpenTelemetry's API installed."""

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from tickwheel.client.executor.record import RunRecord

#: Enters the span of a handler that is called with a record.
Spans = Callable[[RunRecord], AbstractContextManager[object]]


def handler_spans(system: str, group: str) -> Spans:
    """How to enter the span of a handler.

    Inside of it the run's trace is the current one. Without OpenTelemetry it does nothing.

    Args:
        system: what the log is: `kafka` or `tickwheel`.
        group: the consumer group.
    """
    try:
        from opentelemetry import context, trace
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
    except ImportError:
        return lambda record: nullcontext()
    propagator = TraceContextTextMapPropagator()
    tracer = trace.get_tracer("tickwheel.client")

    @contextmanager
    def span(record: RunRecord) -> Generator[None]:
        parent = propagator.extract(record.headers)
        if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
            # Nobody keeps spans. The trace still goes on in what the handler calls.
            token = context.attach(parent)
            try:
                yield
            finally:
                context.detach(token)
            return
        delivery = record.delivery
        # https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/
        attributes: dict[str, str | int] = {
            "messaging.system": system,
            "messaging.operation.name": "process",
            "messaging.operation.type": "process",
            "messaging.destination.name": delivery.topic,
            "messaging.destination.partition.id": str(delivery.partition),
            "messaging.consumer.group.name": group,
            "messaging.kafka.offset": delivery.offset,
            "messaging.message.id": record.event_id,
            "messaging.message.body.size": len(delivery.value),
            "tickwheel.job.name": record.job,
            "tickwheel.run.name": record.name,
            "tickwheel.run.attempt": record.attempt,
        }
        with tracer.start_as_current_span(
            f"process {delivery.topic}",
            context=parent,
            kind=trace.SpanKind.CONSUMER,
            attributes=attributes,
        ) as entered:
            try:
                yield
            except Exception as error:
                entered.set_attribute("error.type", type(error).__qualname__)
                raise

    return span
