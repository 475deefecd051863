"""The occurrences of ISO 8601 repeating intervals.

Calendar units go by the wall clock and are counted from the start, never from the occurrence
before, so that nothing drifts: 31 January and a month is 28 February, and two months 31 March.
"""

from dataclasses import dataclass

from tickwheel.server.schedule.calendar import january, month_bounds
from tickwheel.server.schedule.instants import (
    DAY_S,
    EARLIEST_S,
    HORIZON_S,
    MS_NANOS,
    NANOS,
    ceil_ms,
    day_of,
)
from tickwheel.server.schedule.interval import Period, RepeatingInterval
from tickwheel.server.schedule.series import Series
from tickwheel.server.schedule.wallclock import WallClock

#: No zone moves a wall-clock time by more.
_ZONE_SLACK_S = 26 * 3600
#: No count of months, cut to the ends of months, differs by more from that many average months.
_MONTH_SLACK_S = 7 * DAY_S


def interval_series(interval: RepeatingInterval, clock: WallClock, anchor_ms: int) -> Series:
    """The occurrences; `anchor_ms` is the start where the interval names neither start nor end."""
    if interval.end is not None:
        base, sign = interval.end, -1
    else:
        base, sign = interval.start, 1
    if base is None:
        base_ns, fixed = anchor_ms * MS_NANOS, True
    else:
        fixed = base.offset_s is not None
        offset_instant = (
            base.wall_s - base.offset_s if base.offset_s is not None else clock.instant(base.wall_s)
        )
        base_ns = offset_instant * NANOS + base.nanos
    if interval.second is not None and not fixed:
        wall_s, nanos = interval.second.wall_s, interval.second.nanos
        length_ns = clock.instant(wall_s) * NANOS + nanos - base_ns
        if length_ns < NANOS:
            # Both in the same gap. What was accepted must not depend on the zone's data.
            length_ns = interval.period.nanos
        return ExactSteps(base_ns, length_ns, interval.count)
    if interval.period.is_exact:
        return ExactSteps(base_ns, sign * interval.period.nanos, interval.count)
    base_ms = -(-base_ns // MS_NANOS)
    if base is None or fixed:
        base_wall = clock.zone.wall_s(base_ms // 1000)
    else:
        # Rounded up on the clock: in a gap the instant moves, and the fraction does not with it.
        base_wall, fraction_ms = divmod(ceil_ms(base.wall_s, base.nanos), 1000)
        base_ms = clock.instant(base_wall) * 1000 + fraction_ms
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
        ahead = after_ms * MS_NANOS - self.base_ns
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
        return -(-(self.base_ns + step * self.step_ns) // MS_NANOS)

    def smallest_gap_ms(self) -> int | None:
        """The step."""
        return None if self.count == 1 else abs(self.step_ns) // MS_NANOS


class CalendarSteps:
    """Months and days by the wall clock from a base, and exact time on top of them. Immutable.

    A step that a skipped gap swallows counts, and one that an overlap doubles counts once.
    """

    __slots__ = (
        "_base_day",
        "_base_month",
        "_base_ms",
        "_base_wall_s",
        "_clock_s",
        "_count",
        "_first",
        "_period",
        "_sign",
        "clock",
    )

    def __init__(
        self,
        clock: WallClock,
        period: Period,
        sign: int,
        count: int | None,
        base_ms: int,
        base_wall_s: int,
        fixed: bool,
    ) -> None:
        """`sign` is -1 for steps backwards from the base.

        `fixed` is a base that is an instant, so that step 0 needs no reading of the wall clock.
        """
        self.clock = clock
        self._period = period
        self._sign = sign
        self._count = count
        self._base_ms = base_ms
        self._base_wall_s = base_wall_s
        day, self._clock_s = divmod(base_wall_s, DAY_S)
        self._base_month = _month_of(day)
        self._base_day = day_of(day).day
        #: The first step that is found by the wall clock.
        self._first = 1 if fixed else 0

    def next_after(self, after_ms: int) -> int | None:
        """The first strictly after `after_ms`."""
        base_ms = self._base_ms
        after_ms = max(after_ms, base_ms - 1 if self._sign > 0 else EARLIEST_S * 1000)
        if self._period.nanos:
            found = self._search(after_ms)
        else:
            fraction_ms = base_ms % 1000
            found = self.clock.next_after(self, (after_ms - fraction_ms) // 1000)
            found = None if found is None else found * 1000 + fraction_ms
        if self._first and base_ms > after_ms and (found is None or found > base_ms):
            return base_ms
        return found

    def at_or_after(self, wall_s: int, offset_s: int) -> int | None:
        """As WallTimes, for calendar units alone: the first step not before `wall_s`."""
        step = self._about(wall_s, self._period.calendar_part)
        if self._sign > 0:
            step = max(self._first, step)
            while self._has(step):
                wall = self._wall(step)
                if wall is None or wall >= wall_s:
                    return wall
                step += 1
            return None
        step = step if self._count is None else min(step, self._count - 1)
        while step >= self._first:
            wall = self._wall(step)
            if wall is not None and wall >= wall_s:
                return wall
            step -= 1
        return None

    def smallest_gap_ms(self) -> int | None:
        """The shortest that the period can be."""
        return None if self._count == 1 else self.smallest_gap_s() * 1000

    def smallest_gap_s(self) -> int:
        """As WallTimes."""
        return self._period.smallest_s()

    def _has(self, step: int) -> bool:
        return self._count is None or step < self._count

    def _about(self, wall_s: int, period: Period) -> int:
        """Where the first step from a time on is at the earliest (backwards: at the latest)."""
        sign = self._sign
        if period.nanos or (period.months and period.days):
            slack = _ZONE_SLACK_S + (_MONTH_SLACK_S if period.months else 0)
            ahead = sign * (wall_s - self._base_wall_s) - sign * slack
            size = period.average_s()
        elif period.months:
            ahead = sign * (_month_of(wall_s // DAY_S) - self._base_month)
            size = period.months
        else:
            ahead = sign * (wall_s - self._base_wall_s)
            size = period.days * DAY_S
        return int(-(-ahead // size) if sign > 0 else ahead // size)

    def _wall(self, step: int) -> int | None:
        """The calendar part of a step; None where it leaves the calendar."""
        months = self._sign * step * self._period.months
        if months:
            year, month = divmod(self._base_month + months, 12)
            if not 1 <= year <= 9999:
                return None
            begin, end = month_bounds(year, month + 1)
            day = january(year) + min(begin + self._base_day, end) - 1
        else:
            day = self._base_wall_s // DAY_S
        wall = (day + self._sign * step * self._period.days) * DAY_S + self._clock_s
        return wall if wall < HORIZON_S else None

    def _search(self, after_ms: int) -> int | None:
        """The next occurrence of a period that has both calendar units and exact time.

        Steps are looked at one by one around where the next must be: their order is that of the
        wall clock, which the zone can disturb by a day at the most.
        """
        sign = self._sign
        best: int | None = None
        step = self._about(self.clock.zone.wall_s(after_ms // 1000), self._period)
        if sign < 0 and self._count is not None:
            step = min(step, self._count - 1)
        step = max(step, self._first) if sign > 0 else step
        while step >= self._first and self._has(step):
            wall = self._wall(step)
            if wall is None:
                if sign > 0:
                    break
                step += sign
                continue
            exact_ns = sign * step * self._period.nanos
            if best is not None and wall * 1000 + exact_ns // MS_NANOS - DAY_S * 1000 > best:
                break
            for instant in self.clock.instants(wall):
                base_ns = instant * NANOS + self._base_ms % 1000 * MS_NANOS
                found = -(-(base_ns + exact_ns) // MS_NANOS)
                if found > after_ms and (best is None or found < best):
                    best = found
            step += sign
        return best


def _month_of(day: int) -> int:
    """The month of a day number, counted from the year 0."""
    date = day_of(day)
    return date.year * 12 + date.month - 1
