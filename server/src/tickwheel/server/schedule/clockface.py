"""Sets of times of day: every combination of some hours, minutes and seconds."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import pairwise


@lru_cache(maxsize=4096)
def next_values(values: tuple[int, ...], size: int) -> tuple[int, ...]:
    """For each number from 0 to `size`, the first of the (sorted) values not below it, or -1."""
    found: list[int] = []
    left = iter(values)
    value = next(left, -1)
    for number in range(size + 1):
        while value != -1 and value < number:
            value = next(left, -1)
        found.append(value)
    return tuple(found)


class TimesOfDay:
    """Seconds from midnight, as hours x minutes x seconds; no part is empty. Immutable."""

    __slots__ = (
        "_next_hour",
        "_next_minute",
        "_next_second",
        "first",
        "hours",
        "last",
        "minutes",
        "seconds",
    )

    def __init__(
        self, hours: Iterable[int], minutes: Iterable[int], seconds: Iterable[int]
    ) -> None:
        self.hours = tuple(sorted(set(hours)))
        self.minutes = tuple(sorted(set(minutes)))
        self.seconds = tuple(sorted(set(seconds)))
        self._next_hour = next_values(self.hours, 24)
        self._next_minute = next_values(self.minutes, 60)
        self._next_second = next_values(self.seconds, 60)
        #: The earliest of them, and the latest.
        self.first = self.hours[0] * 3600 + self.minutes[0] * 60 + self.seconds[0]
        self.last = self.hours[-1] * 3600 + self.minutes[-1] * 60 + self.seconds[-1]

    def __len__(self) -> int:
        return len(self.hours) * len(self.minutes) * len(self.seconds)

    def __iter__(self) -> Iterator[int]:
        for hour in self.hours:
            for minute in self.minutes:
                for second in self.seconds:
                    yield hour * 3600 + minute * 60 + second

    def nth(self, index: int) -> int:
        """The time at a place in their order, from 0."""
        rest, second = divmod(index, len(self.seconds))
        hour, minute = divmod(rest, len(self.minutes))
        return self.hours[hour] * 3600 + self.minutes[minute] * 60 + self.seconds[second]

    def rank(self, time_s: int) -> int:
        """How many of them are before a time of day."""
        hour, rest = divmod(time_s, 3600)
        minute, second = divmod(rest, 60)
        place = bisect_left(self.hours, hour)
        number = place * len(self.minutes) * len(self.seconds)
        if place < len(self.hours) and self.hours[place] == hour:
            place = bisect_left(self.minutes, minute)
            number += place * len(self.seconds)
            if place < len(self.minutes) and self.minutes[place] == minute:
                number += bisect_left(self.seconds, second)
        return number

    def at_or_after(self, time_s: int) -> int:
        """The first of them not before a time of day (0-86399), or -1."""
        hour, rest = divmod(time_s, 3600)
        found = self._next_hour[hour]
        if found == hour:
            minute, second = divmod(rest, 60)
            found = self._next_minute[minute]
            if found == minute:
                second = self._next_second[second]
                if second >= 0:
                    return time_s - rest + minute * 60 + second
                found = self._next_minute[minute + 1]
            if found >= 0:
                return time_s - rest + found * 60 + self.seconds[0]
            found = self._next_hour[hour + 1]
        if found < 0:
            return -1
        return found * 3600 + self.minutes[0] * 60 + self.seconds[0]

    def smallest_gap(self) -> int | None:
        """Seconds between the two of them that are closest within a day; None if there is one."""
        within = [minute * 60 + second for minute in self.minutes for second in self.seconds]
        gaps = [later - sooner for sooner, later in pairwise(within)]
        gaps += [
            (later - sooner) * 3600 - within[-1] + within[0]
            for sooner, later in pairwise(self.hours)
        ]
        return min(gaps, default=None)


class ChosenTimes:
    """A few seconds of a day or of an hour that are listed one by one; perhaps none. Immutable."""

    __slots__ = ("_times", "first", "last")

    def __init__(self, times: tuple[int, ...]) -> None:
        self._times = times
        #: The earliest of them, and the latest; -1 where there is none.
        self.first, self.last = (times[0], times[-1]) if times else (-1, -1)

    @classmethod
    def of(cls, times: list[int], positions: Iterable[int]) -> "ChosenTimes":
        """Those at some places in their order: from 1 on, or from -1 backwards."""
        size = len(times)
        places = {place - 1 if place > 0 else size + place for place in positions}
        return cls(tuple(times[place] for place in sorted(places) if 0 <= place < size))

    def __len__(self) -> int:
        return len(self._times)

    def __iter__(self) -> Iterator[int]:
        return iter(self._times)

    def nth(self, index: int) -> int:
        """The time at a place in their order, from 0."""
        return self._times[index]

    def rank(self, time_s: int) -> int:
        """How many of them are before a time."""
        return bisect_left(self._times, time_s)

    def at_or_after(self, time_s: int) -> int:
        """The first of them not before a time, or -1."""
        place = bisect_left(self._times, time_s)
        return self._times[place] if place < len(self._times) else -1

    def smallest_gap(self) -> int | None:
        """Seconds between the two of them that are closest; None if there are not two."""
        return min((later - sooner for sooner, later in pairwise(self._times)), default=None)
