"""Takes over segments: goes on from what their former owners left, and lets the new ones fire.

The order is a promise: what was left is read before the schedule, both before anything is handed
out, and what workers told meanwhile is known by then. Nor is anything decided by a clock that no
worker has borne out.
"""

import asyncio
from collections.abc import Callable, Iterable

from tickwheel.server.scheduler.apart import Together
from tickwheel.server.scheduler.assignment import key_of
from tickwheel.server.scheduler.context import SchedulerContext
from tickwheel.server.scheduler.dispatcher import Dispatcher
from tickwheel.server.scheduler.holding import Holding
from tickwheel.server.scheduler.inbox import Inbox
from tickwheel.server.scheduler.live import REPORTABLE
from tickwheel.server.scheduler.reader import Reader
from tickwheel.server.scheduler.rederiver import Rederiver
from tickwheel.v1 import scheduler_service_pb2 as pb


class Takeover:
    """Makes segments ready that were taken."""

    def __init__(
        self,
        context: SchedulerContext,
        rederiver: Rederiver,
        reader: Reader,
        inbox: Inbox,
        dispatcher: Dispatcher,
        hear: Callable[[pb.Outcome, str], bool],
    ) -> None:
        """Makes it.

        Args:
            context: the scheduler's.
            rederiver: knows by which time-zone data rows were made.
            reader: takes in what former owners left.
            inbox: takes in what was told of it.
            dispatcher: is told of runs that are under way already.
            hear: takes in an outcome that a worker told before the segment was ready, by which
                worker; False: it may be forgotten at once.
        """
        self._clock = context.clock
        self._slice = context.options.slice
        self._fleet = context.fleet
        self._holdings = context.holdings
        self._wake = context.wake
        self._rederiver = rederiver
        self._reader = reader
        self._inbox = inbox
        self._dispatcher = dispatcher
        self._hear = hear
        self._together = Together()

    async def recover(self, segments: Iterable[int]) -> None:
        """Goes on from what the former owners have left, and lets the owners fire.

        Raises:
            SegmentsAway: these cannot be read; the others are ready, but for what was to be read
                together with them.
        """
        await self._together.read({None: segments}, self._recover)

    async def _recover(self, _: object, segments: list[int]) -> None:
        """Makes segments ready together.

        Nothing of them fires before all is read: what does not depend on each other is read at
        once, and of no other segments.
        """
        left, _ = await asyncio.gather(
            self._reader.read_left(segments), self._rederiver.compare(segments)
        )
        await self._reader.recover(left)
        await self._reader.read_schedule_of(segments)
        await asyncio.gather(self._inbox.read_of(segments), self._inbox.look_back(segments))
        await self._reader.load_all(segments)
        await self._fleet.witnessed()
        for segment in segments:
            holding = self._holdings.get(segment)
            if holding is not None:
                self._let_fire(holding)
            # What has come due in an outage is much; heartbeats wait for no more than a part of it.
            await asyncio.sleep(0)
        # Not only when all are ready: what others wait for may have to time out.
        self._fleet.place()
        self._wake.set()

    def _let_fire(self, holding: Holding) -> None:
        """Makes a segment ready. What workers told of it is known before anything is handed out."""
        holding.ready = True
        for phase in REPORTABLE:
            for run in holding.owner.runs.in_phase(phase):
                self._dispatcher.resume(run)
        holding.owner.step(self._clock.now_ms(), self._slice)
        for outcome, worker in holding.early:
            holding.owner.settle_foretold(key_of(outcome.key))
            if not self._hear(outcome, worker):
                self._fleet.acknowledge(worker, [outcome.key])
        holding.early.clear()
