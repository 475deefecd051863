"""The occurrences of a recurrence rule: its wall-clock times from DTSTART to COUNT or UNTIL."""

from dataclasses import dataclass, field, replace

from tickwheel.server.schedule.clockrecurrence import ClockRecurrence
from tickwheel.server.schedule.instants import DAY_S, EARLIEST_S, HORIZON_S, NANOS, Moment
from tickwheel.server.schedule.intervalsteps import ExactSteps
from tickwheel.server.schedule.recurrence import DateRecurrence
from tickwheel.server.schedule.rrule import Frequency, RecurrenceRule, refuse
from tickwheel.server.schedule.series import Series
from tickwheel.server.schedule.spec import DstGap, DstOverlap
from tickwheel.server.schedule.wallclock import WallClock

#: Whether an occurrence is within COUNT is found by counting; more would take too long.
_MOST_COUNTED = 10_000
#: … and it takes time to get through years as well: no more where they are more than `_MOST_YEARS`.
_MOST_RARE = 1_000
#: Where years can be counted whole, so many of them are.
_MOST_YEARS = 200
_UNITS_S = {Frequency.HOURLY: 3600, Frequency.MINUTELY: 60, Frequency.SECONDLY: 1}


@dataclass(slots=True)
class _Counted:
    """How many occurrences there are up to an instant (Unix seconds), as far as it was counted.

    The pair is replaced whole, so that threads can share it.
    """

    reached: tuple[int, int] = (EARLIEST_S - 1, 0)


@dataclass(frozen=True, slots=True)
class RuleSeries:
    """A recurrence rule in a zone. COUNT counts instants, from DTSTART on."""

    clock: WallClock
    times: DateRecurrence | ClockRecurrence
    #: Without BYHOUR an hourly rule, or one more often, goes on through a change of the clock.
    elapsed: bool
    start_s: int
    #: DTSTART is an instant, and one of the times: no policy for changes of the clock removes it.
    start_counts: bool
    #: Inclusive.
    until_s: int
    #: None: there is no COUNT, or it is in `until_s` already.
    count: int | None
    #: COUNT is 1.
    single: bool = False
    _counted: _Counted = field(default_factory=_Counted)

    def next_after(self, after_ms: int) -> int | None:
        """The first strictly after `after_ms`."""
        after_s = after_ms // 1000
        found = self.first_after(after_s)
        if found is None or found > self.until_s:
            return None
        if self.count is not None and not self._within(self.count, after_s, found):
            return None
        return found * 1000

    def smallest_gap_ms(self) -> int | None:
        """That of the wall-clock times."""
        return None if self.single else self.times.smallest_gap_s() * 1000

    def first_after(self, after_s: int) -> int | None:
        """The first after an instant (Unix seconds), whatever UNTIL and COUNT say."""
        if after_s < self.start_s:
            if self.start_counts:
                return self.start_s
            after_s = self.start_s - 1
        if self.elapsed:
            return self.clock.next_elapsed(self.times, after_s)
        return self.clock.next_after(self.times, after_s)

    def _within(self, count: int, after_s: int, found_s: int) -> bool:
        """Whether the occurrence that comes next after an instant is among the first `count`."""
        reached_s, number = self._counted.reached
        if reached_s == after_s and number < count:
            # Whoever goes through them in order has found the next one already.
            reached_s, number = found_s, number + 1
        while reached_s < found_s and number < count:
            following = self.first_after(reached_s)
            if following is None:
                break
            reached_s, number = following, number + 1
        self._counted.reached = (reached_s, number)
        return found_s <= reached_s


