"""The worker's part of a run's trace: how long it held the record, and how the log took it.

https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/
"""

import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from opentelemetry.trace import SpanKind, StatusCode

from tickwheel.worker.publisher.port import Ack, Record, Refused, Result, RunId, Unavailable
from tickwheel.worker.publisher.records import record_id
from tickwheel.worker.telemetry.setup import Telemetry
from tickwheel.worker.telemetry.spans import Context, SpanWriter

_TRACEPARENT = "traceparent"
#: Last digits of the flags of a sampled trace.
_ODD = frozenset(b"13579bdf"[place : place + 1] for place in range(8))
#: Of how many traced records it is known when they came; of others how long they were held is not
#: told. Some are dropped before they are due, and nobody says so: the oldest go first.
_MOST = 10_000


@dataclass(slots=True)
class _Held:
    context: Context
    received_ns: int
    given_ns: int = 0


class SendSpans:
    """Writes spans for the records of sampled runs; looks at each record's trace flag alone."""

    def __init__(self, telemetry: Telemetry, system: str) -> None:
        self._writer = SpanWriter(telemetry) if telemetry.spans is not None else None
        self._system = system
        self._held: OrderedDict[RunId, _Held] = OrderedDict()

    def received(self, records: Sequence[Record]) -> None:
        """Records have come, to be published later."""
        if self._writer is None:
            return
        now_ns = time.time_ns()
        for record in records:
            context = _sampled(record)
            if context is not None:
                self._held[record.run] = _Held(context, received_ns=now_ns)
        while len(self._held) > _MOST:
            self._held.popitem(last=False)

    def given(self, records: Sequence[Record]) -> None:
        """Records are given to the log; some of them again, and some that nobody has announced."""
        if self._writer is None:
            return
        now_ns = time.time_ns()
        for record in records:
            context = _sampled(record)
            if context is not None:
                held = self._held.setdefault(record.run, _Held(context, received_ns=now_ns))
                held.given_ns = now_ns

    def answered(self, records: Sequence[Record], results: Sequence[Result]) -> None:
        """The log has answered."""
        if self._writer is None or not self._held:
            return
        now_ns = time.time_ns()
        for record, result in zip(records, results, strict=True):
            held = self._held.pop(record.run, None)
            if held is not None:
                self._write(self._writer, held, record, result, now_ns)

    def _write(
        self, writer: SpanWriter, held: _Held, record: Record, result: Result, now_ns: int
    ) -> None:
        job = dict(record.headers).get("ce_source", b"").decode()
        common: dict[str, str | int] = {
            "tickwheel.job.name": job,
            "tickwheel.run.name": f"{job}/runs/{record.run.run_id}",
            "tickwheel.run.attempt": record.run.attempt,
        }
        given_ns = held.given_ns or now_ns
        writer.write("hold", held.context, held.received_ns, given_ns, attributes=common)
        attributes: dict[str, str | int] = {
            **common,
            "messaging.system": self._system,
            "messaging.operation.name": "send",
            "messaging.operation.type": "send",
            "messaging.destination.name": record.topic,
            "messaging.message.id": record_id(record.run),
            "messaging.message.body.size": len(record.value),
        }
        if isinstance(result, Ack):
            attributes["messaging.destination.partition.id"] = str(result.partition)
            if result.offset >= 0:
                attributes["messaging.kafka.offset"] = result.offset
        else:
            attributes["error.type"] = why_not(result)
        writer.write(
            f"send {record.topic}",
            held.context,
            given_ns,
            now_ns,
            kind=SpanKind.PRODUCER,
            attributes=attributes,
            status=StatusCode.UNSET if isinstance(result, Ack) else StatusCode.ERROR,
            message="" if isinstance(result, Ack) else result.message,
        )


def why_not(result: Refused | Unavailable) -> str:
    """`error.type` of a record that the log has not taken."""
    return "refused" if isinstance(result, Refused) else "unavailable"


def _sampled(record: Record) -> Context | None:
    """The trace context of a record whose run is sampled."""
    for name, value in record.headers:
        if name == _TRACEPARENT:
            if value[-1:] not in _ODD:
                return None
            return Context.sampled(value.decode("ascii", "replace"))
    return None
