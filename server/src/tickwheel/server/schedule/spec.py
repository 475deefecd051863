"""A schedule as its user wrote it."""

import enum
from dataclasses import dataclass


class DstGap(enum.Enum):
    """What becomes of a wall-clock time that a change of the zone's offset leaves out."""

    #: It happens at the first instant after the gap.
    NEXT_VALID = "next_valid"
    #: It does not happen.
    SKIP = "skip"
    #: It happens at the instant it would have had under the offset before the change.
    SAME_OFFSET = "same_offset"


class DstOverlap(enum.Enum):
    """Which of the two instants of a repeated wall-clock time is meant."""

    FIRST = "first"
    SECOND = "second"
    BOTH = "both"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleSpec:
    """When something is to happen: at, cron, every, iso8601, rrule or any_of, exactly one.

    All instants are Unix milliseconds, UTC. Any that are finer are to be rounded up by whoever
    reads them from the wire (`tickwheel.server.schedule.ceil_ms`).
    """

    at_ms: int | None = None
    cron: str | None = None
    #: Nanoseconds, so that what is not whole milliseconds does not drift.
    every_ns: int | None = None
    iso8601: str | None = None
    rrule: str | None = None
    any_of: "tuple[ScheduleSpec, ...] | None" = None
    #: IANA name. Empty: that of the schedule this one is part of (any_of), UTC at the top.
    time_zone: str = ""
    #: No occurrence before it.
    start_ms: int | None = None
    #: No occurrence at it or after it.
    end_ms: int | None = None
    #: 0 is without limit. Counted by the caller: only it knows what came due.
    max_runs: int = 0
    #: Greatest delay of an occurrence; smaller than the smallest gap between two of them.
    jitter_ms: int = 0
    #: Dates (`2026-12-25`, in `time_zone`) or instants (`2026-12-25T12:00:00Z`) left out.
    excludes: tuple[str, ...] = ()
    #: What every, an rrule without DTSTART and an iso8601 without start or end are counted from.
    anchor_ms: int | None = None
    #: None: that of the schedule this one is part of (any_of), NEXT_VALID and FIRST at the top.
    dst_gap: DstGap | None = None
    dst_overlap: DstOverlap | None = None
