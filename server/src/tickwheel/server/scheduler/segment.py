"""What one owned segment is to fire, and what of it is done. Pure: no I/O, time is an argument.

An occurrence's way: its job's entry is loaded from the schedule, the occurrence becomes a live run
when its due instant comes inside the look-ahead, and once it is recorded as done, or has a row
among the open runs, the job's entry advances past it. At each step a crash leaves the step before
it in the store, from which the next owner goes on (`recovering`). What becomes of a run in between
is `runs`; those that have rows of their own come in by `own_runs`.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import chain

from tickwheel.server.domain.job import Job
from tickwheel.server.domain.names import JobKey
from tickwheel.server.domain.occurrence import EntryKind, InboxEntry, ScheduleEntry
from tickwheel.server.domain.report import Answer, Report
from tickwheel.server.domain.run import Run
from tickwheel.server.schedule import Schedule, ScheduleError
from tickwheel.server.scheduler.cursors import STEP_BUDGET, Advance, Cursors
from tickwheel.server.scheduler.ledger import Batch
from tickwheel.server.scheduler.lingering import PATIENCE_MS
from tickwheel.server.scheduler.live import AttemptKey, LiveRun, Phase, live_run_of
from tickwheel.server.scheduler.own_runs import OwnRuns
from tickwheel.server.scheduler.recovering import Recovering
from tickwheel.server.scheduler.repairs import Mended, Repairs
from tickwheel.server.scheduler.reporting import Reporting
from tickwheel.server.scheduler.runs import Runs
from tickwheel.server.scheduler.uncommitted import Uncommitted
from tickwheel.v1 import scheduler_service_pb2

#: A position stays this far behind now: longer than a write may take to become visible.
POSITION_LAG_MS = 15_000


class SegmentOwner:
    """The firing state of one segment under one epoch."""

    def __init__(
        self,
        segment: int,
        epoch: int,
        *,
        compile_schedule: Callable[[Job], Schedule],
        new_traceparent: Callable[[], str],
        repairs: Repairs | None = None,
        patience_ms: int = PATIENCE_MS,
    ) -> None:
        self.segment = segment
        self.epoch = epoch
        self.runs = Runs(segment, epoch, patience_ms)
        self._reporting = Reporting(self.runs)
        self._compile = compile_schedule
        self._cursors = Cursors(
            self.runs, compile_schedule=compile_schedule, new_traceparent=new_traceparent
        )
        self._recovering = Recovering(self.runs, self._cursors)
        self._own_runs = OwnRuns(self.runs, self._cursors, new_traceparent)
        self._repairs = Repairs() if repairs is None else repairs
        self._uncommitted = Uncommitted()

    # -- what is read ------------------------------------------------------------------------

    def recover(
        self,
        log: Iterable[Run],
        rows: Iterable[Run] = (),
        jobs: Mapping[JobKey, Job] | None = None,
        now_ms: int = 0,
    ) -> None:
        """Takes in what former owners have left; see Recovering.recover."""
        self._recovering.recover(log, rows, jobs or {}, now_ms)

    def wants_past(self, job: Job, entry: ScheduleEntry | None) -> bool:
        """Whether `load` or `notice` need the job's former versions."""
        is_own = entry is not None and entry.kind in (EntryKind.MANUAL, EntryKind.RETRY)
        return not is_own and self._cursors.wants_past(job, entry)

    def load(
        self,
        entries: Iterable[ScheduleEntry],
        jobs: Mapping[JobKey, Job],
        now_ms: int,
        past: Mapping[JobKey, Sequence[Job]] | None = None,
    ) -> list[LiveRun]:
        """Takes in entries of the schedule, with the jobs they belong to.

        An entry whose job is missing, or has not come to the entry's generation, is kept for a
        while: its creation, or the change, may be under way. So is one of a job that cannot be
        computed here. Of former generations and of deleted jobs there is left what came due before,
        and to record what their backfills do not run. Returns runs to take back from workers, as
        `change` does.

        Args:
            entries: of any kind.
            jobs: as they are now.
            now_ms: the present.
            past: former versions, oldest first, of jobs that `wants_past` is true of.
        """
        revoked: list[LiveRun] = []
        for entry in entries:
            job, former = jobs.get(entry.key), (past or {}).get(entry.key, ())
            if (
                job is None
                or (entry.generation > job.generation and not job.delete_ms)
                or not self._is_computable(job, former)
            ):
                if not self._uncommitted.keep(entry, now_ms):
                    self._repairs[Mended.ROW_WITHOUT_JOB] += 1
                continue
            self._uncommitted.settle(entry)
            if entry.kind is EntryKind.SCHEDULE:
                revoked.extend(self._cursors.load(job, entry, former, now_ms))
            elif entry.kind is not EntryKind.BACKFILL:
                self._own_runs.open(job, entry, now_ms)
            else:
                revoked.extend(self._cursors.load_backfill(job, entry, former, now_ms))
        return revoked

    def begin_rederiving(self, since_ms: int, now_ms: int) -> list[LiveRun]:
        """There are new time-zone data, which hold from an instant on; see Cursors."""
        return self._cursors.begin_rederiving(since_ms, now_ms)

    def rederive(
        self, entries: Iterable[ScheduleEntry], jobs: Mapping[JobKey, Job], now_ms: int
    ) -> None:
        """Looks whether entries far ahead are right by the new data; those that are not move."""
        for entry in entries:
            job = jobs.get(entry.key)
            if job is None or job.delete_ms or entry.kind is not EntryKind.SCHEDULE:
                continue
            if self._is_computable(job):
                self._cursors.rederive(job, entry, now_ms)

    def end_rederiving(self) -> None:
        """All entries were looked at."""
        self._cursors.end_rederiving()

    def notice(
        self, item: InboxEntry, job: Job | None, now_ms: int, former: Sequence[Job] = ()
    ) -> list[LiveRun]:
        """Takes in an inbox entry, with the job as it is now; returns runs as `change` does."""
        if job is not None and not self._is_computable(job, former):
            job = None
        revoked = self._cursors.change(job, item.entry, former, now_ms) if job is not None else []
        if item.entry is not None:
            jobs = {item.key: job} if job is not None else {}
            revoked.extend(self.load([item.entry], jobs, now_ms, {item.key: former}))
        if job is not None:
            self._follow(job, now_ms)
        return revoked

    def change(
        self, job: Job, entry: ScheduleEntry | None, now_ms: int, former: Sequence[Job] = ()
    ) -> list[LiveRun]:
        """Takes in a job's newer version; see Cursors.change."""
        if not self._is_computable(job, former):
            return []
        revoked = self._cursors.change(job, entry, former, now_ms)
        self._follow(job, now_ms)
        return revoked

    def _is_computable(self, job: Job, former: Sequence[Job] = ()) -> bool:
        """Whether all schedules of a job can be computed here.

        While a cluster is brought up to date an api may take a time zone, or a form of schedule,
        that its schedulers do not know yet: no other job is to wait for that.
        """
        try:
            for one in (*former, job):
                self._compile(one)
        except ScheduleError:
            return False
        return True

    def _follow(self, job: Job, now_ms: int) -> None:
        self.runs.following.change_job(job, now_ms)
        # It may allow more of them side by side than it did.
        self.runs.released(job.uid, now_ms)

    def is_behind(self, uid: str, version: int) -> bool:
        """Whether it goes by a former version of a job; not where it has nothing of the job."""
        return self._cursors.is_behind(uid, version)

    def has_older(self, uid: str, version: int) -> bool:
        """Whether anything here goes by a former version of a job: its cursor, or an open run."""
        runs = chain(self.runs.unfinished.of(uid), self.runs.lingering.backfilled(uid))
        return self.is_behind(uid, version) or any(run.job.version < version for run in runs)

    def foretell(self, key: AttemptKey) -> None:
        """A worker has an outcome of what is not open here: it is opened, never skipped.

        To be taken in once it is open, or as that of a stray.
        """
        self.runs.foretold.add((key.uid, key.run_id))

    def settle_foretold(self, key: AttemptKey) -> None:
        """The outcome is taken in now, or it is known that nothing comes of it."""
        self.runs.foretold.discard((key.uid, key.run_id))

    def uncommitted(self, now_ms: int, told: Collection[str] = ()) -> list[ScheduleEntry]:
        """Entries whose job was not there, to be loaded again now; see Uncommitted.to_look_at."""
        return self._uncommitted.to_look_at(now_ms, told)

    def has_at_hand(self, uid: str) -> bool:
        """Whether the row of a job's present schedule was read and is being gone by."""
        return self._uncommitted.has(uid) or self._cursors.of_job(uid) is not None

    def release_waiting(self, now_ms: int) -> list[LiveRun]:
        """Lets go runs that wait for nothing; the first one of each job that had any."""
        unfinished = self.runs.unfinished
        first = [unfinished.waiting(uid)[0] for uid in unfinished.waiting_jobs()]
        return [run for run in first if self.runs.released(run.job.uid, now_ms)]

    def confirm_revoked(
        self, keys: Iterable[AttemptKey], started: Iterable[AttemptKey], now_ms: int
    ) -> None:
        """The workers dropped these runs, or (`started`) had already begun to publish them."""
        begun = set(started)
        for key in keys:
            run = self.runs.at(key)
            is_of_cursor = self._cursors.confirm(key, started=key in begun, now_ms=now_ms)
            if run is not None and not is_of_cursor:
                self.runs.confirm_taken_back(run, now_ms, started=key in begun)
            # It was in the way of what waits, and may not be any more.
            self.runs.released(key.uid, now_ms)

    def trigger(self, entry: ScheduleEntry, run: LiveRun, now_ms: int) -> Run | None:
        """Opens a run by hand; None where that run exists already."""
        return self._own_runs.trigger(entry, run, now_ms)

    def cancel(self, uid: str, run_id: str, reason: str, now_ms: int) -> LiveRun | None:
        """Cancels a run as far as that is possible at once; None where it is not live."""
        run = self.runs.find(uid, run_id)
        if run is not None:
            self.runs.cancel(run, reason, now_ms)
        return run

    def is_backfilling(self, uid: str, backfill_id: str) -> bool:
        """Whether the job's backfill of that id is under way."""
        return self._cursors.is_backfilling(uid, backfill_id)

    def take_revocations(self) -> list[LiveRun]:
        """Runs that workers are to be asked to drop."""
        return self.runs.take_revocations()

    # -- what becomes due --------------------------------------------------------------------

    def step(self, now_ms: int, most: int = STEP_BUDGET) -> int:
        """Computes what has come inside the look-ahead, and what time has brought about else.

        Args:
            now_ms: the present.
            most: goes over so many occurrences; while there are more, `next_visit_ms` stays at an
                instant that has come.

        Returns:
            how many it has gone over.
        """
        passed = self._cursors.step(now_ms, most)
        self.runs.alarms.step(now_ms)
        return passed

    def next_visit_ms(self) -> int | None:
        """When `step` has something to do next; None: nothing that is known."""
        both = (self._cursors.next_ms(), self.runs.alarms.next_ms())
        return min((at for at in both if at is not None), default=None)

    def take_dropped(self) -> list[LiveRun]:
        """Runs that were taken back and take up no limit's room any more."""
        return self.runs.take_dropped()

    def take_ready(self) -> list[LiveRun]:
        """Runs to hand to a worker, in order of due instant, higher priority first."""
        return self.runs.take_ready()

    def take_back_missed(self, now_ms: int) -> list[LiveRun]:
        """Takes back what could not be published for too long; see Revoking.take_back_missed."""
        return self._cursors.take_back_missed(now_ms)

    def resume(self, now_ms: int) -> None:
        """Goes on after a time in which executors could not report anything."""
        self.runs.alarms.forgive_silence(now_ms)

    def give_back(self, runs: Iterable[LiveRun], now_ms: int) -> None:
        """Puts runs back that no worker holds any more (or that none had room for)."""
        self.runs.give_back(runs, now_ms)

    # -- what became of it -------------------------------------------------------------------

    def holds(self, key: AttemptKey) -> bool:
        """Whether somebody is still to say what became of the attempt."""
        return self.runs.awaits_outcome(key) is not None

    def published(
        self,
        key: AttemptKey,
        worker: str,
        fence: int,
        ack: scheduler_service_pb2.Published,
        now_ms: int,
    ) -> Run | None:
        """The log has acknowledged an attempt; its record, or None where nobody waits for that."""
        run = self._outcome_of(key)
        if run is None:
            return None
        self._is_heard_at_last(run, now_ms)
        return self.runs.published(run, worker, fence, ack, now_ms)

    def failed(
        self,
        key: AttemptKey,
        worker: str,
        failure: scheduler_service_pb2.PublishFailure,
        now_ms: int,
    ) -> Run | None:
        """An attempt could not be published; its record, or None where nobody waits for that."""
        run = self._outcome_of(key)
        if run is None:
            return None
        self._is_heard_at_last(run, now_ms)
        return self.runs.failed(run, worker, failure, now_ms)

    def _outcome_of(self, key: AttemptKey) -> LiveRun | None:
        run = self.runs.awaits_outcome(key)
        if run is not None:
            self._cursors.heard(run)
            self.runs.come_to(run, key.attempt)
        return run

    def _is_heard_at_last(self, run: LiveRun, now_ms: int) -> None:
        """The outcome of a run has come: where it lingered another may be opened."""
        if run in self.runs.lingering:
            self._cursors.go_on(run, now_ms)

    def knows(self, uid: str, run_id: str) -> bool:
        """Whether a run is live, or done since the position."""
        is_run = (uid, run_id) in self.runs.done or self.runs.find(uid, run_id) is not None
        return is_run or self._cursors.has_skipped(uid, run_id)

    def is_told_of(self, uid: str, run_id: str) -> bool:
        """Whether a run is live, or a worker's outcome of it is there, to be taken in."""
        return (uid, run_id) in self.runs.foretold or self.runs.find(uid, run_id) is not None

    def has_to_go_over(self, uid: str, now_ms: int) -> bool:
        """Whether there is something to come of a job that `step` has still to look at."""
        return self._cursors.is_due(uid, now_ms)

    def unknown_of(self, log: Iterable[Run]) -> list[Run]:
        """Unfinished runs of former owners that it does not know; see Recovering.unknown_of."""
        return self._recovering.unknown_of(log)

    def take_late(self, run: Run, job: Job, now_ms: int) -> None:
        """Takes in a run of `unknown_of`; see Recovering.take_late."""
        self._recovering.take_late(run, job, now_ms)

    def take_stray(
        self,
        run: LiveRun,
        worker: str,
        fence: int,
        ack: scheduler_service_pb2.Published,
        now_ms: int,
    ) -> Run:
        """Takes in a run that is on the log and that it does not know; its record."""
        begun = self._cursors.take_begun(*run.name)
        if begun is not None and (run.record is None or begun.order > run.record.order):
            run.record = begun
        self.runs.admit_published(run)
        return self.runs.published(run, worker, fence, ack, now_ms)

    def report(self, report: Report, now_ms: int) -> Answer | None:
        """Takes an executor's report in; see Reporting.report."""
        return self._reporting.report(report, now_ms)

    # -- what is to be stored ----------------------------------------------------------------

    def take_batch(self) -> Batch:
        """What to write to the store now."""
        return self.runs.ledger.take()

    def put_back(self, batch: Batch) -> None:
        """A batch that could not be written; it comes again with the next one."""
        self.runs.ledger.put_back(batch)

    def stored(self, batch: Batch, now_ms: int) -> list[LiveRun]:
        """The store has a batch; returns the runs whose end is in it, skipped stretches as well."""
        settled = self.runs.stored(batch, now_ms)
        stretches: list[LiveRun] = []
        for record in settled.skipped:
            job = self._cursors.skip_stored(record)
            if job is not None:
                stretches.append(live_run_of(record, job))
        for run in settled.runs:
            self._own_runs.settle(run)
            self._cursors.settle(run, now_ms)
        for uid in {run.job.uid for run in settled.ended}:
            self.runs.released(uid, now_ms)
        for run in settled.ended:
            self._cursors.go_on(run, now_ms)
        return [*settled.ended, *stretches]

    def take_advance(self, now_ms: int) -> Advance:
        """Rows to move, for all that is recorded. A crash before they are written is harmless."""
        moved = self._cursors.take_advance(now_ms)
        return replace(moved, remove=[*self._own_runs.take_finished(), *moved.remove])

    def position_ms(self, now_ms: int) -> int:
        """The instant before which nothing in the schedule is still to be done."""
        kept = self._uncommitted.entry_ms()
        rows = chain(self._cursors.entry_ms(), self.runs.entry_ms(), kept)
        return min(chain(rows, (now_ms - POSITION_LAG_MS,)))

    def begin_at(self, position_ms: int) -> None:
        """Rows from an instant on are read; those that come to light before it are moved."""
        self._cursors.begin_at(position_ms)

    def forget_before(self, position_ms: int) -> None:
        """Lets go of what only mattered for reading the schedule before the position again."""
        self.runs.forget_before(position_ms)
        self._uncommitted.pass_by(position_ms)
        self._cursors.forget_before(position_ms)

    def assigned_runs(self) -> list[LiveRun]:
        """Runs that a worker holds and is to publish."""
        return self.runs.in_phase(Phase.ASSIGNED)

    def taken_back_runs(self) -> list[LiveRun]:
        """Runs that a worker was asked to drop and has not answered for."""
        return self.runs.in_phase(Phase.DROPPED)

    def is_with_worker(self, run: LiveRun) -> bool:
        """Whether a worker may publish a run still: one that was dropped is not known any more."""
        is_held = run.phase in (Phase.ASSIGNED, Phase.DROPPED)
        return is_held and self.runs.at(run.key) is run

    def twin_of(self, uid: str, run_id: str) -> str | None:
        """The id of the job's recent run by hand that was made by the same request."""
        return self._own_runs.twin_of(uid, run_id)

    def record_of(self, uid: str, run_id: str, now_ms: int) -> Run | None:
        """The record of a live run, which is made if there is none yet; None: it is not live."""
        run = self.runs.find(uid, run_id)
        return None if run is None else run.record or self.runs.announce(run, now_ms)

    def has_batch(self) -> bool:
        """Whether there is something to write."""
        return bool(self.runs.ledger)

    def live_run(self, key: AttemptKey) -> LiveRun | None:
        """The live run that is at this attempt."""
        return self.runs.at(key)

    def revoking(self, uid: str) -> list[AttemptKey]:
        """Runs of the job that workers were asked to drop and have not answered for."""
        return [*self._cursors.revoking(uid), *self.runs.following.taken_back(uid)]

    def count_live(self) -> int:
        """Live runs."""
        return len(self.runs)
