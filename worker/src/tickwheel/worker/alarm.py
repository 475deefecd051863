"""A wait that ends by time or by being woken."""

import asyncio

from tickwheel.worker.clock import Clock


class Alarm:
    """For one waiting task. Ringing it while nobody waits makes the next wait return at once."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._rung = False
        self._waiter: asyncio.Future[None] | None = None

    def ring(self) -> None:
        """Wakes."""
        self._rung = True
        if self._waiter is not None:
            _wake(self._waiter)

    async def wait(self, seconds: float | None) -> None:
        """Waits until it is rung or the time has passed; None for no limit."""
        if not self._rung:
            waiter = self._waiter = asyncio.get_running_loop().create_future()
            sleeper = None
            if seconds is not None:
                sleeper = asyncio.ensure_future(self._clock.sleep(seconds))
                # Bound to this waiter: a sleeper's end by cancellation is told late, and would
                # wake the next one.
                sleeper.add_done_callback(lambda _: _wake(waiter))
            try:
                await waiter
            finally:
                self._waiter = None
                if sleeper is not None:
                    sleeper.cancel()
        self._rung = False


def _wake(waiter: "asyncio.Future[None]") -> None:
    if not waiter.done():
        waiter.set_result(None)
