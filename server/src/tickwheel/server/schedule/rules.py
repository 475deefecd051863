"""The occurrences of a recurrence rule: its wall-clock times from DTSTART to COUNT or UNTIL."""

from dataclasses import dataclass, field

from tickwheel.server.schedule.instants import DAY_S, EARLIEST_S, HORIZON_S, Moment
from tickwheel.server.schedule.recurrence import ClockRecurrence, DateRecurrence
from tickwheel.server.schedule.rrule import Frequency, RecurrenceRule, refuse
from tickwheel.server.schedule.spec import DstGap, DstOverlap
from tickwheel.server.schedule.wallclock import WallClock

#: The last occurrence of a rule with BY parts is found by counting; more would take too long.
_MOST_COUNTED = 10_000


@dataclass(slots=True)
class _Last:
    """The last instant, in Unix seconds; found when it is first needed."""

    instant_s: int | None = None


@dataclass(frozen=True, slots=True)
class RuleSeries:
    """A recurrence rule in a zone. COUNT counts instants, from DTSTART on."""

    clock: WallClock
    rule: RecurrenceRule
    times: DateRecurrence | ClockRecurrence
    start_s: int
    #: Inclusive.
    until_s: int
    _last: _Last = field(default_factory=_Last)

    def next_after(self, after_ms: int) -> int | None:
        """The first strictly after `after_ms`."""
        found = self._next(after_ms // 1000)
        if found is None or found > self.until_s:
            return None
        if self.rule.count is not None:
            if self._last.instant_s is None:
                self._last.instant_s = self._find_last(self.rule.count)
            if found > self._last.instant_s:
                return None
        return found * 1000

    def smallest_gap_ms(self) -> int | None:
        """That of the wall-clock times."""
        return None if self.rule.count == 1 else self.times.smallest_gap_s() * 1000

    @property
    def _elapsed(self) -> bool:
        return isinstance(self.times, ClockRecurrence) and not self.rule.hours

    def _next(self, after_s: int) -> int | None:
        after_s = max(after_s, self.start_s - 1)
        if self._elapsed:
            return self.clock.next_elapsed(self.times, after_s)
        return self.clock.next_after(self.times, after_s)

    def _find_last(self, count: int) -> int:
        if not self.rule.narrowed and self.rule.frequency >= Frequency.WEEKLY:
            if isinstance(self.times, ClockRecurrence):
                return self._last_by_spans(count, self.times)
            if _one_each(self.clock):
                days = 7 if self.rule.frequency is Frequency.WEEKLY else 1
                wall = self.clock.zone.wall_s(self.start_s)
                wall += (count - 1) * self.rule.interval * days * DAY_S
                return self.clock.instant(wall) if wall < HORIZON_S else HORIZON_S
        instant = self.start_s - 1
        for _ in range(count):
            found = self._next(instant)
            if found is None:
                break
            instant = found
        return instant

    def _last_by_spans(self, count: int, times: ClockRecurrence) -> int:
        """As many as fit between two changes of the clock are counted at once."""
        instant = self.start_s
        while instant < HORIZON_S:
            span = self.clock.zone.span_at(instant)
            first = times.at_or_after(instant + span.offset_s, span.offset_s)
            if first is not None and first < span.end_s + span.offset_s:
                here = (span.end_s + span.offset_s - 1 - first) // times.step_s + 1
                if here >= count:
                    return first - span.offset_s + (count - 1) * times.step_s
                count -= here
            instant = span.end_s
        return HORIZON_S


def _one_each(clock: WallClock) -> bool:
    """Each wall-clock time means one instant."""
    return clock.gap is not DstGap.SKIP and clock.overlap is not DstOverlap.BOTH


def rule_series(
    rule: RecurrenceRule, start: Moment | None, clock: WallClock, anchor_ms: int
) -> RuleSeries:
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
    if rule.frequency >= Frequency.HOURLY:
        times = ClockRecurrence(rule, wall, clock.zone.span_at(start_s).offset_s)
    else:
        times = DateRecurrence(rule, wall)
    plain = not rule.narrowed and rule.frequency >= Frequency.WEEKLY
    counted = not (plain and (isinstance(times, ClockRecurrence) or _one_each(clock)))
    if rule.count is not None and rule.count > _MOST_COUNTED and counted:
        refuse(
            f"COUNT={rule.count}: with BY parts {_MOST_COUNTED} is the most; use UNTIL or maxRuns"
        )
    return RuleSeries(clock, rule, times, start_s, _until(rule.until, clock))


def _until(until: Moment | None, clock: WallClock) -> int:
    if until is None:
        return HORIZON_S
    if until.offset_s is not None:
        return until.wall_s - until.offset_s
    if until.is_date:
        # The whole day, as calendars understand it.
        return clock.instant(until.wall_s + DAY_S) - 1
    return clock.instant(until.wall_s)
