"""Reads a log's file that another process may be writing."""

import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

from tickwheel.server.records.database import OFFSET_BITS, open_read_only
from tickwheel.server.records.errors import LogUnavailable, unavailable
from tickwheel.server.records.reading import Reader, Span
from tickwheel.server.records.record import PartitionState
from tickwheel.server.records.tail import load_partitions
from tickwheel.v1 import executor_service_pb2 as pb

_READ_BYTES = 4 * 1024 * 1024


class LogFile:
    """A log's file, only read. All methods block, and may raise LogUnavailable."""

    def __init__(self, path: Path) -> None:
        """Opens it.

        Raises:
            LogUnavailable: it is not there, or cannot be read.
        """
        if not path.is_file():
            raise LogUnavailable(f"there is no record log at {path}")
        try:
            self._connection = open_read_only(path)
        except sqlite3.Error as error:
            raise LogUnavailable(f"cannot open {path}: {error}") from error
        self._reader = Reader(self._connection)

    def close(self) -> None:
        """Lets go of it."""
        self._connection.close()

    def partitions(self, topic: str) -> list[PartitionState]:
        """The partitions of a topic by number; none if it is unknown."""
        try:
            states = load_partitions(self._connection)
        except sqlite3.Error as error:
            raise unavailable(error) from error
        return [state for state in states if state.topic == topic]

    def since(self, state: PartitionState, since_ms: int) -> int:
        """The first offset that was appended at an instant or later; the end if there is none."""
        lowest = state.id << OFFSET_BITS
        try:
            # The first row that fits: rows are in order of time, the clock's steps aside.
            row = self._connection.execute(
                "SELECT id FROM batches WHERE id >= ? AND id < ? AND append_ms >= ? "
                "ORDER BY id LIMIT 1",
                (lowest, lowest + state.end, since_ms),
            ).fetchone()
        except sqlite3.Error as error:
            raise unavailable(error) from error
        return state.end if row is None else max(state.start, row[0] - lowest)

    def first_ms(self, state: PartitionState) -> int | None:
        """When the first record that is kept was appended; None if none is."""
        lowest = state.id << OFFSET_BITS
        try:
            row = self._connection.execute(
                "SELECT append_ms FROM batches WHERE id >= ? AND id < ? ORDER BY id LIMIT 1",
                (lowest, lowest + state.end),
            ).fetchone()
        except sqlite3.Error as error:
            raise unavailable(error) from error
        return None if row is None else row[0]

    def read(self, topic: str, number: int, begin: int, end: int) -> Iterator[Sequence[pb.Record]]:
        """Records from offset `begin` to before `end`, some at a time."""
        state = next(each for each in self.partitions(topic) if each.number == number)
        while begin < end:
            span = Span(topic, state.id, number, begin, end - 1)
            try:
                records = self._reader.fetch([span], _READ_BYTES).response.records
            except sqlite3.Error as error:
                raise unavailable(error) from error
            if not records:
                return
            yield records
            begin = records[-1].offset + 1
