"""Statements: few of them, with many rows in each.

A statement costs the driver about 150 us of CPU, a row inside a batch a tenth of that. So all
writes are handed over as rows, and here they are gathered by partition: rows of one partition
become one mutation on the server; what is left over in ones and twos shares batches that span
partitions, which stay well below the size that the server refuses.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from tickwheel.server.domain.clock import Clock
from tickwheel.server.domain.errors import OutcomeUnknown, StoreUnavailable
from tickwheel.server.store.cassandra.driver import (
    Bound,
    BusyError,
    Driver,
    Kind,
    Prepared,
    Result,
    Row,
)
from tickwheel.server.store.cassandra.options import CassandraOptions

#: A batch within one partition.
PARTITION_BATCH_ROWS: Final = 100
PARTITION_BATCH_BYTES: Final = 64 * 1024
#: A batch over several partitions; Cassandra refuses such batches above 50 KiB.
MIXED_BATCH_ROWS: Final = 50
MIXED_BATCH_BYTES: Final = 24 * 1024
#: Groups of a partition up to this size go into mixed batches.
MIXED_GROUP_ROWS: Final = 8
#: Rows of a page. A page is decoded in one go that lets no other thread run, so it is kept short.
PAGE_ROWS: Final = 1_000
#: Keys of one IN restriction, and partitions that a statement may touch in all.
IN_KEYS: Final = 64
#: How long to wait when the connection takes no more for the moment, and in all.
BUSY_WAIT_S: Final = 0.005
BUSY_TRIES: Final = 400
CLOSE_WAIT_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Conditional:
    """What a lightweight transaction did; `row` holds what stood in the way."""

    applied: bool
    row: Row


class CassandraSession:
    """A connection that limits what is under way at once."""

    def __init__(self, driver: Driver, options: CassandraOptions, clock: Clock) -> None:
        self._driver = driver
        self._limit = asyncio.Semaphore(options.max_in_flight)
        self._max_in_flight = options.max_in_flight
        self._clock = clock
        self._closed = False
        #: Statements sent so far, for tests and figures.
        self.sent = 0
        driver.attach(asyncio.get_running_loop())

    async def close(self) -> None:
        """Waits for what is under way, for a bounded time, and closes the connections."""
        if self._closed:
            return
        self._closed = True
        try:
            async with asyncio.timeout(CLOSE_WAIT_S):
                for _ in range(self._max_in_flight):
                    await self._limit.acquire()
        except TimeoutError:
            # What has not answered by now ends with an error when its connection closes.
            pass
        await asyncio.to_thread(self._driver.close)

    async def read(self, bound: Bound, *, bulk: bool = False) -> list[Row]:
        """All rows of a read, page by page."""
        result = await self._send(bound, bulk=bulk)
        rows = result.rows
        while result.paging_state is not None:
            result = await self._send(bound, paging_state=result.paging_state, bulk=bulk)
            rows += result.rows
        return rows

    async def read_all(self, reads: Sequence[Bound], *, bulk: bool = False) -> list[Row]:
        """The rows of several reads, in the order of the reads."""
        if len(reads) == 1:
            return await self.read(reads[0], bulk=bulk)
        pages = await gather(self.read(bound, bulk=bulk) for bound in reads)
        return [row for rows in pages for row in rows]

    async def one(self, bound: Bound) -> Row | None:
        """The only row of a read, or None."""
        rows = (await self._send(bound)).rows
        return rows[0] if rows else None

    async def page(self, bound: Bound, paging_state: bytes | None) -> Result:
        """One page of a read.

        Raises:
            ValueError: the paging state is not one of this cluster's.
        """
        return await self._send(bound, paging_state=paging_state)

    async def conditional(self, bound: Bound) -> Conditional:
        """Runs a lightweight transaction.

        Raises:
            OutcomeUnknown: it may have been applied; a read with Kind.SERIAL tells.
        """
        row = (await self._send(bound)).rows[0]
        return Conditional(bool(row[0]), row[1:])

    async def write(self, rows: Sequence[Bound]) -> None:
        """Writes rows in as few statements as their partitions allow.

        Raises:
            StoreUnavailable: none of them was written.
            OutcomeUnknown: some may have been.
        """
        batches = batched(rows)
        if len(batches) == 1:
            await self._write_batch(batches[0])
            return
        failures = [
            result
            for result in await asyncio.gather(
                *(self._write_batch(batch) for batch in batches), return_exceptions=True
            )
            if result is not None
        ]
        for failure in failures:
            if not isinstance(failure, StoreUnavailable) or isinstance(failure, OutcomeUnknown):
                raise failure
        if failures:
            message = str(failures[0])
            if len(failures) < len(batches):
                raise OutcomeUnknown(message) from failures[0]
            raise StoreUnavailable(message) from failures[0]

    async def schema(self, cql: str) -> None:
        """Runs DDL and waits until all nodes agree on the schema."""
        await self.text(cql, kind=Kind.SCHEMA)

    async def text(self, cql: str, *, kind: Kind) -> list[Row]:
        """Runs an unprepared statement."""
        async with self._limit:
            self.sent += 1
            return (await self._driver.send_text(cql, kind=kind)).rows

    async def _write_batch(self, rows: Sequence[Bound]) -> None:
        bulk = len(rows) > 1
        if not bulk:
            await self._send(rows[0])
            return
        async with self._limit:
            for _ in range(BUSY_TRIES):
                self.sent += 1
                try:
                    await self._driver.send_batch(rows, bulk=bulk)
                except BusyError:
                    await self._clock.sleep(BUSY_WAIT_S)
                else:
                    return
            raise StoreUnavailable("Cassandra: the connection takes nothing more")

    async def _send(
        self, bound: Bound, *, paging_state: bytes | None = None, bulk: bool = False
    ) -> Result:
        async with self._limit:
            for _ in range(BUSY_TRIES):
                self.sent += 1
                try:
                    return await self._driver.send(bound, paging_state=paging_state, bulk=bulk)
                except BusyError:
                    await self._clock.sleep(BUSY_WAIT_S)
            raise StoreUnavailable("Cassandra: the connection takes nothing more")
