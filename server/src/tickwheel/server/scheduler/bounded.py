"""Many calls of the store side by side, but not too many."""

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any

#: Calls for different segments under way at once.
MAX_CALLS = 32


async def bounded(work: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Runs coroutines side by side, at most MAX_CALLS at once; all are awaited.

    Where one fails, or the caller is cancelled, those that have not begun never do.
    """
    limit = asyncio.Semaphore(MAX_CALLS)
    coroutines = list(work)

    async def one(coroutine: Coroutine[Any, Any, None]) -> None:
        async with limit:
            await coroutine

    try:
        async with asyncio.TaskGroup() as tasks:
            for coroutine in coroutines:
                tasks.create_task(one(coroutine))
    finally:
        for coroutine in coroutines:
            # Python would warn of one that was never awaited.
            coroutine.close()
