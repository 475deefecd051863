"""Who owns which segment: looks at the leases, takes what is free, and gives back what is too much.

What a segment's former owner left is taken in before it may fire (`takeover`); nothing of it is
held by a worker, and all is written, before it is given back.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial

import structlog

from tickwheel.server.convert.schedule import schedule_of
from tickwheel.server.domain.errors import Fenced, StoreUnavailable
from tickwheel.server.domain.job import Job
from tickwheel.server.domain.lease import SchedulerSession, SegmentLease
from tickwheel.server.schedule import Schedule, ScheduleError
from tickwheel.server.scheduler.apart import SegmentsAway, each_apart
from tickwheel.server.scheduler.bounded import bounded
from tickwheel.server.scheduler.census import Census
from tickwheel.server.scheduler.context import SchedulerContext
from tickwheel.server.scheduler.dispatcher import Dispatcher
from tickwheel.server.scheduler.holding import Holding
from tickwheel.server.scheduler.live import LiveRun
from tickwheel.server.scheduler.membership import Moves, Regroup, SessionWatch, plan_moves
from tickwheel.server.scheduler.recorder import Recorder
from tickwheel.server.scheduler.resuming import Resuming
from tickwheel.server.scheduler.segment import SegmentOwner
from tickwheel.server.scheduler.takeover import Takeover
from tickwheel.server.trace import new_traceparent

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Seen:
    """Who there is and who owns what, and what follows from it for us."""

    leases: list[SegmentLease]
    sessions: list[SchedulerSession]
    #: The sessions that live, ours among them.
    alive: set[str]
    moves: Moves


class Ownership:
    """The segments of one scheduler, as they come and go; it alone changes `holdings`."""

    def __init__(
        self,
        context: SchedulerContext,
        takeover: Takeover,
        resuming: Resuming,
        recorder: Recorder,
        dispatcher: Dispatcher,
        census: Census,
    ) -> None:
        """Makes it.

        Args:
            context: the scheduler's.
            takeover: makes segments ready that were taken.
            resuming: goes on with what is owned after the session has run out.
            recorder: writes what is to be written before a segment is given back.
            dispatcher: is told how much is ours, and what is not any more.
            census: counts what operators want to know.
        """
        self._leases = context.store.leases
        self._clock = context.clock
        self._options = context.options
        self._keeper = context.keeper
        self._fleet = context.fleet
        self._holdings = context.holdings
        self._repairs = context.repairs
        self._takeover = takeover
        self._resuming = resuming
        self._recorder = recorder
        self._dispatcher = dispatcher
        self._census = census
        self._watch = SessionWatch(0 if self._options.exclusive else self._options.lease_ms)
        self._regroup = Regroup(self._options.regroup_ms)
        #: We leave for good: nothing is taken any more, and what is leaving stays so.
        self._is_ending = False
        #: The session has run out, and that is known.
        self._is_out = False
        #: Segments come and go, or are taken again, but not both at once.
        self._moving = asyncio.Lock()
        #: The leases have been looked at under the present session.
        self.ready = asyncio.Event()

    async def look(self) -> None:
        """Compares what there is with what is ours, and makes it so."""
        async with self._moving:
            if not self._is_ending and self._keeper.left_ms() > 0:
                await self._look()

    async def resume(self) -> None:
        """Goes on with what is ours where the session has run out and the store is back.

        Raises:
            SessionLostError: it is not all ours any more: it is to be taken up anew.
            StoreUnavailable: to be tried again.
        """
        if self._is_ending or self._keeper.left_ms() > 0:
            return
        if not self._is_out:
            self._is_out = True
            _log.error("the session has run out: nothing is published before the store is back")
        async with self._moving:
            if not self._is_ending and await self._resuming.go_on():
                self._is_out = False
                self._census.resumed += 1
                # Others have been out as well, perhaps.
                self._regroup.lost()

    async def _look(self) -> None:
        seen = await self._see()
        await bounded(self._try_to_give(segment) for segment in seen.moves.give)
        await self._take(seen)
        for session in seen.sessions:
            owns = any(lease.session_id == session.session_id for lease in seen.leases)
            if session.session_id not in seen.alive and not owns:
                await self._leases.remove_session(session)
        self.ready.set()

    async def _see(self) -> _Seen:
        """Reads what there is, and lets go of what is not ours any more."""
        # In this order: who began a session and took a segment in between is known to live.
        leases = await self._leases.segments()
        # Who is taken for dead is so by the time that had passed when this reading began.
        now = self._clock.steady_ms()
        sessions = await self._leases.sessions()
        self._watch.observe(sessions, self._clock.steady_ms())
        mine = self._keeper.identity.session_id
        living = [
            session
            for session in sessions
            if not session.closed
            and (session.session_id == mine or not self._watch.is_dead(session.session_id, now))
        ]
        addresses = {session.address for session in living}
        awaited = self._regroup.awaited(addresses, now)
        self._fleet.set_topology((addresses | awaited) - {"local"})
        self._drop_lost(leases)
        alive = {mine, *(session.session_id for session in living)}
        self._census.unowned = sum(lease.session_id not in alive for lease in leases)
        self._dispatcher.set_segments(len(leases))
        moves = plan_moves(mine, self._holdings, leases, alive, awaited)
        return _Seen(leases, sessions, alive, moves)

    def _drop_lost(self, leases: Iterable[SegmentLease]) -> None:
        """Lets go of segments that somebody else holds in the store."""
        for lease in leases:
            holding = self._holdings.get(lease.segment)
            if holding is not None and lease.epoch > holding.owner.epoch:
                _log.error("segment lost", segment=lease.segment, epoch=lease.epoch)
                del self._holdings[lease.segment]
                self._census.leases_lost += 1
                self._let_go([lease.segment])

    async def _take(self, seen: _Seen) -> None:
        """Takes what is free and our share, and makes it ready."""
        taken: dict[int, int] = {}
        try:
            while seen.moves.take and not self._is_ending:
                before = len(taken)
                await self._claim(seen, taken)
                if len(taken) == before:
                    break
                # Who stops gives back one after another: what has become free by now is made ready
                # together with these, not after them.
                seen = await self._see()
            if taken:
                _log.info("segments taken", count=len(taken), owned=len(self._holdings))
                await self._keeper.reach_floors()
                await self._fleet.settle(taken)
                await self._make_ready(taken)
        finally:
            # Half taken is not owned: they are taken anew, under a further epoch.
            for segment in taken:
                holding = self._holdings.get(segment)
                if holding is not None and not holding.ready:
                    del self._holdings[segment]

    async def _make_ready(self, segments: Iterable[int]) -> None:
        """Has segments go on that were taken; where some cannot be read the others do.

        Raises:
            SegmentsAway: none of them does.
        """
        try:
            await self._takeover.recover(segments)
        except SegmentsAway as error:
            if error.segments.issuperset(segments):
                raise
            _log.warning("taken, but not to be read", error=error.message)
        self._fleet.announce_epochs()
        await self._recorder.save_first_positions(segments)

    async def _claim(self, seen: _Seen, taken: dict[int, int]) -> None:
        """Takes leases, as far as nobody does so first; `taken` has those we got."""
        ends = {session.session_id: session.lease_until_ms for session in seen.sessions}

        async def take(current: SegmentLease) -> None:
            if self._is_ending:
                # It may be what we have just given back.
                return
            former_end_us = ends.get(current.session_id, 0) * 1000
            lease = SegmentLease(
                segment=current.segment,
                epoch=current.epoch + 1,
                session_id=self._keeper.identity.session_id,
                address=self._keeper.identity.address,
                floor_us=max(current.floor_us, former_end_us, self._clock.now_us()),
            )
            if await self._leases.take_segment(current, lease):
                self._keeper.set_floor(lease.segment, lease.floor_us)
                owner = SegmentOwner(
                    lease.segment,
                    lease.epoch,
                    compile_schedule=_schedule_of,
                    new_traceparent=new_traceparent,
                    repairs=self._repairs,
                    patience_ms=self._options.patience_ms,
                )
                self._holdings[lease.segment] = Holding(lease, owner)
                taken[lease.segment] = lease.epoch

        try:
            await each_apart(
                ((current.segment,), partial(take, current)) for current in seen.moves.take
            )
        except SegmentsAway as error:
            # What may be ours all the same is taken anew, as it bears our name.
            _log.warning("not taken", error=error.message)

    async def leave(self) -> None:
        """Gives back all that can be; `holdings` has what workers are still at.

        And what could not be written of: others may take that when the session is closed.
        """
        self._is_ending = True
        await bounded(self._try_to_give(segment) for segment in list(self._holdings))

    def abandon(self) -> None:
        """Lets go of all at once: the session is lost."""
        self._is_out = False
        self._regroup.lost()
        self._let_go(self._holdings)
        self._holdings.clear()
        self.ready.clear()

    async def _try_to_give(self, segment: int) -> None:
        try:
            await self._give(segment)
        except (StoreUnavailable, Fenced) as error:
            # One write that fails is to hold up none of the others.
            _log.warning("not given back", segment=segment, error=error.message)

    async def _give(self, segment: int) -> None:
        """Gives a segment back cleanly: nothing of it is held, all is written."""
        holding = self._holdings.get(segment)
        if holding is None:
            return
        async with holding.giving:
            if self._holdings.get(segment) is holding:
                await self._give_back(holding)

    async def _give_back(self, holding: Holding) -> None:
        segment = holding.segment
        holding.leaving = True
        owner, assigned = holding.owner, holding.owner.assigned_runs()
        held = [*assigned, *owner.taken_back_runs()]
        try:
            if held:
                self._fleet.revoke(assigned)
                await self._unheld(owner, held)
            await self._recorder.write(holding)
            await self._recorder.advance(holding)
            await self._recorder.save_position(holding)
        except BaseException:
            # It stays ours, and is given back another time.
            holding.leaving = self._is_ending
            self._fleet.place()
            raise
        if any(map(owner.is_with_worker, held)):
            _log.warning("not given back: a worker is still at it", segment=segment)
            holding.leaving = self._is_ending
            self._fleet.place()
            return
        async with holding.writing:
            # What came meanwhile and is under way to the store is ours to the end. What is not
            # goes: whoever said it has not been answered.
            del self._holdings[segment]
        self._let_go([segment])
        # The next owner's clock may be behind ours, and its writes are to count all the same.
        floor_us = max(holding.lease.floor_us, self._keeper.newest_us)
        await self._leases.release_segment(replace(holding.lease, floor_us=floor_us))
        self._fleet.place()

    async def _unheld(self, owner: SegmentOwner, runs: list[LiveRun]) -> None:
        """Waits until no worker holds any of the runs, for a bounded time."""
        longest_ms = self._options.worker_lease_ms + self._options.permission_ms
        deadline = self._clock.steady_ms() + longest_ms
        while any(map(owner.is_with_worker, runs)) and self._clock.steady_ms() < deadline:
            await self._clock.sleep(0.01)

    def _let_go(self, segments: Iterable[int]) -> None:
        """These are not ours any more: what becomes of their runs is not our concern."""
        self._fleet.forget(segments)
        self._dispatcher.forget(segments)


def _schedule_of(job: Job) -> Schedule:
    """A job's schedule; whoever operates the cluster hears of one that is not known here."""
    try:
        return schedule_of(job)
    except ScheduleError as error:
        _log.error("a job waits: its schedule is unknown here", job=str(job.name), error=str(error))
        raise
