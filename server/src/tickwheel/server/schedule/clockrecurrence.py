"""The times of recurrence rules that choose hours, minutes or seconds (RFC 5545, 3.3.10).

They answer "the first one from here on" without walking from DTSTART, and without walking through
the many steps of an odd interval that fall outside of what the BY parts want.
"""

from dataclasses import dataclass
from functools import partial
from itertools import product

from tickwheel.server.schedule.calendar import Days
from tickwheel.server.schedule.clockface import ChosenTimes, TimesOfDay
from tickwheel.server.schedule.countedplaces import CountedPlaces
from tickwheel.server.schedule.counting import skip_times
from tickwheel.server.schedule.instants import DAY_S, HORIZON_S, day_of
from tickwheel.server.schedule.recurrencedays import year_mask
from tickwheel.server.schedule.rrule import Frequency, RecurrenceRule

_HORIZON_DAY = HORIZON_S // DAY_S
#: A rule that has not matched after so many turns is taken never to match.
_TURNS = 10_000
#: Turns after which the order of an odd interval's places is made: most rules never need it.
_PATIENCE = 8
#: Later than any unit.
_NEVER = 2**62


class ClockRecurrence:
    """An hourly, minutely or secondly rule, starting at a wall-clock time.

    Without BYHOUR it is counted in elapsed time: when the clock changes, the count moves with it.
    """

    __slots__ = (
        "_answers",
        "_days",
        "_elapsed",
        "_every_day",
        "_first",
        "_interval",
        "_narrowed",
        "_open",
        "_patience",
        "_per_day",
        "_places",
        "_start_offset_s",
        "_unit_s",
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
        #: Not all units of a day are open.
        self._narrowed = len(self._open) < self._per_day
        weekdays = {weekday for _, weekday in rule.weekdays}
        self._places = (
            CountedPlaces(self._open, self._unit_s, rule.interval, weekdays)
            if rule.interval > 1 and (weekdays or self._narrowed)
            else None
        )
        #: Turns of a search after which `_places` are asked.
        self._patience = _PATIENCE
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
        """How many there are in a year on average."""
        a_day = len(self._open) * len(self._within) / self._interval
        return self._days.per_year() * a_day

    def skip(self, low_s: int, high_s: int, count: int) -> tuple[int, int | None]:
        """How many are in [low, high), up to `count`; and the count-th. Countable ones only."""
        times = _UnitTimes(self._open, self._within, self._unit_s)
        return skip_times(self._days, times, low_s, high_s, count)

    def smallest_gap_s(self) -> int:
        """No two of the times are closer than this, on a clock without changes."""
        step_s = self._unit_s * self._interval
        if self._interval == 1 and self._narrowed:
            step_s = self._open.smallest_gap() or DAY_S
            step_s = min(step_s, DAY_S - self._open.last + self._open.first)
        within = self._within.smallest_gap()
        if within is None:
            # One in a unit, or none at all.
            return step_s
        return min(within, step_s - self._within.last + self._within.first)

    def _unit(self, unit: int, first: int) -> int | None:
        """The first wanted unit from one on, where `first` is one of those that are counted."""
        residue = first % self._interval
        asked, found = self._answers.get(residue, (1, 0))
        if not asked <= unit <= found:
            found = self._search(unit, first)
            self._answers[residue] = (unit, found)
        return None if found == _NEVER else found

    def _search(self, unit: int, first: int) -> int:
        """As `_unit`, or `_NEVER`: by turns the next counted unit, open time and wanted day.

        So it takes no more turns than there are of whichever is the rarest.
        """
        for turn in range(_TURNS):
            unit += (first - unit) % self._interval
            if turn >= self._patience and self._places is not None:
                # What once takes long does so again.
                self._patience = 0
                steps = self._places.steps_to(unit)
                if steps is None:
                    return _NEVER
                unit += steps * self._interval
            elif self._narrowed:
                unit = self._opened(unit)
                if (first - unit) % self._interval:
                    continue
            day = unit // self._per_day
            if day >= _HORIZON_DAY:
                return _NEVER
            if self._every_day:
                return unit
            wanted = self._days.at_or_after(day)
            if wanted is None:
                return _NEVER
            if wanted == day:
                return unit
            unit = wanted * self._per_day
        return _NEVER

    def _opened(self, unit: int) -> int:
        """The first unit from one on that is at an open time of its day."""
        day, place = divmod(unit, self._per_day)
        time = self._open.at_or_after(place * self._unit_s)
        if time < 0:
            return (day + 1) * self._per_day + self._open.first // self._unit_s
        return day * self._per_day + time // self._unit_s


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
