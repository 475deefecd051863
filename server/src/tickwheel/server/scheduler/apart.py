"""A part of the store that is away holds up no more than the segments that it concerns.

Each segment's rows are partitions of their own: where some replicas are gone, or one partition has
become too dear to read, some segments cannot be read or written, and the others can.

What is read of many segments at once fails as a whole. So a reading that has failed is not done
together the next time: each of its segments is read by itself, side by side, and comes back to the
others once that worked. Not at once: where the store is away altogether, as it mostly is, each
would wait for a time-out once more, and find the store that comes back meanwhile that much later.
The next time is a second later, while what is due was read LOOK_AHEAD_MS ahead.
"""

from collections.abc import Callable, Coroutine, Iterable, Mapping
from functools import partial
from typing import Any, TypeVar

from tickwheel.server.domain.errors import Fenced, StoreUnavailable
from tickwheel.server.scheduler.bounded import MAX_CALLS, bounded
from tickwheel.server.scheduler.holding import Holding

#: A call, and the segments that it is about.
Call = tuple[Iterable[int], Callable[[], Coroutine[Any, Any, None]]]
K = TypeVar("K")


class SegmentsAway(StoreUnavailable):
    """The store is away for these segments; what was asked for of others has been done."""

    def __init__(self, segments: Iterable[int], error: StoreUnavailable) -> None:
        self.segments = frozenset(segments)
        which = ", ".join(map(str, sorted(self.segments)))
        super().__init__(f"segments {which}: {error.message}")


async def each_apart(calls: Iterable[Call]) -> None:
    """Carries out calls side by side, each of them whatever becomes of the others.

    But where as many as are under way at once have failed, and none has worked, the store is away
    altogether: those that have not begun never do, or each MAX_CALLS of them would wait for a
    time-out of their own. That it is so by accident is not to be expected: which segments an outage
    of a part concerns is as good as random, and another minute's partitions lie elsewhere.

    Raises:
        SegmentsAway: with the segments of which something could not be read or written.
        ExceptionGroup: of that and of others.
    """
    away: dict[int, StoreUnavailable] = {}
    fenced: list[Exception] = []
    left: list[int] = []
    failed = worked = 0

    async def one(segments: Iterable[int], call: Callable[[], Coroutine[Any, Any, None]]) -> None:
        nonlocal failed, worked
        if failed >= MAX_CALLS and not worked:
            left.extend(segments)
            return
        try:
            await call()
        except StoreUnavailable as error:
            failed += 1
            away.update(dict.fromkeys(segments, error))
        except Fenced as error:
            # The session has run out, which each finds out at once; or this segment was let go.
            failed += 1
            fenced.append(error)
        else:
            worked += 1

    await bounded(one(*call) for call in calls)
    errors = list(fenced)
    if away:
        errors.append(SegmentsAway([*away, *left], next(iter(away.values()))))
    if fenced:
        raise ExceptionGroup("of calls side by side", errors)
    if errors:
        raise errors[0]


def about(
    holdings: Iterable[Holding], call: Callable[[Holding], Coroutine[Any, Any, None]]
) -> list[Call]:
    """A call about each of the segments."""
    return [((holding.segment,), partial(call, holding)) for holding in holdings]


class Doubtful:
    """Segments with which something failed the last time.

    Who failed longest ago has its turn first. Else those that stay away, where they are as many as
    are tried before it is given up, would keep the others from it for as long as they do.
    """

    def __init__(self) -> None:
        """None."""
        self._segments: dict[int, None] = {}

    def __contains__(self, segment: int) -> bool:
        return segment in self._segments

    def failed(self, segments: Iterable[int]) -> None:
        """Something failed with them just now."""
        for segment in segments:
            self._segments.pop(segment, None)
            self._segments[segment] = None

    def worked(self, segments: Iterable[int]) -> None:
        """It worked with them."""
        for segment in segments:
            self._segments.pop(segment, None)

    def in_turn(self) -> list[int]:
        """All of them, as their turns come."""
        return list(self._segments)


class Together:
    """Reads segments together, but for those that were not to be read the last time."""

    def __init__(self) -> None:
        """Makes it, for one kind of reading: what cannot be read in one way may be in another."""
        self._doubtful = Doubtful()

    async def read(
        self,
        groups: Mapping[K, Iterable[int]],
        call: Callable[[K, list[int]], Coroutine[Any, Any, None]],
    ) -> None:
        """Reads groups of segments, by what those of a group have in common.

        Raises:
            SegmentsAway: of the other segments all was read.
        """
        parts: list[tuple[K, list[int]]] = []
        alone: dict[int, K] = {}
        for key, segments in groups.items():
            others: list[int] = []
            for segment in segments:
                if segment in self._doubtful:
                    alone[segment] = key
                else:
                    others.append(segment)
            if others:
                parts.append((key, others))
        parts += ((alone[one], [one]) for one in self._doubtful.in_turn() if one in alone)
        await each_apart((some, partial(self._read, call, key, some)) for key, some in parts)

    async def _read(
        self,
        call: Callable[[K, list[int]], Coroutine[Any, Any, None]],
        key: K,
        segments: list[int],
    ) -> None:
        try:
            await call(key, segments)
        except StoreUnavailable:
            self._doubtful.failed(segments)
            raise
        self._doubtful.worked(segments)
