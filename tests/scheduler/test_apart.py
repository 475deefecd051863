"""What fails of one segment holds up none of the others."""

import asyncio
from functools import partial

import pytest

from tickwheel.server.domain.errors import Fenced, StoreUnavailable
from tickwheel.server.scheduler.apart import SegmentsAway, Together, each_apart
from tickwheel.server.scheduler.bounded import MAX_CALLS

GROUP = {None: [1, 2, 3]}


class _Partitions:
    """Segments of which some cannot be read."""

    def __init__(self, *away: int) -> None:
        self.away = set(away)
        self.asked: list[list[int]] = []
        self.read: set[int] = set()

    async def call(self, _: object, segments: list[int]) -> None:
        self.asked.append(segments)
        await asyncio.sleep(0)
        if not self.away.isdisjoint(segments):
            raise StoreUnavailable("no replica answers")
        self.read.update(segments)

    async def write(self, segment: int) -> None:
        await self.call(None, [segment])


async def test_each_is_carried_out_and_which_were_not_is_told() -> None:
    partitions = _Partitions(0, 5)
    with pytest.raises(SegmentsAway, match="segments 0, 5: no replica answers") as raised:
        await each_apart(((at,), partial(partitions.write, at)) for at in range(2 * MAX_CALLS))
    assert raised.value.segments == {0, 5}
    assert len(partitions.read) == 2 * MAX_CALLS - 2


async def test_what_is_fenced_is_told_beside_what_is_away() -> None:
    partitions = _Partitions(0)

    async def fail() -> None:
        raise Fenced("the segment was let go")

    calls = [((at,), partial(partitions.write, at)) for at in (0, 1)]
    with pytest.raises(ExceptionGroup) as raised:
        await each_apart([((2,), fail), *calls])
    assert raised.group_contains(Fenced)
    assert raised.group_contains(SegmentsAway)
    assert partitions.read == {1}


async def test_of_a_store_that_is_away_altogether_no_more_is_asked() -> None:
    """Each MAX_CALLS would wait for a time-out of their own."""
    segments = range(10 * MAX_CALLS)
    partitions = _Partitions(*segments)
    with pytest.raises(SegmentsAway) as raised:
        await each_apart(((at,), partial(partitions.write, at)) for at in segments)
    assert len(partitions.asked) == MAX_CALLS
    assert raised.value.segments == set(segments)


async def test_what_failed_together_is_read_apart_the_next_time_and_comes_back() -> None:
    partitions, together = _Partitions(2), Together()
    for expected in ([[1, 2, 3]], [[1], [2], [3]], [[1, 3], [2]]):
        partitions.asked.clear()
        with pytest.raises(SegmentsAway):
            await together.read(GROUP, partitions.call)
        assert partitions.asked == expected
    partitions.away.clear()
    await together.read(GROUP, partitions.call)
    assert partitions.read == {1, 2, 3}
    partitions.asked.clear()
    await together.read(GROUP, partitions.call)
    assert partitions.asked == [[1, 2, 3]]


async def test_what_is_to_be_read_again_has_its_turn_behind_many_that_stay_away() -> None:
    """As many as are under way at once fail each time, and no other works meanwhile."""
    *away, back = segments = range(3 * MAX_CALLS)
    groups = {at: [at] for at in segments}
    partitions, together = _Partitions(*segments), Together()
    with pytest.raises(SegmentsAway):
        await together.read({None: segments}, partitions.call)
    partitions.away = set(away)
    for _ in range(3):
        with pytest.raises(SegmentsAway):
            await together.read(groups, partitions.call)
    assert partitions.read == {back}
