"""Statements on their way: how many at once, page by page, and what became of them."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from tickwheel.server.domain.clock import Clock
from tickwheel.server.domain.errors import OutcomeUnknown, StoreUnavailable
from tickwheel.server.store.cassandra.driver import Bound, BusyError, Driver, Kind, Result, Row
from tickwheel.server.store.cassandra.options import CassandraOptions
from tickwheel.server.store.cassandra.writer import Writer

S = TypeVar("S")
T = TypeVar("T")

#: Partitions that one IN restriction may name.
IN_KEYS: Final = 64
#: Items that are worked on in one turn of the event loop, about 2 ms.
TURN_ITEMS: Final = 200
#: So few that they are not worth a turn of their own.
FEW_ITEMS: Final = 16
#: How long to wait when the connection takes no more for the moment, and how often.
BUSY_WAIT_S: Final = 0.005
BUSY_TRIES: Final = 400
CLOSE_WAIT_S: Final = 3.0


@dataclass(frozen=True, slots=True)
class Conditional:
    """What a lightweight transaction did; `row` holds the values that stood in its way."""

    applied: bool
    row: Row


class CassandraSession:
    """A connection that limits what is under way at once."""

    def __init__(self, driver: Driver, options: CassandraOptions, clock: Clock) -> None:
        self._driver = driver
        self._limit = asyncio.Semaphore(options.max_in_flight)
        self._max_in_flight = options.max_in_flight
        self._clock = clock
        self._closing = False
        self._closed = False
        #: Statements sent so far.
        self.sent = 0
        self._writer = Writer(self._write)
        self._turn = asyncio.Lock()
        driver.attach(asyncio.get_running_loop())

    async def close(self) -> None:
        """Waits for what is under way, for a bounded time, and closes the connections."""
        if self._closing:
            return
        self._closing = True
        # What has not answered in that time ends with an error when its connection closes.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_WAIT_S):
                await self._writer.idle()
                self._closed = True
                for _ in range(self._max_in_flight):
                    await self._limit.acquire()
        self._closed = True
        await asyncio.to_thread(self._driver.close)

    async def read(self, bound: Bound) -> list[Row]:
        """All rows of a read, page by page."""
        result = await self._send(bound)
        rows = result.rows
        while result.paging_state is not None:
            result = await self._send(bound, paging_state=result.paging_state, bulk=True)
            rows += result.rows
        return rows

    async def read_all(self, reads: Iterable[Bound]) -> list[Row]:
        """The rows of several reads, in the order of the reads."""
        pages = await gather(self.read(bound) for bound in reads)
        return [row for rows in pages for row in rows]

    async def one(self, bound: Bound) -> Row | None:
        """The only row of a read, or None."""
        rows = (await self._send(bound)).rows
        return rows[0] if rows else None

    async def conditional(self, bound: Bound) -> Conditional:
        """Runs a lightweight transaction.

        Raises:
            OutcomeUnknown: it may have been applied; a read of Kind.SERIAL tells.
        """
        row = (await self._send(bound)).rows[0]
        return Conditional(bool(row[0]), row[1:])

    async def write(self, rows: Sequence[Bound]) -> None:
        """Writes rows, together with those of others.

        Raises:
            StoreUnavailable: none of them was written.
            OutcomeUnknown: some may have been.
        """
        self._check_open()
        await self._writer.write(rows)

    def _check_open(self) -> None:
        if self._closed:
            raise StoreUnavailable("the store is closed")

    async def mapped(self, function: Callable[[S], T], items: Sequence[S]) -> list[T]:
        """Applies a function to many items, a few in each turn of the event loop.

        Decoding ten thousand rows takes 50 ms, and a worker that waits for its assignment must not.
        The turns are shared by all who have many items at the same time.
        """
        if len(items) <= FEW_ITEMS:
            return [function(item) for item in items]
        results: list[T] = []
        for some in chunks(items, TURN_ITEMS):
            async with self._turn:
                results += [function(item) for item in some]
                await asyncio.sleep(0)
        return results

    async def text(self, cql: str, kind: Kind) -> list[Row]:
        """Runs an unprepared statement; DDL (Kind.SCHEMA) until all nodes agree on it."""
        self._check_open()
        async with self._limit:
            self.sent += 1
            rows = (await self._driver.send_text(cql, kind=kind)).rows
        if kind is Kind.SCHEMA:
            await self.agree()
        return rows

    async def agree(self) -> None:
        """Waits until all nodes have the same schema.

        Raises:
            StoreUnavailable: they do not come to have it.
        """
        await asyncio.to_thread(self._driver.agree)

    async def _write(self, rows: Sequence[Bound]) -> None:
        if len(rows) == 1:
            await self._send(rows[0])
            return
        async with self._limit:
            for _ in range(BUSY_TRIES):
                self.sent += 1
                try:
                    await self._driver.send_batch(rows, bulk=True)
                except BusyError:
                    await self._clock.sleep(BUSY_WAIT_S)
                else:
                    return
            raise StoreUnavailable("Cassandra: the connection takes nothing more")

    async def _send(
        self, bound: Bound, *, paging_state: bytes | None = None, bulk: bool = False
    ) -> Result:
        self._check_open()
        async with self._limit:
            for _ in range(BUSY_TRIES):
                self.sent += 1
                try:
                    return await self._driver.send(bound, paging_state=paging_state, bulk=bulk)
                except BusyError:
                    await self._clock.sleep(BUSY_WAIT_S)
            raise StoreUnavailable("Cassandra: the connection takes nothing more")


async def gather(work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Runs coroutines side by side; all of them end before the first error is raised.

    An OutcomeUnknown goes before a StoreUnavailable: together they say that something may have
    been done.
    """
    coroutines = list(work)
    if len(coroutines) == 1:
        return [await coroutines[0]]
    results = await asyncio.gather(*coroutines, return_exceptions=True)
    done = [result for result in results if not isinstance(result, BaseException)]
    if len(done) == len(results):
        return done
    errors = [result for result in results if isinstance(result, BaseException)]
    raise next((error for error in errors if isinstance(error, OutcomeUnknown)), errors[0])


def chunks(items: Sequence[T], size: int) -> Iterable[Sequence[T]]:
    """Parts of at most `size`, in order."""
    return (items[start : start + size] for start in range(0, len(items), size))
