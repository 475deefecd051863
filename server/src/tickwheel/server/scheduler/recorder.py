"""Writes what the owners have decided: states of runs, rows that advance, positions."""

from collections.abc import Callable, Iterable, Sequence
from math import ceil

import structlog

from tickwheel.server.domain.errors import Fenced, StoreUnavailable
from tickwheel.server.domain.lease import WriteStamp
from tickwheel.server.domain.run import Run
from tickwheel.server.scheduler.apart import Doubtful, about, each_apart
from tickwheel.server.scheduler.context import SchedulerContext
from tickwheel.server.scheduler.holding import Holding
from tickwheel.server.scheduler.ledger import Batch
from tickwheel.server.scheduler.live import LiveRun
from tickwheel.server.scheduler.repairs import Mended
from tickwheel.v1 import scheduler_service_pb2 as pb

_log = structlog.get_logger(__name__)

#: What is finished is dropped by a few segments at a time: all at once is a burst of reads.
DROP_TURNS = 30
#: What could not be written is tried again so often.
WRITE_AGAIN_MS = 500


class Recorder:
    """The writing side of one scheduler."""

    def __init__(
        self,
        context: SchedulerContext,
        stored: Callable[[Sequence[Run], list[LiveRun]], None],
    ) -> None:
        """Makes it; `stored` is told once of each state that is, and of runs that ended by it."""
        self._store = context.store
        self._clock = context.clock
        self._options = context.options
        self._keeper = context.keeper
        self._fleet = context.fleet
        self._holdings = context.holdings
        self._repairs = context.repairs
        self._stored = stored
        #: Segments of which something could not be written the last time.
        self._doubtful = Doubtful()

    def _stamp(self, holding: Holding) -> WriteStamp:
        if self._holdings.get(holding.segment) is not holding:
            # Somebody else's by now, or our own under another epoch.
            raise Fenced("the segment was let go")
        return self._keeper.stamp(holding.segment, holding.epoch)

    async def write_all(self) -> None:
        """Writes what any owner has decided, but for what is left to `write_again`."""
        held = self._holdings.values()
        await self._write_some(one for one in held if one.segment not in self._doubtful)

    async def write_again(self) -> None:
        """Writes what could not be written; the others are not to wait for its time-outs."""
        held = self._holdings
        await self._write_some(held[one] for one in self._doubtful.in_turn() if one in held)

    async def _write_some(self, some: Iterable[Holding]) -> None:
        changed = [one for one in some if one.owner.has_batch()]
        await each_apart(about(changed, self.write))

    async def write(self, holding: Holding) -> None:
        """Returns once all that the owner has decided so far is stored.

        Nothing is lost by a failure: what could not be written comes with the next call.

        Raises:
            Fenced: the session has run out, or the segment was let go before all was stored.
            StoreUnavailable: something could not be written.
        """
        async with holding.writing:
            batch = holding.owner.take_batch()
            if not batch:
                return
            try:
                await self._store_batch(holding, batch)
            except BaseException as error:
                holding.owner.put_back(batch)
                if isinstance(error, StoreUnavailable):
                    self._doubtful.failed([holding.segment])
                raise
            self._doubtful.worked([holding.segment])
            ended = holding.owner.stored(batch, self._clock.now_ms())
            self._acknowledge(holding, batch)
        self._stored(batch.records, ended)

    async def _store_batch(self, holding: Holding, batch: Batch) -> None:
        if batch.records:
            await self._store.runs.record(self._stamp(holding), batch.records)
        if batch.opened:
            await self._store.open_runs.put(self._stamp(holding), batch.opened)
        if batch.closed:
            await self._store.open_runs.remove(self._stamp(holding), batch.closed)

    def _acknowledge(self, holding: Holding, batch: Batch) -> None:
        acks: dict[str, list[pb.RunKey]] = {}
        for record in batch.records:
            for ack in holding.take_acks((record.job_uid, record.run_id), record.revision):
                acks.setdefault(ack.worker, []).append(ack.key)
        for worker, keys in acks.items():
            self._fleet.acknowledge(worker, keys)

    async def advance_all(self) -> None:
        """Moves the rows of all that is done."""
        await each_apart(about(list(self._holdings.values()), self.advance))

    async def advance(self, holding: Holding) -> None:
        """Moves the rows of what is done in a segment."""
        async with holding.advancing:
            if self._holdings.get(holding.segment) is holding:
                await self._write_advances(holding)

    async def _write_advances(self, holding: Holding) -> None:
        advance = holding.owner.take_advance(self._clock.now_ms())
        if advance:
            holding.advances.append(advance)
        while holding.advances:
            pending = holding.advances[0]
            # In this order: without its row nobody would find out that a job is to be completed.
            if pending.complete:
                await self._store.jobs.complete(
                    self._stamp(holding), pending.complete, self._clock.now_ms()
                )
            if pending.put or pending.remove:
                await self._store.schedule.advance(
                    self._stamp(holding), pending.put, pending.remove
                )
            del holding.advances[0]

    async def save_positions(self) -> None:
        """Saves how far each segment is done."""
        ready = [holding for holding in self._holdings.values() if holding.ready]
        await each_apart(about(ready, self.save_position))

    async def save_first_positions(self, segments: Iterable[int]) -> None:
        """Saves the positions of segments that have none, or one that lies ahead."""
        held = [self._holdings[segment] for segment in segments if segment in self._holdings]
        without = [holding for holding in held if not holding.position_ms]
        await each_apart(about(without, self.save_position))

    async def save_position(self, holding: Holding) -> None:
        """Saves how far a segment is done."""
        if not holding.ready or holding.advances:
            return
        position = min(holding.owner.position_ms(self._clock.now_ms()), holding.known_to_ms)
        if position <= holding.position_ms:
            return
        await self._store.schedule.save_position(self._stamp(holding), position)
        holding.position_ms = position
        holding.owner.forget_before(position)

    async def drop_some(self) -> None:
        """Lets the store drop what is finished of a few segments; after DROP_TURNS calls of all."""
        ready = [holding for holding in self._holdings.values() if holding.ready]
        ready.sort(key=lambda holding: holding.dropped_ms)
        turn = ready[: ceil(len(ready) / DROP_TURNS)]
        for holding in turn:
            holding.dropped_ms = self._clock.steady_ms()
        await each_apart(about(turn, self._drop))

    async def _drop(self, holding: Holding) -> None:
        before = holding.position_ms - self._options.drop_grace_ms
        if before > 0:
            dropped = await self._store.schedule.drop_before(self._stamp(holding), before)
            self._repairs[Mended.BUCKET] += dropped.buckets
            if dropped.removals:
                self._repairs[Mended.HALF_REMOVED_JOB] += dropped.removals
                _log.info(
                    "removals of old jobs were carried through",
                    segment=holding.segment,
                    jobs=dropped.removals,
                )
        await self._store.open_runs.tidy(self._stamp(holding), holding.owner.runs.create_ms())
