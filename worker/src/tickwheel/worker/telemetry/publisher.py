"""Measures and traces what is given to the log, around any publisher."""

import time
from collections.abc import Sequence
from typing import final

from typing_extensions import override

from tickwheel.worker.listeners import Listeners
from tickwheel.worker.publisher.port import (
    Ack,
    Publisher,
    Record,
    Report,
    Result,
)
from tickwheel.worker.telemetry.names import SEND
from tickwheel.worker.telemetry.sending import SendSpans, why_not
from tickwheel.worker.telemetry.setup import Telemetry


@final
class ObservedPublisher(Publisher):
    """A publisher that tells how long each record took, and of sampled runs where it went."""

    def __init__(self, inner: Publisher, telemetry: Telemetry, system: str) -> None:
        """Around another one; `system` is `kafka` or `tickwheel` (the embedded log)."""
        self._inner = inner
        self._duration = telemetry.histogram(SEND)
        self._spans = SendSpans(telemetry, system)
        self._system = system
        self._received = Listeners(self._spans.received)
        self._gave = Listeners(self._note, self._spans.given)
        self._answered = Listeners(self._measure, self._spans.answered)
        #: When each record was given, on the steady clock; those that are not reported yet.
        self._given: dict[int, float] = {}
        self._report: Report | None = None

    @override
    async def start(self, report: Report) -> None:
        self._report = report
        await self._inner.start(self._observe)

    @property
    @override
    def ready(self) -> bool:
        return self._inner.ready

    @override
    def expect(self, records: Sequence[Record]) -> None:
        self._received(records)
        self._inner.expect(records)

    @override
    async def publish(self, records: Sequence[Record]) -> None:
        self._gave(records)
        await self._inner.publish(records)

    @override
    async def abort(self) -> None:
        await self._inner.abort()

    @override
    async def close(self) -> None:
        await self._inner.close()

    def _observe(self, records: Sequence[Record], results: Sequence[Result]) -> None:
        if self._report is not None:
            self._report(records, results)
        self._answered(records, results)

    def _note(self, records: Sequence[Record]) -> None:
        self._given.update(dict.fromkeys(map(id, records), time.perf_counter()))

    def _measure(self, records: Sequence[Record], results: Sequence[Result]) -> None:
        now = time.perf_counter()
        # Records are given, and answered for, in batches: most of them took the same time.
        alike: dict[tuple[float, str], int] = {}
        for record, result in zip(records, results, strict=True):
            begun = self._given.pop(id(record), now)
            error = "" if isinstance(result, Ack) else why_not(result)
            alike[begun, error] = alike.get((begun, error), 0) + 1
        for (begun, error), count in alike.items():
            self._duration.record(now - begun, self._system, "send", error, count=count)
