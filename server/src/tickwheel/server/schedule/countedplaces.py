"""Where the steps of an odd interval meet the wanted places of a day or of a week.

Every 61st second at minute 15: that is a congruence. The places of a cycle are put into the order
in which the steps come by, once, and "how many steps to the next one" is a search in that order.
"""

from array import array
from bisect import bisect_left
from collections.abc import Collection, Iterator
from functools import lru_cache
from math import gcd

from tickwheel.server.schedule.calendar import weekday_of
from tickwheel.server.schedule.clockface import TimesOfDay
from tickwheel.server.schedule.instants import DAY_S

#: More places than these are not taken weekday by weekday: a week would hold too many.
_MOST_WEEKLY = 12_000
#: Orders that are kept, of all rules together: one has up to 86,400 places of 4 bytes.
_ORDERS_KEPT = 128


class CountedPlaces:
    """The units of a day at open times, or where they are few those of some weekdays, and a step.

    Units are counted from 1970-01-01.
    """

    __slots__ = ("_common", "_days", "_inverse", "_open", "_per_day", "_size", "_unit_s")

    def __init__(
        self, open_times: TimesOfDay, unit_s: int, step: int, weekdays: Collection[int]
    ) -> None:
        self._open = open_times
        self._unit_s = unit_s
        self._per_day = DAY_S // unit_s
        self._days = sorted({(weekday - weekday_of(0)) % 7 for weekday in weekdays})
        cycle = 7 * self._per_day
        if not self._days or len(open_times) * len(self._days) > _MOST_WEEKLY:
            self._days, cycle = [0], self._per_day
        self._common = gcd(step, cycle)
        #: Steps until they come by the same places again.
        self._size = cycle // self._common
        self._inverse = pow(step // self._common, -1, self._size)

    def steps_to(self, unit: int) -> int | None:
        """Steps from a unit on to the first wanted one, which may be itself; None: they miss all.

        All days of the week are wanted where only some are if the places would be too many.
        """
        rest = unit % self._common
        order = _order(self, rest)
        if not order:
            return None
        here = unit // self._common * self._inverse % self._size
        index = bisect_left(order, here)
        return order[index] - here if index < len(order) else order[0] + self._size - here

    def order(self, rest: int) -> "array[int]":
        """When the steps that leave a rest come by each of the places, sorted."""
        common, inverse, size = self._common, self._inverse, self._size
        return array(
            "L",
            sorted(
                place // common * inverse % size
                for place in self._places()
                if place % common == rest
            ),
        )

    def _places(self) -> Iterator[int]:
        for day in self._days:
            for time in self._open:
                yield day * self._per_day + time // self._unit_s


@lru_cache(maxsize=_ORDERS_KEPT)
def _order(places: CountedPlaces, rest: int) -> "array[int]":
    return places.order(rest)
