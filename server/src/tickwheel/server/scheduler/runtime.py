"""Carries out what the pure parts decide: hands out what is due, keeps the lease.

One instance is one scheduler. Its loops are the tasks of one TaskGroup. Where the session has run
out all but those that bring it back stand still, with what is owned kept (`resuming`); when it is
lost they let go of what they own and begin anew under a new session. Who owns what is in
`ownership`, what is read in `reader` and `inbox`, what is written in `recorder`, what the api asks
in `desk`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace

import structlog

from tickwheel.server.convert.schedule import schedule_of
from tickwheel.server.domain.clock import Clock
from tickwheel.server.domain.errors import Fenced, StoreUnavailable
from tickwheel.server.domain.run import Run
from tickwheel.server.scheduler.assignment import key_of
from tickwheel.server.scheduler.census import Census
from tickwheel.server.scheduler.context import SchedulerContext
from tickwheel.server.scheduler.desk import OwnerDesk
from tickwheel.server.scheduler.dispatcher import Dispatcher
from tickwheel.server.scheduler.fleet import Fleet
from tickwheel.server.scheduler.gaps import HistoryGaps
from tickwheel.server.scheduler.holding import AwaitedAck, Holdings, Told
from tickwheel.server.scheduler.inbox import Inbox, News
from tickwheel.server.scheduler.keeper import SessionKeeper, SessionLostError
from tickwheel.server.scheduler.latecomers import Latecomers
from tickwheel.server.scheduler.live import AttemptKey, LiveRun
from tickwheel.server.scheduler.options import Identity, SchedulerOptions
from tickwheel.server.scheduler.ownership import Ownership
from tickwheel.server.scheduler.pauser import Pauser, Suspects
from tickwheel.server.scheduler.pressure import Pressure
from tickwheel.server.scheduler.reader import RETRY_S, Reader
from tickwheel.server.scheduler.recorder import DROP_TURNS, WRITE_AGAIN_MS, Recorder
from tickwheel.server.scheduler.rederiver import Rederiver, ZoneData, unwatched
from tickwheel.server.scheduler.repair import Repair
from tickwheel.server.scheduler.repairs import Mended, Repairs
from tickwheel.server.scheduler.resuming import Resuming
from tickwheel.server.scheduler.runlog import log_ended, log_retried
from tickwheel.server.scheduler.strays import Strays
from tickwheel.server.scheduler.takeover import Takeover
from tickwheel.server.scheduler.versions import Versions
from tickwheel.server.store.port import Store
from tickwheel.v1 import scheduler_service_pb2 as pb
from tickwheel.worker.listeners import Listeners

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
        self._options = options
        self.fleet = Fleet(clock, identity, options, self)
        # From here on nothing goes by the machine's clock alone.
        clock = self._clock = self.fleet.clock
        self._keeper = SessionKeeper(store.leases, clock, identity, options)
        self._holdings: Holdings = {}
        self._wake = asyncio.Event()
        self._records_due = asyncio.Event()
        self._pressure = Pressure(clock, self._holdings, options.most_unpublished)
        context = SchedulerContext(
            store=store,
            clock=clock,
            options=options,
            keeper=self._keeper,
            fleet=self.fleet,
            holdings=self._holdings,
            pressure=self._pressure,
            # From none on: who watches a count has to see its first one as a rise.
            repairs=Repairs(dict.fromkeys(Mended, 0)),
            wake=self._wake,
        )
        versions = Versions(store.jobs, clock, self._holdings)
        self._reader = Reader(context, versions)
        self._inbox = Inbox(context, versions, self._reader)
        self._recorder = Recorder(context, self._stored)
        self._rederiver = Rederiver(context, versions, self._recorder, zone_data)
        self.desk = OwnerDesk(context, versions, self._reader, self._inbox, self._recorder)
        self.census = Census(context)
        self._dispatcher = Dispatcher(clock, options, self.fleet, self._holdings)
        takeover = Takeover(
            context, self._rederiver, self._reader, self._inbox, self._dispatcher, self.outcome
        )
        self._ownership = Ownership(
            context,
            takeover,
            Resuming(context, self._inbox),
            self._recorder,
            self._dispatcher,
            self.census,
        )
        self._gaps = HistoryGaps(context)
        self._latecomers = Latecomers(store, clock, self._holdings, versions)
        self._strays = Strays(context, versions, schedule_of, self.outcome)
        self._repair = Repair(context, self._reader, self._inbox, self._rederiver)
        self._pauser = Pauser(store, clock)
        self._suspects = Suspects()
        self._stopping = asyncio.Event()
        #: Workers are to publish nothing of ours any more.
        self._is_over = False
        #: Hear of states of runs once they are stored, each once.
        self.on_recorded: Listeners[[Sequence[Run]]] = Listeners(log_retried)
        #: Hear of runs whose end has been stored.
        self.on_ended: Listeners[[Sequence[LiveRun]]] = Listeners(log_ended)

    @property
    def identity(self) -> Identity:
        """Who it is."""
        return self._keeper.identity

    def owned(self) -> dict[int, int]:
        """The segments it owns, with their epochs."""
        return {segment: holding.owner.epoch for segment, holding in self._holdings.items()}

    @property
    def ready(self) -> asyncio.Event:
        """Set while it has looked at the leases under its present session."""
        return self._ownership.ready

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
            except* (StoreUnavailable, Fenced) as group:
                _log.warning("store away", error=str(group.exceptions[0]))
                self._abandon()
                await self._clock.sleep(1)

    async def _run_session(self) -> None:
        await self._keeper.open()
        await self.fleet.begin(self.identity.session_id)
        self._inbox.begin()
        await self._rederiver.begin()
        async with asyncio.TaskGroup() as tasks:
            loops = [
                tasks.create_task(loop)
                for loop in (
                    self._always(self._options.renew_ms, self._keeper.renew_once),
                    self._always(self._options.resume_ms, self._ownership.resume),
                    self._always(self._options.heartbeat_ms, self._tick),
                    self._every(self._options.membership_ms, self._ownership.look),
                    self._every(self._options.read_ms, self._reader.read_schedule),
                    self._every(self._options.read_ms, self._inbox.read),
                    self._every(0, self._reader.load_some),
                    self._every(RETRY_S * 1_000, self._reader.load_aside),
                    self._every(self._options.sweep_ms, self._reader.sweep),
                    self._every(self._options.reread_ms, self._inbox.reread),
                    self._every(self._options.rederive_ms, self._rederiver.work),
                    self._every(self._options.advance_ms, self._recorder.advance_all),
                    self._every(self._options.position_ms, self._recorder.save_positions),
                    self._every(self._options.drop_ms / DROP_TURNS, self._recorder.drop_some),
                    self._every(self._options.advance_ms, self._gaps.close),
                    self._every(self._options.advance_ms, self._latecomers.look),
                    self._every(self._options.advance_ms, self._settle_strays),
                    self._every(self._options.repair_ms, self._repair.look),
                    self._every(WRITE_AGAIN_MS, self._recorder.write_again),
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
        """Gives all segments back, so that others may take them at once.

        Raises:
            SessionLostError: the session has run out; they can be taken when others notice.
        """
        if self._keeper.left_ms() <= 0:
            raise SessionLostError
        self.fleet.drain()
        await self._ownership.leave()
        if self._holdings:
            # Workers try to publish what they began. Others may take over when they cannot.
            self._is_over = True
            await self._clock.sleep(self.fleet.permitted_ms() / 1000)
        self.fleet.close()
        await self._keeper.close()

    def _abandon(self) -> None:
        self._keeper.forfeit()
        self._ownership.abandon()
        self.fleet.place()

    async def _every(self, interval_ms: float, action: Callable[[], Awaitable[None]]) -> None:
        """Repeats an action while the session holds."""
        while True:
            await self._keeper.until_it_holds()
            await self._try(action)
            await self._clock.sleep(interval_ms / 1000)

    async def _always(self, interval_ms: float, action: Callable[[], Awaitable[None]]) -> None:
        """Repeats an action also where the session has run out."""
        while True:
            await self._try(action)
            await self._clock.sleep(interval_ms / 1000)

    async def _try(self, action: Callable[[], Awaitable[None]]) -> None:
        """A store that is away is waited for, with what is held kept."""
        try:
            await action()
        except* StoreUnavailable as group:
            _log.warning("store away", error=str(group.exceptions[0]))
        except* Fenced as group:
            _log.warning("fenced", error=str(group.exceptions[0]))

    # -- firing ------------------------------------------------------------------------------

    async def _fire(self) -> None:
        """Computes what comes due and hands it out, woken by reads, outcomes and the clock."""
        while True:
            await self._keeper.until_it_holds()
            # What comes while others have their turn asks for a round of its own.
            self._wake.clear()
            now = self._clock.now_ms()
            next_ms = await self._step(now)
            while self._dispatcher.hand_out():  # noqa: ASYNC110
                await asyncio.sleep(0)  # a turn for others, not a wait
            kept_ms = self._dispatcher.next_ms()
            if kept_ms is not None:
                next_ms = min(next_ms, kept_ms)
            if any(holding.owner.has_batch() for holding in self._holdings.values()):
                self._records_due.set()
            # What is due each millisecond is handed out seconds ahead: one round for many of them
            # instead of one each, which would look at every segment.
            wait_ms = max(self._options.pace_ms, next_ms - self._clock.now_ms())
            await self._wait_wake(wait_ms / 1000)

    async def _step(self, now_ms: int) -> int:
        """Lets the owners do what is to be done now; returns when one has something to do next.

        Where that is much, what came of it is handed out on the way, and others have a turn.
        """
        next_ms = now_ms + 1_000
        passed = 0
        # To decide on an occurrence takes longer than to read or to hand one out.
        most = 0 if self._pressure.is_high() else self._options.slice // 2
        for holding in list(self._holdings.values()):
            if passed >= most > 0:
                passed = 0
                self._dispatcher.hand_out()
                await asyncio.sleep(0)
            is_held = self._holdings.get(holding.segment) is holding
            if not is_held or not holding.ready or holding.leaving:
                continue
            owner = holding.owner
            visit = owner.next_visit_ms()
            if visit is not None and visit <= now_ms:
                passed += owner.step(now_ms, most)
                self.fleet.revoke(owner.take_revocations())
                visit = owner.next_visit_ms()
            self._strays.hear(holding)
            if visit is not None:
                next_ms = min(next_ms, visit)
        return next_ms

    async def _wait_wake(self, seconds: float) -> None:
        sleeper = asyncio.ensure_future(self._clock.sleep(seconds))
        waker = asyncio.ensure_future(self._wake.wait())
        try:
            await asyncio.wait((sleeper, waker), return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeper.cancel()
            waker.cancel()

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
        key = key_of(outcome.key)
        is_published = outcome.WhichOneof("result") == "published"
        if not holding.ready:
            holding.early.append(Told(outcome, worker_id))
            # It must not be taken for missed.
            holding.owner.foretell(key)
            return True
        now = self._clock.now_ms()
        if is_published:
            record = holding.owner.published(key, worker_id, outcome.epoch, outcome.published, now)
        else:
            record = holding.owner.failed(key, worker_id, outcome.failure, now)
        if record is None:
            awaited = holding.awaited_ack(outcome.key)
            if awaited is not None:
                # It was said before, maybe by another one, and is acknowledged when it is stored.
                holding.await_ack(replace(awaited, worker=worker_id))
                return True
            is_stray = is_published and not key.dead_letter
            if not is_stray or holding.owner.knows(key.uid, key.run_id):
                return False
            holding.strays[key] = Told(outcome, worker_id)
            holding.owner.foretell(key)
            return True
        holding.await_ack(AwaitedAck(worker_id, outcome.key, record.revision))
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
            await self._keeper.until_it_holds()
            await self._clock.sleep(self._options.record_ms / 1000)
            self._records_due.clear()
            await self._try(self._recorder.write_all)

    def _stored(self, records: Sequence[Run], ended: list[LiveRun]) -> None:
        """States are stored; of runs that have ended by it others may go, or jobs be paused."""
        self.on_recorded(records)
        if not ended:
            return
        self.on_ended(ended)
        for run in ended:
            self._dispatcher.ended(run)
        self._suspects.note(ended)
        self._wake.set()

    async def _settle_strays(self) -> None:
        await self._strays.settle()
        if any(holding.owner.has_batch() for holding in self._holdings.values()):
            self._records_due.set()

    async def _pause(self) -> None:
        """Pauses jobs that have failed too often."""
        while True:
            job = await self._suspects.take()
            try:
                paused = await self._pauser.look_at(job)
                if paused is not None:
                    await self._inbox.notice([News(job.key, job.segment, paused.version)])
            except StoreUnavailable as error:
                _log.warning(
                    "a job that fails is not paused yet", job=str(job.name), error=error.message
                )
                await self._clock.sleep(1)
                self._suspects.put(job)
