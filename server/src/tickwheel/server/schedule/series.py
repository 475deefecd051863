"""What all forms come to: a series of instants that can be asked for the next one."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

from tickwheel.server.schedule.instants import EARLIEST_S, MS_NANOS
from tickwheel.server.schedule.wallclock import CountedTimes, WallClock

#: Later than anything that has a date.
_NEVER_MS = 2**62


class Series(Protocol):
    """Occurrences as Unix milliseconds, before bounds and excludes. Safe to share among threads."""

    def next_after(self, after_ms: int) -> int | None:
        """The first strictly after `after_ms`; None when there is none any more."""
        ...

    def smallest_gap_ms(self) -> int | None:
        """No two occurrences are closer, changes of the clock apart; None: at most one of them.

        Depends on what was written alone, not on the release of the time-zone data: a schedule that
        was accepted once has to be accepted again.
        """
        ...


@dataclass(frozen=True, slots=True)
class Once:
    """A single instant."""

    at_ms: int

    def next_after(self, after_ms: int) -> int | None:
        """The instant, if it is still to come."""
        return self.at_ms if self.at_ms > after_ms else None

    def smallest_gap_ms(self) -> int | None:
        """There is no second one."""
        return None


@dataclass(frozen=True, slots=True)
class Listed:
    """A few instants, ascending and each once."""

    instants_ms: tuple[int, ...]

    def next_after(self, after_ms: int) -> int | None:
        """The first strictly after `after_ms`."""
        place = bisect_right(self.instants_ms, after_ms)
        return self.instants_ms[place] if place < len(self.instants_ms) else None

    def smallest_gap_ms(self) -> int | None:
        """Between the two that are closest."""
        gaps = (later - sooner for sooner, later in pairwise(self.instants_ms))
        return min(gaps, default=None)


@dataclass(frozen=True, slots=True)
class Every:
    """A fixed distance of elapsed time, before the anchor as well as after it."""

    anchor_ms: int
    period_ns: int

    def next_after(self, after_ms: int) -> int | None:
        """Anchor + k x period, rounded up to whole milliseconds, for the smallest k possible."""
        ahead = (after_ms - self.anchor_ms) * MS_NANOS
        following = ahead + self.period_ns - ahead % self.period_ns
        return self.anchor_ms - (-following // MS_NANOS)

    def count(self, start_ms: int, end_ms: int) -> int:
        """How many there are from `start_ms` to before `end_ms`, which does not lie before it."""
        begun, ended = (
            (instant_ms - 1 - self.anchor_ms) * MS_NANOS // self.period_ns
            for instant_ms in (start_ms, end_ms)
        )
        return ended - begun

    def smallest_gap_ms(self) -> int | None:
        """The period."""
        return self.period_ns // MS_NANOS


@dataclass(frozen=True, slots=True)
class OnTheClock:
    """Wall-clock times of a zone, without beginning."""

    clock: WallClock
    times: CountedTimes
    #: Goes on through a change of the clock as if there were none.
    elapsed: bool

    def next_after(self, after_ms: int) -> int | None:
        """The first strictly after `after_ms`."""
        after_s = max(after_ms // 1000, EARLIEST_S)
        if self.elapsed:
            found = self.clock.next_elapsed(self.times, after_s)
        else:
            found = self.clock.next_after(self.times, after_s)
        return None if found is None else found * 1000

    def count(self, start_ms: int, end_ms: int) -> int | None:
        """How many there are from `start_ms` to before `end_ms`.

        None where they have to be gone through, since changes of the clock move them: those are
        seldom, or a few hours of each day.
        """
        if not self.elapsed:
            return None
        start_s = max(-(-start_ms // 1000), EARLIEST_S + 1)
        return self.clock.count_elapsed(self.times, start_s, -(-end_ms // 1000))

    def smallest_gap_ms(self) -> int | None:
        """That of the wall-clock times."""
        return self.times.smallest_gap_s() * 1000


class Union:
    """The occurrences of several series, each instant once."""

    __slots__ = ("_answers", "members")

    def __init__(self, members: Sequence[Series]) -> None:
        self.members = members
        #: What each member was asked last and what it answered. Whoever goes through a union in
        #: order would else ask all its members for each occurrence. Entries are replaced whole, so
        #: that threads can share them.
        self._answers: list[tuple[int, int]] = [(0, 0)] * len(members)

    def next_after(self, after_ms: int) -> int | None:
        """The first of any member's."""
        first = _NEVER_MS
        for index, (asked_ms, answer_ms) in enumerate(self._answers):
            if not asked_ms <= after_ms < answer_ms:
                answer = self.members[index].next_after(after_ms)
                answer_ms = _NEVER_MS if answer is None else answer
                self._answers[index] = (after_ms, answer_ms)
            first = min(first, answer_ms)
        return None if first == _NEVER_MS else first

    def smallest_gap_ms(self) -> int | None:
        """That of the member that has the smallest; two members may come closer to each other."""
        gaps = [member.smallest_gap_ms() for member in self.members]
        return min((gap for gap in gaps if gap is not None), default=None)
