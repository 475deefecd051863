"""From wall-clock times to instants, through the changes of a zone's offset.

A span of one offset is the unit of thought: inside it the wall clock and the instants run in step,
so the next occurrence is the next wall-clock match of the span, plus what the policy makes of the
times that its beginning left out (a gap) and less what it makes of those that are shown twice (an
overlap).
"""

from dataclasses import dataclass
from typing import Protocol

from tickwheel.server.schedule.instants import DAY_S, HORIZON_S
from tickwheel.server.schedule.spec import DstGap, DstOverlap
from tickwheel.server.schedule.zone import Zone

#: Standard and daylight time, and one more where a change of law falls between.
_OFFSETS_TRIED = 3


class WallTimes(Protocol):
    """A set of wall-clock times."""

    def at_or_after(self, wall_s: int, offset_s: int) -> int | None:
        """The first of them not before `wall_s`; None when there is none any more.

        `offset_s` is the zone's offset where it is asked: a set that counts elapsed time moves
        with it, any other takes no notice.
        """
        ...

    def smallest_gap_s(self) -> int:
        """No two of the times are closer than this, on a clock without changes."""
        ...


class CountedTimes(WallTimes, Protocol):
    """Those that need not be gone through one by one to be counted."""

    def count(self, low_s: int, high_s: int) -> int:
        """How many of them are in [low_s, high_s)."""
        ...


@dataclass(frozen=True, slots=True)
class WallClock:
    """A zone's clock, and what is to become of the times it leaves out or shows twice.

    All times are whole seconds.
    """

    zone: Zone
    gap: DstGap
    overlap: DstOverlap

    def next_elapsed(self, times: WallTimes, after_s: int) -> int | None:
        """The first instant after `after_s` at which the clock shows one of the times.

        Nothing is moved and nothing left out: this is the rule for what happens every hour or
        oftener, and goes on through a change as if there were none.
        """
        instant = after_s + 1
        misses = 0
        while instant < HORIZON_S:
            span = self.zone.span_at(instant)
            wall = times.at_or_after(instant + span.offset_s, span.offset_s)
            if wall is None:
                # None under this offset; a set that counts elapsed time may know one under another.
                misses += 1
                if misses == _OFFSETS_TRIED:
                    return None
            elif wall < span.end_s + span.offset_s:
                return wall - span.offset_s
            instant = span.end_s
        return None

    def count_elapsed(self, times: CountedTimes, start_s: int, end_s: int) -> int:
        """How many instants `next_elapsed` finds from `start_s` to before `end_s`."""
        number = 0
        end_s = min(end_s, HORIZON_S)
        while start_s < end_s:
            span = self.zone.span_at(start_s)
            until_s = min(end_s, span.end_s)
            number += times.count(start_s + span.offset_s, until_s + span.offset_s)
            start_s = until_s
        return number

    def next_after(self, times: WallTimes, after_s: int) -> int | None:
        """The first instant after `after_s` that one of the times means under the policies."""
        instant = after_s + 1
        while instant < HORIZON_S:
            span = self.zone.span_at(instant)
            start, end, offset, previous, following = span
            low = instant + offset
            high = end + offset
            if previous > offset and self.overlap is DstOverlap.FIRST:
                low = max(low, start + previous)
            elif following < offset and self.overlap is DstOverlap.SECOND:
                high = end + following
            wall = times.at_or_after(low, offset)
            found = None if wall is None or wall >= high else wall - offset
            if previous < offset:
                moved = self._from_gap(times, instant, start, offset, previous)
                if moved is not None and moved < end and (found is None or moved < found):
                    found = moved
            if found is not None:
                return found
            if following < offset:
                # The clock will go back: what comes next may lie before `low` on it.
                instant = end
            elif wall is None:
                return None
            else:
                # No need to look at every span between here and a far-off time.
                instant = max(end, wall - self.zone.greatest_offset_s)
        return None

    def _from_gap(
        self, times: WallTimes, instant: int, start: int, offset: int, previous: int
    ) -> int | None:
        """What the times left out by the gap before `start` come to, not before `instant`."""
        if self.gap is DstGap.SKIP or instant >= start + offset - previous:
            return None
        if self.gap is DstGap.NEXT_VALID:
            if instant > start:
                return None
            wall = times.at_or_after(start + previous, previous)
            return start if wall is not None and wall < start + offset else None
        wall = times.at_or_after(max(instant, start) + previous, previous)
        return wall - previous if wall is not None and wall < start + offset else None

    def instants(self, wall_s: int) -> tuple[int, ...]:
        """The instants that one wall-clock time means: none, one or two, in order."""
        found: list[int] = []
        span = self.zone.span_at(wall_s - self.zone.greatest_offset_s)
        while True:
            start, end, offset, previous, following = span
            if previous < offset and start + previous <= wall_s < start + offset:
                if self.gap is DstGap.NEXT_VALID:
                    found.append(start)
                elif self.gap is DstGap.SAME_OFFSET:
                    found.append(wall_s - previous)
            elif start + offset <= wall_s < end + offset:
                repeats = previous > offset and wall_s < start + previous
                repeated = following < offset and wall_s >= end + following
                if not (repeats and self.overlap is DstOverlap.FIRST) and not (
                    repeated and self.overlap is DstOverlap.SECOND
                ):
                    found.append(wall_s - offset)
            # No clock is more than a day away from UTC.
            if end > wall_s + DAY_S:
                return tuple(found)
            span = self.zone.span_at(end)

    def instant(self, wall_s: int) -> int:
        """The one instant that a wall-clock time given as a bound or a beginning means."""
        found = self.instants(wall_s)
        if found:
            return found[0]
        return WallClock(self.zone, DstGap.NEXT_VALID, self.overlap).instants(wall_s)[0]
