"""How many occurrences of a job count towards its `maxRuns` so far."""

from tickwheel.server.api.next_runs import first_ms
from tickwheel.server.convert.schedule import schedule_of
from tickwheel.server.domain.job import Job, JobState
from tickwheel.server.domain.occurrence import EntryKind
from tickwheel.server.store.port import ScheduleStore


async def occurrences_done(
    schedule: ScheduleStore, job: Job, now_ms: int, *, margin_ms: int = 0
) -> int | None:
    """The ordinal of a job's schedule entry, read at the place where it has to be.

    None where it is not there: the owner is at work on the job just now, and knows it; or the job
    has no bound on its runs, or nothing to come; or what is to come is due within `margin_ms`.
    """
    if not job.spec.schedule.max_runs or job.state is JobState.COMPLETED:
        return None
    compiled = schedule_of(job)
    nominal = first_ms(compiled, max(now_ms, job.schedule_from_ms))
    if nominal is None:
        return None
    due_ms = compiled.due(nominal, salt=job.uid)
    if due_ms < now_ms + margin_ms:
        return None
    for entry in await schedule.read_due([job.segment], due_ms, due_ms + 1):
        if (
            entry.uid == job.uid
            and entry.kind is EntryKind.SCHEDULE
            and entry.generation == job.generation
            and entry.ordinal >= 0
        ):
            return entry.ordinal
    return None
