"""Where a job's row has to be, and where one that is lost has to begin anew. Pure."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from tickwheel.server.domain.course import Era, active, eras
from tickwheel.server.domain.job import Job
from tickwheel.server.domain.occurrence import KEEP_ORDINAL, ScheduleEntry
from tickwheel.server.domain.run import Run, Trigger
from tickwheel.server.schedule import Schedule
from tickwheel.server.scheduler.cursors.counting import counted_before
from tickwheel.server.scheduler.cursors.making import first_entry
from tickwheel.server.scheduler.recovering import is_underway
from tickwheel.server.scheduler.rederiving import depends_on_zone, first_due_after
from tickwheel.server.scheduler.terms import retention_ms


def has_more_to_come(job: Job) -> bool:
    """Whether a job has to have a row."""
    return not job.delete_ms and job.completed_generation != job.generation


def next_due_ms(job: Job, schedule: Schedule, from_ms: int) -> int | None:
    """When the first occurrence that is not due before an instant is due; None: there is none."""
    nominal_ms = first_due_after(job, schedule, from_ms - 1)
    return None if nominal_ms is None else schedule.due(nominal_ms, salt=job.uid)


def newest_known_ms(job: Job, schedule: Schedule, runs: Iterable[Run]) -> int | None:
    """The last occurrence of a job's present schedule that went its way, as far as runs tell.

    One that is recorded as due and no more than that still needs the row.
    """
    return max(
        (
            run.last_schedule_ms or run.schedule_ms
            for run in runs
            if run.trigger is Trigger.SCHEDULE
            and (run.state.is_final or is_underway(run))
            and (depends_on_zone(job.spec.schedule) or schedule.occurs_at(run.schedule_ms))
        ),
        default=None,
    )


def lost_row(
    job: Job,
    former: Sequence[Job],
    schedule: Schedule,
    newest_ms: int | None,
    now_ms: int,
    compile_schedule: Callable[[Job], Schedule],
) -> ScheduleEntry | None:
    """The row that a job would have if it had not lost it; None: all its occurrences are done.

    Args:
        job: as it is now.
        former: its former versions, oldest first.
        schedule: its present one.
        newest_ms: as `newest_known_ms`, of all runs that are still kept.
        now_ms: the present.
        compile_schedule: gives a job's schedule.
    """
    begin = first_entry(job, schedule)
    if begin is None:
        return None
    after_ms = begin.schedule_ms - 1
    if newest_ms is not None:
        after_ms = max(after_ms, newest_ms)
    if schedule.is_recurring:
        # Nobody knows any more what ran before that; it is not to run again.
        after_ms = max(after_ms, now_ms - retention_ms(job.spec))
    nominal_ms = schedule.next_after(after_ms)
    if nominal_ms is None:
        return None
    past = eras(job, former)
    most = schedule.spec.max_runs
    ordinal = KEEP_ORDINAL
    if most:
        before = max(0, counted_before(job.generation, past, schedule, compile_schedule))
        ordinal = _count(past[job.generation], schedule, nominal_ms, before, most)
        if ordinal >= most:
            return None
    due_ms = schedule.due(nominal_ms, salt=job.uid)
    return replace(
        begin,
        fire_ms=max(due_ms, now_ms),
        schedule_ms=nominal_ms,
        due_ms=due_ms,
        ordinal=ordinal,
    )


def _count(era: Era, schedule: Schedule, end_ms: int, count: int, most: int) -> int:
    """How many count before an occurrence, at most `most`, of which `count` before the era."""
    for nominal_ms in active(era, schedule):
        if nominal_ms >= end_ms or count >= most:
            break
        count += 1
    return count
