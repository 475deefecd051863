"""Who waits to hear what became of which attempts."""

import asyncio
from collections.abc import Iterable

from tickwheel.server.scheduler.live import AttemptKey


class Awaited:
    """Those who wait; nobody is remembered for longer."""

    def __init__(self) -> None:
        self._waiters: dict[AttemptKey, set[asyncio.Future[None]]] = {}

    def __len__(self) -> int:
        """Attempts that somebody waits for."""
        return len(self._waiters)

    def resolve(self, keys: Iterable[AttemptKey]) -> None:
        """Something is known about these: whoever waits for that goes on."""
        for key in keys:
            for waiter in self._waiters.get(key, ()):
                if not waiter.done():
                    waiter.set_result(None)

    async def wait(self, keys: Iterable[AttemptKey], seconds: float) -> None:
        """Returns when something is known about all of them, or after a while.

        Args:
            keys: which; where there are none it returns at once.
            seconds: at most so long.
        """
        loop = asyncio.get_running_loop()
        mine: dict[AttemptKey, asyncio.Future[None]] = {key: loop.create_future() for key in keys}
        if not mine:
            return
        for key, waiter in mine.items():
            self._waiters.setdefault(key, set()).add(waiter)
        try:
            await asyncio.wait(mine.values(), timeout=seconds)
        finally:
            # Of many nothing is heard: they are another owner's by now, or never come about.
            for key, waiter in mine.items():
                waiting = self._waiters[key]
                waiting.discard(waiter)
                if not waiting:
                    del self._waiters[key]
