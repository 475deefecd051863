"""Reading ISO 8601 repeating intervals."""

import re
from dataclasses import dataclass, replace
from typing import NoReturn

from tickwheel.server.schedule.errors import ScheduleError, ScheduleErrorReason
from tickwheel.server.schedule.instants import (
    DAY_S,
    NANOS,
    Moment,
    parse_moment,
    shorten,
    stray_character,
)
from tickwheel.server.schedule.otherforms import other_form

_LONGEST = 256
_MONTH_DAYS = 146_097 / 4800
_LONGEST_PERIOD_S = 10_000 * 12 * _MONTH_DAYS * DAY_S


@dataclass(frozen=True, slots=True)
class Period:
    """A duration as written: calendar units and exact time apart."""

    months: int = 0
    days: int = 0
    nanos: int = 0

    @property
    def is_exact(self) -> bool:
        """It has no calendar units."""
        return not (self.months or self.days)

    @property
    def calendar_part(self) -> "Period":
        """The calendar units alone."""
        return replace(self, nanos=0) if self.nanos else self

    def smallest_s(self) -> int:
        """It is never shorter, in seconds on a clock without changes."""
        return (self.months * 28 + self.days) * DAY_S + self.nanos // NANOS

    def average_s(self) -> float:
        """Its usual length in seconds."""
        return (self.months * _MONTH_DAYS + self.days) * DAY_S + self.nanos / NANOS


@dataclass(frozen=True, slots=True)
class RepeatingInterval:
    """What is written: how often, how far apart, and from when or until when."""

    #: Occurrences in all; None is without end.
    count: int | None
    period: Period
    start: Moment | None
    #: Set where the interval is given by its period and end; occurrences are counted back from it.
    end: Moment | None = None
    #: Set where the interval is given by its start and end, which is where the second one starts.
    #: `period` is then the distance on a clock without changes.
    second: Moment | None = None


def _refuse(message: str) -> NoReturn:
    raise ScheduleError(ScheduleErrorReason.ISO8601_INVALID, "iso8601", message)


def parse_interval(text: str) -> RepeatingInterval:
    """Reads `Rn/start/period`, `Rn/start/end`, `Rn/period/end` or `Rn/period`; n may be left out.

    Raises:
        ScheduleError: ISO8601_INVALID or PERIOD_TOO_SHORT on "iso8601".
    """
    if len(text) > _LONGEST:
        _refuse(f"the interval has {len(text)} characters; {_LONGEST} are the most")
    stray = stray_character(text)
    if stray:
        _refuse(stray)
    head, *parts = text.strip(" ").split("/")
    match = re.fullmatch(r"[Rr]([0-9]{0,9})", head)
    if match is None:
        _refuse(_bad_head(head, text))
    count = int(match[1]) if match[1] else None
    if count == 0:
        _refuse("R0 never happens; R1 is once, R without a number goes on without end")
    periods = [part[:1] in ("P", "p") for part in parts]
    if periods == [True]:
        return RepeatingInterval(count, _period(parts[0]), None)
    if len(parts) != 2 or periods == [True, True]:
        _refuse(
            f"{shorten(text)} is not a repeating interval; it is written R5/start/period, "
            "R5/start/end or R5/period/end, such as R5/2026-11-23T12:00:00Z/PT1H"
        )
    if periods[0]:
        return RepeatingInterval(count, _period(parts[0]), None, _moment(parts[1], "end"))
    start = _moment(parts[0], "start")
    if periods[1]:
        return RepeatingInterval(count, _period(parts[1]), start)
    end = _moment(parts[1], "end")
    if end.offset_s is None:
        # What the end leaves out it shares with the start (ISO 8601-1, 5.5.2.2).
        end = replace(end, offset_s=start.offset_s)
    elif start.offset_s is None:
        _refuse(f"the end has an offset from UTC and the start {shorten(parts[0])} has none")
    if start.is_date and end.is_date:
        days = (end.wall_s - start.wall_s) // DAY_S
        return RepeatingInterval(count, Period(days=_forward(days, parts)), start)
    between_s = (end.wall_s - (end.offset_s or 0)) - (start.wall_s - (start.offset_s or 0))
    nanos = _forward(between_s * NANOS + end.nanos - start.nanos, parts)
    return RepeatingInterval(count, _long_enough(Period(nanos=nanos), text), start, second=end)


def _forward(length: int, parts: list[str]) -> int:
    if length <= 0:
        _refuse(f"the end {shorten(parts[1])} is not after the start {shorten(parts[0])}")
    return length


