"""What one owned segment is to fire, and what of it is done. Pure: no I/O, time is an argument.

An occurrence's way: its job's entry is loaded from the schedule, the occurrence becomes a live run
when its due instant comes inside the look-ahead, and once it is recorded as done, or has a row
among the open runs, the job's entry advances past it. At each step a crash leaves the step before
it in the store, from which the next owner goes on. What becomes of a run in between is `runs`.
"""

import heapq
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from tickwheel.internal.v1 import storage_pb2
from tickwheel.server.domain.job import Job
from tickwheel.server.domain.names import JobKey, backfill_run_id, discriminator_of, instant_id
from tickwheel.server.domain.occurrence import EntryKind, InboxEntry, ScheduleEntry
from tickwheel.server.domain.run import Run, RunState, Trigger
from tickwheel.server.schedule import Schedule
from tickwheel.server.scheduler.ledger import Batch
from tickwheel.server.scheduler.live import AttemptKey, Cursor, LiveRun, Phase
from tickwheel.server.scheduler.overlap import Go, Later, Skip, Verdict, Wait, admit
from tickwheel.server.scheduler.override import decode_override
from tickwheel.server.scheduler.runs import Runs
from tickwheel.server.scheduler.terms import catch_up_ms, is_reported, retention_ms
from tickwheel.server.store.port import INBOX_HORIZON_MS, LOOK_AHEAD_MS
from tickwheel.v1 import run_pb2, scheduler_service_pb2

#: Open runs of one job at once; further ones wait until one is done.
MAX_OPEN_PER_JOB = 1_000
#: Open runs of one backfill at once: few enough that what is due now goes in between.
MAX_OPEN_PER_BACKFILL = 100
#: Occurrences computed in one step, so that a long outage of a busy job does not block the loop.
STEP_BUDGET = 5_000
#: An entry whose job row does not show up within this time belongs to a creation that failed.
COMMIT_GRACE_MS = 30_000
#: A position stays this far behind now: longer than a write may take to become visible.
POSITION_LAG_MS = 15_000


@dataclass(frozen=True, slots=True)
class Advance:
    """Rows to write once the records they follow from are stored."""

    put: Sequence[ScheduleEntry]
    remove: Sequence[ScheduleEntry]
    complete: Sequence[tuple[JobKey, int]]

    def __bool__(self) -> bool:
        return bool(self.put or self.remove or self.complete)


