"""Goes over occurrences up to the look-ahead, and decides what becomes of each.

It runs, it waits for another run, or there is a record of why it does not run. What a worker
has an outcome of already runs.
"""

from collections.abc import Callable
from dataclasses import replace

from tickwheel.server.domain.course import is_within
from tickwheel.server.domain.occurrence import EntryKind
from tickwheel.server.scheduler.cursors.agenda import Agenda
from tickwheel.server.scheduler.cursors.orphans import Orphans
from tickwheel.server.scheduler.cursors.recovered import Recovered
from tickwheel.server.scheduler.live import Cursor, LiveRun
from tickwheel.server.scheduler.overlap import Later, Skip, Wait
from tickwheel.server.scheduler.runs import Runs
from tickwheel.server.scheduler.skipping import derived_run_id, longer, skipped_run
from tickwheel.server.scheduler.terms import is_missed
from tickwheel.server.store.port import LOOK_AHEAD_MS
from tickwheel.v1 import run_pb2

#: Open runs of one job at once; further ones wait until one is done.
MAX_OPEN_PER_JOB = 1_000
#: Open runs of one backfill at once: few enough that what is due now goes in between.
MAX_OPEN_PER_BACKFILL = 100
#: Occurrences computed in one step, so that a long outage of a busy job does not block the loop.
STEP_BUDGET = 5_000


