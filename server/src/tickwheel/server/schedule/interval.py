"""ISO 8601 repeating intervals: reading them, and their occurrences.

Calendar units go by the wall clock and are counted from the start, never from the occurrence
before, so that nothing drifts: 31 January and a month is 28 February, and two months 31 March.
"""

import re
from dataclasses import dataclass, replace
from typing import NoReturn

from tickwheel.server.schedule.calendar import january, month_start
from tickwheel.server.schedule.errors import ScheduleError, ScheduleErrorReason
from tickwheel.server.schedule.instants import (
    DAY_S,
    EARLIEST_S,
    HORIZON_S,
    Moment,
    day_of,
    parse_moment,
    shorten,
    stray_character,
)
from tickwheel.server.schedule.series import Series
from tickwheel.server.schedule.wallclock import WallClock

_LONGEST = 256
_NANOS = 1_000_000_000
_MONTH_DAYS = 146_097 / 4800
#: No count of months differs by more from that many average months.
_SLACK_S = 4 * DAY_S


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

    def smallest_s(self) -> int:
        """It is never shorter, in seconds on a clock without changes."""
        return (self.months * 28 + self.days) * DAY_S + self.nanos // _NANOS

    def average_s(self) -> float:
        """Its usual length in seconds."""
        return (self.months * _MONTH_DAYS + self.days) * DAY_S + self.nanos / _NANOS


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
    nanos = _forward(between_s * _NANOS + end.nanos - start.nanos, parts)
    return RepeatingInterval(count, _long_enough(Period(nanos=nanos), text), start, second=end)


def _forward(length: int, parts: list[str]) -> int:
    if length <= 0:
        _refuse(f"the end {shorten(parts[1])} is not after the start {shorten(parts[0])}")
    return length


def _bad_head(head: str, text: str) -> str:
    if not text.strip(" "):
        return "the interval is empty; it is written such as R5/2026-11-23T12:00:00Z/PT1H"
    if re.match(r"[Pp]", head) or re.match(r"[0-9]{4}", head):
        return f"{shorten(text)} does not repeat; put R/ before it, or R5/ for five times"
    if re.fullmatch(r"[Rr]-[0-9]+", head):
        return f"{shorten(head)}: without end is written R"
    return f"{shorten(head)} is not R or R and a number, with which a repeating interval begins"


def _moment(text: str, which: str) -> Moment:
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
            unit = size * _NANOS
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
    return period


def _bad_period(text: str, upper: str) -> str:
    what = f"{shorten(text)} is not a period"
    if re.search(r"\d[HS]", upper) and "T" not in upper:
        return f"{what}; hours, minutes and seconds stand after a T, such as PT1H"
    if re.search(r"\d[.,]\d+[YMWD]", upper.partition("T")[0]):
        return f"{what}; years, months, weeks and days have no fractions: half a day is PT12H"
    if re.match(r"P\d{4}-?\d\d", upper):
        return f"{what}; it is not written like a date, but as P3Y6M4DT12H30M5S"
    if "-" in upper:
        return f"{what}; it cannot be negative"
    return f"{what}; it is written P1Y2M3W4DT5H6M7S, in this order and without what is 0"


