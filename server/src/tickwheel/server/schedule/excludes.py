"""What is left out of a schedule: dates of a zone and single instants, as stretches of time."""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass

from tickwheel.server.schedule.instants import DAY_S, Moment
from tickwheel.server.schedule.wallclock import WallClock
from tickwheel.server.schedule.zone import Zone


class Stretches:
    """Disjoint stretches of time [start, end), in Unix milliseconds. Immutable."""

    __slots__ = ("_ends", "_starts")

    def __init__(self, stretches: Iterable[tuple[int, int]]) -> None:
        merged: list[tuple[int, int]] = []
        for start, end in sorted(stretches):
            if merged and start <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
            else:
                merged.append((start, end))
        self._starts = [start for start, _ in merged]
        self._ends = [end for _, end in merged]

    def end_of(self, instant_ms: int) -> int | None:
        """The end of the stretch that holds an instant, None when none does."""
        place = bisect_right(self._starts, instant_ms) - 1
        if place >= 0 and instant_ms < self._ends[place]:
            return self._ends[place]
        return None


@dataclass(frozen=True, slots=True)
class Exclusion:
    """One date or instant that is left out, as written and as the stretches it covers."""

    text: str
    stretches: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, text: str, moment: Moment, clock: WallClock) -> "Exclusion":
        """A date leaves out all instants on it in the zone, any other moment one instant."""
        return cls(text, tuple(_stretches(moment, clock)))


def _stretches(moment: Moment, clock: WallClock) -> list[tuple[int, int]]:
    if moment.is_date:
        return _date_stretches(moment.wall_s, clock.zone)
    return [(instant, instant + 1) for instant in moment_instants(moment, clock)]


def moment_instants(moment: Moment, clock: WallClock) -> list[int]:
    """The instants, in Unix milliseconds, that a moment means in a zone: none, one or two."""
    if moment.offset_s is not None:
        return [moment.instant_ms]
    return [instant * 1000 for instant in clock.instants(moment.wall_s)]


def _date_stretches(midnight_s: int, zone: Zone) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    following = midnight_s + DAY_S
    span = zone.span_at(midnight_s - DAY_S)
    while True:
        low = max(midnight_s - span.offset_s, span.start_s)
        high = min(following - span.offset_s, span.end_s)
        if low < high:
            found.append((low * 1000, high * 1000))
        if span.end_s > following + DAY_S:
            return found
        span = zone.span_at(span.end_s)
