"""Sets of dates: which days of a year are wanted, one bit a day.

Whatever the rule, what it says about a year depends only on the weekday that the year begins with
and on which of it and its neighbours are leap years (the neighbours because of weeks that cross the
turn of the year). There are 28 such kinds of years. So each kind's answer is one whole number, made
when it is first asked for, and "the next day" is the lowest bit that is left of it.
"""

from collections.abc import Callable
from datetime import date

from tickwheel.server.schedule.instants import EPOCH_ORDINAL, day_of

#: Years after which the calendar repeats, weekdays included.
CYCLE_YEARS = 400
_LAST_YEAR = 9999
#: Days from 1 January to the first of each month and of the next January, without and with a leap
#: day.
_MONTH_STARTS = (
    (0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365),
    (0, 31, 60, 91, 121, 152, 182, 213, 244, 274, 305, 335, 366),
)


def january(year: int) -> int:
    """The day number of 1 January, counted from 1970-01-01."""
    before = year - 1
    return 365 * before + before // 4 - before // 100 + before // 400 + 1 - EPOCH_ORDINAL


def is_leap(year: int) -> bool:
    """Whether the year has a 29 February."""
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def _kind(year: int) -> int:
    leap = next((place for place in (1, 2, 3) if is_leap(year + place - 2)), 0)
    return leap * 7 + weekday_of(january(year))


def month_start(year: int, month: int) -> int:
    """Days from 1 January to the first of a month (1-13; 13 is the next January)."""
    return _MONTH_STARTS[is_leap(year)][month - 1]


def month_bounds(year: int, month: int) -> tuple[int, int]:
    """Days from 1 January to the first of a month (1-12) and to the first of the one after it."""
    starts = _MONTH_STARTS[is_leap(year)]
    return starts[month - 1], starts[month]


def weekday_of(day: int) -> int:
    """The weekday of a day number: 0 is Sunday."""
    return (day + 4) % 7


#: The kind of each year of the cycle.
_KINDS = tuple(_kind(2000 + place) for place in range(CYCLE_YEARS))


def nth_bit(mask: int, index: int) -> int:
    """The place of the set bit with `index` set bits below it; there are so many."""
    low, high = 0, mask.bit_length()
    while high - low > 1:
        middle = (low + high) // 2
        if (mask & ((1 << middle) - 1)).bit_count() <= index:
            low = middle
        else:
            high = middle
    return low


class Days:
    """The dates for which a rule holds. `year_mask` gives a year's, bit 0 being 1 January."""

    __slots__ = ("_masks", "_year_mask")

    def __init__(self, year_mask: Callable[[int], int]) -> None:
        self._year_mask = year_mask
        self._masks: dict[int, int] = {}

    def mask(self, year: int) -> int:
        """The year's dates, one bit each."""
        kind = _KINDS[year % CYCLE_YEARS]
        mask = self._masks.get(kind)
        if mask is None:
            mask = self._masks[kind] = self._year_mask(year)
        return mask

    def window(self, first_day: int, count: int) -> int:
        """The dates among `count` (up to 366) days from a day number on, bit 0 being the first."""
        year = day_of(first_day).year
        start = january(year)
        mask = self.mask(year) >> (first_day - start)
        left = january(year + 1) - first_day
        if left < count:
            mask |= self.mask(year + 1) << left
        return mask & ((1 << count) - 1)

    def at_or_after(self, day: int) -> int | None:
        """The first such day not before a day number; None if there is none any more."""
        year = date.fromordinal(day + EPOCH_ORDINAL).year
        mask = self.mask(year) >> (day - january(year))
        if mask:
            return day + (mask & -mask).bit_length() - 1
        for following in range(year + 1, min(year + CYCLE_YEARS, _LAST_YEAR) + 1):
            mask = self.mask(following)
            if mask:
                return january(following) + (mask & -mask).bit_length() - 1
        return None

    def per_year(self) -> float:
        """How many there are in a year on average, but for the leap days of centuries."""
        return sum(self.mask(year).bit_count() for year in range(2001, 2029)) / 28

    def smallest_gap(self) -> int:
        """Days between the two dates that are closest, no more than 366.

        28 years hold every sequence of two years that there is, but for those around the turn of
        three centuries in four, which only make gaps wider.
        """
        combined = 0
        for year in range(2001, 2030):
            combined |= self.mask(year) << (january(year) - january(2001))
        for gap in range(1, 366):
            if combined & (combined >> gap):
                return gap
        return 366
