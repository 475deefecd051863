"""The writer thread: what comes in together goes into one transaction and onto the disk once.

Operations are queued from the event loop. The thread takes all that have gathered while it was
busy with the last group, so the number of fsyncs follows the disk, and nothing ever waits for a
group to fill. No operation is answered before the COMMIT that holds it has returned.

An operation is a function of the connection that either refuses with a domain error before it has
written anything, or succeeds. If one fails in any other way the group is rolled back and each of
its operations runs again in a transaction of its own; so an operation may run more than once, and
must not touch anything but the connection.
"""

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from tickwheel.server.domain.errors import OutcomeUnknown, StoreUnavailable, TickwheelError
from tickwheel.server.store.sqlite.errors import commit_undone, reason, unavailable

T = TypeVar("T")

Body = Callable[[sqlite3.Connection], T]

#: Rows in one group, about: a group takes some ten milliseconds at most, so that a small write
#: never waits long behind large ones.
_GROUP_WEIGHT: Final = 4_000


@dataclass(frozen=True, slots=True)
class _Operation:
    body: Body[Any]
    future: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop
    weight: int
    #: Reads run after the group's COMMIT, outside of any transaction of ours.
    writes: bool


@dataclass(frozen=True, slots=True)
class _Failed:
    error: Exception


class _CommitFailedError(Exception):
    """COMMIT failed in a way that leaves open whether it happened."""


class Writer:
    """Owns a connection and the thread that uses it."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._queue: queue.SimpleQueue[_Operation | None] = queue.SimpleQueue()
        self._closed = False
        #: Nothing is queued behind the end.
        self._gate = threading.Lock()
        # A daemon, because an unclosed store must not keep a process from ending; what it has not
        # committed by then was not acknowledged either.
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    async def submit(self, body: Body[T], *, weight: int = 1, writes: bool = True) -> T:
        """Runs an operation in the thread; returns after the COMMIT.

        Raises:
            StoreUnavailable: nothing of it was stored.
            OutcomeUnknown: COMMIT failed half-way.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        with self._gate:
            if self._closed:
                raise StoreUnavailable("the store is closed")
            self._queue.put(_Operation(body, future, loop, weight, writes))
        return await future

    def close(self) -> None:
        """Finishes what is queued and closes the connection; blocks."""
        with self._gate:
            if not self._closed:
                self._closed = True
                self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        last = False
        while not last:
            group: list[_Operation] = []
            operation = self._queue.get()
            weight = 0
            while operation is not None:
                group.append(operation)
                weight += operation.weight
                if weight >= _GROUP_WEIGHT:
                    break
                try:
                    operation = self._queue.get_nowait()
                except queue.Empty:
                    break
            else:
                last = True
            # One that was cancelled while it waited is not begun.
            self._execute([operation for operation in group if not operation.future.cancelled()])
        self._connection.close()

    def _execute(self, group: Sequence[_Operation]) -> None:
        writes = [operation for operation in group if operation.writes]
        reads = [operation for operation in group if not operation.writes]
        outcomes: list[object] = self._transact(writes) if writes else []
        for operation in reads:
            try:
                outcomes.append(operation.body(self._connection))
            except Exception as error:
                outcomes.append(_Failed(_told(error)))
        by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Any], object]]] = {}
        for operation, outcome in zip([*writes, *reads], outcomes, strict=True):
            by_loop.setdefault(operation.loop, []).append((operation.future, outcome))
        for loop, resolved in by_loop.items():
            try:
                loop.call_soon_threadsafe(_resolve, resolved)
            except RuntimeError:
                # The loop was closed over operations under way: nobody is left to be told.
                continue

    def _transact(self, operations: Sequence[_Operation]) -> list[object]:
        """One outcome for each operation, all in one transaction if that can be."""
        connection = self._connection
        outcomes: list[object] = []
        try:
            connection.execute("BEGIN IMMEDIATE")
            for operation in operations:
                try:
                    outcomes.append(operation.body(connection))
                except TickwheelError as refusal:
                    outcomes.append(_Failed(refusal))
            try:
                connection.execute("COMMIT")
            except sqlite3.Error as error:
                if not commit_undone(error):
                    raise _CommitFailedError from error
                raise
        except _CommitFailedError as failure:
            self._roll_back()
            return [_Failed(_unknown(failure.__cause__))] * len(operations)
        except Exception as error:
            self._roll_back()
            if len(operations) == 1:
                return [_Failed(_told(error))]
            return [outcome for operation in operations for outcome in self._transact([operation])]
        return outcomes

    def _roll_back(self) -> None:
        # After some errors, a full disk among them, SQLite has rolled back by itself.
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")


def _told(error: Exception) -> Exception:
    if not isinstance(error, sqlite3.Error):
        return error
    told = unavailable(error)
    told.__cause__ = error
    return told


def _unknown(cause: BaseException | None) -> OutcomeUnknown:
    told = OutcomeUnknown(reason(cause) if isinstance(cause, sqlite3.Error) else str(cause))
    told.__cause__ = cause
    return told


def _resolve(resolved: Sequence[tuple[asyncio.Future[Any], object]]) -> None:
    for future, outcome in resolved:
        if future.done():
            continue
        if isinstance(outcome, _Failed):
            future.set_exception(outcome.error)
        else:
            future.set_result(outcome)
