"""The times of recurrence rules that choose hours, minutes or seconds (RFC 5545, 3.3.10).

They answer "the first one from here on" without walking from DTSTART, and without walking through
the many steps of an odd interval that fall outside of what the BY parts want.
"""

from dataclasses import dataclass
from functools import partial
from itertools import product
from math import gcd
from typing import TypeAlias

from tickwheel.server.schedule.calendar import Days, weekday_of
from tickwheel.server.schedule.clockface import ChosenTimes, TimesOfDay
from tickwheel.server.schedule.counting import skip_times
from tickwheel.server.schedule.instants import DAY_S, HORIZON_S, day_of
from tickwheel.server.schedule.recurrencedays import year_mask
from tickwheel.server.schedule.rrule import Frequency, RecurrenceRule

_HORIZON_DAY = HORIZON_S // DAY_S
#: A rule of odd intervals that has not matched after so many steps is taken never to match.
_STEPS = 10_000
#: Places of a week that are looked through to see whether a rule can match at all.
_MOST_PLACES = 12_000
#: Later than any unit.
_NEVER = 2**62
#: More stretches of a day than these are looked for in fewer that hold them, then step by step.
_MOST_STRETCHES = 64
#: Days without a match, in multiples of those that one takes on average, after which there is none.
_MISSES = 40
#: Days without a match after which the next open time is looked for first.
_PATIENCE = 400


#: Parts of a day: the first and the last unit of each.
Stretches: TypeAlias = tuple[tuple[int, int], ...]


