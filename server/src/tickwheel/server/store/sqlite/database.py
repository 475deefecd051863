"""Threads around SQLite: one writer that commits in groups, one reader beside it."""

import asyncio
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from tickwheel.server.domain.errors import StoreUnavailable

T = TypeVar("T")

#: Operations of one commit at most, and for how long it takes further ones, in seconds, so that the
#: first of a long queue does not wait for the last.
MAX_GROUP = 256
GROUP_S = 0.05


class _Write:
    """An operation that waits for its commit."""

    __slots__ = ("error", "future", "operation", "result")

    def __init__(
        self, operation: Callable[[sqlite3.Connection], Any], future: "asyncio.Future[Any]"
    ) -> None:
        self.operation = operation
        self.future = future
        self.result: Any = None
        self.error: BaseException | None = None

    def settle(self) -> None:
        if self.future.done():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


class Database:
    """One SQLite database. All methods are called on one event loop."""

    def __init__(self, path: Path | None, *, read_only: bool = False) -> None:
        """Opens the file, or a database in memory (None).

        Args:
            path: the file.
            read_only: nothing can be written, and another process may be writing meanwhile.

        Raises:
            StoreUnavailable: it cannot be opened.
        """
        self._loop = asyncio.get_running_loop()
        self._queued: deque[_Write] = deque()
        self._urgent: deque[_Write] = deque()
        self._some = threading.Event()
        try:
            self._connection = _connect(path, read_only=read_only)
            self._reader = _connect(path, read_only=read_only) if path else None
        except sqlite3.Error as error:
            raise StoreUnavailable(f"cannot open {path}: {error}") from error
        self._reading = ThreadPoolExecutor(1, "sqlite-reader")
        self._thread = threading.Thread(target=self._work, name="sqlite-writer", daemon=True)
        self._closed = False
        self._thread.start()

    async def write(
        self, operation: Callable[[sqlite3.Connection], T], *, urgent: bool = False
    ) -> T:
        """Runs an operation in a transaction and returns once that is on the disk.

        An operation that raises is undone alone; the others of its group are done again without it.

        Args:
            operation: what to do.
            urgent: it need not wait for what others have queued.

        Raises:
            StoreUnavailable: nothing was written.
        """
        if self._closed:
            raise StoreUnavailable("the store is closed")
        future: asyncio.Future[T] = self._loop.create_future()
        (self._urgent if urgent else self._queued).append(_Write(operation, future))
        self._some.set()
        return await future

    async def read(self, operation: Callable[[sqlite3.Connection], T]) -> T:
        """Runs an operation that only reads; it sees all that was acknowledged.

        Raises:
            StoreUnavailable: it could not be read.
        """
        if self._reader is None:
            return await self.write(operation)
        if self._closed:
            raise StoreUnavailable("the store is closed")
        try:
            return await self._loop.run_in_executor(self._reading, operation, self._reader)
        except sqlite3.Error as error:
            raise StoreUnavailable(f"SQLite: {error}") from error

    async def close(self) -> None:
        """Finishes what is queued and closes the file."""
        if self._closed:
            return
        self._closed = True
        self._some.set()
        await self._loop.run_in_executor(None, self._thread.join)
        self._reading.shutdown()
        if self._reader is not None:
            self._reader.close()
        self._connection.close()

    def _work(self) -> None:
        """The writer's thread: takes what is queued, commits it as one, tells all at once."""
        while True:
            self._some.clear()
            first = self._next()
            if first is not None:
                group = self._commit(first)
                self._loop.call_soon_threadsafe(_settle, group)
            elif self._closed:
                return
            else:
                self._some.wait()

    def _next(self) -> _Write | None:
        for waiting in (self._urgent, self._queued):
            if waiting:
                return waiting.popleft()
        return None

    def _commit(self, first: _Write) -> list[_Write]:
        """Commits a write and what is queued behind it; returns all of them."""
        connection = self._connection
        group: list[_Write] = []
        until_s = time.monotonic() + GROUP_S
        write: _Write | None = first
        try:
            connection.execute("BEGIN IMMEDIATE")
            while write is not None:
                group.append(write)
                write.result = write.operation(connection)
                is_full = len(group) == MAX_GROUP or time.monotonic() > until_s
                write = None if is_full else self._next()
            connection.execute("COMMIT")
        except Exception as error:
            self._roll_back()
            self._do_alone(group or [first], error)
        return group or [first]

    def _do_alone(self, group: list[_Write], error: Exception) -> None:
        """A group could not be committed: one of it is to blame, which is undone alone.

        That is rare, so it is done again instead of every operation having a savepoint, which
        would be half of the steps of a small one.
        """
        if len(group) == 1:
            is_sqlite = isinstance(error, sqlite3.Error)
            group[0].error = StoreUnavailable(f"SQLite: {error}") if is_sqlite else error
            return
        for write in group:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                write.result = write.operation(self._connection)
                self._connection.execute("COMMIT")
            except Exception as reason:
                self._roll_back()
                self._do_alone([write], reason)

    def _roll_back(self) -> None:
        # After some errors SQLite has already done it.
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")


def _settle(group: list[_Write]) -> None:
    for write in group:
        write.settle()


def _connect(path: Path | None, *, read_only: bool) -> sqlite3.Connection:
    name = f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rwc'}" if path else ":memory:"
    connection = sqlite3.connect(
        name, uri=path is not None, isolation_level=None, check_same_thread=False, timeout=10
    )
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA temp_store=MEMORY")
    return connection
