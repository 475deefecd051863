"""Time that passes only when told, for a whole worker and its schedulers."""

import asyncio
import heapq
import itertools

#: Turns of the event loop after which everything that can run without time passing has run.
SETTLE_TURNS = 60


class VirtualTime:
    """The true time; clocks are made from it, each wrong in its own way."""

    def __init__(self, start_ms: int) -> None:
        self.wall_ms = start_ms
        self.steady_ms = 5_000
        #: How often anyone has begun to wait.
        self.sleeps = 0
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []
        self._serial = itertools.count()

    async def advance(self, duration_ms: int) -> None:
        """Lets time pass; everything that wakes on the way runs at its instant."""
        end_ms = self.steady_ms + duration_ms
        await self.settle()
        while self._sleepers and self._sleepers[0][0] <= end_ms:
            self._jump(self._sleepers[0][0])
            await self.settle()
        self._jump(end_ms)
        await self.settle()

    async def freeze(self, duration_ms: int) -> None:
        """Time passes while nothing runs, as when the process is stopped; then all wakes late."""
        self._jump(self.steady_ms + duration_ms)
        await self.settle()

    async def settle(self) -> None:
        for _ in range(SETTLE_TURNS):
            await asyncio.sleep(0)

    async def sleep(self, seconds: float) -> None:
        self.sleeps += 1
        due_ms = self.steady_ms + max(1, -(-int(seconds * 1_000_000) // 1_000))
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (due_ms, next(self._serial), future))
        await future

    def _jump(self, to_ms: int) -> None:
        self.wall_ms += to_ms - self.steady_ms
        self.steady_ms = to_ms
        while self._sleepers and self._sleepers[0][0] <= to_ms:
            future = heapq.heappop(self._sleepers)[2]
            if not future.done():
                future.set_result(None)


class VirtualClock:
    """One machine's clock."""

    def __init__(self, time: VirtualTime, skew_ms: int = 0) -> None:
        self._time = time
        self.skew_ms = skew_ms

    def now_ms(self) -> int:
        return self._time.wall_ms + self.skew_ms

    def steady_ms(self) -> int:
        return self._time.steady_ms

    async def sleep(self, seconds: float) -> None:
        await self._time.sleep(seconds)
