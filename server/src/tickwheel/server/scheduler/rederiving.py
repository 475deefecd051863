"""What new time-zone data change of what is already written. Pure.

A row of the schedule holds an occurrence as the data of its day had it; under other data its job
may be due earlier or later. The data hold from one instant on, as a changed schedule does: what
came due before that stays as it was, and nothing is brought back from before it.
"""

from collections.abc import Sequence

from tickwheel.server.domain.job import Job
from tickwheel.server.domain.occurrence import ScheduleEntry
from tickwheel.server.schedule import Schedule
from tickwheel.v1 import schedule_pb2

_NO_ZONE = ("", "UTC")
#: By so much two releases of the data differ at most, but for a zone that changes its date.
DIFFERENCE_MS = 3 * 3_600_000


def depends_on_zone(message: schedule_pb2.Schedule) -> bool:
    """Whether new time-zone data can change when the schedule's occurrences are."""
    form = message.WhichOneof("form")
    if form == "at" and not message.excludes:
        return False
    if message.time_zone not in _NO_ZONE:
        return True
    if form == "rrule":
        return "TZID" in message.rrule.upper()
    return form == "any_of" and any(map(depends_on_zone, message.any_of.schedules))


def first_due_after(job: Job, schedule: Schedule, since_ms: int) -> int | None:
    """The job's first occurrence (nominal) that is due after an instant; None: there is none."""
    at_ms = max(job.schedule_from_ms, since_ms - schedule.spec.jitter_ms) - 1
    while (nominal_ms := schedule.next_after(at_ms)) is not None:
        if schedule.due(nominal_ms, salt=job.uid) > since_ms:
            return nominal_ms
        at_ms = nominal_ms
    return None


def rightly_at(job: Job, schedule: Schedule, at_ms: int) -> int:
    """Where a row has to stand that says `at_ms`, and may be written by who has other data.

    While a cluster gets new data by and by, an api may still write rows by the former ones after
    their segment was gone through. Where the occurrence is a little later by the data here, it is
    that: never early, and not both. Where it would be earlier it stays, a little late: nothing is
    lost.
    """
    if not depends_on_zone(job.spec.schedule) or schedule.occurs_at(at_ms):
        return at_ms
    near = schedule.next_after(at_ms - DIFFERENCE_MS - 1)
    return near if near is not None and at_ms < near <= at_ms + DIFFERENCE_MS else at_ms


def are_next(
    job: Job, schedule: Schedule, since_ms: int, ahead: Sequence[int], then_ms: int | None
) -> bool:
    """Whether the occurrences due after `since_ms` are `ahead`, and then `then_ms` (or none)."""
    expected = first_due_after(job, schedule, since_ms)
    for nominal_ms in ahead:
        if nominal_ms != expected:
            return False
        expected = schedule.next_after(nominal_ms)
    return expected == then_ms


class Rederivation:
    """Goes on in a segment from the arrival of new data until each of its rows was looked at."""

    def __init__(self, since_ms: int) -> None:
        #: From here on the new data hold.
        self.since_ms = since_ms
        #: By uid jobs whose rows this owner has looked at or written since.
        self._seen: set[str] = set()

    def has_seen(self, uid: str) -> bool:
        """Whether the job's row is known to be right."""
        return uid in self._seen

    def see(self, uid: str) -> None:
        """The job's row is right from now on."""
        self._seen.add(uid)

    def first_ms(self, job: Job, entry: ScheduleEntry, schedule: Schedule) -> int | None:
        """The occurrence that a job's row has to stand for; None: its schedule has ended.

        Args:
            job: the job.
            entry: its row as it is.
            schedule: the job's, compiled with the new data.
        """
        came_due = entry.due_ms <= self.since_ms
        if came_due or self.has_seen(job.uid) or not depends_on_zone(job.spec.schedule):
            return entry.schedule_ms
        return first_due_after(job, schedule, self.since_ms)
