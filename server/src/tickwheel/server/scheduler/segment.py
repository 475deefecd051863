"""What one owned segment is to fire, and what of it is done. Pure: no I/O, time is an argument.

An occurrence's way: its job's entry is loaded from the schedule, the occurrence becomes a live run
when its due instant comes inside the look-ahead, and once it is recorded as done, or has a row
among the open runs, the job's entry advances past it. At each step a crash leaves the step before
it in the store, from which the next owner goes on. What becomes of a run in between is `runs`.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import chain

from tickwheel.server.domain.job import Job
from tickwheel.server.domain.names import JobKey, discriminator_of
from tickwheel.server.domain.occurrence import EntryKind, InboxEntry, ScheduleEntry
from tickwheel.server.domain.report import Answer, Report
from tickwheel.server.domain.run import Run, RunState, Trigger
from tickwheel.server.schedule import Schedule
from tickwheel.server.scheduler.cursors import STEP_BUDGET, Advance, Cursors
from tickwheel.server.scheduler.ledger import Batch
from tickwheel.server.scheduler.live import AttemptKey, LiveRun, Phase, live_run_of
from tickwheel.server.scheduler.overlap import Skip, Wait
from tickwheel.server.scheduler.override import decode_override
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
    ) -> None:
        self.segment = segment
        self.epoch = epoch
        self.runs = Runs(segment, epoch)
        self._reporting = Reporting(self.runs)
        self._cursors = Cursors(
            self.runs, compile_schedule=compile_schedule, new_traceparent=new_traceparent
        )
        self._new_traceparent = new_traceparent
        self._repairs = Repairs() if repairs is None else repairs
        self._finished_entries: list[ScheduleEntry] = []
        self._uncommitted = Uncommitted()

    # -- what is read ------------------------------------------------------------------------

    def recover(
        self,
        log: Iterable[Run],
        rows: Iterable[Run] = (),
        jobs: Mapping[JobKey, Job] | None = None,
        now_ms: int = 0,
    ) -> None:
        """Takes in what former owners have left, before anything is loaded.

        Args:
            log: the run log since the position.
            rows: the open runs, each both as its row has it and in its present state.
            jobs: the jobs of all runs that are not final.
            now_ms: the present.
        """
        latest: dict[tuple[str, str], Run] = {}
        has_row: set[tuple[str, str]] = set()
        for run in rows:
            has_row.add((run.job_uid, run.run_id))
            _keep_latest(latest, run)
        for run in log:
            _keep_latest(latest, run)
        for name, run in sorted(latest.items(), key=lambda item: item[1].due_ms):
            if run.state is RunState.SKIPPED and name not in has_row and run.skipped_count:
                self._cursors.remember_skip(run)
                self.runs.done[name] = run.update_ms
            elif name in has_row or is_underway(run):
                self._adopt(run, jobs or {}, now_ms, has_row=name in has_row)
            elif run.state is RunState.PENDING:
                self._cursors.remember(run)
            else:
                self.runs.done[name] = run.update_ms
        for uid in {run.job_uid for run in latest.values()}:
            self.runs.released(uid, now_ms)

    def _adopt(self, run: Run, jobs: Mapping[JobKey, Job], now_ms: int, *, has_row: bool) -> None:
        job = jobs.get(run.key)
        if job is not None:
            self.runs.adopt(run, job, now_ms, has_row=has_row)
            return
        # The job has outlived its retention: nothing is known of how to go on.
        self.runs.done[run.job_uid, run.run_id] = run.update_ms
        if not run.state.is_final:
            self.runs.ledger.add(
                replace(
                    run,
                    state=RunState.FAILED,
                    revision=run.revision + 1,
                    update_ms=now_ms,
                    end_ms=now_ms,
                    epoch=self.epoch,
                    error="the job is past its retention",
                    error_type="job-gone",
                )
            )
        self.runs.ledger.close(run, has_row=has_row)

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
        while: its creation, or the change, may be under way. Of former generations and of deleted
        jobs there is left what came due before, and to record what their backfills do not run.
        Returns runs to take back from workers, as `change` does.

        Args:
            entries: of any kind.
            jobs: as they are now.
            now_ms: the present.
            past: former versions, oldest first, of jobs that `wants_past` is true of.
        """
        revoked: list[LiveRun] = []
        for entry in entries:
            job = jobs.get(entry.key)
            if job is None or (entry.generation > job.generation and not job.delete_ms):
                if not self._uncommitted.keep(entry, now_ms):
                    self._repairs[Mended.ROW_WITHOUT_JOB] += 1
                continue
            self._uncommitted.settle(entry)
            former = (past or {}).get(entry.key, ())
            if entry.kind is EntryKind.SCHEDULE:
                revoked.extend(self._cursors.load(job, entry, former, now_ms))
            elif entry.kind is not EntryKind.BACKFILL:
                self._open_own(job, entry, now_ms)
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
            if job is not None and not job.delete_ms and entry.kind is EntryKind.SCHEDULE:
                self._cursors.rederive(job, entry, now_ms)

    def end_rederiving(self) -> None:
        """All entries were looked at."""
        self._cursors.end_rederiving()

    def notice(
        self, item: InboxEntry, job: Job | None, now_ms: int, former: Sequence[Job] = ()
    ) -> list[LiveRun]:
        """Takes in an inbox entry, with the job as it is now; returns runs as `change` does."""
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
        revoked = self._cursors.change(job, entry, former, now_ms)
        self._follow(job, now_ms)
        return revoked

    def _follow(self, job: Job, now_ms: int) -> None:
        self.runs.change_job(job, now_ms)
        # It may allow more of them side by side than it did.
        self.runs.released(job.uid, now_ms)

    def is_behind(self, uid: str, version: int) -> bool:
        """Whether it goes by a former version of a job; not where it has nothing of the job."""
        return self._cursors.is_behind(uid, version)

    def has_older(self, uid: str, version: int) -> bool:
        """Whether anything here goes by a former version of a job: its cursor, or an open run."""
        return self.is_behind(uid, version) or any(
            run.job.version < version for run in self.runs.unfinished.of(uid)
        )

    def foretell(self, keys: Iterable[AttemptKey]) -> None:
        """Workers have outcomes of these, to be taken in once `step` has opened their runs."""
        self._cursors.foretell(frozenset((key.uid, key.run_id) for key in keys))

    def uncommitted(self, now_ms: int, told: Collection[str] = ()) -> list[ScheduleEntry]:
        """Entries whose job was not there, to be loaded again now; see Uncommitted.to_look_at."""
        return self._uncommitted.to_look_at(now_ms, told)

    def has_at_hand(self, uid: str) -> bool:
        """Whether the row of a job's present schedule was read and is being gone by."""
        return self._uncommitted.has(uid) or self._cursors.of_job(uid) is not None

    def release_waiting(self, now_ms: int) -> list[str]:
        """Lets go runs that wait for nothing; by uid the jobs that had any."""
        waiting = self.runs.unfinished.waiting_jobs()
        return [uid for uid in waiting if self.runs.released(uid, now_ms)]

    def confirm_revoked(
        self, keys: Iterable[AttemptKey], started: Iterable[AttemptKey], now_ms: int
    ) -> None:
        """The workers dropped these runs, or (`started`) had already begun to publish them."""
        begun = set(started)
        for key in keys:
            if self._cursors.confirm(key, started=key in begun, now_ms=now_ms):
                continue
            run = self.runs.at(key)
            if run is not None and key not in begun:
                self.runs.confirm_cancelled(run, now_ms)

    def trigger(self, job: Job, entry: ScheduleEntry, run: LiveRun, now_ms: int) -> Run | None:
        """Opens a run by hand; None where that run exists already."""
        if run.name in self.runs.done or self.runs.find(*run.name) is not None:
            return None
        run.entry = entry
        return self._begin_own(run, now_ms) or self.runs.announce(run, now_ms)

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
        self.runs.step(now_ms)
        return passed

    def next_visit_ms(self) -> int | None:
        """When `step` has something to do next; None: nothing that is known."""
        both = (self._cursors.next_ms(), self.runs.next_ms())
        return min((at for at in both if at is not None), default=None)

    def take_ready(self) -> list[LiveRun]:
        """Runs to hand to a worker, in order of due instant, higher priority first."""
        return self.runs.take_ready()

    def give_back(self, runs: Iterable[LiveRun], now_ms: int) -> None:
        """Puts runs back that no worker holds any more (or that none had room for)."""
        self.runs.give_back(runs, now_ms)

    def _open_own(self, job: Job, entry: ScheduleEntry, now_ms: int) -> None:
        """Opens a run that has a row of its own (by hand, or a retry)."""
        live = self.runs.find(job.uid, entry.run_id)
        if live is not None:
            return
        if (job.uid, entry.run_id) in self.runs.done:
            self._finished_entries.append(entry)
            return
        run = own_run(job, entry, self._new_traceparent)
        run.record = self._cursors.take_begun(*run.name)
        if run.record is not None:
            run.traceparent = run.record.traceparent
        self._begin_own(run, now_ms)

    def _begin_own(self, run: LiveRun, now_ms: int) -> Run | None:
        """Begins a run of its own as its policy allows; its record, unless it simply goes."""
        if run.is_reported:
            # An occurrence that is not due yet is no earlier run, though it was handed out.
            self.runs.revoke(self._cursors.take_back_ahead(run.job.uid, now_ms))
        match self.runs.verdict(run.job, run.policy, due=True):
            case Skip(reason, blocking):
                return self.runs.skip(run, reason, blocking, now_ms)
            case Wait(blocking, cancel):
                if cancel:
                    self.runs.make_way(run, now_ms)
                return self.runs.hold(run, blocking, now_ms)
            case _:
                self.runs.open(run, now_ms)
                return None

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
        return None if run is None else self.runs.published(run, worker, fence, ack, now_ms)

    def failed(
        self,
        key: AttemptKey,
        worker: str,
        failure: scheduler_service_pb2.PublishFailure,
        now_ms: int,
    ) -> Run | None:
        """An attempt could not be published; its record, or None where nobody waits for that."""
        run = self._outcome_of(key)
        return None if run is None else self.runs.failed(run, worker, failure, now_ms)

    def _outcome_of(self, key: AttemptKey) -> LiveRun | None:
        run = self.runs.awaits_outcome(key)
        if run is not None:
            self._cursors.heard(run)
        return run

    def knows(self, uid: str, run_id: str) -> bool:
        """Whether a run is live, or done since the position."""
        is_run = (uid, run_id) in self.runs.done or self.runs.find(uid, run_id) is not None
        return is_run or self._cursors.has_skipped(uid, run_id)

    def unknown_of(self, log: Iterable[Run]) -> list[Run]:
        """Unfinished runs of former owners, of a log that was read again, that it does not know."""
        latest: dict[tuple[str, str], Run] = {}
        for run in log:
            _keep_latest(latest, run)
        return [
            run
            for name, run in latest.items()
            if run.epoch < self.epoch
            and not run.state.is_final
            and name not in self.runs.done
            and self.runs.find(*name) is None
        ]

    def take_late(self, run: Run, job: Job, now_ms: int) -> None:
        """Takes in a run of `unknown_of`: it goes on, or ends as what it was taken for."""
        if is_underway(run):
            self._adopt(run, {run.key: job}, now_ms, has_row=False)
        elif run.trigger is Trigger.SCHEDULE:
            self._cursors.take_late(run, job, now_ms)

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
        if begun is not None and begun.revision > run.revision:
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
            if run.entry is not None:
                self._finished_entries.append(run.entry)
                run.entry = None
            self._cursors.settle(run, now_ms)
        for uid in {run.job.uid for run in settled.ended}:
            self.runs.released(uid, now_ms)
        for run in settled.ended:
            self._cursors.go_on(run, now_ms)
        return [*settled.ended, *stretches]

    def take_advance(self, now_ms: int) -> Advance:
        """Rows to move, for all that is recorded. A crash before they are written is harmless."""
        moved = self._cursors.take_advance(now_ms)
        finished, self._finished_entries = self._finished_entries, []
        return replace(moved, remove=[*finished, *moved.remove])

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
        """Runs that a worker holds."""
        return self.runs.in_phase(Phase.ASSIGNED)

    def twin_of(self, uid: str, run_id: str) -> str | None:
        """The id of the job's recent run by hand that was made by the same request."""
        mark = discriminator_of(run_id)
        if mark == run_id:
            return None
        return next(
            (one for of, one in self.runs.names() if of == uid and one.endswith(mark)), None
        )

    def has_batch(self) -> bool:
        """Whether there is something to write."""
        return bool(self.runs.ledger)

    def live_run(self, key: AttemptKey) -> LiveRun | None:
        """The live run that is at this attempt."""
        return self.runs.at(key)

    def revoking(self, uid: str) -> list[AttemptKey]:
        """Runs of the job that workers were asked to drop and have not answered for."""
        return self._cursors.revoking(uid)

    def count_live(self) -> int:
        """Live runs."""
        return len(self.runs)


