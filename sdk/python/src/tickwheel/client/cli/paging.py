"""Taking no more of a list than is wanted."""

from collections.abc import AsyncGenerator, AsyncIterator
from typing import TypeVar

_Item = TypeVar("_Item")


async def first(limit: int | None, items: AsyncIterator[_Item]) -> AsyncGenerator[_Item, None]:
    """At most `limit` of the items, from 1; all where it is None. Asks for none beyond it."""
    taken = 0
    async for item in items:
        yield item
        taken += 1
        if taken == limit:
            return
