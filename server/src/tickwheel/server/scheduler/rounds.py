"""Work that many ask for at once, done in rounds: whoever asks during one shares the next."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable


class Rounds:
    """Gathers what is asked for into one round after another."""

    def __init__(self, work: Callable[[list[int]], Awaitable[None]]) -> None:
        """Makes it; `work` is given all segments that a round was asked for, in order."""
        self._work = work
        self._wanted: set[int] = set()
        self._next: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()

    async def ask(self, segments: Iterable[int]) -> None:
        """Returns when a round that began after this call is over.

        Who gives up asking does not end the round: others share it.

        Raises:
            What the round raises.
        """
        self._wanted.update(segments)
        if self._next is None:
            self._next = asyncio.get_running_loop().create_task(self._round())
            # Its error is for those who wait, and there may be nobody any more.
            self._next.add_done_callback(lambda task: task.cancelled() or task.exception())
        await asyncio.shield(self._next)

    async def _round(self) -> None:
        async with self._turn:
            # From here on whoever asks may be too late for what this round reads.
            wanted, self._wanted, self._next = sorted(self._wanted), set(), None
            await self._work(wanted)
