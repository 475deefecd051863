"""When a job will run next, for answers."""

from tickwheel.server.convert.instants import LATEST_MS
from tickwheel.server.convert.schedule import plain_at_ms, schedule_of
from tickwheel.server.domain.job import Job, JobState
from tickwheel.server.schedule import Schedule

COUNT = 5


def next_run_ms(job: Job, now_ms: int, *, done: int = 0) -> list[int]:
    """The instants at which the job will run, jitter included, ascending; none unless ACTIVE.

    Args:
        job: the job.
        now_ms: what counts as to come is due from here on.
        done: occurrences that count towards `max_runs` already.
    """
    if job.state is not JobState.ACTIVE:
        return []
    at_ms = plain_at_ms(job.spec.schedule)
    if at_ms is not None:
        # Until it is done it is still to come, however late.
        return [at_ms]
    schedule = schedule_of(job)
    if not schedule.is_recurring:
        nominal = first_ms(schedule, job.schedule_from_ms)
        return [] if nominal is None else [schedule.due(nominal, salt=job.uid)]
    limit = COUNT
    if schedule.spec.max_runs:
        limit = min(limit, schedule.spec.max_runs - done)
    # What is nominally past may still be due, by its jitter.
    at = max(job.schedule_from_ms, now_ms - schedule.spec.jitter_ms) - 1
    found: list[int] = []
    while len(found) < limit:
        nominal = schedule.next_after(at)
        if nominal is None:
            break
        due_ms = schedule.due(nominal, salt=job.uid)
        if due_ms > LATEST_MS:
            # By its jitter: no Timestamp can tell it.
            break
        if due_ms >= now_ms:
            found.append(due_ms)
        at = nominal
    return found


def first_ms(schedule: Schedule, from_ms: int) -> int | None:
    """The first nominal occurrence of a schedule that begins to hold at `from_ms`.

    A one-off instant in the past is its own first occurrence, and due at once.
    """
    if schedule.spec.at_ms is not None:
        return schedule.next_after(schedule.spec.at_ms - 1)
    return schedule.next_after(from_ms - 1)
