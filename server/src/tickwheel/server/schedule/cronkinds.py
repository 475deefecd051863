"""What each of the six fields of a cron expression takes."""

from dataclasses import dataclass

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")


@dataclass(frozen=True, slots=True)
class FieldKind:
    """What one of the six fields takes."""

    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """How many values there are."""
        return self.high - self.low + 1

    @property
    def takes(self) -> str:
        """The range in words."""
        if self.names:
            top = "7" if self is WEEKDAY else str(self.high)
            return f"{self.low}-{top} or {self.names[0]}-{self.names[-1]}"
        return f"{self.low}-{self.high}"


SECOND = FieldKind("second", 0, 59)
MINUTE = FieldKind("minute", 0, 59)
HOUR = FieldKind("hour", 0, 23)
DAY = FieldKind("day-of-month", 1, 31)
MONTH = FieldKind("month", 1, 12, _MONTHS)
WEEKDAY = FieldKind("day-of-week", 0, 6, _WEEKDAYS)
