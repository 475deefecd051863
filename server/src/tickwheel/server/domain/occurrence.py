"""What is to happen when: the entries of the schedule, and what is told through the inbox."""

import enum

from tickwheel.server.domain.names import JobKey
from tickwheel.server.domain.value import value

#: In place of an entry's ordinal: as many as the job's former entry had.
KEEP_ORDINAL = -1


#: As in ScheduleEntry.place.
RowPlace = tuple[int, str, int, int, str, int]
#: Of which job, which version of it, and where the row is that came with it.
InboxNews = tuple[str, int, RowPlace | None]


class EntryKind(enum.IntEnum):
    """Why an entry is there. A job has at most one SCHEDULE entry; others are runs of their own."""

    SCHEDULE = 0
    MANUAL = 1
    RETRY = 2
    BACKFILL = 3


@value
class ScheduleEntry:
    """One row of `task_schedule`.

    A SCHEDULE entry stands for the first occurrence of its job that is not yet done; the later
    ones are computed from it.
    """

    segment: int
    #: Where it stands in the table: its due instant or, when that was past, when it was written.
    fire_ms: int
    user: str
    uid: str
    kind: EntryKind = EntryKind.SCHEDULE
    #: The job's generation when it was written.
    generation: int
    #: The occurrence's nominal instant.
    schedule_ms: int
    #: Nominal plus jitter (or the start of a retry's attempt).
    due_ms: int
    #: Occurrences of the job that came due before this one while it was active, for `maxRuns`.
    #: KEEP_ORDINAL where that is not known: an update keeps the count, and the owner derives it
    #: from the job's former versions once it has to know it.
    ordinal: int = 0
    #: The run's id; for SCHEDULE entries it follows from `schedule_ms` and is left empty.
    run_id: str = ""
    attempt: int = 1
    #: What differs from the job for this run, encoded by the scheduler; empty for SCHEDULE.
    detail: bytes = b""

    @property
    def key(self) -> JobKey:
        """The job it belongs to."""
        return JobKey(self.user, self.uid)

    @property
    def place(self) -> RowPlace:
        """Where it stands in its segment: entries of the same place are one row."""
        return (
            self.fire_ms,
            self.uid,
            int(self.kind),
            self.schedule_ms,
            self.run_id,
            self.generation,
        )


@value
class InboxEntry:
    """Tells a segment's owner to read a job again.

    Written for each change, and for each creation that is due so soon that the owner may already
    have read past its place in the schedule.
    """

    segment: int
    #: When it was written, by the writer's clock, Unix milliseconds.
    write_ms: int
    user: str
    uid: str
    #: The job's version after the change.
    version: int
    #: The schedule entry that was written with it, if one was.
    entry: ScheduleEntry | None = None

    @property
    def key(self) -> JobKey:
        """The job it is about."""
        return JobKey(self.user, self.uid)

    @property
    def news(self) -> InboxNews:
        """What it tells; a version may be told of again, with its row at another place."""
        return (self.uid, self.version, self.entry.place if self.entry is not None else None)
