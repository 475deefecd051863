"""Carries out what the pure parts decide: reads, writes, hands out, and keeps the lease.

One instance is one scheduler. Its loops are the tasks of one TaskGroup; when the session is lost
they all let go of what they own and begin anew under a new session.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog

from tickwheel.server.convert.schedule import schedule_of
from tickwheel.server.domain.clock import Clock
from tickwheel.server.domain.errors import Fenced, SegmentUnowned, StoreUnavailable
from tickwheel.server.domain.lease import SegmentLease
from tickwheel.server.domain.names import JobKey, discriminator_of
from tickwheel.server.domain.occurrence import EntryKind, ScheduleEntry
from tickwheel.server.domain.run import Run
from tickwheel.server.owner.port import TriggerRequest
from tickwheel.server.scheduler.assignment import key_of
from tickwheel.server.scheduler.fleet import Fleet
from tickwheel.server.scheduler.keeper import SessionKeeper, SessionLostError
from tickwheel.server.scheduler.live import AttemptKey, LiveRun, Phase
from tickwheel.server.scheduler.membership import SessionWatch, plan_moves
from tickwheel.server.scheduler.options import Identity, SchedulerOptions
from tickwheel.server.scheduler.override import encode_override
from tickwheel.server.scheduler.segment import Advance, SegmentOwner, expire_ms, own_run
from tickwheel.server.store.port import INBOX_HORIZON_MS, LOOK_AHEAD_MS, Store
from tickwheel.server.trace import new_traceparent
from tickwheel.v1 import scheduler_service_pb2 as pb

_log = structlog.get_logger(__name__)

#: The schedule is read in stretches of this length when an owner catches up, in ms.
CATCH_UP_STRETCH_MS = 600_000
#: While more runs than this are open, a catching-up owner reads no further.
MAX_BACKLOG = 50_000
#: Each read of the inbox overlaps the last by the time a write usually takes; the sweep, by the
#: longest that it may take.
INBOX_OVERLAP_MS = 2_000
#: Writes of different segments under way at once.
MAX_WRITES = 32


@dataclass(slots=True, eq=False)
class Holding:
    """One segment that this scheduler owns."""

    lease: SegmentLease
    owner: SegmentOwner
    #: The schedule has been read up to here.
    read_to_ms: int = 0
    position_ms: int = 0
    #: The log has been read: the schedule may be.
    recovered: bool = False
    #: Loaded once from its position: it may fire.
    ready: bool = False
    #: Being given back: nothing new is handed out.
    leaving: bool = False
    #: Outcomes that came before it was loaded.
    early: list[tuple[pb.Outcome, str]] = field(default_factory=list[tuple[pb.Outcome, str]])
    #: Rows that could not be written yet.
    advances: list[Advance] = field(default_factory=list[Advance])
    #: One writes at a time, in order: the loops, and who gives the segment back.
    recording: asyncio.Lock = field(default_factory=asyncio.Lock)
    advancing: asyncio.Lock = field(default_factory=asyncio.Lock)
    #: Which worker waits for the acknowledgement of which recorded run.
    unacknowledged: dict[tuple[str, str], tuple[str, pb.RunKey]] = field(
        default_factory=dict[tuple[str, str], tuple[str, pb.RunKey]]
    )


class Scheduler:
    """One scheduler: owner of some segments, with a fleet of workers."""

    def __init__(
        self, store: Store, clock: Clock, identity: Identity, options: SchedulerOptions
    ) -> None:
        self._store = store
        self._clock = clock
        self._options = options
        self._keeper = SessionKeeper(store.leases, clock, identity, options)
        self._watch = SessionWatch(0 if options.exclusive else options.lease_ms)
        self.fleet = Fleet(clock, identity, options, self)
        self._holdings: dict[int, Holding] = {}
        self._wake = asyncio.Event()
        self._records_due = asyncio.Event()
        self._seen: dict[tuple[str, int], int] = {}
        self._inbox_read_ms = 0
        self._waiters: dict[AttemptKey, asyncio.Future[None]] = {}
        self._triggering: dict[tuple[str, str], asyncio.Task[Run]] = {}
        self._stopping = asyncio.Event()
        self.ready = asyncio.Event()

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
                self._abandon()
                await self._clock.sleep(0.5)
            except* StoreUnavailable as group:
                _log.warning("store away", error=str(group.exceptions[0]))
                self._abandon()
                await self._clock.sleep(1)

    async def _run_session(self) -> None:
        await self._keeper.open()
        self._inbox_read_ms = self._clock.now_ms()
        async with asyncio.TaskGroup() as tasks:
            loops = [
                tasks.create_task(loop)
                for loop in (
                    self._every(self._options.renew_ms, self._keeper.renew_once),
                    self._every(self._options.membership_ms, self._membership),
                    self._every(self._options.read_ms, self._read),
                    self._every(self._options.sweep_ms, self._sweep),
                    self._every(self._options.advance_ms, self._advance),
                    self._every(self._options.position_ms, self._save_positions),
                    self._every(self._options.drop_ms, self._drop),
                    self._every(self._options.heartbeat_ms, self._tick),
                    self._fire(),
                    self._record(),
                )
            ]
            await self._stopping.wait()
            await self._leave()
            for loop in loops:
                loop.cancel()

    async def stop(self) -> None:
        """Begins a clean stop: `run` ends once everything owned is given back."""
        self._stopping.set()
        self._wake.set()

    async def _leave(self) -> None:
        """Gives all segments back, so that others may take them at once."""
        self.fleet.drain()
        await _bounded(self._give(segment) for segment in list(self._holdings))
        self.fleet.close()
        await self._keeper.close()

    def _abandon(self) -> None:
        self.fleet.forget(self._holdings)
        self._holdings.clear()
        self.ready.clear()
        self.fleet.place()

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
        moves = plan_moves(mine, self._holdings, leases, [s.session_id for s in living])
        await _bounded(self._give(segment) for segment in moves.give)
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
                self.fleet.forget([lease.segment])

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
            await _bounded(take(current) for current in wanted)
            if taken:
                _log.info("segments taken", count=len(taken), owned=len(self._holdings))
                await self.fleet.settle(taken)
                await self._recover(list(taken))
                self.fleet.announce_epochs()
        except BaseException:
            # Half taken is not owned: they are taken anew, under a further epoch.
            for segment in taken:
                holding = self._holdings.get(segment)
                if holding is not None and not holding.ready:
                    del self._holdings[segment]
            raise

    async def _recover(self, segments: list[int]) -> None:
        """Reads log and schedule from the position on, side by side, and lets the owners fire."""
        positions = await self._store.schedule.positions(segments)
        by_position: dict[int, list[int]] = {}
        for segment in segments:
            by_position.setdefault(positions[segment], []).append(segment)
        for position, group in by_position.items():
            logs: dict[int, list[Run]] = {}
            if position:
                since = position - INBOX_HORIZON_MS
                for run in await self._store.runs.read_log(group, since):
                    logs.setdefault(run.segment, []).append(run)
            for segment in group:
                holding = self._holdings.get(segment)
                if holding is None:
                    continue
                holding.owner.recover(logs.get(segment, ()))
                holding.position_ms = holding.read_to_ms = position
                holding.recovered = True
        await self._read()
        for segment in segments:
            holding = self._holdings.get(segment)
            if holding is None:
                continue
            for outcome, worker in holding.early:
                if not self.outcome(outcome, worker):
                    self.fleet.acknowledge(worker, [outcome.key])
            holding.early.clear()

    async def _give(self, segment: int) -> None:
        """Gives a segment back cleanly: nothing of it is held, all is written."""
        holding = self._holdings.get(segment)
        if holding is None:
            return
        holding.leaving = True
        held = holding.owner.assigned_runs()
        if held:
            self.fleet.revoke(held)
            await self._unheld(held)
        await self._record_segment(holding)
        await self._advance_segment(holding)
        await self._save_position(holding)
        del self._holdings[segment]
        self.fleet.forget([segment])
        await self._store.leases.release_segment(holding.lease)
        self.fleet.place()

    async def _unheld(self, runs: list[LiveRun]) -> None:
        """Waits until no worker holds any of the runs as assigned, for a bounded time."""
        deadline = self._clock.steady_ms() + self._options.worker_lease_ms
        while self._clock.steady_ms() < deadline:
            if not any(run.phase is Phase.ASSIGNED for run in runs):
                return
            await self._clock.sleep(0.01)
        _log.warning("given back with runs still held", count=len(runs))

    # -- reading -----------------------------------------------------------------------------

    async def _read(self) -> None:
        """Reads schedule and inbox up to the look-ahead."""
        now = self._clock.now_ms()
        horizon = now + LOOK_AHEAD_MS
        groups: dict[int, list[int]] = {}
        for segment, holding in self._holdings.items():
            if holding.recovered and not holding.leaving:
                groups.setdefault(holding.read_to_ms, []).append(segment)
        for start, segments in groups.items():
            await self._read_schedule(segments, start, horizon)
        if self._holdings:
            await self._read_inbox(list(self._holdings), self._inbox_read_ms - INBOX_OVERLAP_MS)
            self._inbox_read_ms = now
        await self._load_uncommitted()
        self._wake.set()

    async def _read_schedule(self, segments: list[int], start_ms: int, end_ms: int) -> None:
        """Reads from `start_ms` on; after an outage in stretches, skipping what is empty."""
        if end_ms - start_ms > CATCH_UP_STRETCH_MS:
            await _bounded(self._catch_up(segment, start_ms, end_ms) for segment in segments)
            return
        entries = await self._store.schedule.read_due(segments, start_ms, end_ms)
        await self._load(entries)
        self._mark_read(segments, end_ms)

    async def _catch_up(self, segment: int, start_ms: int, end_ms: int) -> None:
        at_ms = start_ms
        while at_ms < end_ms:
            found = await self._store.schedule.first_fire_ms(segment, at_ms)
            if found is None or found >= end_ms:
                break
            until_ms = min(end_ms, max(at_ms, found) + CATCH_UP_STRETCH_MS)
            await self._load(await self._store.schedule.read_due([segment], found, until_ms))
            at_ms = until_ms
            holding = self._holdings.get(segment)
            if holding is None or holding.owner.count_live() > MAX_BACKLOG:
                # Goes on from here with the next read, when what is open has become less.
                self._mark_read([segment], at_ms)
                return
        self._mark_read([segment], end_ms)

    def _mark_read(self, segments: Iterable[int], read_to_ms: int) -> None:
        for segment in segments:
            holding = self._holdings.get(segment)
            if holding is not None:
                holding.read_to_ms = read_to_ms
                holding.ready = True

    async def _load(self, entries: list[ScheduleEntry]) -> None:
        if not entries:
            return
        jobs = await self._store.jobs.get_many({entry.key for entry in entries})
        now = self._clock.now_ms()
        grouped: dict[int, list[ScheduleEntry]] = {}
        for entry in entries:
            grouped.setdefault(entry.segment, []).append(entry)
        for segment, group in grouped.items():
            holding = self._holdings.get(segment)
            if holding is not None:
                self.fleet.revoke(holding.owner.load(group, jobs, now))

    async def _load_uncommitted(self) -> None:
        await self._load(
            [entry for holding in self._holdings.values() for entry in holding.owner.uncommitted()]
        )

    async def _read_inbox(self, segments: list[int], since_ms: int) -> None:
        """Takes in what is new in the inbox; reads overlap, what was seen before is passed over."""
        found = await self._store.schedule.read_inbox(segments, since_ms)
        fresh = [item for item in found if (item.uid, item.version) not in self._seen]
        if not fresh:
            return
        jobs = await self._store.jobs.get_many({item.key for item in fresh})
        now = self._clock.now_ms()
        for item in fresh:
            holding = self._holdings.get(item.segment)
            if holding is not None:
                self._seen[item.uid, item.version] = now
                self.fleet.revoke(holding.owner.notice(item, jobs.get(item.key), now))
        oldest = now - 2 * INBOX_HORIZON_MS
        self._seen = {mark: at for mark, at in self._seen.items() if at >= oldest}

    async def _sweep(self) -> None:
        """Reads everything since the positions again: the net below the watermark."""
        holdings = [holding for holding in self._holdings.values() if holding.ready]
        if not holdings:
            return
        now = self._clock.now_ms()
        await self._read_inbox([h.lease.segment for h in holdings], now - INBOX_HORIZON_MS)
        start = min(holding.position_ms or now for holding in holdings)
        start = max(start, now - CATCH_UP_STRETCH_MS)
        end = min(holding.read_to_ms for holding in holdings)
        segments = [holding.lease.segment for holding in holdings]
        if start < end:
            await self._load(await self._store.schedule.read_due(segments, start, end))

    # -- firing ------------------------------------------------------------------------------

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
                    visit = owner.next_visit_ms()
                if visit is not None:
                    next_ms = min(next_ms, visit)
            self._hand_out()
            if any(holding.owner.has_records() for holding in self._holdings.values()):
                self._records_due.set()
            self._wake.clear()
            wait_s = max(0.001, (next_ms - self._clock.now_ms()) / 1000)
            await self._wait_wake(wait_s)

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
        if not ready:
            return
        now_ms = self._clock.now_ms()
        for run in ready:
            # Kept when a run is handed out again: its time is not to begin anew.
            run.expire_ms = run.expire_ms or expire_ms(run, now_ms)
        ready.sort(key=lambda run: run.due_ms)
        for run in self.fleet.assign(ready):
            self._holdings[run.job.segment].owner.give_back([run])

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
        return self._keeper.left_ms()

    def outcome(self, outcome: pb.Outcome, worker_id: str) -> bool:
        """Takes in what became of an assignment; False: it may be forgotten at once."""
        holding = self._holdings.get(outcome.key.segment)
        if holding is None:
            # Its owner is another scheduler, to which the worker sends it as well.
            return True
        if not holding.ready:
            holding.early.append((outcome, worker_id))
            return True
        key = key_of(outcome.key)
        now = self._clock.now_ms()
        if outcome.WhichOneof("result") == "published":
            known = holding.owner.published(key, worker_id, outcome.published, now)
        else:
            known = holding.owner.failed(key, worker_id, outcome.failure, now)
        if known:
            holding.unacknowledged[key.uid, key.run_id] = (worker_id, outcome.key)
            self._records_due.set()
            self._resolve([key])
        return known

    def confirmed(self, keys: Iterable[AttemptKey], started: Iterable[AttemptKey]) -> None:
        """Workers answered a revocation."""
        keys = list(keys)
        now = self._clock.now_ms()
        for holding in self._holdings.values():
            holding.owner.confirm_revoked(keys, started, now)
        self._resolve(keys)
        self._wake.set()

    def released(self, runs: Iterable[LiveRun]) -> None:
        """No worker holds these any more."""
        for run in runs:
            holding = self._holdings.get(run.job.segment)
            if holding is not None:
                holding.owner.give_back([run])
        self._wake.set()

    def room(self) -> None:
        """Workers may take more."""
        self._wake.set()

    def find(self, key: AttemptKey, segment: int) -> LiveRun | None:
        """The live run of that key."""
        holding = self._holdings.get(segment)
        return holding.owner.live_run(key) if holding else None

    def _resolve(self, keys: Iterable[AttemptKey]) -> None:
        for key in keys:
            waiter = self._waiters.pop(key, None)
            if waiter is not None and not waiter.done():
                waiter.set_result(None)

    # -- writing -----------------------------------------------------------------------------

    async def _record(self) -> None:
        """Writes states to the run log, gathered for a moment; nothing is lost by a failure."""
        while True:
            await self._records_due.wait()
            await self._clock.sleep(self._options.record_ms / 1000)
            self._records_due.clear()
            holdings = [h for h in self._holdings.values() if h.owner.has_records()]
            try:
                await _bounded(self._record_segment(holding) for holding in holdings)
            except* StoreUnavailable as group:
                _log.warning("records wait for the store", error=str(group.exceptions[0]))
                self._records_due.set()
                await self._clock.sleep(0.5)
            except* Fenced as group:
                _log.warning("records fenced", error=str(group.exceptions[0]))

    async def _record_segment(self, holding: Holding) -> None:
        async with holding.recording:
            await self._write_records(holding)

    async def _write_records(self, holding: Holding) -> None:
        records = holding.owner.take_records()
        if not records:
            return
        try:
            stamp = self._keeper.stamp(holding.lease.segment, holding.owner.epoch)
            await self._store.runs.record(stamp, records)
        except BaseException:
            holding.owner.put_back_records(records)
            raise
        holding.owner.recorded(records)
        acks: dict[str, list[pb.RunKey]] = {}
        for record in records:
            waiting = holding.unacknowledged.pop((record.job_uid, record.run_id), None)
            if waiting is not None:
                acks.setdefault(waiting[0], []).append(waiting[1])
        for worker, keys in acks.items():
            self.fleet.acknowledge(worker, keys)
        self._wake.set()

    async def _advance(self) -> None:
        await _bounded(self._advance_segment(holding) for holding in list(self._holdings.values()))

    async def _advance_segment(self, holding: Holding) -> None:
        async with holding.advancing:
            if self._holdings.get(holding.lease.segment) is holding:
                await self._write_advances(holding)

    async def _write_advances(self, holding: Holding) -> None:
        advance = holding.owner.take_advance(self._clock.now_ms())
        if advance:
            holding.advances.append(advance)
        while holding.advances:
            pending = holding.advances[0]
            segment, epoch = holding.lease.segment, holding.owner.epoch
            if pending.put or pending.remove:
                await self._store.schedule.advance(
                    self._keeper.stamp(segment, epoch), pending.put, pending.remove
                )
            if pending.complete:
                await self._store.jobs.complete(
                    self._keeper.stamp(segment, epoch), pending.complete, self._clock.now_ms()
                )
            del holding.advances[0]

    async def _save_positions(self) -> None:
        await _bounded(
            self._save_position(holding)
            for holding in list(self._holdings.values())
            if holding.ready
        )

    async def _save_position(self, holding: Holding) -> None:
        if not holding.ready or holding.advances:
            return
        position = min(holding.owner.position_ms(self._clock.now_ms()), holding.read_to_ms)
        if position <= holding.position_ms:
            return
        stamp = self._keeper.stamp(holding.lease.segment, holding.owner.epoch)
        await self._store.schedule.save_position(stamp, position)
        holding.position_ms = position
        holding.owner.forget_before(position)

    async def _drop(self) -> None:
        async def drop(holding: Holding) -> None:
            stamp = self._keeper.stamp(holding.lease.segment, holding.owner.epoch)
            before = holding.position_ms - self._options.drop_grace_ms
            if before > 0:
                await self._store.schedule.drop_before(stamp, before)

        await _bounded(drop(holding) for holding in list(self._holdings.values()) if holding.ready)

    # -- what the api asks -------------------------------------------------------------------

    async def notify(self, jobs: Iterable[tuple[JobKey, int]]) -> list[bool]:
        """Takes in changes of jobs (key, segment) now; True where no former version can fire.

        Raises:
            SegmentUnowned: for none of them is this the owner.
        """
        wanted = list(jobs)
        segments = sorted({segment for _, segment in wanted if segment in self._holdings})
        if not segments:
            raise SegmentUnowned("this scheduler does not own the segment")
        await self._read_inbox(segments, self._inbox_read_ms - INBOX_OVERLAP_MS)
        await self._load_uncommitted()
        self._wake.set()
        pending: list[asyncio.Future[None]] = []
        loop = asyncio.get_running_loop()
        for key, segment in wanted:
            holding = self._holdings.get(segment)
            if holding is None:
                continue
            for attempt in holding.owner.revoking(key.uid):
                future = self._waiters.get(attempt)
                if future is None:
                    future = self._waiters[attempt] = loop.create_future()
                pending.append(future)
        if pending:
            await asyncio.wait(pending, timeout=self._options.confirm_ms / 1000)
        return [self._is_settled(key, segment) for key, segment in wanted]

    def _is_settled(self, key: JobKey, segment: int) -> bool:
        holding = self._holdings.get(segment)
        return holding is not None and not holding.owner.revoking(key.uid)

    async def trigger(self, request: TriggerRequest) -> Run:
        """Fires a run by hand, once its row is stored.

        Raises:
            SegmentUnowned: this is not the owner, or it is not ready.
        """
        mark = (request.job.uid, discriminator_of(request.run_id))
        task = self._triggering.get(mark)
        if task is None:
            # The same request twice at once is one run.
            task = asyncio.get_running_loop().create_task(self._trigger(request))
            self._triggering[mark] = task
            task.add_done_callback(lambda _: self._triggering.pop(mark, None))
        return await asyncio.shield(task)

    async def _trigger(self, request: TriggerRequest) -> Run:
        job = request.job
        holding = self._holdings.get(job.segment)
        if holding is None or not holding.ready or holding.leaving:
            raise SegmentUnowned("this scheduler does not own the segment")
        twin = holding.owner.twin_of(job.uid, request.run_id) or request.run_id
        existing = await self._store.runs.get(job.uid, twin)
        if existing is not None:
            return existing
        now = self._clock.now_ms()
        entry = ScheduleEntry(
            segment=job.segment,
            fire_ms=now,
            user=job.user,
            uid=job.uid,
            kind=EntryKind.MANUAL,
            generation=job.generation,
            schedule_ms=request.schedule_ms,
            due_ms=request.schedule_ms,
            run_id=request.run_id,
            detail=encode_override(request),
        )
        stamp = self._keeper.stamp(job.segment, holding.owner.epoch)
        await self._store.schedule.advance(stamp, [entry], [])
        run = own_run(job, entry, new_traceparent)
        record = holding.owner.trigger(job, entry, run, now)
        self._wake.set()
        if record is None:
            raise SegmentUnowned("the run is being fired already; ask for it again")
        await self._record_segment(holding)
        return record


async def _bounded(work: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Runs coroutines side by side, at most MAX_WRITES at once; all are awaited."""
    limit = asyncio.Semaphore(MAX_WRITES)

    async def one(coroutine: Coroutine[Any, Any, None]) -> None:
        async with limit:
            await coroutine

    async with asyncio.TaskGroup() as tasks:
        for coroutine in work:
            tasks.create_task(one(coroutine))