class SegmentOwner:
    """The firing state of one segment under one epoch."""

    def __init__(
        self,
        segment: int,
        epoch: int,
        *,
        compile_schedule: Callable[[Job], Schedule],
        new_traceparent: Callable[[], str],
    ) -> None:
        self.segment = segment
        self.epoch = epoch
        self.runs = Runs(segment, epoch)
        self._compile = compile_schedule
        self._new_traceparent = new_traceparent
        self._cursors: dict[tuple[str, str], Cursor] = {}
        self._visits: list[tuple[int, int, tuple[str, str]]] = []
        self._serial = 0
        self._dirty: set[tuple[str, str]] = set()
        self._finished_entries: list[ScheduleEntry] = []
        #: Runs that a former owner recorded as due and no more than that.
        self._begun: dict[tuple[str, str], Run] = {}
        #: Skipped stretches since the position, by cursor.
        self._skipped: dict[tuple[str, str], list[tuple[int, int]]] = {}
        self._uncommitted: dict[tuple[JobKey, EntryKind, int, str], tuple[ScheduleEntry, int]] = {}
        #: Runs that workers hold and that are to be cancelled, until the runtime asks for them.
        self._to_revoke: list[LiveRun] = []

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
                cursor = (run.job_uid, run.backfill_id)
                self._skipped.setdefault(cursor, []).append(
                    (run.first_schedule_ms, run.last_schedule_ms)
                )
                self.runs.done[name] = run.update_ms
            elif name in has_row or is_underway(run):
                self._adopt(run, jobs or {}, now_ms, has_row=name in has_row)
            elif run.state is RunState.PENDING:
                self._begun[name] = run
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

    def load(
        self, entries: Iterable[ScheduleEntry], jobs: Mapping[JobKey, Job], now_ms: int
    ) -> list[LiveRun]:
        """Takes in entries of the schedule, with the jobs they belong to.

        An entry whose job is missing is kept for a while: its creation may be under way. Entries
        of former generations, of deleted and of completed jobs are void. Returns runs to take
        back from workers, as `change` does.
        """
        revoked: list[LiveRun] = []
        for entry in entries:
            job = jobs.get(entry.key)
            mark = (entry.key, entry.kind, entry.schedule_ms, entry.run_id)
            if job is None:
                since = self._uncommitted.get(mark, (entry, now_ms))[1]
                if now_ms - since < COMMIT_GRACE_MS:
                    self._uncommitted[mark] = (entry, since)
                else:
                    self._uncommitted.pop(mark, None)
                continue
            self._uncommitted.pop(mark, None)
            if job.delete_ms:
                continue
            if entry.kind is EntryKind.BACKFILL:
                self._track_backfill(job, entry, now_ms)
            elif entry.kind is not EntryKind.SCHEDULE:
                self._open_own(job, entry, now_ms)
            elif (job.uid, "") in self._cursors:
                revoked.extend(self.change(job, entry, now_ms))
            else:
                self._track(job, entry, now_ms)
        return revoked

    def notice(self, item: InboxEntry, job: Job | None, now_ms: int) -> list[LiveRun]:
        """Takes in an inbox entry, with the job as it is now; returns runs as `change` does."""
        jobs = {item.key: job} if job is not None else {}
        entries = [item.entry] if item.entry is not None else []
        if job is not None:
            self.runs.change_job(job, now_ms)
            if (job.uid, "") in self._cursors:
                return self.change(job, item.entry, now_ms)
        return self.load(entries, jobs, now_ms)

    def uncommitted(self) -> list[ScheduleEntry]:
        """Entries whose job was not there when they were read; to be loaded again."""
        return [entry for entry, _ in self._uncommitted.values()]

    def change(self, job: Job, entry: ScheduleEntry | None, now_ms: int) -> list[LiveRun]:
        """Takes in a job's newer version, and the entry that was written with it.

        Runs that came due before the change stay as they are. Later ones are taken back and
        computed again once the workers have confirmed: the returned ones are with a worker.
        """
        cursor = self._cursors.get((job.uid, ""))
        if cursor is None or job.version <= cursor.job.version:
            return []
        new_generation = job.generation != cursor.job.generation
        fits = entry is not None and entry.generation == job.generation
        if new_generation and not job.delete_ms and not fits:
            # Its own entry comes with a later reading, and this change with it.
            return []
        rewind = self._take_back(cursor, after_ms=job.update_ms)
        if rewind is not None:
            cursor.next_ms, cursor.ordinal = rewind
        cursor.job = job
        if job.delete_ms:
            cursor.next_ms = None
        elif new_generation and entry is not None:
            cursor.schedule = self._compile(job)
            cursor.next_ms = entry.schedule_ms
            if entry.ordinal >= 0:
                cursor.ordinal = entry.ordinal
            cursor.entry = entry
        cursor.stretch = None
        self._visit(now_ms, cursor.id)
        self._dirty.add(cursor.id)
        return [run for run in cursor.revoking.values() if run.worker]

    def _take_back(self, cursor: Cursor, *, after_ms: int) -> tuple[int, int] | None:
        """Drops the job's open runs due after the instant; tells where the cursor goes back to."""
        rewind: tuple[int, int] | None = None
        for schedule_ms, run in list(cursor.open.items()):
            if run.due_ms <= after_ms or run.phase not in (Phase.READY, Phase.ASSIGNED):
                continue
            rewind = rewind or (run.schedule_ms, run.ordinal)
            del cursor.open[schedule_ms]
            if run.phase is Phase.ASSIGNED:
                cursor.revoking[run.key] = run
            else:
                self.runs.drop(run)
            run.phase = Phase.DROPPED
        return rewind

    def confirm_revoked(
        self, keys: Iterable[AttemptKey], started: Iterable[AttemptKey], now_ms: int
    ) -> None:
        """The workers dropped these runs, or (`started`) had already begun to publish them."""
        begun = set(started)
        for key in keys:
            cursor = self._cursors.get((key.uid, ""))
            run = cursor.revoking.pop(key, None) if cursor else None
            if cursor is None or run is None:
                run = self.runs.at(key)
                if run is not None and key not in begun:
                    self.runs.confirm_cancelled(run, now_ms)
                continue
            if key in begun:
                run.phase = Phase.ASSIGNED
                cursor.reopen(run)
            else:
                self.runs.drop(run)
            self._visit(now_ms, cursor.id)
            self._dirty.add(cursor.id)

    def trigger(self, job: Job, entry: ScheduleEntry, run: LiveRun, now_ms: int) -> Run | None:
        """Opens a run by hand; None where that run exists already."""
        if run.name in self.runs.done or self.runs.find(*run.name) is not None:
            return None
        run.entry = entry
        return self._begin_own(run, now_ms) or self.runs.announce(run, now_ms)

    def cancel(self, uid: str, run_id: str, reason: str, now_ms: int) -> LiveRun | None:
        """Cancels a run as far as that is possible at once; None where it is not live."""
        run = self.runs.find(uid, run_id)
        if run is not None and self.runs.cancel(run, reason, now_ms):
            self._to_revoke.append(run)
        return run

    def take_revocations(self) -> list[LiveRun]:
        """Runs that workers are to be asked to drop because they are to be cancelled."""
        revoked, self._to_revoke = self._to_revoke, []
        return revoked

    # -- what becomes due --------------------------------------------------------------------

    def step(self, now_ms: int) -> None:
        """Computes what has come inside the look-ahead, and what time has brought about else."""
        budget = STEP_BUDGET
        while self._visits and self._visits[0][0] <= now_ms and budget > 0:
            _, _, which = heapq.heappop(self._visits)
            cursor = self._cursors.get(which)
            if cursor is not None and not cursor.revoking:
                budget -= self._expand(cursor, now_ms, budget)
        self.runs.step(now_ms)

    def next_visit_ms(self) -> int | None:
        """When `step` has something to do next; None: nothing that is known."""
        visit = self._visits[0][0] if self._visits else None
        timer = self.runs.next_ms()
        return min((at for at in (visit, timer) if at is not None), default=None)

    def take_ready(self) -> list[LiveRun]:
        """Runs to hand to a worker, in order of due instant, higher priority first."""
        return self.runs.take_ready()

    def give_back(self, runs: Iterable[LiveRun], now_ms: int) -> None:
        """Puts runs back that no worker holds any more (or that none had room for)."""
        self.runs.give_back(runs, now_ms)

    def _track(self, job: Job, entry: ScheduleEntry, now_ms: int) -> None:
        if entry.generation != job.generation or job.completed_generation == job.generation:
            return
        ordinal = max(0, entry.ordinal)
        cursor = Cursor(job, self._compile(job), entry, entry.schedule_ms, ordinal)
        self._cursors[cursor.id] = cursor
        self._visit(min(now_ms, entry.due_ms - LOOK_AHEAD_MS), cursor.id)

    def _track_backfill(self, job: Job, entry: ScheduleEntry, now_ms: int) -> None:
        if (job.uid, entry.run_id) in self._cursors:
            return
        detail = storage_pb2.BackfillRecord.FromString(entry.detail)
        cursor = Cursor(
            job,
            self._compile(job),
            entry,
            entry.schedule_ms,
            entry.ordinal,
            backfill_id=entry.run_id,
            end_ms=detail.end_ms,
            overlap_policy=detail.overlap_policy,
        )
        self._cursors[cursor.id] = cursor
        self._visit(now_ms, cursor.id)

    def _open_own(self, job: Job, entry: ScheduleEntry, now_ms: int) -> None:
        """Opens a run that has a row of its own (by hand, or a retry)."""
        live = self.runs.find(job.uid, entry.run_id)
        if live is not None:
            return
        if (job.uid, entry.run_id) in self.runs.done:
            self._finished_entries.append(entry)
            return
        run = own_run(job, entry, self._new_traceparent)
        run.record = self._begun.pop(run.name, None)
        if run.record is not None:
            run.traceparent = run.record.traceparent
        self._begin_own(run, now_ms)

    def _begin_own(self, run: LiveRun, now_ms: int) -> Run | None:
        """Begins a run of its own as its policy allows; its record, unless it simply goes."""
        match self._verdict(run.job, run.policy, due=True):
            case Skip(reason, blocking):
                return self.runs.skip(run, reason, blocking, now_ms)
            case Wait(blocking, cancel):
                if cancel:
                    self._cancel_others(run, now_ms)
                return self.runs.hold(run, blocking, now_ms)
            case _:
                self.runs.open(run, now_ms)
                return None

    def _expand(self, cursor: Cursor, now_ms: int, budget: int) -> int:
        """Moves a cursor up to the look-ahead; returns how many occurrences it passed."""
        passed = 0
        most = _most_open(cursor)
        while cursor.next_ms is not None:
            if self._is_at_end(cursor):
                cursor.next_ms = None
                break
            nominal_ms = cursor.next_ms
            due_ms = cursor.schedule.due(nominal_ms, salt=cursor.job.uid)
            wait_ms = 0 if cursor.backfill_id else self._not_before(cursor.job, due_ms, now_ms)
            if wait_ms:
                self._visit(wait_ms, cursor.id)
                break
            if len(cursor.open) >= most:
                # It goes on as soon as one of them is done.
                break
            if passed >= budget:
                self._visit(now_ms, cursor.id)
                break
            is_new = nominal_ms not in cursor.open and not self._is_done(cursor, nominal_ms)
            if is_new and not self._decide(cursor, due_ms, now_ms):
                break
            cursor.next_ms = cursor.schedule.next_after(nominal_ms)
            cursor.ordinal += 1
            passed += 1
        self._dirty.add(cursor.id)
        return max(passed, 1)

    def _is_at_end(self, cursor: Cursor) -> bool:
        if cursor.backfill_id:
            return cursor.next_ms is None or cursor.next_ms >= cursor.end_ms
        max_runs = cursor.job.spec.schedule.max_runs
        return bool(max_runs) and cursor.ordinal >= max_runs

    def _not_before(self, job: Job, due_ms: int, now_ms: int) -> int:
        """When an occurrence is to be looked at; 0 for now."""
        if due_ms >= now_ms + LOOK_AHEAD_MS:
            # The first instant at which it is inside: never the present one, or a step would come
            # back to it until its budget is gone.
            return due_ms - LOOK_AHEAD_MS + 1
        return due_ms if job.paused and due_ms > now_ms else 0

    def _decide(self, cursor: Cursor, due_ms: int, now_ms: int) -> bool:
        """What becomes of the occurrence at the cursor; False where that is not decided yet."""
        job = cursor.job
        if not cursor.backfill_id:
            window = catch_up_ms(job.spec)
            if job.paused:
                self._skip(cursor, due_ms, now_ms, run_pb2.SKIP_REASON_PAUSED)
                return True
            if window is not None and due_ms < now_ms - window:
                self._skip(cursor, due_ms, now_ms, run_pb2.SKIP_REASON_CATCH_UP_WINDOW)
                return True
        policy = cursor.overlap_policy or job.spec.overlap_policy
        verdict = self._verdict(job, policy, due=due_ms <= now_ms)
        if isinstance(verdict, Skip):
            self._skip(cursor, due_ms, now_ms, verdict.reason, verdict.blocking)
            return True
        if isinstance(verdict, Later) or (
            isinstance(verdict, Wait) and cursor.backfill_id and not verdict.cancel
        ):
            # It is looked at again when it is due, and whenever a run of the job has ended; a
            # backfill need not fill the buffer, as its row waits for it.
            if due_ms > now_ms:
                self._visit(due_ms, cursor.id)
            return False
        run = self._derived_run(cursor, due_ms, now_ms)
        cursor.open[run.schedule_ms] = run
        if isinstance(verdict, Wait):
            if verdict.cancel:
                self._cancel_others(run, now_ms)
            self.runs.hold(run, verdict.blocking, now_ms)
        else:
            self.runs.open(run, now_ms)
        return True

    def _verdict(self, job: Job, policy: int, *, due: bool) -> Verdict:
        if not is_reported(job.spec):
            return Go()
        crowd = self.runs.unfinished.crowd(job.uid)
        return admit(policy, job.spec.max_in_flight, crowd, due=due)

    def _cancel_others(self, run: LiveRun, now_ms: int) -> None:
        """OVERLAP_CANCEL_OTHER: what is unfinished makes way for a new run."""
        for other in self.runs.unfinished.of(run.job.uid):
            reason = f"{run.run_id} has taken its place (OVERLAP_CANCEL_OTHER)"
            if self.runs.cancel(other, reason, now_ms):
                self._to_revoke.append(other)

    def _derived_run(self, cursor: Cursor, due_ms: int, now_ms: int) -> LiveRun:
        nominal_ms = cursor.next_ms or 0
        if cursor.backfill_id:
            kind, run_id = EntryKind.BACKFILL, backfill_run_id(nominal_ms, cursor.backfill_id)
        else:
            kind, run_id = EntryKind.SCHEDULE, instant_id(nominal_ms)
        begun = self._begun.pop((cursor.job.uid, run_id), None)
        return LiveRun(
            job=cursor.job,
            run_id=run_id,
            kind=kind,
            schedule_ms=nominal_ms,
            due_ms=due_ms,
            fire_ms=now_ms if cursor.backfill_id else due_ms,
            ordinal=cursor.ordinal,
            traceparent=begun.traceparent if begun else self._new_traceparent(),
            record=begun,
            cursor=cursor,
            overlap_policy=cursor.overlap_policy,
            backfill_id=cursor.backfill_id,
        )

    def _skip(
        self, cursor: Cursor, due_ms: int, now_ms: int, reason: int, blocking: str = ""
    ) -> None:
        """Records an occurrence as skipped; adjacent ones share one record."""
        nominal_ms = cursor.next_ms or 0
        cursor.skip_from = cursor.skip_from or (nominal_ms, cursor.ordinal)
        stretch = cursor.stretch
        if stretch is not None and stretch.skip_reason == reason:
            longer = replace(
                stretch,
                revision=stretch.revision + 1,
                update_ms=now_ms,
                end_ms=now_ms,
                skipped_count=stretch.skipped_count + 1,
                last_schedule_ms=nominal_ms,
            )
            self.runs.ledger.extend(stretch, longer)
        else:
            backfill_id = cursor.backfill_id
            longer = Run(
                user=cursor.job.user,
                job_id=cursor.job.job_id,
                job_uid=cursor.job.uid,
                run_id=(
                    backfill_run_id(nominal_ms, backfill_id)
                    if backfill_id
                    else instant_id(nominal_ms)
                ),
                segment=self.segment,
                state=RunState.SKIPPED,
                trigger=Trigger.BACKFILL if backfill_id else Trigger.SCHEDULE,
                schedule_ms=nominal_ms,
                due_ms=due_ms,
                update_ms=now_ms,
                create_ms=now_ms,
                end_ms=now_ms,
                epoch=self.epoch,
                skip_reason=reason,
                skipped_count=1,
                first_schedule_ms=nominal_ms,
                last_schedule_ms=nominal_ms,
                retention_ms=retention_ms(cursor.job.spec),
                backfill_id=backfill_id,
                blocking_run=blocking,
            )
            self.runs.ledger.add(longer)
        cursor.stretch = longer

    def _is_done(self, cursor: Cursor, nominal_ms: int) -> bool:
        uid, backfill_id = cursor.id
        run_id = backfill_run_id(nominal_ms, backfill_id) if backfill_id else instant_id(nominal_ms)
        if (uid, run_id) in self.runs.done:
            return True
        return any(first <= nominal_ms <= last for first, last in self._skipped.get(cursor.id, ()))

    def _visit(self, at_ms: int, which: tuple[str, str]) -> None:
        self._serial += 1
        heapq.heappush(self._visits, (at_ms, self._serial, which))

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
        if run is None:
            return None
        cursor = self._cursors.get((key.uid, ""))
        if cursor is not None and cursor.revoking.pop(key, None) is not None:
            cursor.reopen(run)
        return run

    # -- what is to be stored ----------------------------------------------------------------

    def take_batch(self) -> Batch:
        """What to write to the store now."""
        return self.runs.ledger.take()

    def put_back(self, batch: Batch) -> None:
        """A batch that could not be written; it comes again with the next one."""
        self.runs.ledger.put_back(batch)

    def stored(self, batch: Batch, now_ms: int) -> list[LiveRun]:
        """The store has a batch; returns the runs whose end is in it."""
        settled = self.runs.stored(batch, now_ms)
        for record in settled.skipped:
            self._stored_skip(record)
        for run in settled.runs:
            if run.entry is not None:
                self._finished_entries.append(run.entry)
                run.entry = None
            if run.cursor is not None:
                self._settle_in(run.cursor, run, now_ms)
                run.cursor = None
        for uid in {run.job.uid for run in settled.ended}:
            self.runs.released(uid, now_ms)
        for run in settled.ended:
            # Whatever stood still because of the run goes on.
            for which in ((run.job.uid, ""), (run.job.uid, run.backfill_id)):
                if which in self._cursors:
                    self._visit(now_ms, which)
        return settled.ended

    def _settle_in(self, cursor: Cursor, run: LiveRun, now_ms: int) -> None:
        """A cursor's row need not stand for a run any more."""
        was_full = len(cursor.open) >= _most_open(cursor)
        cursor.open.pop(run.schedule_ms, None)
        self._dirty.add(cursor.id)
        if was_full:
            self._visit(now_ms, cursor.id)

    def _stored_skip(self, record: Run) -> None:
        cursor = self._cursors.get((record.job_uid, record.backfill_id))
        if cursor is None:
            return
        if cursor.stretch is None or cursor.stretch.revision == record.revision:
            cursor.skip_from = None
        self._dirty.add(cursor.id)

    def take_advance(self, now_ms: int) -> Advance:
        """Rows to move, for all that is recorded. A crash before they are written is harmless."""
        put: list[ScheduleEntry] = []
        remove, self._finished_entries = self._finished_entries, []
        complete: list[tuple[JobKey, int]] = []
        dirty, self._dirty = self._dirty, set()
        for which in dirty:
            cursor = self._cursors.get(which)
            if cursor is None:
                continue
            first = cursor.first_open()
            if first is None:
                del self._cursors[which]
                if not cursor.backfill_id and not cursor.job.delete_ms:
                    complete.append((cursor.job.key, cursor.job.generation))
                if cursor.schedule.is_recurring:
                    remove.append(cursor.entry)
                continue
            if first[0] > cursor.entry.schedule_ms:
                moved = self._entry_at(cursor, first, now_ms)
                put.append(moved)
                remove.append(cursor.entry)
                cursor.entry = moved
            if not cursor.open and cursor.entry.fire_ms > now_ms + INBOX_HORIZON_MS:
                # Far enough away to be read again from its new place.
                del self._cursors[which]
        return Advance(put, remove, complete)

    def _entry_at(self, cursor: Cursor, first: tuple[int, int], now_ms: int) -> ScheduleEntry:
        schedule_ms, ordinal = first
        due_ms = cursor.schedule.due(schedule_ms, salt=cursor.job.uid)
        return replace(
            cursor.entry,
            fire_ms=max(due_ms, now_ms),
            generation=cursor.job.generation,
            schedule_ms=schedule_ms,
            due_ms=due_ms,
            ordinal=ordinal,
        )

    def position_ms(self, now_ms: int) -> int:
        """The instant before which nothing in the schedule is still to be done."""
        oldest = now_ms - POSITION_LAG_MS
        for cursor in self._cursors.values():
            oldest = min(oldest, cursor.entry.fire_ms)
        for entry, _ in self._uncommitted.values():
            oldest = min(oldest, entry.fire_ms)
        return min(oldest, *self.runs.entry_ms(), oldest)

    def forget_before(self, position_ms: int) -> None:
        """Lets go of what only mattered for reading the schedule before the position again."""
        self.runs.forget_before(position_ms)
        self._skipped = {
            which: kept
            for which, stretches in self._skipped.items()
            if (kept := [stretch for stretch in stretches if stretch[1] >= position_ms])
        }

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
        cursor = self._cursors.get((uid, ""))
        return list(cursor.revoking) if cursor else []

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
        detail=entry.detail if override.payload is not None or override.retried_run else b"",
        payload=override.payload,
        content_type=override.content_type,
        retried_run=override.retried_run,
    )


def _most_open(cursor: Cursor) -> int:
    return MAX_OPEN_PER_BACKFILL if cursor.backfill_id else MAX_OPEN_PER_JOB


def _keep_latest(latest: dict[tuple[str, str], Run], run: Run) -> None:
    key = (run.job_uid, run.run_id)
    if key not in latest or latest[key].revision < run.revision:
        latest[key] = run
