"""The cursors over the occurrences of one owned segment's jobs, and of their backfills. Pure.

A cursor goes over its schedule up to the look-ahead and decides what becomes of each occurrence: a
run, a run that waits, or a record of why there is none. Its row in the schedule follows behind, to
the first occurrence that is not yet done.
"""

import heapq
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from tickwheel.internal.v1 import storage_pb2
from tickwheel.server.domain.job import Job
from tickwheel.server.domain.names import JobKey, backfill_run_id, instant_id
from tickwheel.server.domain.occurrence import EntryKind, ScheduleEntry
from tickwheel.server.domain.run import Run, RunState, Trigger
from tickwheel.server.schedule import Schedule
from tickwheel.server.scheduler.live import AttemptKey, Cursor, LiveRun, Phase
from tickwheel.server.scheduler.overlap import Later, Skip, Wait
from tickwheel.server.scheduler.rederiving import (
    Rederivation,
    are_next,
    depends_on_zone,
    first_due_after,
)
from tickwheel.server.scheduler.runs import Runs
from tickwheel.server.scheduler.terms import catch_up_ms, retention_ms
from tickwheel.server.store.port import INBOX_HORIZON_MS, LOOK_AHEAD_MS
from tickwheel.v1 import run_pb2

#: Open runs of one job at once; further ones wait until one is done.
MAX_OPEN_PER_JOB = 1_000
#: Open runs of one backfill at once: few enough that what is due now goes in between.
MAX_OPEN_PER_BACKFILL = 100
#: Occurrences computed in one step, so that a long outage of a busy job does not block the loop.
STEP_BUDGET = 5_000

#: A job's uid, and which backfill of it (empty: its schedule).
CursorId = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Advance:
    """Rows to write once the records they follow from are stored."""

    put: Sequence[ScheduleEntry]
    remove: Sequence[ScheduleEntry]
    complete: Sequence[tuple[JobKey, int]]

    def __bool__(self) -> bool:
        return bool(self.put or self.remove or self.complete)


