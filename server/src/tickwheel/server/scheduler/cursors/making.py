"""Makes cursors from the rows they begin at."""

from tickwheel.internal.v1 import storage_pb2
from tickwheel.server.domain.course import Era, first_of
from tickwheel.server.domain.job import Job
from tickwheel.server.domain.occurrence import KEEP_ORDINAL, ScheduleEntry
from tickwheel.server.schedule import Schedule
from tickwheel.server.scheduler.live import Cursor
from tickwheel.server.scheduler.override import asked_by


def cursor_over(
    job: Job, entry: ScheduleEntry, era: Era, schedule: Schedule, *, is_former: bool
) -> Cursor:
    """A cursor over one of a job's schedules.

    Args:
        job: as it is now.
        entry: the row, of that schedule.
        era: for how long it holds, and when the job was paused meanwhile.
        schedule: the schedule.
        is_former: the job has another one by now.
    """
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


def backfill_cursor(job: Job, entry: ScheduleEntry, schedule: Schedule) -> Cursor:
    """The cursor over the range of a backfill."""
    detail = storage_pb2.BackfillRecord.FromString(entry.detail)
    return Cursor(
        job,
        schedule,
        entry,
        entry.schedule_ms,
        entry.ordinal,
        backfill_id=entry.run_id,
        end_ms=detail.end_ms,
        overlap_policy=detail.overlap_policy,
        detail=asked_by(detail.traceparent),
    )


def first_entry(job: Job, schedule: Schedule) -> ScheduleEntry | None:
    """The row that was written with the job's present schedule; None: it has no occurrence."""
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
