"""The one thread that writes, with group commit.

Whatever has been asked for while the last transaction was being written to the disk makes up the
next one: one fsync for all, no waiting for company. What is answered is on the disk.
"""

import asyncio
import queue
import sqlite3
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from enum import Enum, auto
from typing import Generic, TypeVar

import structlog
from typing_extensions import override

from tickwheel.server.domain.clock import Clock
from tickwheel.server.records.checkpoint import Checkpointer
from tickwheel.server.records.database import PAGE_BYTES
from tickwheel.server.records.errors import LogUnavailable, unavailable
from tickwheel.server.records.record import Appended, PartitionState
from tickwheel.server.records.tail import Place, Tail
from tickwheel.server.records.wire import Entry

_log = structlog.get_logger(__name__)

T = TypeVar("T")

#: Gives the records to append; called on the writer's thread immediately before they are.
Supply = Callable[[], Sequence[Entry]]

_GROUP = 4_096


class _Operation(ABC, Generic[T]):
    """Part of a transaction; may be run again after a rollback."""

    def __init__(self, future: "asyncio.Future[T]") -> None:
        self._future = future

    @abstractmethod
    def run(self, tail: Tail) -> None: ...

    @abstractmethod
    def result(self, append_ms: int) -> T: ...

    def succeed(self, append_ms: int) -> None:
        """On the event loop."""
        if not self._future.done():
            self._future.set_result(self.result(append_ms))

    def fail(self, error: Exception) -> None:
        """On the event loop."""
        if not self._future.done():
            self._future.set_exception(error)


class _Append(_Operation[list[Appended]]):
    def __init__(self, future: "asyncio.Future[list[Appended]]", supply: Supply) -> None:
        super().__init__(future)
        self._supply = supply
        self._places: list[Place] = []

    @override
    def run(self, tail: Tail) -> None:
        self._places = tail.append(self._supply())

    @override
    def result(self, append_ms: int) -> list[Appended]:
        return [Appended(number, offset, append_ms) for number, offset in self._places]


class _Work(_Operation[T]):
    def __init__(self, future: "asyncio.Future[T]", work: Callable[[Tail], T]) -> None:
        super().__init__(future)
        self._work = work
        self._value: T

    @override
    def run(self, tail: Tail) -> None:
        self._value = self._work(tail)

    @override
    def result(self, append_ms: int) -> T:
        return self._value


class _Signal(Enum):
    STOP = auto()
    CHECKPOINT = auto()


class Writer:
    """Runs operations in the order in which they were given.

    Futures belong to the running loop and are resolved a group at a time, after `committed` was
    told of the partitions that the group has changed.
    """

    def __init__(
        self, tail: Tail, clock: Clock, committed: Callable[[Sequence[PartitionState]], None]
    ) -> None:
        self._tail = tail
        self._clock = clock
        self._committed = committed
        self._loop = asyncio.get_running_loop()
        self._queue: queue.SimpleQueue[_Operation[object] | _Signal] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="records-write", daemon=True)
        self._checkpointer: Checkpointer | None = None
        self._must_load = False
        self._closed = False

    def start(self, checkpointer: Checkpointer | None) -> None:
        """Begins; `checkpointer` is None where there is no file."""
        self._checkpointer = checkpointer
        self._thread.start()

    def append(self, supply: Supply) -> "asyncio.Future[list[Appended]]":
        """Appends what `supply` gives; the answers are in its order.

        `supply` may be called again if the transaction fails. The future fails with LogUnavailable,
        or with what `supply` raises; nothing of it is on the log then.
        """
        future: asyncio.Future[list[Appended]] = self._loop.create_future()
        self._put(_Append(future, supply))
        return future

    def submit(self, work: Callable[[Tail], T]) -> "asyncio.Future[T]":
        """Does other work in a transaction; it may be done again if that fails.

        The future fails with LogUnavailable, or with what `work` raises.
        """
        future: asyncio.Future[T] = self._loop.create_future()
        self._put(_Work(future, work))
        return future

    def checkpoint(self) -> None:
        """Has the writer finish a checkpoint. May be called on any thread."""
        self._queue.put(_Signal.CHECKPOINT)

    async def close(self) -> None:
        """Does what was asked for, then ends. What is asked for later fails."""
        self._closed = True
        self._queue.put(_Signal.STOP)
        await asyncio.to_thread(self._thread.join)

    def _put(self, operation: "_Operation[T]") -> None:
        if self._closed:
            operation.fail(LogUnavailable("the record log is closed"))
        else:
            # The queue holds operations of any result.
            self._queue.put(operation)  # pyright: ignore[reportArgumentType]

    # -- on the writer's thread --------------------------------------------------------------

    def _run(self) -> None:
        signals: set[_Signal] = set()
        while _Signal.STOP not in signals:
            group, signals = self._gather()
            if group:
                self._write(group)
            if _Signal.CHECKPOINT in signals and self._checkpointer is not None:
                self._checkpointer.finish(self._tail.connection)

    def _gather(self) -> tuple[list[_Operation[object]], set[_Signal]]:
        """Waits for something to do, and takes all there is."""
        group: list[_Operation[object]] = []
        signals: set[_Signal] = set()
        item = self._queue.get()
        while True:
            if isinstance(item, _Signal):
                signals.add(item)
            else:
                group.append(item)
            if len(group) == _GROUP or _Signal.STOP in signals:
                return group, signals
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                return group, signals

    def _write(self, group: Sequence[_Operation[object]]) -> None:
        try:
            append_ms = self._commit(group)
        except Exception as error:
            self._roll_back()
            if len(group) == 1:
                reason = unavailable(error) if isinstance(error, sqlite3.Error) else error
                self._loop.call_soon_threadsafe(group[0].fail, reason)
                return
            # One of them is to blame, or there is room for some of them only.
            for operation in group:
                self._write([operation])
            return
        self._loop.call_soon_threadsafe(self._deliver, group, append_ms, self._tail.take_changes())

    def _commit(self, group: Sequence[_Operation[object]]) -> int:
        tail = self._tail
        if self._must_load:
            tail.load()
            self._must_load = False
        tail.connection.execute("BEGIN IMMEDIATE")
        for operation in group:
            operation.run(tail)
        append_ms = self._clock.now_ms()
        written = tail.flush(append_ms)
        tail.connection.execute("COMMIT")
        if self._checkpointer is not None:
            # A page or two is written again whatever little is added to it.
            self._checkpointer.wrote(written + 4 * PAGE_BYTES)
        return append_ms

    def _roll_back(self) -> None:
        self._must_load = True
        # After some errors SQLite has already done it.
        if self._tail.connection.in_transaction:
            try:
                self._tail.connection.execute("ROLLBACK")
            except sqlite3.Error as error:
                # Then the next transaction cannot begin, fails, and comes here again.
                _log.error("the record log could not be rolled back", error=str(error))

    def _deliver(
        self,
        group: Sequence[_Operation[object]],
        append_ms: int,
        changes: Sequence[PartitionState],
    ) -> None:
        self._committed(changes)
        for operation in group:
            operation.succeed(append_ms)
