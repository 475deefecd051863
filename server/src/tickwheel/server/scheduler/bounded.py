"""Many calls of the store side by side, but not too many."""

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any

#: Calls for different segments under way at once.
MAX_CALLS = 32
#: So many begin in one turn of the event loop. What each does before it first waits would add up,
#: and hold up what is due.
TURN = 4


async def bounded(work: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Runs coroutines side by side, at most MAX_CALLS at once; all are awaited.

    For what is worth nothing without the rest of it. What is to be carried out whatever becomes of
    the others: `apart.each_apart`.

    Where one fails, or the caller is cancelled, those that have not begun never do. No TaskGroup:
    one that is ending because of an error forgets that its task was cancelled meanwhile, and a
    loop that goes on after errors would never end.

    Raises:
        ExceptionGroup: of what they raised; not where the caller was cancelled.
    """
    limit = asyncio.Semaphore(MAX_CALLS)
    coroutines = list(work)

    async def one(coroutine: Coroutine[Any, Any, None]) -> None:
        async with limit:
            await coroutine

    tasks: list[asyncio.Task[None]] = []
    cancelled = ending = False
    try:
        for coroutine in coroutines:
            tasks.append(asyncio.create_task(one(coroutine)))
            if len(tasks) % TURN == 0:
                await asyncio.sleep(0)
                if any(map(_has_failed, tasks[-TURN:])):
                    break
    except asyncio.CancelledError:
        cancelled = ending = True
        for task in tasks:
            task.cancel()
    pending = set(tasks)
    while pending:
        try:
            _, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_EXCEPTION)
        except asyncio.CancelledError:
            cancelled = True
        if not ending:
            # Once: what they do about it is not to be cut off.
            ending = True
            for task in pending:
                task.cancel()
    for coroutine in coroutines:
        # Python would warn of one that was never awaited.
        coroutine.close()
    errors = [error for task in tasks if not task.cancelled() and (error := task.exception())]
    if cancelled:
        raise asyncio.CancelledError
    if errors:
        raise BaseExceptionGroup("of calls side by side", errors)


def _has_failed(task: asyncio.Task[None]) -> bool:
    return task.done() and not task.cancelled() and task.exception() is not None
