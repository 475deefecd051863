"""The wall-clock times of recurrence rules that choose dates: yearly to daily (RFC 5545, 3.3.10).

They answer "the first one from here on" without walking from DTSTART.
"""

from datetime import date
from functools import partial
from itertools import pairwise
from math import gcd

from tickwheel.server.schedule.calendar import (
    Days,
    january,
    month_start,
    nth_bit,
    weekday_of,
)
from tickwheel.server.schedule.clockface import ChosenTimes, TimesOfDay
from tickwheel.server.schedule.counting import skip_times
from tickwheel.server.schedule.instants import DAY_S, HORIZON_S, day_of
from tickwheel.server.schedule.recurrencedays import year_mask
from tickwheel.server.schedule.rrule import Frequency, RecurrenceRule

_HORIZON_DAY = HORIZON_S // DAY_S
#: Later than any day.
_NEVER = 2**62
#: Periods after which the calendar repeats (400 years).
_CYCLE = {Frequency.YEARLY: 400, Frequency.MONTHLY: 4800, Frequency.WEEKLY: 20_871}
_PER_YEAR = {frequency: periods / 400 for frequency, periods in _CYCLE.items()}


class DateRecurrence:
    """A yearly, monthly, weekly or daily rule, starting at a wall-clock time."""

    __slots__ = (
        "_days",
        "_every",
        "_first_period",
        "_last_choices",
        "_last_day",
        "_positions",
        "_rule",
        "_times",
    )

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
        #: Days of a year at the interval from its first on; 0 where they are not looked at so.
        self._every = (
            sum(1 << day for day in range(0, 366, rule.interval))
            if rule.frequency is Frequency.DAILY and 1 < rule.interval < 366
            else 0
        )
        #: A day that was asked for and the one found, which a change of the clock between them has
        #: asked for again; replaced whole, as is what follows.
        self._last_day = (1, 0)
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

    @property
    def is_countable(self) -> bool:
        """Each day's times are the same, so that years can be counted whole."""
        return self._rule.interval == 1 and self._positions is None and len(self._times) > 0

    def per_year(self) -> float:
        """How many there are in a year on average; fewer where BYSETPOS finds none in a period."""
        rule = self._rule
        # What the mask of a year leaves out already.
        cycle = {Frequency.MONTHLY: 12, Frequency.DAILY: 7}.get(rule.frequency, 1)
        found = self._days.per_year() * len(self._times) * gcd(rule.interval, cycle) / rule.interval
        if self._positions is None:
            return found
        periods = _PER_YEAR[rule.frequency] / rule.interval
        return min(found, periods * len(self._positions))

    def skip(self, low_s: int, high_s: int, count: int) -> tuple[int, int | None]:
        """How many are in [low, high), up to `count`; and the count-th. Countable ones only."""
        return skip_times(self._days, self._times, low_s, high_s, count)

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
        across = days * DAY_S - self._times.last + self._times.first
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
        if self._rule.interval == 1:
            return self._days.at_or_after(day)
        asked, found = self._last_day
        if not asked <= day <= found:
            following = self._counted_day(day)
            found = _NEVER if following is None else following
            self._last_day = (day, found)
        return None if found == _NEVER else found

    def _counted_day(self, day: int) -> int | None:
        """As `_day`, of an interval of more than one period."""
        interval = self._rule.interval
        found = self._days.at_or_after(day)
        if self._every and found is not None:
            return self._day_by_years(found)
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

    def _day_by_years(self, day: int) -> int | None:
        """As `_day`, of a rule of some interval in days: a year's dates are met all at once."""
        year = day_of(day).year
        start = january(year)
        while start < _HORIZON_DAY:
            following = january(year + 1)
            ahead = (self._first_period - day) % self._rule.interval
            mask = (self._days.mask(year) >> (day - start)) & (self._every << ahead)
            if mask:
                return day + (mask & -mask).bit_length() - 1
            day = start = following
            year += 1
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
