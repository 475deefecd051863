"""Encoding of large batches without holding the event loop up."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

T = TypeVar("T")
R = TypeVar("R")

#: Values encoded in one go: about a millisecond.
_SLICE: Final = 200


async def encoded(items: Sequence[T], encode: Callable[[T], R]) -> list[R]:
    """Encodes all items, letting the event loop have a turn now and then."""
    rows: list[R] = []
    for at in range(0, len(items), _SLICE):
        if at:
            await asyncio.sleep(0)
        rows += [encode(item) for item in items[at : at + _SLICE]]
    return rows
