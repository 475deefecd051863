"""The cursors over the occurrences of one owned segment's jobs, and of their backfills. Pure.

A cursor goes over its schedule up to the look-ahead and decides what becomes of each occurrence: a
run, a run that waits, or a record of why there is none. Its row in the schedule follows behind, to
the first occurrence that is not yet done.
"""

import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from tickwheel.internal.v1 import storage_pb2
from tickwheel.server.domain.course import (
    FOR_EVER_MS,
    Era,
    Stretches,
    count_before,
    eras,
    first_of,
    is_within,
    needs_past,
)
from tickwheel.server.domain.job import Job
from tickwheel.server.domain.names import JobKey, instant_id, run_id_instant_ms
from tickwheel.server.domain.occurrence import KEEP_ORDINAL, EntryKind, ScheduleEntry
from tickwheel.server.domain.run import Run, Trigger
from tickwheel.server.schedule import Schedule
from tickwheel.server.scheduler.live import AttemptKey, Cursor, LiveRun, Phase, live_run_of
from tickwheel.server.scheduler.overlap import Later, Skip, Wait
from tickwheel.server.scheduler.rederiving import (
    Rederivation,
    are_next,
    depends_on_zone,
    first_due_after,
    rightly_at,
)
from tickwheel.server.scheduler.runs import Runs
from tickwheel.server.scheduler.skipping import derived_run_id, longer, skipped_run
from tickwheel.server.scheduler.standing import stands_for
from tickwheel.server.scheduler.terms import catch_up_ms
from tickwheel.server.store.port import INBOX_HORIZON_MS, LOOK_AHEAD_MS
from tickwheel.v1 import run_pb2

#: Open runs of one job at once; further ones wait until one is done.
MAX_OPEN_PER_JOB = 1_000
#: Open runs of one backfill at once: few enough that what is due now goes in between.
MAX_OPEN_PER_BACKFILL = 100
#: Occurrences computed in one step, so that a long outage of a busy job does not block the loop.
STEP_BUDGET = 5_000

