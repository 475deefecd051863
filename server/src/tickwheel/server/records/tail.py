"""The end of the log, where records are added. Belongs to the writer's thread."""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from tickwheel.server.records.database import OFFSET_BITS
from tickwheel.server.records.record import PartitionState
from tickwheel.server.records.wire import Entry

#: A batch is closed at this size, so that a reader who wants one record need not read megabytes.
_BATCH_BYTES = 256 * 1024
#: Rows of one INSERT: a single step, during which the interpreter's lock is given away once.
_ROWS = 64


class Place(NamedTuple):
    """Where a record will be once the transaction is committed."""

    partition: int
    offset: int


class _PartitionTail:
    """A partition's next offset, and the batch being gathered for it."""

    __slots__ = ("base", "data", "end", "id", "number", "size", "start", "topic")

    def __init__(self, state: PartitionState) -> None:
        self.topic, self.id, self.number, self.start, self.end = state
        self.base = self.end
        self.data: list[bytes] = []
        self.size = 0

    @property
    def state(self) -> PartitionState:
        return PartitionState(self.topic, self.id, self.number, self.start, self.end)


def load_partitions(connection: sqlite3.Connection) -> list[PartitionState]:
    """All partitions as they are committed, in order of topic and number."""
    # The sub-select finds the last batch by its key, without touching the others.
    rows = connection.execute(
        "SELECT t.name, p.id, p.number, p.start_offset, b.id, b.record_count"
        " FROM partitions p JOIN topics t ON t.id = p.topic_id"
        " LEFT JOIN batches b ON b.id = (SELECT max(id) FROM batches"
        f"  WHERE id >= p.id << {OFFSET_BITS} AND id < (p.id + 1) << {OFFSET_BITS})"
        " ORDER BY p.topic_id, p.number"
    ).fetchall()
    states: list[PartitionState] = []
    for topic, partition_id, number, start, last, count in rows:
        end = start
        if last is not None:
            end = max(end, last - (partition_id << OFFSET_BITS) + count)
        states.append(PartitionState(topic, partition_id, number, start, end))
    return states


class Tail:
    """Assigns partitions and offsets, and gathers records into batches.

    Within a transaction, in this order: any number of `append` and other statements on
    `connection`; `flush`; commit; `take_changes`. After a rollback: `load`.
    """

    def __init__(self, connection: sqlite3.Connection, partitions: int) -> None:
        self.connection = connection
        self._partition_count = partitions
        self._topics: dict[str, list[_PartitionTail]] = {}
        self._full: list[tuple[int, int, bytes]] = []
        self._changed: dict[int, _PartitionTail] = {}
        self._next_keyless = 0

    def load(self) -> None:
        """Takes what is committed as the truth."""
        self._topics.clear()
        self._full.clear()
        self._changed.clear()
        for state in load_partitions(self.connection):
            self._topics.setdefault(state.topic, []).append(_PartitionTail(state))

    def append(self, entries: Sequence[Entry]) -> list[Place]:
        """Places records; those without a key go to one partition, another one each time."""
        places: list[Place] = []
        topics = self._topics
        changed = self._changed
        keyless = self._next_keyless
        self._next_keyless += 1
        for topic, hashed, head, value in entries:
            partitions = topics.get(topic) or self._create_topic(topic)
            partition = partitions[(keyless if hashed is None else hashed) % len(partitions)]
            offset = partition.end
            partition.end = offset + 1
            if not partition.data:
                changed[partition.id] = partition
            partition.data += (head, value)
            partition.size += len(head) + len(value)
            if partition.size >= _BATCH_BYTES:
                self._close(partition)
            places.append(Place(partition.number, offset))
        return places

    def ensure_topic(self, topic: str) -> list[PartitionState]:
        """The partitions of a topic, which is made where there is none of that name."""
        return _states(self._topics.get(topic) or self._create_topic(topic))

    def flush(self, append_ms: int) -> int:
        """Writes what was gathered, stamped with this instant; returns about how many bytes."""
        for partition in self._changed.values():
            if partition.data:
                self._close(partition)
        written = 0
        for first in range(0, len(self._full), _ROWS):
            rows = self._full[first : first + _ROWS]
            values: list[int | bytes] = []
            for batch_id, count, data in rows:
                values += (batch_id, count, append_ms, data)
                written += len(data)
            self.connection.execute(
                "INSERT INTO batches (id, record_count, append_ms, data) VALUES "
                + ",".join(["(?,?,?,?)"] * len(rows)),
                values,
            )
        self._full.clear()
        return written

    def trim(self, topic: str, number: int, start: int) -> None:
        """Notes that the partition begins at this offset now."""
        partition = self._topics[topic][number]
        partition.start = start
        self._changed[partition.id] = partition

    def states(self) -> list[PartitionState]:
        """All partitions."""
        return _states(part for parts in self._topics.values() for part in parts)

    def take_changes(self) -> list[PartitionState]:
        """The partitions that have changed since this was last asked."""
        states = _states(self._changed.values())
        self._changed.clear()
        return states

    def _create_topic(self, topic: str) -> list[_PartitionTail]:
        topic_id = self.connection.execute(
            "INSERT INTO topics (name) VALUES (?)", (topic,)
        ).lastrowid
        made: list[_PartitionTail] = []
        for number in range(self._partition_count):
            partition_id = self.connection.execute(
                "INSERT INTO partitions (topic_id, number, start_offset) VALUES (?, ?, 0)",
                (topic_id, number),
            ).lastrowid
            assert partition_id is not None
            made.append(_PartitionTail(PartitionState(topic, partition_id, number, 0, 0)))
            self._changed[partition_id] = made[-1]
        self._topics[topic] = made
        return made

    def _close(self, partition: _PartitionTail) -> None:
        batch_id = partition.id << OFFSET_BITS | partition.base
        count = partition.end - partition.base
        self._full.append((batch_id, count, b"".join(partition.data)))
        partition.base = partition.end
        partition.data = []
        partition.size = 0


def _states(partitions: Iterable[_PartitionTail]) -> list[PartitionState]:
    return [partition.state for partition in partitions]