class Expansion:
    """Opens, holds and skips the runs of one segment's cursors."""

    def __init__(
        self,
        agenda: Agenda,
        recovered: Recovered,
        orphans: Orphans,
        runs: Runs,
        new_traceparent: Callable[[], str],
    ) -> None:
        self._agenda = agenda
        self._recovered = recovered
        self._orphans = orphans
        self._runs = runs
        self._new_traceparent = new_traceparent

    def step(self, now_ms: int, most: int) -> int:
        """Computes what has come inside the look-ahead; returns how many occurrences it passed."""
        budget = most
        while budget > 0 and (which := self._agenda.take_due(now_ms)) is not None:
            cursor = self._agenda.get(which)
            # A run that is taken back may have the name of one that another cursor would open.
            if cursor is not None and not self._agenda.revoking(which[0]):
                budget -= self._expand(cursor, now_ms, budget)
        return most - budget

    def settle(self, run: LiveRun, now_ms: int) -> None:
        """The cursor's row need not stand for a run any more."""
        cursor, run.cursor = run.cursor, None
        if cursor is None:
            return
        was_full = self._is_full(cursor)
        cursor.open.pop(run.schedule_ms, None)
        self._agenda.touch(cursor)
        if was_full:
            self._agenda.visit(now_ms, cursor.id)

    def go_on(self, run: LiveRun, now_ms: int) -> None:
        """A run has ended: whatever stood still because of it is looked at again."""
        uid = run.job.uid
        for cursor in [*self._agenda.all_of(uid), *self._agenda.backfills_of(uid)]:
            self._agenda.visit(now_ms, cursor.id)

    # -- how far it goes ---------------------------------------------------------------------

    def _expand(self, cursor: Cursor, now_ms: int, budget: int) -> int:
        """Moves a cursor up to the look-ahead; returns how many occurrences it passed."""
        passed = 0
        cursor.is_waiting = False
        while cursor.next_ms is not None:
            if _is_at_end(cursor):
                if not cursor.backfill_id and not cursor.is_former:
                    self._orphans.end_counted_out(cursor, now_ms)
                cursor.next_ms = None
                break
            nominal_ms, due_ms = cursor.next_ms, cursor.next_due_ms
            if due_ms > cursor.until_ms:
                cursor.next_ms = None
                break
            wait_ms = 0 if cursor.backfill_id else _not_before(cursor, due_ms, now_ms)
            if wait_ms:
                self._agenda.visit(wait_ms, cursor.id)
                break
            if self._is_full(cursor):
                # It goes on as soon as one of them is done.
                cursor.is_waiting = due_ms <= now_ms
                break
            if passed >= budget:
                self._agenda.visit(now_ms, cursor.id)
                break
            if nominal_ms in cursor.open or self._is_known(cursor, nominal_ms, now_ms):
                cursor.stretch = None
            elif not self._decide(cursor, due_ms, now_ms):
                cursor.is_waiting = due_ms <= now_ms
                break
            cursor.next_ms = cursor.schedule.next_after(nominal_ms)
            cursor.passed_ms = nominal_ms
            if cursor.ordinal >= 0 and not is_within(cursor.pauses, due_ms):
                cursor.ordinal += 1
            passed += 1
        self._agenda.touch(cursor)
        return max(passed, 1)

    def _is_full(self, cursor: Cursor) -> bool:
        """Whether so much of its job, or backfill, is open, with its row or not, that it stops."""
        lingering = self._runs.lingering.count(cursor.job.uid, cursor.backfill_id)
        most = MAX_OPEN_PER_BACKFILL if cursor.backfill_id else MAX_OPEN_PER_JOB
        return len(cursor.open) + lingering >= most

    def _is_known(self, cursor: Cursor, nominal_ms: int, now_ms: int) -> bool:
        """Whether the occurrence is done, or some other cursor's run has its name."""
        uid, run_id = cursor.job.uid, derived_run_id(cursor, nominal_ms)
        if (uid, run_id) in self._runs.done:
            return True
        run = self._runs.find(uid, run_id)
        if run is not None:
            self._take_over(cursor, run, now_ms)
            return True
        if not self._recovered.is_skipped(uid, cursor.backfill_id, nominal_ms, cursor.schedule):
            return False
        if not cursor.backfill_id:
            self._wait_for_skip(cursor, nominal_ms)
        return True

    def _wait_for_skip(self, cursor: Cursor, nominal_ms: int) -> None:
        """What another schedule has skipped past its end holds this one's row until it is stored.

        The other's row stands for nothing past its end: the next owner would not look there.
        """
        for other in self._agenda.all_of(cursor.job.uid):
            for run_id, (first_ms, _, revision) in other.unstored.items():
                if other is not cursor and first_ms <= nominal_ms:
                    cursor.unstored.setdefault(run_id, (nominal_ms, cursor.ordinal, revision))

    def _take_over(self, cursor: Cursor, run: LiveRun, now_ms: int) -> None:
        """A run that a former schedule opened past its end, and a later one has too, is that one's.

        The former one's row stands for nothing past its end: the next owner would not look there.
        """
        former = run.cursor
        if former is None or not former.is_former or cursor.backfill_id:
            return
        if former.entry.generation >= cursor.entry.generation:
            return
        if former.open.pop(run.schedule_ms, None) is not None:
            run.cursor, run.ordinal = cursor, cursor.ordinal
            cursor.open[run.schedule_ms] = run
            # It may have been full, and its row may move.
            self._agenda.look_again(former, now_ms)

    # -- what becomes of an occurrence -------------------------------------------------------

    def _decide(self, cursor: Cursor, due_ms: int, now_ms: int) -> bool:
        """What becomes of the occurrence at the cursor; False where that is not decided yet."""
        job = cursor.job
        if (job.uid, derived_run_id(cursor, cursor.next_ms or 0)) in self._runs.foretold:
            # It was handed out, and is published: whatever there is against it.
            self._open(cursor, due_ms, now_ms)
            return True
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
                self._agenda.visit(due_ms, cursor.id)
            return False
        if not isinstance(verdict, Wait):
            self._open(cursor, due_ms, now_ms)
            return True
        run = self._add(cursor, due_ms, now_ms)
        if verdict.cancel:
            self._runs.make_way(run, now_ms)
        self._runs.hold(run, verdict.blocking, now_ms)
        return True

    def _open(self, cursor: Cursor, due_ms: int, now_ms: int) -> None:
        """The occurrence at the cursor runs."""
        self._runs.open(self._add(cursor, due_ms, now_ms), now_ms)

    def _add(self, cursor: Cursor, due_ms: int, now_ms: int) -> LiveRun:
        cursor.stretch = None
        run = self._derived_run(cursor, due_ms, now_ms)
        cursor.open[run.schedule_ms] = run
        return run

    def _reason_against(self, cursor: Cursor, due_ms: int, now_ms: int) -> int:
        """Why the occurrence at the cursor is not to run; 0 for no reason.

        What a former owner had begun was not missed. A backfill asks for neither pauses nor
        windows, and ends with its job.
        """
        if cursor.backfill_id:
            return run_pb2.SKIP_REASON_DELETED if cursor.job.delete_ms else 0
        if self._recovered.has_begun(cursor.job.uid, derived_run_id(cursor, cursor.next_ms or 0)):
            return 0
        if is_within(cursor.pauses, due_ms):
            return run_pb2.SKIP_REASON_PAUSED
        if is_missed(cursor.job.spec, due_ms, now_ms):
            return run_pb2.SKIP_REASON_CATCH_UP_WINDOW
        return 0

    def _derived_run(self, cursor: Cursor, due_ms: int, now_ms: int) -> LiveRun:
        nominal_ms = cursor.next_ms or 0
        run_id = derived_run_id(cursor, nominal_ms)
        begun = self._recovered.take_begun(cursor.job.uid, run_id)
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
            detail=cursor.detail,
            backfill_id=cursor.backfill_id,
        )

    def _skip(
        self, cursor: Cursor, due_ms: int, now_ms: int, reason: int, blocking: str = ""
    ) -> None:
        """Records an occurrence as skipped; adjacent ones share one record."""
        nominal_ms = cursor.next_ms or 0
        if self._recovered.has_begun(cursor.job.uid, derived_run_id(cursor, nominal_ms)):
            # It has a record already, which goes on.
            cursor.stretch = None
            run = cursor.open[nominal_ms] = self._derived_run(cursor, due_ms, now_ms)
            self._runs.skip(run, reason, blocking, now_ms)
            return
        stretch = cursor.stretch
        if (
            stretch is not None
            and stretch.skip_reason == reason
            # The record names the run that was in the way.
            and stretch.blocking_run == blocking
        ):
            record = self._runs.ledger.extend(stretch, longer(stretch, nominal_ms, now_ms))
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
        # The row may be read again while it is on its way, or another schedule may have these, too.
        self._recovered.remember_skip(record, cursor.schedule)


def _is_at_end(cursor: Cursor) -> bool:
    if cursor.backfill_id:
        return cursor.next_ms is None or cursor.next_ms >= cursor.end_ms
    return cursor.is_counted_out


def _not_before(cursor: Cursor, due_ms: int, now_ms: int) -> int:
    """When an occurrence is to be looked at; 0 for now."""
    if due_ms >= now_ms + LOOK_AHEAD_MS:
        # The first instant at which it is inside: never the present one, or a step would come
        # back to it until its budget is gone.
        return due_ms - LOOK_AHEAD_MS + 1
    return due_ms if due_ms > now_ms and is_within(cursor.pauses, due_ms) else 0
