"""Whether a row of the schedule stands for something. Pure."""

from tickwheel.server.domain.course import Era, first_of
from tickwheel.server.domain.occurrence import ScheduleEntry
from tickwheel.server.schedule import Schedule
from tickwheel.server.scheduler.rederiving import depends_on_zone


def stands_for(entry: ScheduleEntry, era: Era, schedule: Schedule) -> bool:
    """Whether a row is of an era; not that of a change that was tried and never came to be.

    A client that does not hear of its change tries again: the rows of both attempts are of the
    same generation. By other time-zone data a row may stand where this schedule has nothing.
    """
    if entry.due_ms > era.until_ms:
        return False
    if depends_on_zone(era.job.spec.schedule):
        return entry.schedule_ms >= era.job.schedule_from_ms
    first = first_of(era.job, schedule)
    is_begun = first is not None and entry.schedule_ms >= first
    return is_begun and schedule.occurs_at(entry.schedule_ms)
