"""Instants and wall-clock times as text and as numbers.

A wall-clock time is kept as the seconds from 1970-01-01T00:00:00 to it on a clock without changes.
"""

import re
from dataclasses import dataclass
from datetime import date

DAY_S = 86_400
#: Nanoseconds in a second and in a millisecond.
NANOS = 1_000_000_000
MS_NANOS = 1_000_000
EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
#: Nothing is searched outside [1900-01-01, 9999-12-30): dates at either end would have no year.
EARLIEST_S = (date(1900, 1, 1).toordinal() - EPOCH_ORDINAL) * DAY_S
HORIZON_S = (date(9999, 12, 30).toordinal() - EPOCH_ORDINAL) * DAY_S
#: The year 10000 begins.
LAST_S = HORIZON_S + 2 * DAY_S

_EXTENDED = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[Tt](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?(Z|z|[+-]\d\d:?\d\d)?)?",
    re.ASCII,
)
_BASIC = re.compile(
    r"(\d{4})(\d\d)(\d\d)(?:[Tt](\d\d)(\d\d)(?:(\d\d)(?:[.,](\d{1,9}))?)?(Z|z|[+-]\d\d:?\d\d)?)?",
    re.ASCII,
)


def ceil_ms(seconds: int, nanos: int = 0) -> int:
    """Unix seconds and nanoseconds as milliseconds; what is finer than 1 ms is rounded up."""
    return seconds * 1000 - (-nanos // MS_NANOS)


def wall_s(year: int, month: int, day: int, seconds: int = 0) -> int:
    """A wall-clock time as seconds; `seconds` counts from midnight."""
    return (date(year, month, day).toordinal() - EPOCH_ORDINAL) * DAY_S + seconds


def day_of(day: int) -> date:
    """The date of a day number, counted from 1970-01-01."""
    return date.fromordinal(day + EPOCH_ORDINAL)


@dataclass(frozen=True, slots=True)
class Moment:
    """A date or date-time as written."""

    wall_s: int
    nanos: int
    #: Seconds east of UTC; None where the text names no offset.
    offset_s: int | None
    is_date: bool

    @property
    def instant_ms(self) -> int:
        """Unix milliseconds of a moment with an offset."""
        if self.offset_s is None:
            raise AssertionError("a moment without an offset needs a zone")
        return ceil_ms(self.wall_s - self.offset_s, self.nanos)


def parse_moment(text: str) -> Moment:
    """Reads an ISO 8601 calendar date or date-time, extended or basic.

    Raises:
        ValueError: says what is wrong with it.
    """
    match = _EXTENDED.fullmatch(text) or _BASIC.fullmatch(text)
    if match is None:
        raise ValueError(
            f"{shorten(text)} is neither a date such as 2026-11-23 nor a date-time such as "
            f"2026-11-23T12:00:00Z{_meant(text)}"
        )
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    if int(year) < 1900:
        raise ValueError(f"{shorten(text)}: the year must be from 1900 to 9999")
    try:
        midnight = wall_s(int(year), int(month), int(day))
    except ValueError as error:
        raise ValueError(f"{shorten(text)}: {_which_part(int(month), int(day))}") from error
    if midnight >= HORIZON_S - DAY_S:
        raise ValueError(f"{shorten(text)}: time ends with the year 9999 here")
    clock = [int(part or 0) for part in (hour, minute, second)]
    if clock[0] > 23 or clock[1] > 59 or clock[2] > 59:
        raise ValueError(f"{shorten(text)}: the time of day goes from 00:00:00 to 23:59:59")
    seconds = clock[0] * 3600 + clock[1] * 60 + clock[2]
    try:
        offset_s = _offset(zone)
    except ValueError as error:
        raise ValueError(f"{shorten(text)}: {error}") from error
    nanos = int((fraction or "").ljust(9, "0")) if fraction else 0
    return Moment(midnight + seconds, nanos, offset_s, hour is None)


_LOOSE = re.compile(
    r"(\d{4})[-/.](\d\d?)[-/.](\d\d?)"
    r"(?:[Tt ] *(\d\d?)(?::?(\d\d)(?::?(\d\d)(?:[.,]\d+)?)?)? *(Z|z|[+-]\d\d(?::?\d\d)?)?)?",
    re.ASCII,
)


def _meant(text: str) -> str:
    """What was probably meant by what is nearly a date or a date-time; empty for no idea."""
    match = _LOOSE.fullmatch(text.strip())
    if match is None:
        return ""
    year, month, day, hour, minute, second, zone = match.groups()
    guess = f"{year}-{int(month):02d}-{int(day):02d}"
    if hour:
        zone = f"{zone}:00" if zone and len(zone) == 3 else (zone or "").upper()
        guess += f"T{int(hour):02d}:{minute or '00'}:{second or '00'}{zone}"
    try:
        parse_moment(guess)
    except ValueError:
        return ""
    return f"; did you mean {guess}?"


def _offset(text: str | None) -> int | None:
    if text is None:
        return None
    if text in "Zz":
        return 0
    hours, minutes = int(text[1:3]), int(text[-2:])
    if hours > 18 or minutes > 59:
        raise ValueError(f"the offset {text} is not one that any clock shows")
    return (hours * 3600 + minutes * 60) * (-1 if text[0] == "-" else 1)


def _which_part(month: int, day: int) -> str:
    if not 1 <= month <= 12:
        return f"there is no month {month}"
    return f"the month has no day {day}"


def stray_character(text: str) -> str | None:
    """What is wrong with the first character that no schedule is written with; None if all is well.

    Python's upper() and split() would take some of them for letters and blanks.
    """
    for place, character in enumerate(text, 1):
        if not (" " <= character <= "~" or character in "\t\r\n"):
            return f"character {place} is {character!a}, which is not plain ASCII"
    return None


def shorten(text: str, limit: int = 60) -> str:
    """A user's text, quoted, for an error message; cut where it is long."""
    return repr(text if len(text) <= limit else text[: limit - 1] + "…")


def format_wall(seconds: int) -> str:
    """A wall-clock time as `2026-11-23 12:00`, with seconds where there are some."""
    day, rest = divmod(seconds, DAY_S)
    return f"{day_of(day).isoformat()} {format_clock(rest)}"


def format_clock(seconds: int) -> str:
    """Seconds from midnight as `12:00` or `12:00:30`."""
    text = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}"
    return f"{text}:{seconds % 60:02d}" if seconds % 60 else text


def format_instant(instant_ms: int) -> str:
    """An instant as RFC 3339 in UTC, with milliseconds where there are some."""
    seconds, rest = divmod(instant_ms, 1000)
    day, clock = divmod(seconds, DAY_S)
    fraction = f".{rest:03d}" if rest else ""
    hours, minutes = divmod(clock // 60, 60)
    return f"{day_of(day).isoformat()}T{hours:02d}:{minutes:02d}:{clock % 60:02d}{fraction}Z"


def format_duration(nanos: int) -> str:
    """A length of time, not negative, in words: `90 minutes`, `1 day`, `1.5 seconds`."""
    seconds, fraction = divmod(nanos, NANOS)
    if fraction:
        return f"{seconds}.{fraction:09d}".rstrip("0") + " seconds"
    for size, word in ((DAY_S, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size and seconds % size == 0:
            return _counted(seconds // size, word)
    return _counted(seconds, "second")


def _counted(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