class Cursors:
    """All cursors of one segment."""

    def __init__(
        self,
        runs: Runs,
        *,
        compile_schedule: Callable[[Job], Schedule],
        new_traceparent: Callable[[], str],
    ) -> None:
        self._runs = runs
        self._compile = compile_schedule
        self._new_traceparent = new_traceparent
        self._cursors: dict[CursorId, Cursor] = {}
        self._visits: list[tuple[int, int, CursorId]] = []
        self._serial = 0
        self._dirty: set[CursorId] = set()
        #: Runs that a former owner recorded as due and no more than that.
        self.begun: dict[tuple[str, str], Run] = {}
        #: Rows are being gone through because of new time-zone data; None: they are not.
        self._rederivation: Rederivation | None = None
        #: Skipped stretches since the position.
        self._skipped: dict[CursorId, list[tuple[int, int]]] = {}

    # -- which there are ---------------------------------------------------------------------

    def of_job(self, uid: str) -> Cursor | None:
        """The cursor over a job's schedule, while that is near."""
        return self._cursors.get((uid, ""))

    def remember_skip(self, record: Run) -> None:
        """A stretch that a former owner has recorded as skipped."""
        which = (record.job_uid, record.backfill_id)
        stretch = (record.first_schedule_ms, record.last_schedule_ms)
        self._skipped.setdefault(which, []).append(stretch)

    def track(self, job: Job, entry: ScheduleEntry, now_ms: int) -> None:
        """Begins with a job's entry, unless that is void."""
        if entry.generation != job.generation or job.completed_generation == job.generation:
            return
        ordinal = max(0, entry.ordinal)
        schedule, first_ms = self._compile(job), entry.schedule_ms
        if self._rederivation is not None:
            first_ms = self._rederivation.first_ms(job, entry, schedule)
            self._rederivation.see(job.uid)
        cursor = Cursor(job, schedule, entry, first_ms, ordinal)
        self._cursors[cursor.id] = cursor
        self._visit(min(now_ms, entry.due_ms - LOOK_AHEAD_MS), cursor.id)

    def track_backfill(self, job: Job, entry: ScheduleEntry, now_ms: int) -> None:
        """Begins with the row of a backfill."""
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

    # -- new time-zone data ------------------------------------------------------------------

    def begin_rederiving(self, since_ms: int, now_ms: int) -> list[LiveRun]:
        """New data hold from an instant on: what is near follows now, rows as they are looked at.

        Returns runs to take back from workers, as `change` does.
        """
        self._rederivation = Rederivation(since_ms)
        revoked: list[LiveRun] = []
        for cursor in list(self._cursors.values()):
            if cursor.backfill_id or cursor.job.delete_ms:
                continue
            self._rederivation.see(cursor.job.uid)
            if depends_on_zone(cursor.job.spec.schedule):
                revoked += self._follow(cursor, since_ms, now_ms)
        return revoked

    def rederive(self, job: Job, entry: ScheduleEntry, now_ms: int) -> None:
        """Looks at a row that may be far ahead; moves it with the next advance if it is wrong."""
        going = self._rederivation
        if going is None or going.has_seen(job.uid) or self.of_job(job.uid) is not None:
            return
        if not depends_on_zone(job.spec.schedule) or entry.generation != job.generation:
            return
        if going.first_ms(job, entry, self._compile(job)) != entry.schedule_ms:
            self.track(job, entry, now_ms)
            self._dirty.add((job.uid, ""))

    def end_rederiving(self) -> None:
        """All rows were looked at."""
        self._rederivation = None

    def _follow(self, cursor: Cursor, since_ms: int, now_ms: int) -> list[LiveRun]:
        """Lets a cursor go on by the new data; what came due stays as it is."""
        job, former = cursor.job, cursor.schedule
        cursor.schedule = self._compile(job)
        then_ms = cursor.next_ms
        if then_ms is not None and former.due(then_ms, salt=job.uid) <= since_ms:
            return []
        ahead = [run.schedule_ms for run in cursor.open.values() if run.due_ms > since_ms]
        if not cursor.revoking and are_next(job, cursor.schedule, since_ms, ahead, then_ms):
            return []
        rewind = self._take_back(cursor, after_ms=since_ms)
        if rewind is not None:
            cursor.ordinal = rewind[1]
        cursor.next_ms = first_due_after(job, cursor.schedule, since_ms)
        cursor.stretch = None
        self._visit(now_ms, cursor.id)
        self._dirty.add(cursor.id)
        return [run for run in cursor.revoking.values() if run.worker]

    # -- changes of jobs ---------------------------------------------------------------------

    def change(self, job: Job, entry: ScheduleEntry | None, now_ms: int) -> list[LiveRun]:
        """Takes in a job's newer version, and the entry that was written with it.

        Runs that came due before the change stay as they are. Later ones are taken back and
        computed again once the workers have confirmed: the returned ones are with a worker.
        """
        cursor = self.of_job(job.uid)
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
                self._runs.drop(run)
            run.phase = Phase.DROPPED
        return rewind

    def confirm(self, key: AttemptKey, *, started: bool, now_ms: int) -> bool:
        """Workers dropped a run of a cursor, or had begun with it; False: none is to be dropped."""
        cursor = self.of_job(key.uid)
        run = cursor.revoking.pop(key, None) if cursor else None
        if cursor is None or run is None:
            return False
        if started:
            run.phase = Phase.ASSIGNED
            cursor.reopen(run)
        else:
            self._runs.drop(run)
        self._visit(now_ms, cursor.id)
        self._dirty.add(cursor.id)
        return True

    def heard(self, run: LiveRun) -> None:
        """The outcome of a run has come; it stays, though it may have been taken back."""
        cursor = self.of_job(run.job.uid)
        if cursor is not None and cursor.revoking.pop(run.key, None) is not None:
            cursor.reopen(run)

    def revoking(self, uid: str) -> list[AttemptKey]:
        """Runs of the job that workers were asked to drop and have not answered for."""
        cursor = self.of_job(uid)
        return list(cursor.revoking) if cursor else []

    # -- what becomes due --------------------------------------------------------------------

    def step(self, now_ms: int) -> None:
        """Computes what has come inside the look-ahead."""
        budget = STEP_BUDGET
        while self._visits and self._visits[0][0] <= now_ms and budget > 0:
            _, _, which = heapq.heappop(self._visits)
            cursor = self._cursors.get(which)
            if cursor is not None and not cursor.revoking:
                budget -= self._expand(cursor, now_ms, budget)

    def next_ms(self) -> int | None:
        """When `step` has something to do next; None: nothing that is known."""
        return self._visits[0][0] if self._visits else None

    def _expand(self, cursor: Cursor, now_ms: int, budget: int) -> int:
        """Moves a cursor up to the look-ahead; returns how many occurrences it passed."""
        passed = 0
        most = _most_open(cursor)
        while cursor.next_ms is not None:
            nominal_ms = cursor.next_ms
            due_ms = cursor.schedule.due(nominal_ms, salt=cursor.job.uid)
            if self._is_at_end(cursor, due_ms):
                cursor.next_ms = None
                break
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

    def _is_at_end(self, cursor: Cursor, due_ms: int) -> bool:
        if cursor.backfill_id:
            return cursor.next_ms is None or cursor.next_ms >= cursor.end_ms
        if cursor.job.delete_ms and due_ms > cursor.job.delete_ms:
            return True
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
        verdict = self._runs.verdict(job, policy, due=due_ms <= now_ms)
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
                self._runs.make_way(run, now_ms)
            self._runs.hold(run, verdict.blocking, now_ms)
        else:
            self._runs.open(run, now_ms)
        return True

    def _derived_run(self, cursor: Cursor, due_ms: int, now_ms: int) -> LiveRun:
        nominal_ms = cursor.next_ms or 0
        if cursor.backfill_id:
            kind, run_id = EntryKind.BACKFILL, backfill_run_id(nominal_ms, cursor.backfill_id)
        else:
            kind, run_id = EntryKind.SCHEDULE, instant_id(nominal_ms)
        begun = self.begun.pop((cursor.job.uid, run_id), None)
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
            self._runs.ledger.extend(stretch, longer)
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
                segment=self._runs.segment,
                state=RunState.SKIPPED,
                trigger=Trigger.BACKFILL if backfill_id else Trigger.SCHEDULE,
                schedule_ms=nominal_ms,
                due_ms=due_ms,
                update_ms=now_ms,
                create_ms=now_ms,
                end_ms=now_ms,
                epoch=self._runs.epoch,
                skip_reason=reason,
                skipped_count=1,
                first_schedule_ms=nominal_ms,
                last_schedule_ms=nominal_ms,
                retention_ms=retention_ms(cursor.job.spec),
                backfill_id=backfill_id,
                blocking_run=blocking,
            )
            self._runs.ledger.add(longer)
        cursor.stretch = longer

    def _is_done(self, cursor: Cursor, nominal_ms: int) -> bool:
        uid, backfill_id = cursor.id
        run_id = backfill_run_id(nominal_ms, backfill_id) if backfill_id else instant_id(nominal_ms)
        if (uid, run_id) in self._runs.done:
            return True
        return any(first <= nominal_ms <= last for first, last in self._skipped.get(cursor.id, ()))

    def _visit(self, at_ms: int, which: tuple[str, str]) -> None:
        self._serial += 1
        heapq.heappush(self._visits, (at_ms, self._serial, which))

    # -- what is stored ----------------------------------------------------------------------

    def settle(self, run: LiveRun, now_ms: int) -> None:
        """The cursor's row need not stand for a run any more."""
        cursor, run.cursor = run.cursor, None
        if cursor is None:
            return
        was_full = len(cursor.open) >= _most_open(cursor)
        cursor.open.pop(run.schedule_ms, None)
        self._dirty.add(cursor.id)
        if was_full:
            self._visit(now_ms, cursor.id)

    def skip_stored(self, record: Run) -> None:
        """A skipped stretch is recorded, as far as the record says."""
        cursor = self._cursors.get((record.job_uid, record.backfill_id))
        if cursor is None:
            return
        if cursor.stretch is None or cursor.stretch.revision == record.revision:
            cursor.skip_from = None
        self._dirty.add(cursor.id)

    def go_on(self, run: LiveRun, now_ms: int) -> None:
        """A run has ended: whatever stood still because of it is looked at again."""
        for which in {(run.job.uid, ""), (run.job.uid, run.backfill_id)}:
            if which in self._cursors:
                self._visit(now_ms, which)

    def take_advance(self, now_ms: int) -> Advance:
        """Rows to move, for all that is recorded. A crash before they are written is harmless."""
        put: list[ScheduleEntry] = []
        remove: list[ScheduleEntry] = []
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
            if first[0] != cursor.entry.schedule_ms:
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

    def entry_ms(self) -> Iterator[int]:
        """Where the rows stand."""
        return (cursor.entry.fire_ms for cursor in self._cursors.values())

    def forget_before(self, position_ms: int) -> None:
        """Lets go of what only mattered for reading the schedule before the position again."""
        self._skipped = {
            which: kept
            for which, stretches in self._skipped.items()
            if (kept := [stretch for stretch in stretches if stretch[1] >= position_ms])
        }


def _most_open(cursor: Cursor) -> int:
    return MAX_OPEN_PER_BACKFILL if cursor.backfill_id else MAX_OPEN_PER_JOB