def _bad_head(head: str, text: str) -> str:
    if not text.strip(" "):
        return "the interval is empty; it is written such as R5/2026-11-23T12:00:00Z/PT1H"
    other = other_form(text, "iso8601")
    if other is not None:
        return f"{shorten(text)} is not a repeating interval: {other}"
    if re.match(r"[Pp]", head) or re.match(r"[0-9]{4}", head):
        return f"{shorten(text)} does not repeat; put R/ before it, or R5/ for five times"
    if re.match(r"[Rr][0-9]*--", text):
        return f"{shorten(text)}: the parts of an interval stand between '/', not '--'"
    if "/" not in text:
        return f"{shorten(text)}: the parts of an interval stand between '/'"
    if re.fullmatch(r"[Rr]-[0-9]+", head):
        return f"{shorten(head)}: without end is written R"
    return f"{shorten(head)} is not R or R and a number, with which a repeating interval begins"


def _moment(text: str, which: str) -> Moment:
    if re.match(r"[+-]P", text, re.IGNORECASE):
        _refuse(f"the period {shorten(text)} has a sign; there is time in one direction only")
    if re.fullmatch(r"(?:[0-9.]+[YMWDHS])+", text, re.IGNORECASE):
        short = "PT" if re.search(r"[HS]", text.upper()) else "P"
        _refuse(f"{shorten(text)} is not a period; did you mean {short}{text.upper()}?")
    if not text:
        _refuse(f"the {which} is missing: nothing stands between two '/', or after the last")
    if (
        which == "end"
        and re.match(r"\d\d:?\d\d|\d\dT", text)
        and not re.match(r"\d{8}|\d{4}-", text)
    ):
        _refuse(f"the end {shorten(text)} is shortened; it is written in full, like the start")
    try:
        return parse_moment(text)
    except ValueError as error:
        _refuse(f"the {which} {error}")


_PERIOD = re.compile(
    r"P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?"
    r"(T(?:(\d+(?:[.,]\d+)?)H)?(?:(\d+(?:[.,]\d+)?)M)?(?:(\d+(?:[.,]\d+)?)S)?)?",
    re.ASCII,
)


def _period(text: str) -> Period:
    upper = text.upper()
    match = _PERIOD.fullmatch(upper)
    if match is None or upper in ("P", "PT") or upper.endswith("T"):
        _refuse(_bad_period(text, upper))
    years, months, weeks, days, _, *times = match.groups()
    if any(len(number) > 12 for number in match.groups("") if number[:1] != "T"):
        _refuse(f"the period {shorten(text)} has a number of more than 12 digits")
    given = [time for time in times if time]
    if any(re.search(r"[.,]", time) for time in given[:-1]):
        _refuse(f"the period {shorten(text)}: only its last number may have a fraction")
    nanos = 0
    for size, time in zip((3600, 60, 1), times, strict=True):
        if time:
            whole, _, fraction = time.replace(",", ".").partition(".")
            unit = size * NANOS
            nanos += int(whole) * unit
            # Upwards, as everything that is finer than we count.
            nanos += -(-int(fraction or 0) * unit // 10 ** len(fraction))
    period = Period(
        int(years or 0) * 12 + int(months or 0), int(weeks or 0) * 7 + int(days or 0), nanos
    )
    return _long_enough(period, text)


def _long_enough(period: Period, text: str) -> Period:
    if period.smallest_s() < 1:
        raise ScheduleError(
            ScheduleErrorReason.PERIOD_TOO_SHORT,
            "iso8601",
            f"{shorten(text)}: the smallest period is 1 second",
        )
    if period.average_s() > _LONGEST_PERIOD_S:
        _refuse(f"{shorten(text)} is longer than 10,000 years, after which there are no dates")
    return period


def _bad_period(text: str, upper: str) -> str:
    what = f"{shorten(text)} is not a period"
    if re.search(r"\d[HS]", upper) and "T" not in upper:
        return f"{what}; hours, minutes and seconds stand after a T, such as PT1H"
    if re.search(r"T.*\d[YWD]", upper):
        return f"{what}; years, weeks and days stand before the T, such as P1DT12H"
    if re.search(r"\d[.,]\d+[YMWD]", upper.partition("T")[0]):
        return f"{what}; years, months, weeks and days have no fractions: half a day is PT12H"
    if re.match(r"P\d{4}-?\d\d", upper):
        return f"{what}; it is not written like a date, but as P3Y6M4DT12H30M5S"
    if "-" in upper:
        return f"{what}; it cannot be negative"
    return f"{what}; it is written P1Y2M3W4DT5H6M7S, in this order and without what is 0"
