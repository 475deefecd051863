"""The wall-clock times that a recurrence rule names (RFC 5545, section 3.3.10).

Two shapes: rules that choose dates (yearly to daily) and rules that choose hours, minutes or
seconds of a day. Both answer "the first one from here on" without walking from DTSTART.
"""

from datetime import date
from functools import partial
from itertools import pairwise, product
from math import gcd

from tickwheel.server.schedule.calendar import (
    Days,
    january,
    month_start,
    nth_bit,
    weekday_of,
)
from tickwheel.server.schedule.clockface import ChosenTimes, TimesOfDay
from tickwheel.server.schedule.instants import DAY_S, HORIZON_S, day_of
from tickwheel.server.schedule.recurrencedays import year_mask
from tickwheel.server.schedule.rrule import Frequency, RecurrenceRule

_HORIZON_DAY = HORIZON_S // DAY_S
#: Periods after which the calendar repeats (400 years).
_CYCLE = {Frequency.YEARLY: 400, Frequency.MONTHLY: 4800, Frequency.WEEKLY: 20_871}
#: A rule of odd intervals that has not matched after so many steps is taken never to match.
_STEPS = 50_000
#: Places of a week that are looked through to see whether a rule can match at all.
_MOST_PLACES = 12_000


class DateRecurrence:
    """A yearly, monthly, weekly or daily rule, starting at a wall-clock time."""

    __slots__ = ("_days", "_first_period", "_last_choices", "_positions", "_rule", "_times")

    def __init__(self, rule: RecurrenceRule, start_wall_s: int) -> None:
        start_day, clock = divmod(start_wall_s, DAY_S)
        times = TimesOfDay(
            rule.hours or (clock // 3600,),
            rule.minutes or (clock // 60 % 60,),
            rule.seconds or (clock % 60,),
        )
        self._times: TimesOfDay | ChosenTimes = times
        #: What BYSETPOS chooses in a period; None where it chooses nothing or is dealt with.
        self._positions: tuple[int, ...] | None = rule.positions or None
        if rule.frequency is Frequency.DAILY and rule.positions:
            # Each day's choice is the same.
            self._times = ChosenTimes.of(list(times), rule.positions)
            self._positions = None
        elif rule.frequency is Frequency.WEEKLY and rule.positions:
            # A place that no week has would be looked for in every week there is.
            most = max(1, len(rule.weekdays)) * len(times)
            self._positions = tuple(place for place in rule.positions if abs(place) <= most)
        self._rule = rule
        self._days = Days(partial(self._mask, day_of(start_day)))
        self._first_period = self._period(start_day)
        #: A period and what is chosen in it; replaced whole, so that threads can share it.
        self._last_choices: tuple[int, tuple[int, ...]] = (-1, ())

    def at_or_after(self, wall_s: int, offset_s: int) -> int | None:
        """The first of the times not before `wall_s`; the offset is of no account."""
        if not self._times:
            return None
        if self._positions is not None:
            return self._chosen(wall_s, self._positions)
        day, time = divmod(wall_s, DAY_S)
        found = self._day(day)
        if found == day:
            time = self._times.at_or_after(time)
            if time >= 0:
                return day * DAY_S + time
            found = self._day(day + 1)
        return None if found is None else found * DAY_S + self._times.first

    def smallest_gap_s(self) -> int:
        """No two of the times are closer than this, on a clock without changes."""
        rule = self._rule
        days = self._days.smallest_gap()
        if not self._times:
            return days * DAY_S
        if rule.frequency is Frequency.DAILY:
            days = max(days, rule.interval)
        elif rule.frequency is Frequency.WEEKLY and len(rule.weekdays) < 2:
            days = max(days, 7 * rule.interval)
        elif rule.frequency is Frequency.YEARLY and days >= 365:
            days = max(days, 365 * rule.interval)
        within = self._times.smallest_gap()
        *_, last = self._times
        across = days * DAY_S - last + self._times.first
        return across if within is None else min(within, across)

    def _mask(self, start: date, year: int) -> int:
        """The wanted dates of a year, without the months and years that have too few for BYSETPOS.

        A place that no period has would else be looked for in every period there is.
        """
        mask = year_mask(self._rule, start, year)
        if not self._positions or self._rule.frequency is Frequency.WEEKLY:
            return mask
        least = min(abs(place) for place in self._positions)
        bounds = (1, 13) if self._rule.frequency is Frequency.YEARLY else range(1, 14)
        for first, following in pairwise(month_start(year, month) for month in bounds):
            period = (1 << following) - (1 << first)
            if (mask & period).bit_count() * len(self._times) < least:
                mask &= ~period
        return mask

    def _day(self, day: int) -> int | None:
        """The first wanted date from a day on, in a period that the interval does not pass over."""
        interval = self._rule.interval
        found = self._days.at_or_after(day)
        if interval == 1:
            return found
        while found is not None:
            period = self._period(found)
            ahead = (self._first_period - period) % interval
            if not ahead:
                return found
            day = self._period_start(period + ahead)
            if day >= _HORIZON_DAY:
                return None
            found = self._days.at_or_after(day)
        return None

    def _chosen(self, wall_s: int, positions: tuple[int, ...]) -> int | None:
        """As `at_or_after`, where BYSETPOS chooses among a period's times."""
        if not positions:
            return None
        day: int | None = wall_s // DAY_S
        for _ in range(_CYCLE[self._rule.frequency]):
            day = self._days.at_or_after(day)
            if day is None:
                return None
            period = self._period(day)
            ahead = (self._first_period - period) % self._rule.interval
            if not ahead:
                for wall in self._choices(period, positions):
                    if wall >= wall_s:
                        return wall
                ahead = 1
            day = self._period_start(period + ahead)
            if day >= _HORIZON_DAY:
                return None
        return None

    def _choices(self, period: int, positions: tuple[int, ...]) -> tuple[int, ...]:
        """The period's times that are chosen, in order."""
        last, choices = self._last_choices
        if last == period:
            return choices
        start = self._period_start(period)
        mask = self._days.window(start, self._period_start(period + 1) - start)
        size = len(self._times)
        total = mask.bit_count() * size
        found: set[int] = set()
        for position in positions:
            index = position - 1 if position > 0 else total + position
            if 0 <= index < total:
                day, time = divmod(index, size)
                found.add((start + nth_bit(mask, day)) * DAY_S + self._times.nth(time))
        choices = tuple(sorted(found))
        # Whoever goes through them in order asks for the same period again.
        self._last_choices = (period, choices)
        return choices

    def _period(self, day: int) -> int:
        """The number of the period (year, month, week, day) that a day is in."""
        match self._rule.frequency:
            case Frequency.YEARLY:
                return day_of(day).year
            case Frequency.MONTHLY:
                whole = day_of(day)
                return whole.year * 12 + whole.month - 1
            case Frequency.WEEKLY:
                return (day - self._week_shift) // 7
            case _:
                return day

    def _period_start(self, period: int) -> int:
        match self._rule.frequency:
            case Frequency.YEARLY:
                return january(period)
            case Frequency.MONTHLY:
                year, month = divmod(period, 12)
                return january(year) + month_start(year, month + 1)
            case Frequency.WEEKLY:
                return period * 7 + self._week_shift
            case _:
                return period

    @property
    def _week_shift(self) -> int:
        """The first day number from 0 on that begins a week."""
        return (self._rule.week_start - weekday_of(0)) % 7


class ClockRecurrence:
    """An hourly, minutely or secondly rule, starting at a wall-clock time.

    Without BYHOUR it is counted in elapsed time: when the clock changes, the count moves with it.
    """

    __slots__ = (
        "_days",
        "_elapsed",
        "_every_day",
        "_exhausted",
        "_first",
        "_interval",
        "_open",
        "_residues",
        "_start_offset_s",
        "_within",
        "step_s",
        "unit_s",
    )

    def __init__(self, rule: RecurrenceRule, start_wall_s: int, start_offset_s: int) -> None:
        frequency = rule.frequency
        self.unit_s = {Frequency.HOURLY: 3600, Frequency.MINUTELY: 60}.get(frequency, 1)
        self._interval = rule.interval
        #: Seconds from one period to the next that counts.
        self.step_s = self.unit_s * rule.interval
        self._elapsed = not rule.hours
        self._start_offset_s = start_offset_s
        self._first = start_wall_s // self.unit_s
        clock = start_wall_s % DAY_S
        by_minute = frequency >= Frequency.MINUTELY
        by_second = frequency is Frequency.SECONDLY
        #: The units of a day in which the rule may happen, as seconds from midnight.
        self._open = TimesOfDay(
            rule.hours or range(24),
            (rule.minutes or range(60)) if by_minute else (0,),
            (rule.seconds or range(60)) if by_second else (0,),
        )
        within = sorted(
            minute * 60 + second
            for minute, second in product(
                (0,) if by_minute else rule.minutes or (clock // 60 % 60,),
                (0,) if by_second else rule.seconds or (clock % 60,),
            )
        )
        #: The seconds of a unit at which it happens.
        self._within = (
            ChosenTimes.of(within, rule.positions) if rule.positions else ChosenTimes(tuple(within))
        )
        self._every_day = not (rule.months or rule.month_days or rule.year_days or rule.weekdays)
        self._days = Days(partial(year_mask, rule, day_of(start_wall_s // DAY_S)))
        self._residues = self._possible(rule)
        #: From which unit on nothing was found, by what the count leaves of the interval.
        self._exhausted: dict[int, int] = {}

    def _possible(self, rule: RecurrenceRule) -> tuple[frozenset[int], int] | None:
        """(What the wanted units leave when divided by a number, the number); None where all may.

        A count that never leaves the same never meets the wanted hours, or weekdays and hours.
        """
        per_day = DAY_S // self.unit_s
        days = {(weekday - weekday_of(0)) % 7 for _, weekday in rule.weekdays}
        if days and len(self._open) * len(days) <= _MOST_PLACES:
            common = gcd(self._interval, 7 * per_day)
        elif len(self._open) < per_day:
            days, common = {0}, gcd(self._interval, per_day)
        else:
            return None
        if common == 1:
            return None
        left = {
            (day * per_day + time // self.unit_s) % common for day in days for time in self._open
        }
        return frozenset(left), common

    def at_or_after(self, wall_s: int, offset_s: int) -> int | None:
        """The first of the times not before `wall_s` under the zone's offset there."""
        if not self._within:
            return None
        unit, second = divmod(wall_s, self.unit_s)
        second = self._within.at_or_after(second)
        if second < 0:
            unit += 1
            second = self._within.first
        shift = (offset_s - self._start_offset_s) // self.unit_s if self._elapsed else 0
        found = self._unit(unit, self._first + shift)
        if found is None:
            return None
        return found * self.unit_s + (second if found == unit else self._within.first)

    def smallest_gap_s(self) -> int:
        """No two of the times are closer than this, on a clock without changes."""
        within = self._within.smallest_gap()
        if within is None:
            # One in a unit, or none at all.
            return self.step_s
        *_, last = self._within
        return min(within, self.step_s - last + self._within.first)

    def _unit(self, unit: int, first: int) -> int | None:
        if self._residues is not None and first % self._residues[1] not in self._residues[0]:
            return None
        begin, residue = unit, first % self._interval
        if begin >= self._exhausted.get(residue, begin + 1):
            return None
        per_day = DAY_S // self.unit_s
        for _ in range(_STEPS):
            unit += (first - unit) % self._interval
            day, place = divmod(unit, per_day)
            if day >= _HORIZON_DAY:
                return None
            if not self._every_day:
                found = self._days.at_or_after(day)
                if found is None:
                    return None
                if found != day:
                    unit = found * per_day
                    continue
            time = self._open.at_or_after(place * self.unit_s)
            if time == place * self.unit_s:
                return unit
            unit = (day + 1) * per_day if time < 0 else day * per_day + time // self.unit_s
        self._exhausted[residue] = begin
        return None