def interval_series(interval: RepeatingInterval, clock: WallClock, anchor_ms: int) -> Series:
    """The occurrences; `anchor_ms` is the start where the interval names neither start nor end."""
    if interval.end is not None:
        base, sign = interval.end, -1
    else:
        base, sign = interval.start, 1
    if base is None:
        base_ns, fixed = anchor_ms * 1_000_000, True
    else:
        fixed = base.offset_s is not None
        offset_instant = (
            base.wall_s - base.offset_s if base.offset_s is not None else clock.instant(base.wall_s)
        )
        base_ns = offset_instant * _NANOS + base.nanos
    if interval.second is not None and not fixed:
        wall_s, nanos = interval.second.wall_s, interval.second.nanos
        length_ns = clock.instant(wall_s) * _NANOS + nanos - base_ns
        if length_ns < _NANOS:
            # Both in the same gap. What was accepted must not depend on the zone's data.
            length_ns = interval.period.nanos
        return ExactSteps(base_ns, length_ns, interval.count)
    if interval.period.is_exact:
        return ExactSteps(base_ns, sign * interval.period.nanos, interval.count)
    base_ms = -(-base_ns // 1_000_000)
    base_wall = clock.zone.wall_s(base_ms // 1000) if fixed or base is None else base.wall_s
    return CalendarSteps(clock, interval.period, sign, interval.count, base_ms, base_wall, fixed)


@dataclass(frozen=True, slots=True)
class ExactSteps:
    """Elapsed time from a base: base + k x step, for k from 0 to count - 1."""

    base_ns: int
    #: Negative: backwards from the base.
    step_ns: int
    count: int | None

    def next_after(self, after_ms: int) -> int | None:
        """The first strictly after `after_ms`; each is rounded up to whole milliseconds."""
        ahead = after_ms * 1_000_000 - self.base_ns
        last = None if self.count is None else self.count - 1
        if self.step_ns > 0:
            step = max(0, ahead // self.step_ns + 1)
            if last is not None and step > last:
                return None
        else:
            # The greatest k that is still after it.
            step = -(ahead // -self.step_ns) - 1
            if step < 0:
                return None
            step = step if last is None else min(step, last)
        return -(-(self.base_ns + step * self.step_ns) // 1_000_000)

    def smallest_gap_ms(self) -> int | None:
        """The step."""
        return None if self.count == 1 else abs(self.step_ns) // 1_000_000


@dataclass(frozen=True, slots=True)
class CalendarSteps:
    """Months and days by the wall clock from a base, and exact time on top of them.

    A step that a skipped gap swallows counts, and one that an overlap doubles counts once.
    """

    clock: WallClock
    period: Period
    #: -1: backwards from the base.
    sign: int
    count: int | None
    base_ms: int
    base_wall_s: int
    #: The base is an instant, so that step 0 needs no reading of the wall clock.
    fixed: bool

    def next_after(self, after_ms: int) -> int | None:
        """The first strictly after `after_ms`."""
        fraction_ms = self.base_ms % 1000
        after_ms = max(after_ms, self.base_ms - 1 if self.sign > 0 else EARLIEST_S * 1000)
        if not self.period.nanos:
            found_s = self.clock.next_after(self, (after_ms - fraction_ms) // 1000)
            found = None if found_s is None else found_s * 1000 + fraction_ms
        else:
            found = self._search(after_ms)
        if self.fixed and self.base_ms > after_ms and (found is None or found > self.base_ms):
            return self.base_ms
        return found

    def at_or_after(self, wall_s: int, offset_s: int) -> int | None:
        """As WallTimes, for calendar units alone: the first step not before `wall_s`."""
        if self.sign > 0:
            step = max(self._first, self._guess(wall_s - self.base_wall_s - _SLACK_S))
            while self._has(step):
                wall = self._wall(step)
                if wall is None:
                    return None
                if wall >= wall_s:
                    return wall
                step += 1
            return None
        step = self._guess(self.base_wall_s - wall_s + _SLACK_S) + 1
        step = step if self.count is None else min(step, self.count - 1)
        while step >= self._first:
            wall = self._wall(step)
            if wall is not None and wall >= wall_s:
                return wall
            step -= 1
        return None

    def smallest_gap_ms(self) -> int | None:
        """The shortest that the period can be."""
        return None if self.count == 1 else self.smallest_gap_s() * 1000

    def smallest_gap_s(self) -> int:
        """As WallTimes."""
        return self.period.smallest_s()

    @property
    def _first(self) -> int:
        return 1 if self.fixed else 0

    def _has(self, step: int) -> bool:
        return self.count is None or step < self.count

    def _guess(self, distance_s: int) -> int:
        return int(distance_s // self.period.average_s())

    def _wall(self, step: int) -> int | None:
        """The calendar part of a step; None where it leaves the calendar."""
        day, clock = divmod(self.base_wall_s, DAY_S)
        months = self.sign * step * self.period.months
        if months:
            date = day_of(day)
            year, month = divmod(date.year * 12 + date.month - 1 + months, 12)
            if not 1 <= year <= 9999:
                return None
            begin = month_start(year, month + 1)
            length = month_start(year, month + 2) - begin
            day = january(year) + begin + min(date.day, length) - 1
        wall = (day + self.sign * step * self.period.days) * DAY_S + clock
        return wall if wall < HORIZON_S else None

    def _search(self, after_ms: int) -> int | None:
        """The next occurrence of a period that has both calendar units and exact time.

        Steps are looked at one by one around where the next must be: their order is that of the
        wall clock, which the zone can disturb by a day at the most.
        """
        best: int | None = None
        away = self.sign * (after_ms - self.base_ms) // 1000
        step = max(self._first, self._guess(away - _SLACK_S if self.sign > 0 else away + _SLACK_S))
        if self.sign < 0:
            step = step + 1 if self.count is None else min(step + 1, self.count - 1)
        while step >= self._first and self._has(step):
            wall = self._wall(step)
            if wall is None:
                if self.sign > 0:
                    break
                step += self.sign
                continue
            exact_ns = self.sign * step * self.period.nanos
            if best is not None and wall * 1000 + exact_ns // 1_000_000 - DAY_S * 1000 > best:
                break
            for instant in self.clock.instants(wall):
                base_ns = instant * _NANOS + self.base_ms % 1000 * 1_000_000
                found = -(-(base_ns + exact_ns) // 1_000_000)
                if found > after_ms and (best is None or found < best):
                    best = found
            step += self.sign
        return best
