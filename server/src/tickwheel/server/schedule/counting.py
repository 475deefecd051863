"""Counting wall-clock times by whole years, so that a COUNT need not be walked through."""

from typing import Protocol

from tickwheel.server.schedule.calendar import Days, january, nth_bit
from tickwheel.server.schedule.instants import DAY_S, day_of


class DayTimes(Protocol):
    """The times of a wanted day, in order, as seconds from its midnight."""

    def __len__(self) -> int: ...

    def nth(self, index: int) -> int:
        """The time at a place, from 0."""
        ...

    def rank(self, time_s: int) -> int:
        """How many are before a time of day."""
        ...


def skip_times(
    days: Days, times: DayTimes, low_s: int, high_s: int, count: int
) -> tuple[int, int | None]:
    """How many of the times of some days are in [low, high), up to `count`; and the count-th."""
    low_day, low_time = divmod(low_s, DAY_S)
    high_day, high_time = divmod(high_s, DAY_S)
    # Counted from the first day's midnight on, with what is before `low_s` on top.
    before = times.rank(low_time) if days.window(low_day, 1) else 0
    wanted = count + before
    number = 0
    year = day_of(low_day).year
    while True:
        start, following = january(year), january(year + 1)
        mask = days.mask(year)
        if start < low_day:
            mask = mask >> (low_day - start) << (low_day - start)
        if following > high_day:
            mask &= (1 << max(0, high_day - start)) - 1
        here = mask.bit_count() * len(times)
        if number + here >= wanted:
            day, time = divmod(wanted - number - 1, len(times))
            return count, (start + nth_bit(mask, day)) * DAY_S + times.nth(time)
        number += here
        if following > high_day:
            break
        year += 1
    # What is left is the part of the last day.
    part = times.rank(high_time) if days.window(high_day, 1) else 0
    if number + part >= wanted:
        return count, high_day * DAY_S + times.nth(wanted - number - 1)
    return max(0, number + part - before), None
