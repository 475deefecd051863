"""A wait that ends by time or by being woken."""

import asyncio

from tickwheel.worker.clock import Clock


class Alarm:
    """For one waiting task. Waking it while it does not wait makes its next wait return at once."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._rung = False
        self._waiter: asyncio.Future[None] | None = None

    def ring(self) -> None:
        """Wakes."""
        self._rung = True
        self._wake()

    async def wait(self, seconds: float | None) -> None:
        """Waits until it is rung or the time has passed; None for no limit.

        It may end early for no reason.
        """
        if not self._rung:
            self._waiter = asyncio.get_running_loop().create_future()
            sleeper = None
            if seconds is not None:
                sleeper = asyncio.ensure_future(self._clock.sleep(seconds))
                sleeper.add_done_callback(lambda _: self._wake())
            try:
                await self._waiter
            finally:
                self._waiter = None
                if sleeper is not None:
                    sleeper.cancel()
        self._rung = False

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
