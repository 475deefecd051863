"""The worker's publisher for the embedded log: in dev mode both are in one process."""

import asyncio
import contextlib
from collections.abc import Sequence

from typing_extensions import override

from tickwheel.server.records.errors import LogUnavailable, RecordRefused
from tickwheel.server.records.log import RecordLog
from tickwheel.server.records.record import Appended
from tickwheel.server.records.wire import Entry, entry_of
from tickwheel.worker.clock import Clock
from tickwheel.worker.publisher.port import (
    Ack,
    Publisher,
    Record,
    Refused,
    Report,
    Result,
    Unavailable,
)

#: How often a log that takes nothing is tried.
_PROBE_S = 1.0

_LAPSED = Unavailable("permission or time ran out before the log was reached")
_ABORTED = Unavailable("thrown away before the log acknowledged it")


class _Batch:
    """The records of one call. `admit` is run by the log's writer immediately before it writes."""

    def __init__(self, records: Sequence[Record], clock: Clock, max_record_bytes: int) -> None:
        self.records = records
        self._clock = clock
        self._max_record_bytes = max_record_bytes
        self._admitted: list[int] = []
        self._results: list[Result] = []
        self.is_aborted = False

    def admit(self) -> Sequence[Entry]:
        """What may be written now; may be asked again if the transaction has to be repeated."""
        entries: list[Entry] = []
        admitted: list[int] = []
        # What is admitted has its result replaced later.
        results: list[Result] = [_LAPSED] * len(self.records)
        if not self.is_aborted:
            steady_ms = self._clock.steady_ms()
            limit = self._max_record_bytes
            for index, record in enumerate(self.records):
                if steady_ms >= record.expire_ms or not record.permit.holds(steady_ms):
                    continue
                try:
                    entries.append(_prepared(record) or entry_of(record, limit))
                except RecordRefused as error:
                    results[index] = Refused(str(error))
                else:
                    admitted.append(index)
        self._admitted, self._results = admitted, results
        return entries

    def appended(self, places: Sequence[Appended]) -> list[Result]:
        """The results where the log has taken what was admitted."""
        acks = map(Ack._make, places)
        if len(places) == len(self.records):
            return list(acks)
        for index, ack in zip(self._admitted, acks, strict=True):
            self._results[index] = ack
        return self._results

    def failed(self, message: str) -> list[Result]:
        """The results where it has not."""
        for index in self._admitted:
            self._results[index] = Unavailable(message)
        return self._results or [Unavailable(message)] * len(self.records)


class EmbeddedPublisher(Publisher):
    """Publishes to a RecordLog, whose owner closes it.

    The log answers each batch at once, so nothing is retried here: what a full disk keeps out is
    reported as Unavailable, and the log is tried every second until it takes something again.
    """

    def __init__(self, log: RecordLog, clock: Clock) -> None:
        self._log = log
        self._clock = clock
        self._report: Report = _not_started
        self._outstanding: dict[asyncio.Future[list[Appended]], _Batch] = {}
        self._probing: asyncio.Task[None] | None = None
        self._is_ready = True
        self._is_aborted = False

    @override
    async def start(self, report: Report) -> None:
        self._report = report

    @property
    @override
    def ready(self) -> bool:
        return self._is_ready

    @override
    def expect(self, records: Sequence[Record]) -> None:
        # At its instant nothing is left to do for a record but to write it.
        limit = self._log.limits.max_record_bytes
        for record in records:
            with contextlib.suppress(RecordRefused):
                record.prepared = entry_of(record, limit)

    @override
    async def publish(self, records: Sequence[Record]) -> None:
        if not records:
            return
        if self._is_aborted:
            self._report(records, [_ABORTED] * len(records))
            return
        batch = _Batch(records, self._clock, self._log.limits.max_record_bytes)
        future = self._log.append_from(batch.admit)
        self._outstanding[future] = batch
        future.add_done_callback(self._done)

    @override
    async def abort(self) -> None:
        self._is_aborted = True
        lost = list(self._outstanding.values())
        self._outstanding.clear()
        for batch in lost:
            batch.is_aborted = True
            self._report(batch.records, [_ABORTED] * len(batch.records))
        await self._stop_probing()

    @override
    async def close(self) -> None:
        if self._outstanding:
            # Their reports were registered first and have been made when this returns.
            await asyncio.wait(list(self._outstanding))
        await self._stop_probing()

    def _done(self, future: "asyncio.Future[list[Appended]]") -> None:
        batch = self._outstanding.pop(future, None)
        error = future.exception()
        if error is not None and not isinstance(error, LogUnavailable):
            # A defect. The records must not be forgotten for that; asyncio's handler tells of it.
            asyncio.get_running_loop().call_exception_handler(
                {"message": "a defect in the embedded publisher", "exception": error}
            )
        if batch is None:
            return
        if error is None:
            places = future.result()
            # Where nothing was admitted, nothing has been tried.
            self._is_ready = self._is_ready or bool(places)
            self._report(batch.records, batch.appended(places))
            return
        self._is_ready = False
        if self._probing is None or self._probing.done():
            self._probing = asyncio.create_task(self._probe(), name="embedded publisher's probe")
        self._report(batch.records, batch.failed(str(error)))

    async def _probe(self) -> None:
        while not self._is_ready:
            await self._clock.sleep(_PROBE_S)
            try:
                await self._log.probe()
            except LogUnavailable:
                continue
            self._is_ready = True

    async def _stop_probing(self) -> None:
        if self._probing is not None:
            self._probing.cancel()
            await asyncio.gather(self._probing, return_exceptions=True)


def _prepared(record: Record) -> Entry | None:
    entry = record.prepared
    return entry if isinstance(entry, Entry) else None


def _not_started(_records: Sequence[Record], _results: Sequence[Result]) -> None:
    raise RuntimeError("the publisher was not started")
