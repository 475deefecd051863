"""A clock that goes on only when told, for the log and its publisher."""

import asyncio


class HandClock:
    def __init__(self, now_ms: int = 1_800_000_000_000) -> None:
        self._now_ms = now_ms
        self._sleepers: list[tuple[int, float, asyncio.Future[None]]] = []
        self._began = asyncio.Event()

    def now_ms(self) -> int:
        return self._now_ms

    def now_us(self) -> int:
        return self._now_ms * 1000

    def steady_ms(self) -> int:
        return self._now_ms - 1_700_000_000_000

    async def sleep(self, seconds: float) -> None:
        until_ms = self._now_ms + round(seconds * 1000)
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        sleeper = (until_ms, seconds, future)
        self._sleepers.append(sleeper)
        self._began.set()
        await future

    def advance(self, ms: int) -> None:
        self._now_ms += ms
        for sleeper in list(self._sleepers):
            until_ms, _, future = sleeper
            if until_ms <= self._now_ms and not future.done():
                self._sleepers.remove(sleeper)
                future.set_result(None)

    async def until_sleeping(self, seconds: float, sleepers: int = 1) -> None:
        """Waits until so many sleep for just this long."""
        while self._count(seconds) < sleepers:
            self._began.clear()
            await self._began.wait()

    def _count(self, seconds: float) -> int:
        # Who has stopped waiting has a future that is cancelled.
        return sum(asked == seconds and not future.done() for _, asked, future in self._sleepers)