class ClockRecurrence:
    """An hourly, minutely or secondly rule, starting at a wall-clock time.

    Without BYHOUR it is counted in elapsed time: when the clock changes, the count moves with it.
    """

    __slots__ = (
        "_answers",
        "_by_day",
        "_days",
        "_elapsed",
        "_every_day",
        "_first",
        "_interval",
        "_most_days",
        "_open",
        "_per_day",
        "_residues",
        "_start_offset_s",
        "_stretches",
        "_unit_s",
        "_wide",
        "_within",
    )

    def __init__(self, rule: RecurrenceRule, start_wall_s: int, start_offset_s: int) -> None:
        frequency = rule.frequency
        self._unit_s = {Frequency.HOURLY: 3600, Frequency.MINUTELY: 60}.get(frequency, 1)
        self._per_day = DAY_S // self._unit_s
        self._interval = rule.interval
        self._elapsed = not rule.hours
        self._start_offset_s = start_offset_s
        self._first = start_wall_s // self._unit_s
        clock = start_wall_s % DAY_S
        by_minute = frequency >= Frequency.MINUTELY
        by_second = frequency is Frequency.SECONDLY
        #: The units of a day in which the rule may happen, as seconds from midnight.
        self._open = TimesOfDay(
            rule.hours or range(24),
            (rule.minutes or range(60)) if by_minute else (0,),
            (rule.seconds or range(60)) if by_second else (0,),
        )
        #: The same as stretches of units, both ends inclusive; None where that is the whole day.
        self._stretches = self._open_stretches(self._open, 1)
        #: Where they are many: fewer and wider ones that hold them.
        self._wide = self._wide_stretches()
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
        #: Counted units at open times, to a day.
        density = len(self._open) / self._interval
        self._by_day = self._is_sparse(density)
        self._most_days = max(_STEPS, int(_MISSES / density))
        self._residues = self._possible(rule)
        #: For what the count leaves of the interval, of which there are as many as the zone has
        #: offsets: the unit that was asked for last, and the one found. Entries are replaced whole,
        #: so that threads can share them.
        self._answers: dict[int, tuple[int, int]] = {}

    def at_or_after(self, wall_s: int, offset_s: int) -> int | None:
        """The first of the times not before `wall_s` under the zone's offset there."""
        if not self._within:
            return None
        unit, second = divmod(wall_s, self._unit_s)
        second = self._within.at_or_after(second)
        if second < 0:
            unit += 1
            second = self._within.first
        shift = (offset_s - self._start_offset_s) // self._unit_s if self._elapsed else 0
        found = self._unit(unit, self._first + shift)
        if found is None:
            return None
        return found * self._unit_s + (second if found == unit else self._within.first)

    @property
    def is_countable(self) -> bool:
        """Each day's times are the same, so that years can be counted whole."""
        return self._interval == 1 and len(self._within) > 0

    def per_year(self) -> float:
        """How many there are in a year on average. Countable ones only."""
        return self._days.per_year() * len(self._open) * len(self._within)

    def skip(self, low_s: int, high_s: int, count: int) -> tuple[int, int | None]:
        """How many are in [low, high), up to `count`; and the count-th. Countable ones only."""
        times = _UnitTimes(self._open, self._within, self._unit_s)
        return skip_times(self._days, times, low_s, high_s, count)

    def smallest_gap_s(self) -> int:
        """No two of the times are closer than this, on a clock without changes."""
        step_s = self._unit_s * self._interval
        if self._interval == 1 and self._stretches is not None:
            step_s = self._open.smallest_gap() or DAY_S
            *_, last = self._open
            step_s = min(step_s, DAY_S - last + self._open.first)
        within = self._within.smallest_gap()
        if within is None:
            # One in a unit, or none at all.
            return step_s
        *_, last = self._within
        return min(within, step_s - last + self._within.first)

    def _unit(self, unit: int, first: int) -> int | None:
        """The first wanted unit from one on, where `first` is one of those that are counted."""
        residue = first % self._interval
        asked, found = self._answers.get(residue, (1, 0))
        if not asked <= unit <= found:
            found = self._search(unit, first)
            self._answers[residue] = (unit, found)
        return None if found == _NEVER else found

    def _search(self, unit: int, first: int) -> int:
        if self._residues is not None and first % self._residues[1] not in self._residues[0]:
            return _NEVER
        if self._by_day:
            return self._search_days(unit, first)
        for _ in range(_STEPS):
            found = self._counted(unit, first)
            day = _HORIZON_DAY if found is None else found // self._per_day
            if found is None or day >= _HORIZON_DAY:
                return _NEVER
            wanted = day if self._every_day else self._days.at_or_after(day)
            if wanted is None:
                return _NEVER
            if wanted == day:
                return found
            unit = wanted * self._per_day
        return _NEVER

    def _search_days(self, unit: int, first: int) -> int:
        """As `_search`, through the wanted days where they are fewer than the days with a match."""
        for missed in range(self._most_days):
            # From one counted unit to the next, where they are days apart; now and then to one at
            # an open time, as there may be none for years.
            if missed % _PATIENCE == _PATIENCE - 1:
                reached = self._counted(unit, first)
                if reached is None:
                    return _NEVER
                unit = reached
            else:
                unit += (first - unit) % self._interval
            if unit >= _HORIZON_DAY * self._per_day:
                return _NEVER
            day = self._days.at_or_after(unit // self._per_day)
            if day is None:
                return _NEVER
            start = day * self._per_day
            if start > unit:
                unit = start + (first - start) % self._interval
            found = self._stepped(unit, start + self._per_day)
            if found is not None:
                return found
            unit = max(unit, start + self._per_day)
        return _NEVER

    def _counted(self, unit: int, first: int) -> int | None:
        """The first unit from one on that is both counted and at an open time of its day."""
        if self._interval == 1:
            day, place = divmod(unit, self._per_day)
            time = self._open.at_or_after(place * self._unit_s)
            if time < 0:
                return (day + 1) * self._per_day + self._open.first // self._unit_s
            return day * self._per_day + time // self._unit_s
        unit += (first - unit) % self._interval
        if self._stretches is None:
            return unit
        if self._wide is None:
            return self._reached(unit, self._stretches)
        while unit < _HORIZON_DAY * self._per_day:
            place = unit % self._per_day
            end = next((high for low, high in self._wide if low <= place <= high), None)
            if end is None:
                reached = self._reached(unit, self._wide)
                if reached is None:
                    return None
                unit = reached
                continue
            limit = unit - place + end + 1
            found = self._stepped(unit, limit)
            if found is not None:
                return found
            unit += -(-(limit - unit) // self._interval) * self._interval
        return None

    def _reached(self, unit: int, stretches: Stretches) -> int | None:
        """The first counted unit in any of the stretches, from a counted one on."""
        size, place = self._per_day, unit % self._per_day
        best: int | None = None
        for low, high in stretches:
            if low <= place <= high:
                return unit
            steps = _first_multiple(
                self._interval, size, (low - place) % size, (high - place) % size
            )
            if steps is not None and (best is None or steps < best):
                best = steps
        return None if best is None else unit + best * self._interval

    def _stepped(self, unit: int, end: int) -> int | None:
        """The first counted unit at an open time before another, which is of the same day.

        The first that is asked for is a counted one.
        """
        midnight = (end - 1) // self._per_day * self._per_day
        while unit < end:
            place_s = (unit - midnight) * self._unit_s
            time = self._open.at_or_after(place_s)
            if time == place_s:
                return unit
            if time < 0:
                return None
            goal = midnight + time // self._unit_s
            unit += -(-(goal - unit) // self._interval) * self._interval
        return None

    def _is_sparse(self, density: float) -> bool:
        """Whether it takes fewer steps to go through the wanted days than through the matches.

        A match is on one in so many days, a wanted day is one in so many; a step of either kind is
        to look at the day's counted units or at the stretches.
        """
        if self._every_day or self._interval == 1 or self._stretches is None:
            return False
        to_a_day = max(1.0, self._per_day / self._interval)
        # In wide stretches it goes on step by step, which is a fifth of the work of a day.
        to_a_match = len(self._wide) + 0.2 / density if self._wide else len(self._stretches)
        return self._days.per_year() / 365 * to_a_day < density * to_a_match

    def _open_stretches(self, times: TimesOfDay, units: int) -> Stretches | None:
        """Times of day as stretches of so many units each, put together where they meet."""
        if len(times) * units == self._per_day:
            return None
        found: list[list[int]] = []
        for time in times:
            unit = time // self._unit_s
            if found and found[-1][1] == unit - 1:
                found[-1][1] += units
            else:
                found.append([unit, unit + units - 1])
        return tuple((low, high) for low, high in found)

    def _wide_stretches(self) -> Stretches | None:
        if self._stretches is None or len(self._stretches) <= _MOST_STRETCHES:
            return None
        whole = ((0, self._per_day - 1),)
        minutes = TimesOfDay(self._open.hours, self._open.minutes, (0,))
        if self._unit_s == 1:
            wide = self._open_stretches(minutes, 60) or whole
            if len(wide) <= _MOST_STRETCHES:
                return wide
        hours = TimesOfDay(self._open.hours, (0,), (0,))
        return self._open_stretches(hours, 3600 // self._unit_s) or whole

    def _possible(self, rule: RecurrenceRule) -> tuple[frozenset[int], int] | None:
        """(What the wanted units leave when divided by a number, the number); None where all may.

        A count that never leaves the same never meets the wanted hours, or weekdays and hours.
        """
        per_day = self._per_day
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
            (day * per_day + time // self._unit_s) % common for day in days for time in self._open
        }
        return frozenset(left), common


@dataclass(frozen=True, slots=True)
class _UnitTimes:
    """The seconds of some units of a day."""

    units: TimesOfDay
    within: ChosenTimes
    unit_s: int

    def __len__(self) -> int:
        return len(self.units) * len(self.within)

    def nth(self, index: int) -> int:
        unit, second = divmod(index, len(self.within))
        return self.units.nth(unit) + self.within.nth(second)

    def rank(self, time_s: int) -> int:
        second = time_s % self.unit_s
        unit = time_s - second
        number = self.units.rank(unit) * len(self.within)
        return number + self.within.rank(second) if self.units.at_or_after(unit) == unit else number


def _first_multiple(step: int, size: int, low: int, high: int) -> int | None:
    """The smallest k from 0 on for which low <= k x step mod size <= high; None if there is none.

    In the manner of Euclid's algorithm: where no multiple falls into the range before the first
    turn, the question is how many turns it takes, which is the same one in a smaller size.
    """
    if low == 0:
        return 0
    step %= size
    if step == 0:
        return None
    steps = -(-low // step)
    if steps * step <= high:
        return steps
    turns = _first_multiple(size % step, step, -high % step, -low % step)
    return None if turns is None else -(-(low + turns * size) // step)
