"""Reading compiled time-zone files (TZif, RFC 9636) and the rule in their footer (POSIX TZ)."""

import re
import struct
from dataclasses import dataclass
from datetime import date

from tickwheel.server.schedule.instants import DAY_S, EPOCH_ORDINAL

_HEADER = struct.Struct(">4sc15x6l")


@dataclass(frozen=True, slots=True)
class YearDay:
    """One of the two days in a year on which a rule changes the offset, and the time on it."""

    #: "M" month.week.weekday, "J" 1-365 without 29 February, "" 0-365 with it.
    kind: str
    numbers: tuple[int, ...]
    #: Wall-clock seconds from that day's midnight; may be negative or more than a day.
    time_s: int

    def wall_s(self, year: int) -> int:
        """The wall-clock moment in a year, as seconds."""
        january = date(year, 1, 1).toordinal()
        if self.kind == "M":
            month, week, weekday = self.numbers
            first = date(year, month, 1).toordinal()
            following = date(year, month + 1, 1).toordinal() if month < 12 else _january(year + 1)
            # date.toordinal() % 7 is 0 on Sundays, as weekday is.
            day = first + (weekday - first) % 7 + (week - 1) * 7
            while day >= following:
                day -= 7
        elif self.kind == "J":
            number = self.numbers[0]
            leap = _january(year + 1) - january == 366
            day = january + number - 1 + (1 if leap and number > 59 else 0)
        else:
            day = january + self.numbers[0]
        return (day - EPOCH_ORDINAL) * DAY_S + self.time_s


@dataclass(frozen=True, slots=True)
class YearRule:
    """Daylight saving that repeats every year. Offsets are seconds east of UTC."""

    standard_s: int
    daylight_s: int
    begins: YearDay
    ends: YearDay

    def changes(self, year: int) -> tuple[tuple[int, int], ...]:
        """The year's (instant in Unix seconds, offset from then on), in order."""
        begin = (self.begins.wall_s(year) - self.standard_s, self.daylight_s)
        end = (self.ends.wall_s(year) - self.daylight_s, self.standard_s)
        return (begin, end) if begin < end else (end, begin)


@dataclass(frozen=True, slots=True)
class ZoneData:
    """What a file says."""

    #: The offset before the first change.
    first_offset_s: int
    #: (Instant in Unix seconds, offset from then on), in order.
    changes: tuple[tuple[int, int], ...]
    #: What holds after the last of them, where the offset goes on changing.
    rule: YearRule | None


def read_tzif(raw: bytes) -> ZoneData:
    """Reads a TZif file of version 2 or later.

    Raises:
        ValueError: it is not such a file.
    """
    # A first block with instants of 32 bits is there for old readers; the second has 64.
    _, first_end = _block(raw, 0, 4)
    (_, _, _, time_n, type_n, _), end = _block(raw, first_end, 8)
    times_at = first_end + _HEADER.size
    instants = struct.unpack_from(f">{time_n}q", raw, times_at)
    kinds = raw[times_at + time_n * 8 : times_at + time_n * 9]
    types_at = times_at + time_n * 9
    offsets = [
        int(struct.unpack_from(">l", raw, types_at + index * 6)[0]) for index in range(type_n)
    ]
    footer = raw[end:].strip(b"\n").decode("ascii")
    return ZoneData(
        offsets[0],
        tuple((instant, offsets[kind]) for instant, kind in zip(instants, kinds, strict=True)),
        read_posix_rule(footer),
    )


def _block(raw: bytes, start: int, size: int) -> tuple[tuple[int, ...], int]:
    """The six counts in the header at `start`, and where the block ends."""
    magic, version, *counts = _HEADER.unpack_from(raw, start)
    if magic != b"TZif" or version < b"2":
        raise ValueError("not a TZif file of version 2 or later")
    utc_n, std_n, leap_n, time_n, type_n, char_n = counts
    length = time_n * (size + 1) + type_n * 6 + char_n + leap_n * (size + 4) + std_n + utc_n
    return tuple(counts), start + _HEADER.size + length


_NAME = r"(?:[A-Za-z]{3,}|<[A-Za-z0-9+-]+>)"
_TIME = r"[+-]?\d{1,3}(?::\d{2}(?::\d{2})?)?"
_POSIX = re.compile(
    rf"{_NAME}({_TIME})(?:{_NAME}({_TIME})?,([^,/]+)(?:/({_TIME}))?,([^,/]+)(?:/({_TIME}))?)?"
)


def read_posix_rule(text: str) -> YearRule | None:
    """Reads a POSIX TZ string with the extensions of RFC 9636; None where nothing changes.

    Raises:
        ValueError: it cannot be read.
    """
    if not text:
        return None
    match = _POSIX.fullmatch(text)
    if match is None:
        raise ValueError(f"cannot read the time-zone rule {text!r}")
    standard, daylight, begins, begin_time, ends, end_time = match.groups()
    if begins is None:
        return None
    # POSIX counts offsets westward.
    standard_s = -_seconds(standard)
    daylight_s = -_seconds(daylight) if daylight else standard_s + 3600
    return YearRule(
        standard_s,
        daylight_s,
        _year_day(begins, begin_time),
        _year_day(ends, end_time),
    )


def _year_day(text: str, time: str | None) -> YearDay:
    kind = text[0] if text[0] in "MJ" else ""
    numbers = tuple(int(part) for part in text.removeprefix(kind).split("."))
    return YearDay(kind, numbers, _seconds(time) if time else 2 * 3600)


def _seconds(text: str) -> int:
    hours, minutes, seconds = (*text.lstrip("+-").split(":"), "0", "0")[:3]
    total = int(hours) * 3600 + int(minutes) * 60 + int(seconds)
    return -total if text.startswith("-") else total


def _january(year: int) -> int:
    return date(year, 1, 1).toordinal()
