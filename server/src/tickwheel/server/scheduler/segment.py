"""What one owned segment is to fire, and what of it is done. Pure: no I/O, time is an argument.

An occurrence's way: its job's entry is loaded from the schedule, the occurrence becomes a LiveRun
when its due instant comes inside the look-ahead, a worker takes it, its outcome is recorded in the
run log, and then the job's entry advances. At each step a crash leaves the step before it in the
store, from which the next owner goes on.
"""

import heapq
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from tickwheel.server.domain.job import Job
from tickwheel.server.domain.names import JobKey, discriminator_of, instant_id
from tickwheel.server.domain.occurrence import EntryKind, InboxEntry, ScheduleEntry
from tickwheel.server.domain.run import Run, RunState, Trigger
from tickwheel.server.schedule import Schedule
from tickwheel.server.scheduler.live import (
    AttemptKey,
    LiveRun,
    Phase,
    TrackedJob,
    catch_up_ms,
    retention_ms,
)
from tickwheel.server.scheduler.override import decode_override
from tickwheel.server.store.port import INBOX_HORIZON_MS, LOOK_AHEAD_MS
from tickwheel.v1 import job_pb2, run_pb2, scheduler_service_pb2

#: An occurrence that is not recorded this long after its due instant gets a PENDING record, so
#: that it can be read within a second.
PENDING_AFTER_MS = 500
#: Open runs of one job at once; further ones wait until one is done.
MAX_OPEN_PER_JOB = 1_000
#: Occurrences computed in one step, so that a long outage of a busy job does not block the loop.
STEP_BUDGET = 5_000
#: An entry whose job row does not show up within this time belongs to a creation that failed.
COMMIT_GRACE_MS = 30_000
#: A position stays this far behind now: longer than a write may take to become visible.
POSITION_LAG_MS = 15_000
#: Published runs are retried against a log that does not answer for at least this long.
MIN_PUBLISH_WINDOW_MS = 3_600_000


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
        self._compile = compile_schedule
        self._new_traceparent = new_traceparent
        self._tracked: dict[str, TrackedJob] = {}
        self._live: dict[AttemptKey, LiveRun] = {}
        self._ready: list[LiveRun] = []
        self._visits: list[tuple[int, int, str]] = []
        self._overdue: list[tuple[int, int, LiveRun]] = []
        self._serial = 0
        self._records: list[Run] = []
        self._dirty: set[str] = set()
        self._finished_entries: list[ScheduleEntry] = []
        #: Runs in a final state since the position, so that re-reading the schedule is harmless.
        self._done: dict[tuple[str, str], int] = {}
        #: Runs that were begun but not finished by a former owner.
        self._begun: dict[tuple[str, str], Run] = {}
        self._skipped: dict[str, list[tuple[int, int]]] = {}
        self._uncommitted: dict[tuple[JobKey, EntryKind, int, str], tuple[ScheduleEntry, int]] = {}

    # -- what is read ------------------------------------------------------------------------

    def recover(self, log: Iterable[Run]) -> None:
        """Takes in the run log since the position, before anything is loaded."""
        latest: dict[tuple[str, str], Run] = {}
        for run in log:
            key = (run.job_uid, run.run_id)
            if key not in latest or latest[key].revision < run.revision:
                latest[key] = run
        for key, run in latest.items():
            if run.state is RunState.SKIPPED:
                self._skipped.setdefault(run.job_uid, []).append(
                    (run.first_schedule_ms, run.last_schedule_ms)
                )
            elif run.state is RunState.PENDING:
                self._begun[key] = run
                continue
            self._done[key] = run.update_ms

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
            if entry.kind is not EntryKind.SCHEDULE:
                self._open_own(job, entry)
            elif job.uid in self._tracked:
                revoked.extend(self.change(job, entry, now_ms))
            else:
                self._track(job, entry, now_ms)
        return revoked

    def notice(self, item: InboxEntry, job: Job | None, now_ms: int) -> list[LiveRun]:
        """Takes in an inbox entry, with the job as it is now; returns runs as `change` does."""
        jobs = {item.key: job} if job is not None else {}
        entries = [item.entry] if item.entry is not None else []
        if job is not None and job.uid in self._tracked:
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
        tracked = self._tracked.get(job.uid)
        if tracked is None or job.version <= tracked.job.version:
            return []
        new_generation = job.generation != tracked.job.generation
        fits = entry is not None and entry.generation == job.generation
        if new_generation and not job.delete_ms and not fits:
            # Its own entry comes with a later reading, and this change with it.
            return []
        rewind = self._take_back(tracked, after_ms=job.update_ms)
        if rewind is not None:
            tracked.next_ms, tracked.ordinal = rewind
        tracked.job = job
        if job.delete_ms:
            tracked.next_ms = None
        elif new_generation and entry is not None:
            tracked.schedule = self._compile(job)
            tracked.next_ms = entry.schedule_ms
            if entry.ordinal >= 0:
                tracked.ordinal = entry.ordinal
            tracked.entry = entry
        tracked.stretch = None
        self._visit(now_ms, job.uid)
        self._dirty.add(job.uid)
        return [run for run in tracked.revoking.values() if run.worker]

    def _take_back(self, tracked: TrackedJob, *, after_ms: int) -> tuple[int, int] | None:
        """Drops the job's open runs due after the instant; tells where the cursor goes back to."""
        rewind: tuple[int, int] | None = None
        for schedule_ms, run in list(tracked.open.items()):
            if run.due_ms <= after_ms or run.phase is Phase.RECORDING:
                continue
            rewind = rewind or (run.schedule_ms, run.ordinal)
            del tracked.open[schedule_ms]
            if run.phase is Phase.ASSIGNED:
                tracked.revoking[run.key] = run
            else:
                self._live.pop(run.key, None)
            run.phase = Phase.DROPPED
        return rewind

    def confirm_revoked(
        self, keys: Iterable[AttemptKey], started: Iterable[AttemptKey], now_ms: int
    ) -> None:
        """The workers dropped these runs, or (`started`) had already begun to publish them."""
        begun = set(started)
        for key in keys:
            tracked = self._tracked.get(key.uid)
            run = tracked.revoking.pop(key, None) if tracked else None
            if tracked is None or run is None:
                continue
            if key in begun:
                run.phase = Phase.ASSIGNED
                tracked.open = dict(sorted({**tracked.open, run.schedule_ms: run}.items()))
            else:
                self._live.pop(key, None)
            self._visit(now_ms, key.uid)
            self._dirty.add(key.uid)

    def trigger(self, job: Job, entry: ScheduleEntry, run: LiveRun, now_ms: int) -> Run | None:
        """Opens a run by hand; None where that run exists already."""
        if (job.uid, run.run_id) in self._done or run.key in self._live:
            return None
        run.entry = entry
        self._open(run)
        record = run.as_run(RunState.PENDING, now_ms, self.epoch)
        self._records.append(record)
        return record

    # -- what becomes due --------------------------------------------------------------------

    def step(self, now_ms: int) -> None:
        """Computes what has come inside the look-ahead, and records what is overdue."""
        budget = STEP_BUDGET
        while self._visits and self._visits[0][0] <= now_ms and budget > 0:
            _, _, uid = heapq.heappop(self._visits)
            tracked = self._tracked.get(uid)
            if tracked is not None and not tracked.revoking:
                budget -= self._expand(tracked, now_ms, budget)
        while self._overdue and self._overdue[0][0] <= now_ms:
            run = heapq.heappop(self._overdue)[2]
            if run.revision == 0 and run.phase in (Phase.READY, Phase.ASSIGNED):
                self._records.append(run.as_run(RunState.PENDING, now_ms, self.epoch))

    def next_visit_ms(self) -> int | None:
        """When `step` has something to do next; None: nothing that is known."""
        heads = [heap[0][0] for heap in (self._visits, self._overdue) if heap]
        return min(heads, default=None)

    def take_ready(self) -> list[LiveRun]:
        """Runs to hand to a worker, in order of due instant, higher priority first."""
        ready = [run for run in self._ready if run.phase is Phase.READY]
        ready.sort(key=_due_then_priority)
        self._ready = []
        return ready

    def give_back(self, runs: Iterable[LiveRun]) -> None:
        """Puts runs back that no worker holds any more (or that none had room for)."""
        for run in runs:
            if run.phase in (Phase.ASSIGNED, Phase.READY):
                run.phase = Phase.READY
                run.worker = ""
                self._ready.append(run)

    def _track(self, job: Job, entry: ScheduleEntry, now_ms: int) -> None:
        if entry.generation != job.generation or job.completed_generation == job.generation:
            return
        ordinal = max(0, entry.ordinal)
        tracked = TrackedJob(job, self._compile(job), entry, entry.schedule_ms, ordinal)
        self._tracked[job.uid] = tracked
        self._visit(min(now_ms, entry.due_ms - LOOK_AHEAD_MS), job.uid)

    def _open_own(self, job: Job, entry: ScheduleEntry) -> None:
        """Opens a run that has a row of its own (by hand, retried, backfilled)."""
        if (job.uid, entry.run_id) in self._done:
            self._finished_entries.append(entry)
            return
        run = own_run(job, entry, self._new_traceparent)
        if run.key not in self._live:
            self._open(run)

    def _expand(self, tracked: TrackedJob, now_ms: int, budget: int) -> int:
        """Moves a job's cursor up to the look-ahead; returns how many occurrences it passed."""
        job, spec, schedule = tracked.job, tracked.job.spec, tracked.schedule
        window = catch_up_ms(spec)
        max_runs = spec.schedule.max_runs
        count = 0
        while tracked.next_ms is not None:
            nominal_ms = tracked.next_ms
            due_ms = schedule.due(nominal_ms, salt=job.uid)
            if due_ms >= now_ms + LOOK_AHEAD_MS:
                # The first instant at which it is inside: never the present one, or a step would
                # come back to it until its budget is gone.
                self._visit(due_ms - LOOK_AHEAD_MS + 1, job.uid)
                break
            if job.paused and due_ms > now_ms:
                self._visit(due_ms, job.uid)
                break
            if max_runs and tracked.ordinal >= max_runs:
                tracked.next_ms = None
                break
            if count >= budget or len(tracked.open) >= MAX_OPEN_PER_JOB:
                self._visit(now_ms + 1, job.uid)
                break
            if nominal_ms not in tracked.open and not self._is_done(job.uid, nominal_ms):
                if job.paused:
                    self._skip(tracked, due_ms, now_ms, run_pb2.SKIP_REASON_PAUSED)
                elif window is not None and due_ms < now_ms - window:
                    self._skip(tracked, due_ms, now_ms, run_pb2.SKIP_REASON_CATCH_UP_WINDOW)
                else:
                    run = self._scheduled_run(tracked, due_ms)
                    tracked.open[nominal_ms] = run
                    self._open(run)
            tracked.next_ms = schedule.next_after(nominal_ms)
            tracked.ordinal += 1
            count += 1
        self._dirty.add(job.uid)
        return max(count, 1)

    def _scheduled_run(self, tracked: TrackedJob, due_ms: int) -> LiveRun:
        run_id = instant_id(tracked.next_ms or 0)
        begun = self._begun.pop((tracked.job.uid, run_id), None)
        return LiveRun(
            job=tracked.job,
            run_id=run_id,
            kind=EntryKind.SCHEDULE,
            schedule_ms=tracked.next_ms or 0,
            due_ms=due_ms,
            ordinal=tracked.ordinal,
            traceparent=begun.traceparent if begun else self._new_traceparent(),
            attempt=begun.attempt if begun else 1,
            revision=begun.revision if begun else 0,
            error=begun.error if begun else "",
        )

    def _open(self, run: LiveRun) -> None:
        self._live[run.key] = run
        self._ready.append(run)
        self._serial += 1
        heapq.heappush(self._overdue, (run.due_ms + PENDING_AFTER_MS, self._serial, run))

    def _skip(self, tracked: TrackedJob, due_ms: int, now_ms: int, reason: int) -> None:
        """Records an occurrence as skipped; adjacent ones share one record."""
        nominal_ms = tracked.next_ms or 0
        tracked.skip_from = tracked.skip_from or (nominal_ms, tracked.ordinal)
        stretch = tracked.stretch
        if stretch is not None and stretch.skip_reason == reason:
            longer = replace(
                stretch,
                revision=stretch.revision + 1,
                update_ms=now_ms,
                end_ms=now_ms,
                skipped_count=stretch.skipped_count + 1,
                last_schedule_ms=nominal_ms,
            )
            if self._records and self._records[-1] is stretch:
                self._records.pop()
        else:
            longer = Run(
                user=tracked.job.user,
                job_id=tracked.job.job_id,
                job_uid=tracked.job.uid,
                run_id=instant_id(nominal_ms),
                segment=self.segment,
                state=RunState.SKIPPED,
                trigger=Trigger.SCHEDULE,
                schedule_ms=nominal_ms,
                due_ms=due_ms,
                update_ms=now_ms,
                end_ms=now_ms,
                epoch=self.epoch,
                skip_reason=reason,
                skipped_count=1,
                first_schedule_ms=nominal_ms,
                last_schedule_ms=nominal_ms,
                retention_ms=retention_ms(tracked.job.spec),
            )
        tracked.stretch = longer
        self._records.append(longer)

    def _is_done(self, uid: str, nominal_ms: int) -> bool:
        if (uid, instant_id(nominal_ms)) in self._done:
            return True
        return any(first <= nominal_ms <= last for first, last in self._skipped.get(uid, ()))

    def _visit(self, at_ms: int, uid: str) -> None:
        self._serial += 1
        heapq.heappush(self._visits, (at_ms, self._serial, uid))

    # -- what became of it -------------------------------------------------------------------

    def holds(self, key: AttemptKey) -> bool:
        """Whether the run is open here and its outcome not yet known."""
        run = self._live.get(key)
        return run is not None and run.phase is not Phase.RECORDING

    def published(
        self,
        key: AttemptKey,
        worker: str,
        ack: scheduler_service_pb2.Published,
        now_ms: int,
    ) -> bool:
        """The log has acknowledged a run. False: it is not open here, nothing to record."""
        run = self._outcome_of(key)
        if run is None:
            return False
        run.worker = worker
        reported = run.job.spec.completion == job_pb2.COMPLETION_REPORTED
        state = RunState.PUBLISHED if reported else RunState.SUCCEEDED
        record = replace(
            run.as_run(state, now_ms, self.epoch),
            publish_ms=ack.publish_ms,
            end_ms=0 if reported else ack.publish_ms,
            partition=ack.partition,
            offset=ack.offset,
            error="",
        )
        self._records.append(record)
        return True

    def failed(
        self,
        key: AttemptKey,
        worker: str,
        failure: scheduler_service_pb2.PublishFailure,
        now_ms: int,
    ) -> bool:
        """A run could not be published; it is tried again, or ends as FAILED.

        Only refusals use up attempts (product.md: size, topic, rights). A failure that is not a
        refusal has already been retried by the worker until its expiry.
        """
        run = self._outcome_of(key)
        if run is None:
            return False
        run.worker = worker
        run.error = failure.message
        policy = run.job.spec.retry_policy
        if failure.refused and run.attempt <= policy.max_retry_count:
            self._live.pop(key, None)
            self._records.append(run.as_run(RunState.PENDING, now_ms, self.epoch))
            run.due_ms = max(run.due_ms, now_ms) + backoff_ms(policy, run.attempt)
            run.attempt += 1
            run.expire_ms = 0
            run.phase = Phase.READY
            run.worker = ""
            self._live[run.key] = run
            self._ready.append(run)
            return True
        record = run.as_run(RunState.FAILED, now_ms, self.epoch)
        self._records.append(replace(record, end_ms=now_ms))
        return True

    def _outcome_of(self, key: AttemptKey) -> LiveRun | None:
        run = self._live.get(key)
        if run is None or run.phase is Phase.RECORDING:
            return None
        tracked = self._tracked.get(key.uid)
        if tracked is not None and tracked.revoking.pop(key, None) is not None:
            tracked.open = dict(sorted({**tracked.open, run.schedule_ms: run}.items()))
        run.phase = Phase.RECORDING
        return run

    # -- what is to be stored ----------------------------------------------------------------

    def take_records(self) -> list[Run]:
        """States to write to the run log now."""
        records, self._records = self._records, []
        return records

    def put_back_records(self, records: list[Run]) -> None:
        """Records that could not be written; they come again with the next take."""
        self._records[:0] = records

    def recorded(self, records: Iterable[Run]) -> None:
        """The store has these states; what is final is done."""
        for record in records:
            if record.state is RunState.PENDING:
                continue
            self._done[record.job_uid, record.run_id] = record.update_ms
            tracked = self._tracked.get(record.job_uid)
            if record.state is RunState.SKIPPED:
                self._recorded_skip(tracked, record)
                continue
            run = self._live.pop(AttemptKey(record.job_uid, record.run_id, record.attempt), None)
            if run is not None and run.entry is not None:
                self._finished_entries.append(run.entry)
            elif tracked is not None:
                tracked.open.pop(record.schedule_ms, None)
                self._dirty.add(record.job_uid)

    def _recorded_skip(self, tracked: TrackedJob | None, record: Run) -> None:
        if tracked is None:
            return
        if tracked.stretch is None or tracked.stretch.revision == record.revision:
            tracked.skip_from = None
        self._dirty.add(record.job_uid)

    def take_advance(self, now_ms: int) -> Advance:
        """Rows to move, for all that is recorded. A crash before they are written is harmless."""
        put: list[ScheduleEntry] = []
        remove, self._finished_entries = self._finished_entries, []
        complete: list[tuple[JobKey, int]] = []
        dirty, self._dirty = self._dirty, set()
        for uid in dirty:
            tracked = self._tracked.get(uid)
            if tracked is None:
                continue
            first = tracked.first_open()
            if first is None:
                del self._tracked[uid]
                if not tracked.job.delete_ms:
                    complete.append((tracked.job.key, tracked.job.generation))
                if tracked.schedule.is_recurring:
                    remove.append(tracked.entry)
                continue
            if first[0] > tracked.entry.schedule_ms:
                moved = self._entry_at(tracked, first, now_ms)
                put.append(moved)
                remove.append(tracked.entry)
                tracked.entry = moved
            if not tracked.open and tracked.entry.fire_ms > now_ms + INBOX_HORIZON_MS:
                # Far enough away to be read again from its new place.
                del self._tracked[uid]
        return Advance(put, remove, complete)

    def _entry_at(self, tracked: TrackedJob, first: tuple[int, int], now_ms: int) -> ScheduleEntry:
        schedule_ms, ordinal = first
        due_ms = tracked.schedule.due(schedule_ms, salt=tracked.job.uid)
        return replace(
            tracked.entry,
            fire_ms=max(due_ms, now_ms),
            generation=tracked.job.generation,
            schedule_ms=schedule_ms,
            due_ms=due_ms,
            ordinal=ordinal,
        )

    def position_ms(self, now_ms: int) -> int:
        """The instant before which nothing in the schedule is still to be done."""
        oldest = now_ms - POSITION_LAG_MS
        for tracked in self._tracked.values():
            oldest = min(oldest, tracked.entry.fire_ms)
        for entry, _ in self._uncommitted.values():
            oldest = min(oldest, entry.fire_ms)
        for run in self._live.values():
            if run.entry is not None:
                oldest = min(oldest, run.entry.fire_ms)
        return oldest

    def forget_before(self, position_ms: int) -> None:
        """Lets go of what only mattered for reading the schedule before the position again."""
        self._done = {key: at for key, at in self._done.items() if at >= position_ms}
        self._skipped = {
            uid: kept
            for uid, stretches in self._skipped.items()
            if (kept := [stretch for stretch in stretches if stretch[1] >= position_ms])
        }

    def assigned_runs(self) -> list[LiveRun]:
        """Runs that a worker holds."""
        return [run for run in self._live.values() if run.phase is Phase.ASSIGNED]

    def twin_of(self, uid: str, run_id: str) -> str | None:
        """The id of the job's recent run by hand that was made by the same request."""
        mark = discriminator_of(run_id)
        if mark == run_id:
            return None
        recent = [*((key.uid, key.run_id) for key in self._live), *self._done]
        return next((one for of, one in recent if of == uid and one.endswith(mark)), None)

    def has_records(self) -> bool:
        """Whether there are states to write."""
        return bool(self._records)

    def live_run(self, key: AttemptKey) -> LiveRun | None:
        """The open run of that key."""
        return self._live.get(key)

    def revoking(self, uid: str) -> list[AttemptKey]:
        """Runs of the job that workers were asked to drop and have not answered for."""
        tracked = self._tracked.get(uid)
        return list(tracked.revoking) if tracked else []

    def count_live(self) -> int:
        """Open runs."""
        return len(self._live)


