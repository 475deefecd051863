"""What is said to a caller whose schedule is refused."""

import enum


class ScheduleErrorReason(enum.Enum):
    """Why a schedule is refused, for programs; the text of the error is for people."""

    #: No form is set.
    SCHEDULE_MISSING = "SCHEDULE_MISSING"
    #: Two forms at once, or two settings that exclude each other.
    CONFLICTING_FIELDS = "CONFLICTING_FIELDS"
    #: Any field that is wrong and has no reason of its own.
    SCHEDULE_INVALID = "SCHEDULE_INVALID"
    #: The cron expression cannot be read.
    CRON_INVALID = "CRON_INVALID"
    #: The ISO 8601 repeating interval cannot be read.
    ISO8601_INVALID = "ISO8601_INVALID"
    #: The recurrence rule cannot be read.
    RRULE_INVALID = "RRULE_INVALID"
    #: No such zone in the time-zone database.
    TIME_ZONE_UNKNOWN = "TIME_ZONE_UNKNOWN"
    #: The schedule would repeat more often than once a second.
    PERIOD_TOO_SHORT = "PERIOD_TOO_SHORT"
    #: The jitter is not smaller than the smallest gap between two occurrences.
    JITTER_TOO_LARGE = "JITTER_TOO_LARGE"


class ScheduleError(ValueError):
    """A schedule that cannot be compiled.

    `field` is the lowerCamelCase path of what is wrong, relative to the schedule ("cron",
    "timeZone", "anyOf.schedules[1].cron"; "" is the schedule itself). The text says which part is
    wrong, why, and where it can be guessed what was meant.
    """

    def __init__(self, reason: ScheduleErrorReason, field: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.field = field
        self.message = message

    def inside(self, path: str) -> "ScheduleError":
        """The same error, seen from the schedule that contains this one at `path`."""
        field = f"{path}.{self.field}" if self.field else path
        return ScheduleError(self.reason, field, self.message)
