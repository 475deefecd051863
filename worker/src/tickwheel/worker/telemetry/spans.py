"""Spans of what is over already: written with the instants at which it happened.

A run waits for hours, passes from process to process, and is not known to be worth a trace before
it has ended; so no span object goes with it.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

if TYPE_CHECKING:
    from tickwheel.worker.telemetry.setup import Telemetry

SCOPE = "tickwheel"
#: Last digits of the flags of a sampled trace.
_ODD = tuple("13579bdf")
_SAMPLED = TraceFlags(TraceFlags.SAMPLED)


@dataclass(frozen=True, slots=True)
class Context:
    """Trace and span of a traceparent."""

    trace_id: int
    span_id: int

    @classmethod
    def of(cls, traceparent: str) -> Self | None:
        """What a traceparent names; None where it is none."""
        parts = traceparent.split("-")
        if len(parts) < 4 or len(parts[1]) != 32 or len(parts[2]) != 16:
            return None
        try:
            return cls(int(parts[1], 16), int(parts[2], 16))
        except ValueError:
            return None

    @classmethod
    def sampled(cls, traceparent: str) -> Self | None:
        """Likewise, but None also where the trace is not sampled."""
        return cls.of(traceparent) if traceparent[-1:] in _ODD else None

    def child(self) -> "Context":
        """A span of the same trace."""
        return Context(self.trace_id, secrets.randbits(64) or 1)

    @property
    def span_context(self) -> SpanContext:
        """As OpenTelemetry has it; sampled, or it would not be written."""
        return SpanContext(self.trace_id, self.span_id, is_remote=False, trace_flags=_SAMPLED)


class SpanWriter:
    """Hands finished spans to the exporter."""

    def __init__(self, telemetry: "Telemetry") -> None:
        self._processor = telemetry.spans
        self._resource = telemetry.resource
        self._scope = InstrumentationScope(SCOPE, telemetry.options.version)

    def write(
        self,
        name: str,
        parent: Context | None,
        start_ns: int,
        end_ns: int,
        *,
        own: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Mapping[str, str | int | float | bool] | None = None,
        links: Sequence[Context] = (),
        status: StatusCode = StatusCode.UNSET,
        message: str = "",
    ) -> None:
        """Writes one span.

        Args:
            name: of few different values.
            parent: None for the root of a trace.
            start_ns: Unix nanoseconds.
            end_ns: likewise.
            own: its identity; by default a new child of the parent.
            kind: as OpenTelemetry has it.
            attributes: what belongs to it.
            links: other spans that it follows from.
            status: ERROR for what failed.
            message: why it failed.
        """
        if self._processor is None:
            return
        if own is None:
            if parent is None:
                raise ValueError("a root names itself")
            own = parent.child()
        self._processor.on_end(
            ReadableSpan(
                name=name,
                context=own.span_context,
                parent=parent.span_context if parent is not None else None,
                resource=self._resource,
                attributes=attributes,
                links=[Link(link.span_context) for link in links],
                kind=kind,
                status=Status(status, message or None),
                start_time=start_ns,
                end_time=max(start_ns, end_ns),
                instrumentation_scope=self._scope,
            )
        )
