"""Waiting for records that nobody announces."""

import itertools
from collections.abc import Iterable

from tickwheel.server.bench.topic import come


async def waited(counts: Iterable[int], count: int) -> int:
    """The last of the counts that was asked for."""
    asked = 0
    coming = iter(counts)

    async def counted() -> int:
        nonlocal asked
        asked = next(coming)
        return asked

    await come(counted, count, patience_s=0.25)
    return asked


async def test_it_ends_when_all_are_there() -> None:
    assert await waited(range(1, 100), 3) == 3


async def test_as_long_as_more_come_it_goes_on() -> None:
    # 20 looks are longer than the patience, which is that of three.
    assert await waited(range(1, 100), 20) == 20


async def test_it_ends_when_no_more_come() -> None:
    assert await waited(itertools.chain([1, 2], itertools.repeat(2)), 3) == 2
