"""Rows to statements: gathers what is written at the same time, whoever writes it.

A statement costs the driver about 150 us of CPU, a row inside a batch a tenth of that. So rows of
one partition become one batch, which is one mutation on the server; rows that stand alone in their
partitions share batches that span several, far below the size that the server refuses. Callers
that come in the same turn of the event loop are served together, and so are those that come while a
statement is under way, until it has ended, they fill one, or some milliseconds are over: many small
writes at once cost about as much as one large one, and the server saves as much as the driver does.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final

from tickwheel.server.domain.errors import OutcomeUnknown, StoreUnavailable
from tickwheel.server.store.cassandra.driver import Bound

#: A batch within one partition.
PARTITION_BATCH_ROWS: Final = 100
PARTITION_BATCH_BYTES: Final = 64 * 1024
#: A batch over several partitions; Cassandra refuses such batches above 50 KiB.
MIXED_BATCH_ROWS: Final = 50
MIXED_BATCH_BYTES: Final = 24 * 1024
#: A partition with no more rows than this shares a batch with others.
MIXED_GROUP_ROWS: Final = 8
#: With this many statements under way rows are gathered until they fill one, or for LINGER_S.
EAGER: Final = 1
LINGER_S: Final = 0.01
#: While this many are under way, no more is begun.
WINDOW: Final = 16
#: Statements started in one turn of the event loop.
TURN_BATCHES: Final = 2

Batch = list[Bound]


class _Write:
    """What one caller waits for."""

    __slots__ = ("batches", "done", "failures", "left", "rows")

    def __init__(self, rows: Sequence[Bound], done: asyncio.Future[None]) -> None:
        self.rows = rows
        self.done = done
        self.batches = 0
        self.left = 0
        self.failures: list[Exception] = []

    def settle(self, failure: Exception | None) -> None:
        """One of the batches with rows of this write has ended."""
        self.left -= 1
        if failure is not None:
            self.failures.append(failure)
        if self.left or self.done.done():
            return
        if not self.failures:
            self.done.set_result(None)
            return
        strange = [error for error in self.failures if not isinstance(error, StoreUnavailable)]
        unknown = [error for error in self.failures if isinstance(error, OutcomeUnknown)]
        if strange or unknown:
            self.done.set_exception((strange or unknown)[0])
        elif len(self.failures) < self.batches:
            self.done.set_exception(OutcomeUnknown(str(self.failures[0])))
        else:
            self.done.set_exception(self.failures[0])


class Writer:
    """Sends rows by means of `send`, which carries out one batch."""

    def __init__(self, send: Callable[[Batch], Coroutine[Any, Any, None]]) -> None:
        self._send = send
        self._waiting: list[_Write] = []
        self._waiting_rows = 0
        self._ready: deque[tuple[Batch, set[_Write]]] = deque()
        self._under_way: set[asyncio.Task[None]] = set()
        self._woken = False
        self._lingering: asyncio.TimerHandle | None = None

    async def write(self, rows: Sequence[Bound]) -> None:
        """Writes rows.

        Raises:
            StoreUnavailable: none of them was written.
            OutcomeUnknown: some may have been.
        """
        if not rows:
            return
        write = _Write(rows, asyncio.get_running_loop().create_future())
        self._waiting.append(write)
        self._waiting_rows += len(rows)
        self._wake()
        await write.done

    async def idle(self) -> None:
        """Returns when nothing is waiting or under way."""
        while self._under_way or self._ready or self._waiting:
            self._wake()
            await asyncio.sleep(0)
            if self._under_way:
                await asyncio.wait(self._under_way)

    def _wake(self) -> None:
        if self._woken or len(self._under_way) >= WINDOW:
            return
        is_full = self._ready or self._waiting_rows >= MIXED_BATCH_ROWS
        if is_full or len(self._under_way) < EAGER:
            self._start_soon()
        elif self._lingering is None:
            self._lingering = asyncio.get_running_loop().call_later(LINGER_S, self._linger_no_more)

    def _linger_no_more(self) -> None:
        self._lingering = None
        if not self._woken and len(self._under_way) < WINDOW:
            self._start_soon()

    def _start_soon(self) -> None:
        self._woken = True
        if self._lingering is not None:
            self._lingering.cancel()
            self._lingering = None
        asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        """Starts a few statements; encoding one takes up to a millisecond."""
        self._woken = False
        if not self._ready and self._waiting:
            self._gather()
        for _ in range(min(TURN_BATCHES, len(self._ready))):
            task = asyncio.create_task(self._carry_out(*self._ready.popleft()))
            self._under_way.add(task)
            task.add_done_callback(self._ended)
        if self._ready or self._waiting:
            self._wake()

    def _gather(self) -> None:
        writes, self._waiting, self._waiting_rows = self._waiting, [], 0
        owners = {id(row): write for write in writes for row in write.rows}
        for batch in batched([row for write in writes for row in write.rows]):
            members = {owners[id(row)] for row in batch}
            for write in members:
                write.batches += 1
                write.left += 1
            self._ready.append((batch, members))

    async def _carry_out(self, batch: Batch, members: set[_Write]) -> None:
        failure: Exception | None = None
        try:
            await self._send(batch)
        except Exception as error:
            # Each caller is told, and raises it.
            failure = error
        for write in members:
            write.settle(failure)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        if self._ready or self._waiting:
            self._wake()


def batched(rows: Sequence[Bound]) -> list[Batch]:
    """Rows by partition, in statements of sane size; small partitions share a statement."""
    partitions: dict[tuple[str, bytes], Batch] = {}
    for row in rows:
        partitions.setdefault(row.partition, []).append(row)
    batches: list[Batch] = []
    shared: Batch = []
    for group in partitions.values():
        if len(group) <= MIXED_GROUP_ROWS and len(partitions) > 1:
            shared += group
        else:
            batches += _split(group, PARTITION_BATCH_ROWS, PARTITION_BATCH_BYTES)
    return batches + _split(shared, MIXED_BATCH_ROWS, MIXED_BATCH_BYTES)


def _split(rows: Batch, most_rows: int, most_bytes: int) -> list[Batch]:
    batches: list[Batch] = []
    batch: Batch = []
    size = 0
    for row in rows:
        if batch and (len(batch) >= most_rows or size + row.size > most_bytes):
            batches.append(batch)
            batch, size = [], 0
        batch.append(row)
        size += row.size
    if batch:
        batches.append(batch)
    return batches