def rule_series(
    rule: RecurrenceRule, start: Moment | None, clock: WallClock, anchor_ms: int
) -> Series:
    """The occurrences; `anchor_ms` takes the place of a DTSTART, rounded up to a whole second.

    Raises:
        ScheduleError: RRULE_INVALID, when COUNT is too great to be counted.
    """
    if start is None:
        start_s = max(-(-anchor_ms // 1000), EARLIEST_S)
        wall = clock.zone.wall_s(start_s)
    elif start.offset_s is None:
        wall = start.wall_s
        start_s = clock.instant(wall)
    else:
        start_s = start.wall_s - start.offset_s
        wall = clock.zone.wall_s(start_s)
    until_s = _until(rule.until, clock)
    unit_s = _UNITS_S.get(rule.frequency)
    if unit_s is not None and not rule.narrowed:
        return _evenly(rule, start_s, unit_s * rule.interval, until_s)
    count = rule.count
    last_s = _last_by_calendar(rule, clock, wall)
    # Not where DTSTART is an instant that the policies would have put elsewhere.
    if last_s is not None and clock.instant(wall) == start_s:
        until_s, count = last_s, None
    offset_s = clock.zone.span_at(start_s).offset_s
    if unit_s is not None:
        times = ClockRecurrence(rule, wall, offset_s)
    else:
        times = DateRecurrence(rule, wall)
    is_instant = start is None or start.offset_s is not None
    start_counts = is_instant and times.at_or_after(wall, offset_s) == wall
    elapsed = unit_s is not None and not rule.hours
    series = RuleSeries(
        clock, times, elapsed, start_s, start_counts, until_s, None, single=rule.count == 1
    )
    if count is None:
        return series
    is_long = count > _MOST_YEARS * times.per_year()
    if times.is_countable and not is_long:
        return replace(series, until_s=_last_by_counting(series, count))
    most = _MOST_RARE if is_long and not times.is_countable else _MOST_COUNTED
    if count > most:
        why = (
            f"as it would go on for more than {_MOST_YEARS} years"
            if is_long
            else "as its occurrences have to be counted one by one"
        )
        refuse(
            f"COUNT={count}: for a rule such as this {most} is the most, {why}; "
            "use UNTIL or maxRuns"
        )
    return replace(series, count=count)


def _evenly(rule: RecurrenceRule, start_s: int, step_s: int, until_s: int) -> ExactSteps:
    """Hours, minutes or seconds without any BY part: elapsed time, and nothing to look for."""
    count = (min(until_s, HORIZON_S) - start_s) // step_s + 1
    if rule.count is not None:
        count = min(count, rule.count)
    return ExactSteps(start_s * NANOS, step_s * NANOS, max(0, count))


def _last_by_calendar(rule: RecurrenceRule, clock: WallClock, start_wall_s: int) -> int | None:
    """The last of COUNT days or weeks, where none can be lost or doubled; else None."""
    one_each = clock.gap is not DstGap.SKIP and clock.overlap is not DstOverlap.BOTH
    if rule.narrowed or rule.count is None or not one_each:
        return None
    days = {Frequency.DAILY: 1, Frequency.WEEKLY: 7}.get(rule.frequency)
    if days is None:
        return None
    wall = start_wall_s + (rule.count - 1) * rule.interval * days * DAY_S
    return clock.instant(wall) if wall < HORIZON_S else HORIZON_S


def _last_by_counting(series: RuleSeries, count: int) -> int:
    """The last of COUNT occurrences; the horizon where there are not so many.

    Between two changes of the clock wall-clock times are occurrences, as many as they are; around
    a change, where policies add and take away, each is looked at.
    """
    clock, times = series.clock, series.times
    number, at = 0, series.start_s - 1
    if series.start_counts:
        number, at = 1, series.start_s
    while number < count and at < HORIZON_S - 1:
        span = clock.zone.span_at(at + 1)
        begin = span.start_s + abs(span.previous_s - span.offset_s)
        end = min(span.end_s - abs(span.next_s - span.offset_s), HORIZON_S)
        number, at = _one_by_one(series, number, at, begin, count)
        if number < count and at + 1 < end:
            found, wall = times.skip(at + 1 + span.offset_s, end + span.offset_s, count - number)
            number, at = number + found, end - 1 if wall is None else wall - span.offset_s
        number, at = _one_by_one(series, number, at, span.end_s, count)
    return at if number == count else HORIZON_S


def _one_by_one(
    series: RuleSeries, number: int, at_s: int, end_s: int, count: int
) -> tuple[int, int]:
    """Counts on from an instant to before another; how many there are then, and where that is.

    Where the count is reached it is at the last one, else just before the end.
    """
    while number < count and at_s + 1 < end_s:
        following = series.first_after(at_s)
        if following is None or following >= end_s:
            return number, min(end_s, HORIZON_S) - 1
        number, at_s = number + 1, following
    return number, at_s


def _until(until: Moment | None, clock: WallClock) -> int:
    if until is None:
        return HORIZON_S
    if until.offset_s is not None:
        return until.wall_s - until.offset_s
    if until.is_date:
        # The whole day, as calendars understand it.
        return clock.instant(until.wall_s + DAY_S) - 1
    return clock.instant(until.wall_s)
