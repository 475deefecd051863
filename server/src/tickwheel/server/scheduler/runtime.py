"""Carries out what the pure parts decide: takes and gives segments, hands out, keeps the lease.

One instance is one scheduler. Its loops are the tasks of one TaskGroup; when the session is lost
they all let go of what they own and begin anew under a new session. What is read is in `reader`,
what is written in `recorder`, what the api asks in `desk`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace

import structlog

from tickwheel.server.convert.schedule import schedule_of
from tickwheel.server.domain.clock import Clock
from tickwheel.server.domain.errors import Fenced, StoreUnavailable
from tickwheel.server.domain.job import Job
from tickwheel.server.domain.lease import SegmentLease
from tickwheel.server.scheduler.assignment import key_of
from tickwheel.server.scheduler.bounded import bounded
from tickwheel.server.scheduler.census import Census
from tickwheel.server.scheduler.desk import OwnerDesk
from tickwheel.server.scheduler.fleet import Fleet
from tickwheel.server.scheduler.gaps import HistoryGaps
from tickwheel.server.scheduler.holding import AwaitedAck, Holding, Holdings, Told
from tickwheel.server.scheduler.keeper import SessionKeeper, SessionLostError
from tickwheel.server.scheduler.latecomers import Latecomers
from tickwheel.server.scheduler.live import REPORTABLE, AttemptKey, LiveRun, Phase
from tickwheel.server.scheduler.membership import SessionWatch, plan_moves
from tickwheel.server.scheduler.options import Identity, SchedulerOptions
from tickwheel.server.scheduler.pauser import Pauser, to_be_looked_at
from tickwheel.server.scheduler.reader import News, Reader
from tickwheel.server.scheduler.recorder import Recorder
from tickwheel.server.scheduler.rederiver import Rederiver, ZoneData, unwatched
from tickwheel.server.scheduler.runlog import log_ended
from tickwheel.server.scheduler.runs import fire_then_priority
from tickwheel.server.scheduler.segment import SegmentOwner
from tickwheel.server.scheduler.strays import Strays
from tickwheel.server.scheduler.terms import expire_ms
from tickwheel.server.scheduler.throttle import Throttle
from tickwheel.server.store.port import LOOK_AHEAD_MS, Store
from tickwheel.server.trace import new_traceparent
from tickwheel.v1 import scheduler_service_pb2 as pb

_log = structlog.get_logger(__name__)


class Scheduler:
    """One scheduler: owner of some segments, with a fleet of workers."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        identity: Identity,
        options: SchedulerOptions,
        zone_data: ZoneData = unwatched,
    ) -> None:
        self._store = store
        self._clock = clock
        self._options = options
        self._keeper = SessionKeeper(store.leases, clock, identity, options)
        self._watch = SessionWatch(0 if options.exclusive else options.lease_ms)
        self._holdings: Holdings = {}
        self._wake = asyncio.Event()
        self._records_due = asyncio.Event()
        self.fleet = Fleet(clock, identity, options, self)
        self._reader = Reader(store, clock, self.fleet, self._holdings)
        self._recorder = Recorder(
            store, clock, self._keeper, options, self.fleet, self._holdings, self._ended
        )
        self._rederiver = Rederiver(
            store,
            clock,
            self._keeper,
            options,
            self.fleet,
            self._holdings,
            self._recorder,
            zone_data,
        )
        self.desk = OwnerDesk(
            store,
            clock,
            self._keeper,
            options,
            self.fleet,
            self._holdings,
            self._reader,
            self._recorder,
            self._wake,
        )
        self.census = Census(clock, self._keeper, self.fleet, self._holdings)
        self._throttle = Throttle(options.limits)
        self._gaps = HistoryGaps(store.runs, self._keeper, self._holdings)
        self._latecomers = Latecomers(store, clock, self._holdings)
        self._strays = Strays(store, clock, self.fleet, self._holdings, schedule_of)
        self._pauser = Pauser(store, clock)
        self._to_pause: asyncio.Queue[Job] = asyncio.Queue()
        self._stopping = asyncio.Event()
        #: Workers are to publish nothing of ours any more.
        self._is_over = False
        self.ready = asyncio.Event()
        #: Hear of runs whose end has been stored.
        self.on_ended: list[Callable[[list[LiveRun]], None]] = [log_ended]

    @property
    def identity(self) -> Identity:
        """Who it is."""
        return self._keeper.identity

    def owned(self) -> dict[int, int]:
        """The segments it owns, with their epochs."""
        return {segment: holding.owner.epoch for segment, holding in self._holdings.items()}

    # -- life --------------------------------------------------------------------------------

    async def run(self) -> None:
        """Runs until `stop`; a lost session is followed by a new one."""
        while not self._stopping.is_set():
            try:
                await self._run_session()
            except* SessionLostError:
                _log.error("session lost: all segments let go", segments=len(self._holdings))
                self.census.leases_lost += len(self._holdings)
                # Where the session has not run out, workers may still publish for a while.
                permitted_ms = self.fleet.permitted_ms()
                self._abandon()
                await self._clock.sleep(max(500, permitted_ms) / 1000)
            except* StoreUnavailable as group:
                _log.warning("store away", error=str(group.exceptions[0]))
                self._abandon()
                await self._clock.sleep(1)

    async def _run_session(self) -> None:
        await self._keeper.open()
        await self.fleet.begin(self.identity.session_id)
        self._reader.begin()
        await self._rederiver.begin()
        async with asyncio.TaskGroup() as tasks:
            loops = [
                tasks.create_task(loop)
                for loop in (
                    self._every(self._options.renew_ms, self._keeper.renew_once),
                    self._every(self._options.membership_ms, self._membership),
                    self._every(self._options.read_ms, self._read),
                    self._every(self._options.sweep_ms, self._reader.sweep),
                    self._every(self._options.reread_ms, self._reader.reread_inbox),
                    self._every(self._options.rederive_ms, self._rederiver.work),
                    self._every(self._options.advance_ms, self._recorder.advance_all),
                    self._every(self._options.position_ms, self._recorder.save_positions),
                    self._every(self._options.drop_ms, self._recorder.drop_all),
                    self._every(self._options.advance_ms, self._gaps.close),
                    self._every(self._options.advance_ms, self._latecomers.look),
                    self._every(self._options.advance_ms, self._settle_strays),
                    self._every(self._options.heartbeat_ms, self._tick),
                    self._fire(),
                    self._record(),
                    self._pause(),
                )
            ]
            await self._stopping.wait()
            await self._leave()
            for loop in loops:
                loop.cancel()

    async def stop(self) -> None:
        """Begins a clean stop: `run` ends once everything owned is given back."""
        self.census.draining = True
        self._stopping.set()
        self._wake.set()

    async def _leave(self) -> None:
        """Gives all segments back, so that others may take them at once."""
        self.fleet.drain()
        await bounded(self._give(segment) for segment in list(self._holdings))
        if self._holdings:
            # Workers try to publish what they began. Others may take over when they cannot.
            self._is_over = True
            await self._clock.sleep(self.fleet.permitted_ms() / 1000)
        self.fleet.close()
        await self._keeper.close()

    def _abandon(self) -> None:
        self._keeper.forfeit()
        self._let_go(self._holdings)
        self._holdings.clear()
        self.ready.clear()
        self.fleet.place()

    def _let_go(self, segments: Iterable[int]) -> None:
        """These are not ours any more: what becomes of their runs is not our concern."""
        self.fleet.forget(segments)
        self._throttle.forget(segments)

    async def _every(self, interval_ms: int, action: Callable[[], Awaitable[None]]) -> None:
        """Repeats an action; a store that is away is waited for, with what is held kept."""
        while True:
            try:
                await action()
            except* StoreUnavailable as group:
                _log.warning("store away", error=str(group.exceptions[0]))
            except* Fenced as group:
                _log.warning("fenced", error=str(group.exceptions[0]))
                if self._keeper.left_ms() <= 0:
                    raise SessionLostError from group
            await self._clock.sleep(interval_ms / 1000)

    # -- who owns what -----------------------------------------------------------------------

    async def _membership(self) -> None:
        if self._stopping.is_set():
            return
        sessions = await self._store.leases.sessions()
        leases = await self._store.leases.segments()
        now = self._clock.steady_ms()
        self._watch.observe(sessions, now)
        mine = self.identity.session_id
        living = [
            session
            for session in sessions
            if not session.closed
            and (session.session_id == mine or not self._watch.is_dead(session.session_id, now))
        ]
        self.fleet.set_topology(session.address for session in living if session.address != "local")
        self._drop_lost(leases)
        alive = {session.session_id for session in living}
        self.census.unowned = sum(lease.session_id not in alive for lease in leases)
        self._throttle.set_share(len(self._holdings), len(leases))
        moves = plan_moves(mine, self._holdings, leases, [s.session_id for s in living])
        await bounded(self._give(segment) for segment in moves.give)
        if moves.take:
            ends = {session.session_id: session.lease_until_ms for session in sessions}
            await self._take(moves.take, ends)
        for session in sessions:
            ended = session.closed or self._watch.is_dead(session.session_id, now)
            owns = any(lease.session_id == session.session_id for lease in leases)
            if session.session_id != mine and ended and not owns:
                await self._store.leases.remove_session(session)
        self.ready.set()

    def _drop_lost(self, leases: Iterable[SegmentLease]) -> None:
        """Lets go of segments that somebody else holds in the store."""
        for lease in leases:
            holding = self._holdings.get(lease.segment)
            if holding is not None and lease.epoch > holding.owner.epoch:
                _log.error("segment lost", segment=lease.segment, epoch=lease.epoch)
                del self._holdings[lease.segment]
                self.census.leases_lost += 1
                self._let_go([lease.segment])

    async def _take(self, wanted: Iterable[SegmentLease], ends: Mapping[str, int]) -> None:
        taken: dict[int, int] = {}

        async def take(current: SegmentLease) -> None:
            former_end_us = ends.get(current.session_id, 0) * 1000
            lease = SegmentLease(
                segment=current.segment,
                epoch=current.epoch + 1,
                session_id=self.identity.session_id,
                address=self.identity.address,
                floor_us=max(current.floor_us, former_end_us, self._clock.now_us()),
            )
            if await self._store.leases.take_segment(current, lease):
                self._keeper.set_floor(lease.segment, lease.floor_us)
                owner = SegmentOwner(
                    lease.segment,
                    lease.epoch,
                    compile_schedule=schedule_of,
                    new_traceparent=new_traceparent,
                )
                self._holdings[lease.segment] = Holding(lease, owner)
                taken[lease.segment] = lease.epoch

        try:
            await bounded(take(current) for current in wanted)
            if taken:
                _log.info("segments taken", count=len(taken), owned=len(self._holdings))
                await self._keeper.reach_floors()
                await self.fleet.settle(taken)
                await self._recover(list(taken))
                self.fleet.announce_epochs()
                await self._recorder.save_first_positions(taken)
        except BaseException:
            # Half taken is not owned: they are taken anew, under a further epoch.
            for segment in taken:
                holding = self._holdings.get(segment)
                if holding is not None and not holding.ready:
                    del self._holdings[segment]
            raise

    async def _recover(self, segments: list[int]) -> None:
        """Goes on from what the former owners have left, and lets the owners fire."""
        await self._rederiver.compare(segments)
        await self._reader.recover(segments)
        await self._reader.read()
        await self._reader.look_back(segments)
        # From here on nothing is awaited: what workers told meanwhile is known before anything
        # is handed out.
        for segment in segments:
            holding = self._holdings.get(segment)
            if holding is None:
                continue
            holding.ready = True
            for phase in REPORTABLE:
                for run in holding.owner.runs.in_phase(phase):
                    self._throttle.resume(run)
            # What workers have published must not be taken for missed.
            holding.owner.foretell(key_of(outcome.key) for outcome, _ in holding.early)
            holding.owner.step(self._clock.now_ms())
            for outcome, worker in holding.early:
                if not self.outcome(outcome, worker):
                    self.fleet.acknowledge(worker, [outcome.key])
            holding.early.clear()
        self._wake.set()

    async def _give(self, segment: int) -> None:
        """Gives a segment back cleanly: nothing of it is held, all is written."""
        holding = self._holdings.get(segment)
        if holding is None:
            return
        holding.leaving = True
        held = holding.owner.assigned_runs()
        try:
            if held:
                self.fleet.revoke(held)
                await self._unheld(held)
            await self._recorder.write(holding)
            await self._recorder.advance(holding)
            await self._recorder.save_position(holding)
        except BaseException:
            # It stays ours, and is given back another time.
            holding.leaving = self._stopping.is_set()
            self.fleet.place()
            raise
        if any(run.phase is Phase.ASSIGNED for run in held):
            _log.warning("not given back: a worker is still at it", segment=segment)
            holding.leaving = self._stopping.is_set()
            self.fleet.place()
            return
        async with holding.writing:
            # What came meanwhile and is under way to the store is ours to the end. What is not
            # goes: whoever said it has not been answered.
            del self._holdings[segment]
        self._let_go([segment])
        # The next owner's clock may be behind ours, and its writes are to count all the same.
        floor_us = max(holding.lease.floor_us, self._keeper.newest_us)
        await self._store.leases.release_segment(replace(holding.lease, floor_us=floor_us))
        self.fleet.place()

    async def _unheld(self, runs: list[LiveRun]) -> None:
        """Waits until no worker holds any of the runs as assigned, for a bounded time."""
        longest_ms = self._options.worker_lease_ms + self._options.permission_ms
        deadline = self._clock.steady_ms() + longest_ms
        while self._clock.steady_ms() < deadline:
            if not any(run.phase is Phase.ASSIGNED for run in runs):
                return
            await self._clock.sleep(0.01)

    # -- firing ------------------------------------------------------------------------------

    async def _read(self) -> None:
        await self._reader.read()
        self._wake.set()

    async def _fire(self) -> None:
        """Computes what comes due and hands it out, woken by reads, outcomes and the clock."""
        while True:
            now = self._clock.now_ms()
            next_ms = now + 1_000
            for holding in self._holdings.values():
                if not holding.ready or holding.leaving:
                    continue
                owner = holding.owner
                visit = owner.next_visit_ms()
                if visit is not None and visit <= now:
                    owner.step(now)
                    self.fleet.revoke(owner.take_revocations())
                    visit = owner.next_visit_ms()
                if visit is not None:
                    next_ms = min(next_ms, visit)
            self._hand_out()
            kept_ms = self._throttle.next_ms()
            if kept_ms is not None:
                next_ms = min(next_ms, kept_ms)
            if any(holding.owner.has_batch() for holding in self._holdings.values()):
                self._records_due.set()
            self._wake.clear()
            # What is due each millisecond is handed out seconds ahead: one round for many of them
            # instead of one each, which would look at every segment.
            wait_ms = max(self._options.pace_ms, next_ms - self._clock.now_ms())
            await self._wait_wake(wait_ms / 1000)

    async def _wait_wake(self, seconds: float) -> None:
        sleeper = asyncio.ensure_future(self._clock.sleep(seconds))
        waker = asyncio.ensure_future(self._wake.wait())
        try:
            await asyncio.wait((sleeper, waker), return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeper.cancel()
            waker.cancel()

    def _hand_out(self) -> None:
        ready: list[LiveRun] = []
        for holding in self._holdings.values():
            if holding.ready and not holding.leaving:
                ready.extend(holding.owner.take_ready())
        now_ms = self._clock.now_ms()
        ready = self._throttle.admit(self._paced(ready, now_ms), now_ms)
        if not ready:
            return
        for run in ready:
            # Kept when a run is handed out again: its time is not to begin anew.
            run.expire_ms = run.expire_ms or expire_ms(run.job.spec, run.fire_ms, now_ms)
        ready.sort(key=lambda run: run.fire_ms)
        for run in self.fleet.assign(ready):
            self._holdings[run.job.segment].owner.give_back([run], now_ms)

    def _paced(self, ready: Iterable[LiveRun], now_ms: int) -> list[LiveRun]:
        """Those whose topic's rate lets them go inside the look-ahead."""
        near: list[LiveRun] = []
        for run in sorted(ready, key=fire_then_priority):
            self._throttle.pace(run)
            if run.fire_ms <= now_ms + LOOK_AHEAD_MS:
                near.append(run)
            else:
                self._holdings[run.job.segment].owner.runs.postpone(run, now_ms)
        return near

    async def _tick(self) -> None:
        self.fleet.tick()

    # -- what the fleet tells ----------------------------------------------------------------

    def epochs(self) -> Mapping[int, int]:
        """The segments that may be served, with their epochs."""
        return {
            segment: holding.owner.epoch
            for segment, holding in self._holdings.items()
            if holding.ready and not holding.leaving
        }

    def permission_left_ms(self) -> int:
        """Workers publish under our lease, never beyond it."""
        return 0 if self._is_over else self._keeper.left_ms()

    def outcome(self, outcome: pb.Outcome, worker_id: str) -> bool:
        """Takes in what became of an assignment; False: it may be forgotten at once."""
        holding = self._holdings.get(outcome.key.segment)
        if holding is None:
            # Its owner is another scheduler, to which the worker sends it as well.
            return True
        if not holding.ready:
            holding.early.append(Told(outcome, worker_id))
            return True
        key = key_of(outcome.key)
        now = self._clock.now_ms()
        if outcome.WhichOneof("result") == "published":
            record = holding.owner.published(key, worker_id, outcome.epoch, outcome.published, now)
        else:
            record = holding.owner.failed(key, worker_id, outcome.failure, now)
        if record is None:
            awaited = holding.unacknowledged.get((key.uid, key.run_id))
            if awaited is not None and awaited.key == outcome.key:
                # It was said before, and is acknowledged when it is stored.
                return True
            is_stray = outcome.WhichOneof("result") == "published" and not key.dead_letter
            if not is_stray or holding.owner.knows(key.uid, key.run_id):
                return False
            holding.strays.append(Told(outcome, worker_id))
            return True
        holding.unacknowledged[key.uid, key.run_id] = AwaitedAck(
            worker_id, outcome.key, record.revision
        )
        self._records_due.set()
        self.desk.resolve([key])
        return True

    def confirmed(self, keys: Iterable[AttemptKey], started: Iterable[AttemptKey]) -> None:
        """Workers answered a revocation."""
        keys = list(keys)
        now = self._clock.now_ms()
        for holding in self._holdings.values():
            holding.owner.confirm_revoked(keys, started, now)
        self.desk.resolve(keys)
        self._wake.set()

    def released(self, runs: Iterable[LiveRun]) -> None:
        """No worker holds these any more."""
        for run in runs:
            holding = self._holdings.get(run.job.segment)
            if holding is not None:
                holding.owner.give_back([run], self._clock.now_ms())
        self._wake.set()

    def room(self) -> None:
        """Workers may take more."""
        self._wake.set()

    def find(self, key: AttemptKey, segment: int) -> LiveRun | None:
        """The live run of that key."""
        holding = self._holdings.get(segment)
        return holding.owner.live_run(key) if holding else None

    # -- writing -----------------------------------------------------------------------------

    async def _record(self) -> None:
        """Writes states to the run log, gathered for a moment; nothing is lost by a failure."""
        while True:
            await self._records_due.wait()
            await self._clock.sleep(self._options.record_ms / 1000)
            self._records_due.clear()
            try:
                await self._recorder.write_all()
            except* StoreUnavailable as group:
                _log.warning("records wait for the store", error=str(group.exceptions[0]))
                self._records_due.set()
                await self._clock.sleep(0.5)
            except* Fenced as group:
                _log.warning("records fenced", error=str(group.exceptions[0]))

    def _ended(self, ended: list[LiveRun]) -> None:
        """Runs have ended and that is stored: others may go, or their jobs be paused."""
        if not ended:
            return
        for hear in self.on_ended:
            hear(ended)
        for run in ended:
            self._throttle.ended(run)
        for job in to_be_looked_at(ended):
            self._to_pause.put_nowait(job)
        self._wake.set()

    async def _settle_strays(self) -> None:
        await self._strays.settle()
        if any(holding.owner.has_batch() for holding in self._holdings.values()):
            self._records_due.set()

    async def _pause(self) -> None:
        """Pauses jobs that have failed too often."""
        while True:
            job = await self._to_pause.get()
            try:
                if await self._pauser.look_at(job):
                    await self._reader.notice([News(job.key, job.segment)])
            except StoreUnavailable as error:
                _log.warning("a job that fails is not paused yet", error=error.message)
                await self._clock.sleep(1)
                self._to_pause.put_nowait(job)