def own_run(job: Job, entry: ScheduleEntry, new_traceparent: Callable[[], str]) -> LiveRun:
    """The live run of an entry that stands for a single run."""
    override = decode_override(entry.detail)
    return LiveRun(
        job=job,
        run_id=entry.run_id,
        kind=entry.kind,
        schedule_ms=entry.schedule_ms,
        due_ms=entry.due_ms,
        ordinal=0,
        traceparent=override.traceparent or new_traceparent(),
        attempt=entry.attempt,
        entry=entry,
        payload=override.payload,
        content_type=override.content_type,
    )


def backoff_ms(policy: job_pb2.RetryPolicy, attempt: int) -> int:
    """How long to wait after the `attempt`-th failure, in milliseconds."""
    initial = policy.initial_backoff.ToMilliseconds()
    longest = policy.max_backoff.ToMilliseconds()
    return int(min(longest, initial * policy.backoff_multiplier ** (attempt - 1)))


def expire_ms(run: LiveRun, now_ms: int) -> int:
    """Until when a worker tries to publish a run against a log that does not answer.

    Counted from the due instant, but for a job without a catch-up window, which runs however late
    it is: what is long due when it is first handed out has its time from then.
    """
    window = catch_up_ms(run.job.spec)
    if window is None:
        return max(run.due_ms, now_ms) + MIN_PUBLISH_WINDOW_MS
    return run.due_ms + max(window, MIN_PUBLISH_WINDOW_MS)


def _due_then_priority(run: LiveRun) -> tuple[int, int]:
    return (run.due_ms, -run.job.spec.priority)
