"""The embedded log's outside."""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Self, TypeVar

import structlog

from tickwheel.server.domain.clock import Clock
from tickwheel.server.records.checkpoint import Checkpointer
from tickwheel.server.records.database import connect, create
from tickwheel.server.records.errors import LogUnavailable, unavailable
from tickwheel.server.records.group import Position
from tickwheel.server.records.groups import Groups
from tickwheel.server.records.reading import Fetched, Reader, Span
from tickwheel.server.records.record import Appended, LogLimits, PartitionState, Recordable
from tickwheel.server.records.retention import drop_older
from tickwheel.server.records.tail import Tail
from tickwheel.server.records.wire import entry_of
from tickwheel.server.records.writer import Supply, Writer
from tickwheel.v1 import executor_service_pb2 as pb

T = TypeVar("T")

_log = structlog.get_logger(__name__)

_HOUSEKEEPING_S = 3600.0
_READ_BYTES = 16 * 1024 * 1024
#: About as much as a burst of records needs.
_PROBE_BYTES = 1024 * 1024


class RecordLog:
    """A log of topics and partitions in one SQLite file, for one process.

    An append that has returned is on the disk. Nothing here blocks the event loop: one thread
    writes, with all that was asked for meanwhile in one transaction; another one reads. Offsets
    count from 0 in each partition, without gaps. All methods may raise LogUnavailable.
    """

    def __init__(self, path: Path | None, clock: Clock, limits: LogLimits) -> None:
        """See `open`."""
        self._path = path
        self._clock = clock
        self._limits = limits
        self._topics: dict[str, dict[int, PartitionState]] = {}
        self._is_closed = False
        connection = connect(path)
        self._connections = [connection]
        try:
            create(connection, limits.max_file_bytes)
            self._tail = Tail(connection, limits.partitions)
            self._tail.load()
        except BaseException:
            connection.close()
            raise
        self._reader_thread: ThreadPoolExecutor | None = None
        if path is None:
            # A database in memory has but one connection: it reads in between its transactions.
            self._reader = Reader(connection)
        else:
            self._connections.append(connect(path))
            self._reader = Reader(self._connections[-1])
            self._reader_thread = ThreadPoolExecutor(1, "records-read")

    @classmethod
    async def open(cls, path: Path | None, clock: Clock, limits: LogLimits | None = None) -> Self:
        """Opens the log, and makes its file where there is none. `close` must follow.

        Args:
            path: its file, in a directory that no other process uses; None: in memory.
            clock: stamps records, and counts sessions and the retention.
            limits: how it is bounded.

        Raises:
            LogUnavailable: the file cannot be opened or is of a later release.
        """
        try:
            log = await asyncio.to_thread(cls, path, clock, limits or LogLimits())
        except sqlite3.Error as error:
            raise LogUnavailable(f"cannot open {path}: {error}") from error
        log._begin()
        return log

    def _begin(self) -> None:
        self._writer = Writer(self._tail, self._clock, self._committed)
        self._checkpointer = (
            Checkpointer(self._path, self._writer.checkpoint) if self._path is not None else None
        )
        self._groups = Groups(self._writer, self._clock, self._topics, self._fetch)
        self._committed(self._tail.states())
        self._writer.start(self._checkpointer)
        self._housekeeping = asyncio.create_task(self._keep_house(), name="records housekeeping")

    async def close(self) -> None:
        """Ends waiting pulls, finishes what was asked for, and closes the file."""
        self._is_closed = True
        self._housekeeping.cancel()
        await asyncio.gather(self._housekeeping, return_exceptions=True)
        self._groups.stop_waiting()
        await self._writer.close()
        await asyncio.to_thread(self._let_go)

    def _let_go(self) -> None:
        if self._reader_thread is not None:
            self._reader_thread.shutdown()
        if self._checkpointer is not None:
            self._checkpointer.close()
        # The writer's last: SQLite then copies the write-ahead log back and removes it.
        for connection in reversed(self._connections):
            connection.close()

    # -- appending ---------------------------------------------------------------------------

    async def append(self, records: Sequence[Recordable]) -> list[Appended]:
        """Appends records: all of them, in their order per key, or none.

        A topic that does not exist is made. The key chooses the partition as Kafka's default
        partitioner does; those without a key go together to one partition.

        Returns:
            Where each of them is, in the same order.

        Raises:
            RecordRefused: one of them never can be taken.
        """
        limit = self._limits.max_record_bytes
        return await self._writer.append(lambda: [entry_of(record, limit) for record in records])

    def append_from(self, supply: Supply) -> "asyncio.Future[list[Appended]]":
        """Appends what `supply` gives at the last moment, on the writer's thread.

        For those who have to decide immediately before whether a record may still go on the log.
        `supply` is called once more if the transaction failed and is repeated; what it gave last
        counts. What it raises becomes the future's error.
        """
        return self._writer.append(supply)

    @property
    def limits(self) -> LogLimits:
        """How it is bounded."""
        return self._limits

    async def probe(self) -> None:
        """Writes a little and removes it again.

        Raises:
            LogUnavailable: nothing can be written just now; for example, the disk is full.
        """
        await self._writer.submit(_fill)
        await self._writer.submit(_empty)

    # -- reading -----------------------------------------------------------------------------

    def partitions(self, topic: str) -> list[PartitionState]:
        """The partitions of a topic by number, and which offsets they hold; none if unknown."""
        return list(self._topics.get(topic, {}).values())

    async def read(
        self, topic: str, partition: int | None, from_offset: int, limit: int
    ) -> list[pb.Record]:
        """Reads records, whoever has acknowledged them.

        Args:
            topic: one that is unknown has no records.
            partition: its number; None: all, one after the other.
            from_offset: the first to read, in each partition.
            limit: how many at most; fewer where they come to 16 MiB. Go on after the last one.
        """
        spans: list[Span] = []
        for state in self.partitions(topic):
            first = max(from_offset, state.start)
            last = min(state.end, first + limit) - 1
            if partition in (None, state.number) and first <= last:
                spans.append(Span(topic, state.id, state.number, first, last))
                limit -= last - first + 1
        fetched = await self._fetch(spans, _READ_BYTES)
        return list(fetched.response.records)

    # -- groups ------------------------------------------------------------------------------

    async def pull(
        self,
        topic: str,
        group: str,
        *,
        limit: int,
        wait_ms: int = 0,
        consumer: str = "",
        session_timeout_ms: int = 30_000,
        start_at_end: bool = False,
    ) -> pb.PullRecordsResponse:
        """Hands records to a member of a group: at least once each for the group.

        What a member was handed and has not acknowledged goes to nobody else until the member has
        not pulled for its session time-out. Fewer than `limit` are given where they come to more
        than 3.5 MB, or 20,000 records of the group are unacknowledged.

        Args:
            topic: is made where there is none of that name.
            group: is made where there is none of that name.
            limit: how many at most; 0 answers none, at once.
            wait_ms: how long to wait for a first one.
            consumer: the member; empty: a member of its own.
            session_timeout_ms: after how much silence its records are handed out again.
            start_at_end: where a group that is made begins.
        """
        return await self._groups.pull(
            topic,
            group,
            limit=limit,
            wait_ms=wait_ms,
            consumer=consumer,
            session_timeout_ms=session_timeout_ms,
            start_at_end=start_at_end,
        )

    async def ack(self, topic: str, group: str, positions: Sequence[Position]) -> None:
        """Acknowledges records for a group, each by itself; on the disk when this returns.

        Those that are acknowledged already, that do not exist, or whose group does not, are passed
        over.
        """
        await self._groups.ack(topic, group, positions)

    def stop_waiting(self) -> None:
        """Has all pulls answer at once with what there is, now and later."""
        self._groups.stop_waiting()

    # -- inside ------------------------------------------------------------------------------

    def _committed(self, changes: Sequence[PartitionState]) -> None:
        for state in changes:
            self._topics.setdefault(state.topic, {})[state.number] = state
        for topic in {state.topic for state in changes}:
            self._groups.wake(topic)

    async def _fetch(self, spans: Sequence[Span], max_bytes: int) -> Fetched:
        return await self._reading(lambda reader: reader.fetch(spans, max_bytes))

    async def _reading(self, work: Callable[[Reader], T]) -> T:
        if self._is_closed:
            raise LogUnavailable("the record log is closed")
        if self._reader_thread is None:
            return await self._writer.submit(lambda _: work(self._reader))
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._reader_thread, work, self._reader)
        except sqlite3.Error as error:
            raise unavailable(error) from error

    async def _keep_house(self) -> None:
        while True:
            try:
                await self._drop_old()
            except LogUnavailable as error:
                _log.warning("old records could not be dropped", error=error.message)
            await self._clock.sleep(_HOUSEKEEPING_S)

    async def _drop_old(self) -> None:
        before_ms = self._clock.now_ms() - self._limits.retention_ms
        states = [state for topic in self._topics.values() for state in topic.values()]
        for state in states:
            if state.start < state.end:
                work = partial(drop_older, partition=state, before_ms=before_ms)
                while await self._writer.submit(work):
                    pass
        await self._groups.drop_unused(before_ms)


def _fill(tail: Tail) -> None:
    tail.connection.execute("INSERT OR REPLACE INTO probe VALUES (1, zeroblob(?))", (_PROBE_BYTES,))


def _empty(tail: Tail) -> None:
    tail.connection.execute("DELETE FROM probe")