#: As in Cursor.id.
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
        #: Rows are being gone through because of new time-zone data; None: they are not.
        self._rederivation: Rederivation | None = None
        #: The cursors over former schedules, by job and generation.
        self._former: dict[str, dict[int, Cursor]] = {}
        #: Where the next owner would begin to read.
        self.position_ms = 0
        #: Rows that stand for nothing any more.
        self._void: list[ScheduleEntry] = []
        #: By job and run id what a former owner recorded as due and no more than that.
        self._begun: dict[str, dict[str, Run]] = {}
        #: Runs (job, run id) of which workers have an outcome that is not taken in yet.
        self.foretold: frozenset[tuple[str, str]] = frozenset()
        #: Skipped stretches since the position.
        self._skipped: dict[CursorId, list[tuple[int, int]]] = {}

    # -- which there are ---------------------------------------------------------------------

    def of_job(self, uid: str) -> Cursor | None:
        """The cursor over a job's present schedule, while that is near."""
        return self._cursors.get((uid, ""))

    def _all_of(self, uid: str) -> Iterator[Cursor]:
        """The cursors over a job's present and former schedules."""
        present = self.of_job(uid)
        if present is not None:
            yield present
        yield from self._former.get(uid, {}).values()

    def _add(self, cursor: Cursor, visit_ms: int) -> None:
        self._cursors[cursor.id] = cursor
        if cursor.is_former:
            self._former.setdefault(cursor.job.uid, {})[cursor.entry.generation] = cursor
        self._dirty.add(cursor.id)
        self._visit(visit_ms, cursor.id)

    def _remove(self, cursor: Cursor) -> None:
        del self._cursors[cursor.id]
        if cursor.is_former:
            formers = self._former[cursor.job.uid]
            del formers[cursor.entry.generation]
            if not formers:
                del self._former[cursor.job.uid]

    def _of_generation(self, uid: str, generation: int) -> Cursor | None:
        same = (one for one in self._all_of(uid) if one.entry.generation == generation)
        return next(same, None)

    def _has(self, entry: ScheduleEntry) -> bool:
        return self._of_generation(entry.uid, entry.generation) is not None

    def remember(self, record: Run) -> None:
        """A run that a former owner recorded as due and no more than that."""
        self._begun.setdefault(record.job_uid, {})[record.run_id] = record

    def take_begun(self, uid: str, run_id: str) -> Run | None:
        """What a former owner recorded of a run as due; it is told once."""
        of_job = self._begun.get(uid)
        record = of_job.pop(run_id, None) if of_job else None
        if of_job is not None and not of_job:
            del self._begun[uid]
        return record

    def remember_skip(self, record: Run) -> None:
        """A stretch that a former owner has recorded as skipped."""
        which = (record.job_uid, record.backfill_id)
        stretch = (record.first_schedule_ms, record.last_schedule_ms)
        self._skipped.setdefault(which, []).append(stretch)

    def take_late(self, record: Run, job: Job, now_ms: int) -> None:
        """A run that a former owner recorded as due, which was not known when it was passed."""
        cursor = self.of_job(job.uid)
        next_ms = cursor.next_ms if cursor is not None else None
        if next_ms is not None and record.schedule_ms >= next_ms:
            self.remember(record)
            return
        reason = run_pb2.SKIP_REASON_CATCH_UP_WINDOW
        if job.delete_ms:
            reason = run_pb2.SKIP_REASON_DELETED
        elif cursor is not None and is_within(cursor.pauses, record.due_ms):
            reason = run_pb2.SKIP_REASON_PAUSED
        self._runs.skip(live_run_of(record, job), reason, "", now_ms)

    def has_skipped(self, uid: str, run_id: str) -> bool:
        """Whether a stretch that has not left memory yet stands for an occurrence as well."""
        nominal_ms = run_id_instant_ms(run_id)
        if nominal_ms is None or run_id != instant_id(nominal_ms):
            return False
        return any(
            one.stretch is not None
            and one.stretch.first_schedule_ms <= nominal_ms <= one.stretch.last_schedule_ms
            and one.schedule.next_after(nominal_ms - 1) == nominal_ms
            for one in self._all_of(uid)
        )

    # -- what is read ------------------------------------------------------------------------

    def wants_past(self, job: Job, entry: ScheduleEntry | None) -> bool:
        """Whether the job's former versions are needed to take it in, with a row or without."""
        cursor = self.of_job(job.uid)
        if cursor is not None and job.version > cursor.job.version:
            counts = entry is None or entry.ordinal < 0
            if job.version > cursor.job.version + 1 or (
                bool(job.spec.schedule.max_runs) and cursor.ordinal < 0 and counts
            ):
                return True
        return entry is not None and not self._has(entry) and needs_past(job, entry)

    def load(
        self, job: Job, entry: ScheduleEntry, former: Sequence[Job], now_ms: int
    ) -> list[LiveRun]:
        """Takes in a job's row; returns runs to take back from workers, as `change` does.

        Args:
            job: as it is now.
            entry: of its present or a former generation.
            former: its former versions, where `wants_past`.
            now_ms: the present.
        """
        revoked = self.change(job, entry, former, now_ms)
        there = self._of_generation(job.uid, entry.generation)
        if there is not None:
            self._unite(there, entry)
            return revoked
        past = eras(job, former)
        era = past.get(entry.generation)
        is_former = entry.generation != job.generation
        schedule = None if era is None else self._compile(era.job)
        if era is None or schedule is None or not stands_for(entry, era, schedule):
            self._void.append(entry)
        elif is_former or job.completed_generation != job.generation:
            cursor = self._cursor(job, entry, era, schedule, is_former=is_former)
            if entry.fire_ms < self.position_ms:
                # It was written late: the next owner would not find it there.
                cursor.entry = replace(entry, fire_ms=max(entry.due_ms, now_ms))
                self._unite(cursor, entry)
            if entry.ordinal < 0:
                cursor.ordinal = self._counted(entry.generation, past, cursor.schedule)
            if self._rederivation is not None and not is_former:
                cursor.next_ms = self._rederivation.first_ms(job, entry, cursor.schedule)
                self._rederivation.see(job.uid)
            elif not is_former:
                cursor.next_ms = rightly_at(job, cursor.schedule, entry.schedule_ms)
            self._add(cursor, min(now_ms, entry.due_ms - LOOK_AHEAD_MS))
        spans = [(self._compile(e.job), e.job.schedule_from_ms, e.until_ms) for e in past.values()]
        self._end_orphans(job, spans, now_ms)
        return revoked

    def _unite(self, cursor: Cursor, entry: ScheduleEntry) -> None:
        """A job has one row: another one, of a creation or change that was tried twice, goes."""
        if entry.place != cursor.entry.place:
            cursor.is_row_sure = False
            self._void.append(entry)
            self._dirty.add(cursor.id)

    @staticmethod
    def _cursor(
        job: Job, entry: ScheduleEntry, era: Era, schedule: Schedule, *, is_former: bool
    ) -> Cursor:
        return Cursor(
            job,
            schedule,
            entry,
            entry.schedule_ms,
            entry.ordinal,
            until_ms=era.until_ms,
            pauses=era.pauses,
            is_former=is_former,
        )

    def _counted(self, generation: int, past: Mapping[int, Era], schedule: Schedule) -> int:
        """What counts before a generation; KEEP_ORDINAL where that is no matter."""
        most = schedule.spec.max_runs
        is_known = generation == 1 or generation - 1 in past
        if not most or not is_known:
            return KEEP_ORDINAL
        return count_before(past, generation, most, self._compile)

    def _end_orphans(
        self, job: Job, spans: Sequence[tuple[Schedule, int, int]], now_ms: int
    ) -> None:
        """Ends runs that were recorded as due and are, after a change, of no schedule any more.

        Args:
            job: as it is now.
            spans: its schedules, each from which instant on and until when.
            now_ms: the present.
        """
        for record in list(self._begun.get(job.uid, {}).values()):
            if record.trigger is not Trigger.SCHEDULE:
                continue
            if not any(_occurs(*span, record) for span in spans):
                self.take_begun(job.uid, record.run_id)
                reason = run_pb2.SKIP_REASON_UPDATED
                if job.delete_ms:
                    reason = run_pb2.SKIP_REASON_DELETED
                self._runs.skip(live_run_of(record, job), reason, "", now_ms)

    def _spans(self, uid: str) -> list[tuple[Schedule, int, int]]:
        return [
            (one.schedule, 0 if one.is_former else one.job.schedule_from_ms, one.until_ms)
            for one in self._all_of(uid)
        ]

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
        self._add(cursor, now_ms)

    def is_backfilling(self, uid: str, backfill_id: str) -> bool:
        """Whether there is a cursor of that backfill."""
        return (uid, backfill_id) in self._cursors

    # -- new time-zone data ------------------------------------------------------------------

    def begin_rederiving(self, since_ms: int, now_ms: int) -> list[LiveRun]:
        """New data hold from an instant on: what is near follows now, rows as they are looked at.

        Returns runs to take back from workers, as `change` does.
        """
        self._rederivation = Rederivation(since_ms)
        revoked: list[LiveRun] = []
        for cursor in list(self._cursors.values()):
            if cursor.backfill_id or cursor.is_former or cursor.job.delete_ms:
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
            self.load(job, entry, (), now_ms)

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

    def change(
        self, job: Job, entry: ScheduleEntry | None, former: Sequence[Job], now_ms: int
    ) -> list[LiveRun]:
        """Takes in a job's newer version, and the entry that was written with it.

        Runs that came due before the change stay as they are. Later ones are taken back and
        computed again once the workers have confirmed: the returned ones are with a worker.

        Args:
            job: as it is now.
            entry: where it has another schedule; computed anew if it is another one's.
            former: its former versions, where `wants_past`.
            now_ms: the present.
        """
        cursor = self.of_job(job.uid)
        if cursor is None or job.version <= cursor.job.version:
            return []
        before = cursor.job
        unseen = [one for one in former if before.version < one.version < job.version]
        # The api's clock may be ahead of ours.
        since_ms = min(now_ms, *(one.update_ms for one in [*unseen, job]))
        past = eras(job, former or [before])
        for one in list(self._all_of(job.uid)):
            one.job = job
            one.stretch = None
        cursor.pauses = _pauses(cursor.pauses, before, past.get(before.generation), since_ms)
        rewind = self._take_back(cursor, after_ms=since_ms)
        if rewind is not None:
            cursor.next_ms, cursor.ordinal = rewind
            cursor.passed_ms = min(cursor.passed_ms, rewind[0] - 1)
        if job.delete_ms or job.generation != before.generation:
            cursor.until_ms = min(now_ms, past[before.generation].until_ms)
            if cursor.ordinal > 0:
                cursor.ordinal = max(0, cursor.ordinal - _passed_after_end(cursor))
            if cursor.next_ms is not None and self._due(cursor) > cursor.until_ms:
                cursor.next_ms = None
        if job.generation != before.generation and not job.delete_ms:
            self._replace(cursor, job, entry, past, now_ms)
        self._end_orphans(job, self._spans(job.uid), now_ms)
        self._visit(now_ms, cursor.id)
        self._dirty.add(cursor.id)
        return [run for run in cursor.revoking.values() if run.worker]

    def _replace(
        self,
        cursor: Cursor,
        job: Job,
        entry: ScheduleEntry | None,
        past: Mapping[int, Era],
        now_ms: int,
    ) -> None:
        """The job has another schedule: the former one's cursor goes on to where it ends."""
        del self._cursors[cursor.id]
        cursor.is_former = True
        self._add(cursor, now_ms)
        schedule = self._compile(job)
        if entry is None or entry.generation != job.generation:
            entry = _entry_of(job, schedule)
        if entry is None:
            return
        era = past[job.generation]
        present = self._cursor(job, entry, era, schedule, is_former=False)
        if entry.ordinal < 0:
            known = cursor.ordinal >= 0
            present.ordinal = (
                _ordinal_at_end(cursor) if known else self._counted(job.generation, past, schedule)
            )
        self._add(present, now_ms)

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
                self._drop(run)
            run.phase = Phase.DROPPED
        return rewind

    def take_back_ahead(self, uid: str, now_ms: int) -> list[LiveRun]:
        """Takes back what was handed out ahead of its instant: another run of the job comes first.

        Whether it may go is decided anew when it is due. Returns runs to take back from workers.
        """
        cursor = self.of_job(uid)
        if cursor is None:
            return []
        before = set(cursor.revoking)
        rewind = self._take_back(cursor, after_ms=now_ms)
        if rewind is None:
            return []
        cursor.next_ms, cursor.ordinal = rewind
        cursor.stretch = None
        self._visit(now_ms, cursor.id)
        self._dirty.add(cursor.id)
        return [run for key, run in cursor.revoking.items() if key not in before and run.worker]

    def _drop(self, run: LiveRun) -> None:
        """A run that was taken back will be computed again, or is not to be any more."""
        self._runs.drop(run)
        if run.record is not None:
            self.remember(run.record)

    def confirm(self, key: AttemptKey, *, started: bool, now_ms: int) -> bool:
        """Workers dropped a run of a cursor, or had begun with it; False: none is to be dropped."""
        run = self._runs.at(key)
        cursor = run.cursor if run is not None else None
        if run is None or cursor is None or cursor.revoking.pop(key, None) is None:
            return False
        if started:
            run.phase = Phase.ASSIGNED
            cursor.reopen(run)
        else:
            self._drop(run)
            self._end_orphans(cursor.job, self._spans(key.uid), now_ms)
        self._go_on_with(key.uid, now_ms)
        return True

    def _go_on_with(self, uid: str, now_ms: int) -> None:
        for cursor in self._all_of(uid):
            self._visit(now_ms, cursor.id)
            self._dirty.add(cursor.id)

    def heard(self, run: LiveRun) -> None:
        """The outcome of a run has come; it stays, though it may have been taken back."""
        cursor = run.cursor
        if cursor is not None and cursor.revoking.pop(run.key, None) is not None:
            cursor.reopen(run)
            self._go_on_with(run.job.uid, 0)

    def revoking(self, uid: str) -> list[AttemptKey]:
        """Runs of the job that workers were asked to drop and have not answered for."""
        return [key for cursor in self._all_of(uid) for key in cursor.revoking]

    # -- what becomes due --------------------------------------------------------------------

    def step(self, now_ms: int) -> None:
        """Computes what has come inside the look-ahead."""
        budget = STEP_BUDGET
        while self._visits and self._visits[0][0] <= now_ms and budget > 0:
            _, _, which = heapq.heappop(self._visits)
            cursor = self._cursors.get(which)
            # A run that is taken back may have the name of one that another cursor would open.
            if cursor is not None and not self.revoking(which[0]):
                budget -= self._expand(cursor, now_ms, budget)

    def next_ms(self) -> int | None:
        """When `step` has something to do next; None: nothing that is known."""
        return self._visits[0][0] if self._visits else None

    def _expand(self, cursor: Cursor, now_ms: int, budget: int) -> int:
        """Moves a cursor up to the look-ahead; returns how many occurrences it passed."""
        passed = 0
        most = _most_open(cursor)
        while cursor.next_ms is not None:
            if self._is_at_end(cursor):
                cursor.next_ms = None
                break
            nominal_ms, due_ms = cursor.next_ms, self._due(cursor)
            if due_ms > cursor.until_ms:
                cursor.next_ms = None
                break
            wait_ms = 0 if cursor.backfill_id else self._not_before(cursor, due_ms, now_ms)
            if wait_ms:
                self._visit(wait_ms, cursor.id)
                break
            if len(cursor.open) >= most:
                # It goes on as soon as one of them is done.
                break
            if passed >= budget:
                self._visit(now_ms, cursor.id)
                break
            if nominal_ms in cursor.open or self._is_known(cursor, nominal_ms):
                cursor.stretch = None
            elif not self._decide(cursor, due_ms, now_ms):
                break
            cursor.next_ms = cursor.schedule.next_after(nominal_ms)
            cursor.passed_ms = nominal_ms
            if cursor.ordinal >= 0 and not is_within(cursor.pauses, due_ms):
                cursor.ordinal += 1
            passed += 1
        self._dirty.add(cursor.id)
        return max(passed, 1)

    @staticmethod
    def _due(cursor: Cursor) -> int:
        return cursor.schedule.due(cursor.next_ms or 0, salt=cursor.job.uid)

    def _is_at_end(self, cursor: Cursor) -> bool:
        if cursor.backfill_id:
            return cursor.next_ms is None or cursor.next_ms >= cursor.end_ms
        max_runs = cursor.schedule.spec.max_runs
        return bool(max_runs) and cursor.ordinal >= max_runs

    def _not_before(self, cursor: Cursor, due_ms: int, now_ms: int) -> int:
        """When an occurrence is to be looked at; 0 for now."""
        if due_ms >= now_ms + LOOK_AHEAD_MS:
            # The first instant at which it is inside: never the present one, or a step would come
            # back to it until its budget is gone.
            return due_ms - LOOK_AHEAD_MS + 1
        return due_ms if due_ms > now_ms and is_within(cursor.pauses, due_ms) else 0

    def _decide(self, cursor: Cursor, due_ms: int, now_ms: int) -> bool:
        """What becomes of the occurrence at the cursor; False where that is not decided yet."""
        job = cursor.job
        if not cursor.backfill_id:
            reason = self._reason_against(cursor, due_ms, now_ms)
            if reason:
                self._skip(cursor, due_ms, now_ms, reason)
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
        cursor.stretch = None
        run = self._derived_run(cursor, due_ms, now_ms)
        cursor.open[run.schedule_ms] = run
        if isinstance(verdict, Wait):
            if verdict.cancel:
                self._runs.make_way(run, now_ms)
            self._runs.hold(run, verdict.blocking, now_ms)
        else:
            self._runs.open(run, now_ms)
        return True

    def _reason_against(self, cursor: Cursor, due_ms: int, now_ms: int) -> int:
        """Why the occurrence at the cursor is not to run; 0 for no reason.

        What a former owner had begun, or has published as a worker says, was not missed.
        """
        uid, run_id = cursor.job.uid, derived_run_id(cursor, cursor.next_ms or 0)
        if (uid, run_id) in self.foretold:
            return 0
        if run_id in self._begun.get(uid, {}):
            return 0
        if is_within(cursor.pauses, due_ms):
            return run_pb2.SKIP_REASON_PAUSED
        window = catch_up_ms(cursor.job.spec)
        if window is not None and due_ms < now_ms - window:
            return run_pb2.SKIP_REASON_CATCH_UP_WINDOW
        return 0

    def _derived_run(self, cursor: Cursor, due_ms: int, now_ms: int) -> LiveRun:
        nominal_ms = cursor.next_ms or 0
        run_id = derived_run_id(cursor, nominal_ms)
        begun = self.take_begun(cursor.job.uid, run_id)
        return LiveRun(
            job=cursor.job,
            run_id=run_id,
            kind=EntryKind.BACKFILL if cursor.backfill_id else EntryKind.SCHEDULE,
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
        if derived_run_id(cursor, nominal_ms) in self._begun.get(cursor.job.uid, {}):
            # It has a record already, which goes on.
            cursor.stretch = None
            run = cursor.open[nominal_ms] = self._derived_run(cursor, due_ms, now_ms)
            self._runs.skip(run, reason, blocking, now_ms)
            return
        stretch = cursor.stretch
        if stretch is not None and stretch.skip_reason == reason:
            record = longer(stretch, nominal_ms, now_ms)
            self._runs.ledger.extend(stretch, record)
        else:
            segment, epoch = self._runs.segment, self._runs.epoch
            record = replace(
                skipped_run(cursor, due_ms, now_ms, reason, blocking, segment, epoch),
                traceparent=self._new_traceparent(),
            )
            self._runs.ledger.add(record)
        first_ms, ordinal, _ = cursor.unstored.get(record.run_id, (nominal_ms, cursor.ordinal, 0))
        cursor.unstored[record.run_id] = (first_ms, ordinal, record.revision)
        cursor.stretch = record

    def _is_known(self, cursor: Cursor, nominal_ms: int) -> bool:
        """Whether the occurrence is done, or some other cursor's run has its name."""
        uid, run_id = cursor.job.uid, derived_run_id(cursor, nominal_ms)
        if (uid, run_id) in self._runs.done or self._runs.find(uid, run_id) is not None:
            return True
        skipped = self._skipped.get((uid, cursor.backfill_id), ())
        return any(first <= nominal_ms <= last for first, last in skipped)

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
        if record.backfill_id:
            backfill = self._cursors.get((record.job_uid, record.backfill_id))
            cursors = [] if backfill is None else [backfill]
        else:
            cursors = list(self._all_of(record.job_uid))
        for cursor in cursors:
            unstored = cursor.unstored.get(record.run_id)
            if unstored is not None and unstored[2] <= record.revision:
                del cursor.unstored[record.run_id]
            self._dirty.add(cursor.id)

    def go_on(self, run: LiveRun, now_ms: int) -> None:
        """A run has ended: whatever stood still because of it is looked at again."""
        for which in {(run.job.uid, ""), (run.job.uid, run.backfill_id)}:
            if which in self._cursors:
                self._visit(now_ms, which)

    def take_advance(self, now_ms: int) -> Advance:
        """Rows to move, for all that is recorded. A crash before they are written is harmless."""
        put: list[ScheduleEntry] = []
        remove, self._void = self._void, []
        complete: list[tuple[JobKey, int]] = []
        dirty, self._dirty = self._dirty, set()
        for which in dirty:
            cursor = self._cursors.get(which)
            if cursor is None:
                continue
            first = cursor.first_open()
            if first is None:
                self._remove(cursor)
                is_over = cursor.is_former or bool(cursor.job.delete_ms)
                if not cursor.backfill_id and not is_over:
                    complete.append((cursor.job.key, cursor.job.generation))
                if is_over or cursor.schedule.is_recurring:
                    remove.append(cursor.entry)
                continue
            if first[0] != cursor.entry.schedule_ms:
                moved = self._entry_at(cursor, first, now_ms)
                put.append(moved)
                remove.append(cursor.entry)
                cursor.entry = moved
            elif not cursor.is_row_sure:
                put.append(cursor.entry)
            cursor.is_row_sure = True
            if not cursor.open and cursor.entry.fire_ms > now_ms + INBOX_HORIZON_MS:
                # Far enough away to be read again from its new place.
                self._remove(cursor)
        # Of two rows of a job the one that went may be where the other one moves to.
        places = {row.place for row in put}
        return Advance(put, [row for row in remove if row.place not in places], complete)

    def _entry_at(self, cursor: Cursor, first: tuple[int, int], now_ms: int) -> ScheduleEntry:
        schedule_ms, ordinal = first
        due_ms = cursor.schedule.due(schedule_ms, salt=cursor.job.uid)
        return replace(
            cursor.entry,
            fire_ms=max(due_ms, now_ms),
            schedule_ms=schedule_ms,
            due_ms=due_ms,
            ordinal=ordinal,
        )

    def entry_ms(self) -> Iterator[int]:
        """Where the rows stand."""
        return (cursor.entry.fire_ms for cursor in self._cursors.values())

    def forget_before(self, position_ms: int) -> None:
        """Lets go of what only mattered for reading the schedule before the position again."""
        self.position_ms = position_ms
        self._skipped = {
            which: kept
            for which, stretches in self._skipped.items()
            if (kept := [stretch for stretch in stretches if stretch[1] >= position_ms])
        }


def _most_open(cursor: Cursor) -> int:
    return MAX_OPEN_PER_BACKFILL if cursor.backfill_id else MAX_OPEN_PER_JOB


def _occurs(schedule: Schedule, from_ms: int, until_ms: int, record: Run) -> bool:
    """Whether a run is one of a schedule that held for a while."""
    nominal = record.schedule_ms
    if schedule.spec.at_ms is not None:
        return schedule.spec.at_ms == nominal and record.due_ms <= until_ms
    is_within_span = from_ms <= nominal and record.due_ms <= until_ms
    return is_within_span and schedule.next_after(nominal - 1) == nominal


def _pauses(known: Stretches, before: Job, era: Era | None, since_ms: int) -> Stretches:
    """The pauses of a generation, after a change at `since_ms` of which no later one is known."""
    if era is None:
        return known
    kept = tuple(pause for pause in known if pause[1] <= before.update_ms)
    open_ms = next((after for after, until in known if until == FOR_EVER_MS), None)
    later: list[tuple[int, int]] = []
    for after_ms, until_ms in era.pauses:
        if until_ms <= before.update_ms:
            continue
        if after_ms <= before.update_ms and open_ms is not None:
            after_ms = open_ms
        elif after_ms > since_ms:
            after_ms = since_ms
        later.append((after_ms, until_ms))
    return (*kept, *later)


def _passed_after_end(cursor: Cursor) -> int:
    """How many occurrences were counted that, as is known now, came due after the schedule's end.

    They were fired before the owner heard of the change; the count is that of what was to be.
    """
    schedule = cursor.schedule
    count = 0
    nominal = schedule.next_after(cursor.until_ms - schedule.spec.jitter_ms - 1)
    while nominal is not None and nominal <= cursor.passed_ms:
        due_ms = schedule.due(nominal, salt=cursor.job.uid)
        count += due_ms > cursor.until_ms and not is_within(cursor.pauses, due_ms)
        nominal = schedule.next_after(nominal)
    return count


def _ordinal_at_end(cursor: Cursor) -> int:
    """What a former schedule's cursor will have counted when it comes to its end."""
    schedule = cursor.schedule
    most = schedule.spec.max_runs or FOR_EVER_MS
    nominal, ordinal = cursor.next_ms, cursor.ordinal
    while nominal is not None and ordinal < most:
        due_ms = schedule.due(nominal, salt=cursor.job.uid)
        if due_ms > cursor.until_ms:
            break
        ordinal += not is_within(cursor.pauses, due_ms)
        nominal = schedule.next_after(nominal)
    return ordinal


def _entry_of(job: Job, schedule: Schedule) -> ScheduleEntry | None:
    """The row that was written with the job's present schedule."""
    nominal = first_of(job, schedule)
    if nominal is None:
        return None
    due_ms = schedule.due(nominal, salt=job.uid)
    return ScheduleEntry(
        segment=job.segment,
        fire_ms=max(due_ms, job.update_ms),
        user=job.user,
        uid=job.uid,
        generation=job.generation,
        schedule_ms=nominal,
        due_ms=due_ms,
        ordinal=KEEP_ORDINAL,
    )