def is_underway(run: Run) -> bool:
    """Whether a run goes on by itself, as against one that the schedule's row brings up again.

    A failed one does until its dead letter is on the log.
    """
    if run.state is RunState.PENDING:
        return run.attempt > 1 or bool(run.blocking_run)
    return not run.state.is_final or (run.state is RunState.FAILED and not run.dead_letter_topic)


def own_run(job: Job, entry: ScheduleEntry, new_traceparent: Callable[[], str]) -> LiveRun:
    """The live run of an entry that stands for a single run."""
    override = decode_override(entry.detail)
    return LiveRun(
        job=job,
        run_id=entry.run_id,
        kind=entry.kind,
        schedule_ms=entry.schedule_ms,
        due_ms=entry.due_ms,
        fire_ms=entry.due_ms,
        ordinal=0,
        traceparent=override.traceparent or new_traceparent(),
        attempt=entry.attempt,
        entry=entry,
        overlap_policy=override.overlap_policy,
        detail=entry.detail,
        payload=override.payload,
        content_type=override.content_type,
        retried_run=override.retried_run,
    )


def _keep_latest(latest: dict[tuple[str, str], Run], run: Run) -> None:
    key = (run.job_uid, run.run_id)
    if key not in latest or latest[key].revision < run.revision:
        latest[key] = run
