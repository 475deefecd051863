"""Reads records. Belongs to one thread, the reader's."""

import sqlite3
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tickwheel.server.records.database import OFFSET_BITS
from tickwheel.v1 import executor_service_pb2 as pb

#: Decoded batches that were last read in part, one per partition.
_KEPT_BATCHES = 8


class Span(NamedTuple):
    """Offsets of one partition, from `first` to `last`, both inclusive."""

    topic: str
    partition_id: int
    number: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Fetched:
    """What was read: of each span what is there, in order."""

    #: The contract's own message, so that an answer is not copied again.
    response: pb.PullRecordsResponse
    #: It stopped short because of `max_bytes`; else what is missing is no longer kept.
    is_cut: bool


class _Batch(NamedTuple):
    base: int
    append_ms: int
    records: Sequence[pb.Record]


class Reader:
    """Fetches records by offset."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        # Who reads fewer at a time than were appended at a time comes back to the same batch.
        self._partly_read: OrderedDict[int, _Batch] = OrderedDict()

    def fetch(self, spans: Iterable[Span], max_bytes: int) -> Fetched:
        """Reads records, but stops before they exceed `max_bytes`; at least one is given.

        Raises:
            sqlite3.Error: the file cannot be read.
        """
        response = pb.PullRecordsResponse()
        room = max_bytes
        for span in spans:
            for base, append_ms, records in self._batches(span):
                seconds, rest = divmod(append_ms, 1000)
                first = max(span.first - base, 0)
                for offset, record in enumerate(
                    records[first : span.last - base + 1], start=base + first
                ):
                    room -= record.ByteSize()
                    if room < 0 and response.records:
                        return Fetched(response, is_cut=True)
                    copy = response.records.add()
                    copy.CopyFrom(record)
                    copy.topic = span.topic
                    copy.partition = span.number
                    copy.offset = offset
                    copy.append_time.seconds = seconds
                    copy.append_time.nanos = rest * 1_000_000
        return Fetched(response, is_cut=False)

    def _batches(self, span: Span) -> Iterator[_Batch]:
        lowest = span.partition_id << OFFSET_BITS
        first = span.first
        kept = self._partly_read.get(span.partition_id)
        if kept is not None and kept.base <= first < kept.base + len(kept.records):
            yield kept
            first = kept.base + len(kept.records)
            if first > span.last:
                return
        rows = self._connection.execute(
            "SELECT id, append_ms, data FROM batches WHERE id >= coalesce("
            " (SELECT max(id) FROM batches WHERE id >= ? AND id <= ?), ?) AND id <= ? ORDER BY id",
            (lowest, lowest + first, lowest + first, lowest + span.last),
        )
        for batch_id, append_ms, data in rows:
            records = pb.PullRecordsResponse.FromString(data).records
            batch = _Batch(batch_id - lowest, append_ms, records)
            if batch.base + len(records) - 1 > span.last:
                self._keep(span.partition_id, batch)
            if batch.base + len(records) > first:
                yield batch

    def _keep(self, partition_id: int, batch: _Batch) -> None:
        self._partly_read[partition_id] = batch
        self._partly_read.move_to_end(partition_id)
        if len(self._partly_read) > _KEPT_BATCHES:
            self._partly_read.popitem(last=False)
