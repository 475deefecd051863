"""Takes rows of the schedule in, each with its job as it is now and, where needed, as it was."""

from collections.abc import Callable, Sequence

from tickwheel.server.domain.course import eras, needs_past
from tickwheel.server.domain.job import Job
from tickwheel.server.domain.occurrence import EntryKind, ScheduleEntry
from tickwheel.server.schedule import Schedule
from tickwheel.server.scheduler.cursors.agenda import Agenda
from tickwheel.server.scheduler.cursors.changes import Changes
from tickwheel.server.scheduler.cursors.counting import counted_before, is_count_known
from tickwheel.server.scheduler.cursors.following import Following
from tickwheel.server.scheduler.cursors.making import backfill_cursor, cursor_over
from tickwheel.server.scheduler.cursors.orphans import Orphans, Span
from tickwheel.server.scheduler.cursors.recovered import Recovered
from tickwheel.server.scheduler.cursors.rows import Rows
from tickwheel.server.scheduler.live import LiveRun
from tickwheel.server.scheduler.standing import stands_for
from tickwheel.server.store.port import LOOK_AHEAD_MS


class Loading:
    """Makes the cursors of one segment out of the rows that are read."""

    def __init__(
        self,
        agenda: Agenda,
        recovered: Recovered,
        orphans: Orphans,
        rows: Rows,
        changes: Changes,
        following: Following,
        compile_schedule: Callable[[Job], Schedule],
    ) -> None:
        self._agenda = agenda
        self._recovered = recovered
        self._orphans = orphans
        self._rows = rows
        self._changes = changes
        self._following = following
        self._compile = compile_schedule

    def wants_past(self, job: Job, entry: ScheduleEntry | None) -> bool:
        """Whether the job's former versions are needed to take it in, with a row or without."""
        if entry is not None and entry.kind is EntryKind.BACKFILL:
            is_there = self._agenda.get((entry.uid, entry.run_id)) is not None
            return entry.generation < job.generation and not is_there
        cursor = self._agenda.of_job(job.uid)
        if cursor is not None and job.version > cursor.job.version:
            counts = entry is None or entry.ordinal < 0 or entry.generation != job.generation
            if job.version > cursor.job.version + 1 or (
                bool(job.spec.schedule.max_runs) and not is_count_known(cursor) and counts
            ):
                return True
        if entry is None or self._agenda.of_generation(entry.uid, entry.generation) is not None:
            return False
        # A former schedule, whose row may be still to come, may have begun what is recorded as due,
        # or skipped what is none of the present one's.
        return (
            needs_past(job, entry)
            or (job.version > 1 and self._orphans.has_any(job.uid))
            or (job.generation > 1 and self._recovered.has_unattributed(job.uid))
        )

    def load(
        self, job: Job, entry: ScheduleEntry, former: Sequence[Job], now_ms: int
    ) -> list[LiveRun]:
        """Takes in a job's row; returns runs to take back from workers, as `Changes.change` does.

        Args:
            job: as it is now.
            entry: of its present or a former generation.
            former: its former versions, where `wants_past`.
            now_ms: the present.
        """
        revoked = self._changes.change(job, entry, former, now_ms)
        there = self._agenda.of_generation(job.uid, entry.generation)
        if there is not None:
            self._rows.unite(there, entry)
            return revoked
        past = eras(job, former)
        if len(past) > 1 and self._recovered.has_unattributed(job.uid):
            self._recovered.attribute(job.uid, [self._compile(e.job) for e in past.values()])
        era = past.get(entry.generation)
        is_former = entry.generation != job.generation
        schedule = None if era is None else self._compile(era.job)
        if era is None or schedule is None or not stands_for(entry, era, schedule):
            self._rows.discard(entry)
        elif is_former or job.completed_generation != job.generation:
            cursor = cursor_over(job, entry, era, schedule, is_former=is_former)
            self._rows.bring_forward(cursor, now_ms)
            if entry.ordinal < 0:
                cursor.ordinal = counted_before(entry.generation, past, schedule, self._compile)
            if not is_former:
                cursor.next_ms = self._following.first_ms(job, entry, schedule)
            self._agenda.add(cursor, min(now_ms, entry.due_ms - LOOK_AHEAD_MS))
        elif schedule.is_recurring:
            # Completed, by an owner that ended before it could remove the row.
            self._rows.discard(entry)
        spans = (
            Span(self._compile(e.job), e.job.schedule_from_ms, e.until_ms) for e in past.values()
        )
        self._orphans.end(job, spans, now_ms)
        return revoked

    def rederive(self, job: Job, entry: ScheduleEntry, now_ms: int) -> None:
        """Looks at a row that may be far ahead; moves it with the next advance if it is wrong."""
        if self._following.is_wrong(job, entry):
            self.load(job, entry, (), now_ms)

    def load_backfill(
        self, job: Job, entry: ScheduleEntry, former: Sequence[Job], now_ms: int
    ) -> list[LiveRun]:
        """As `load`, for the row of a backfill: it goes over the schedule it was begun with."""
        revoked = self._changes.change_backfills(job, now_ms)
        there = self._agenda.get((job.uid, entry.run_id))
        if there is not None:
            self._rows.unite(there, entry)
            return revoked
        era = eras(job, former).get(entry.generation)
        schedule = self._compile(job if era is None else era.job)
        self._agenda.add(backfill_cursor(job, entry, schedule), now_ms)
        return revoked
