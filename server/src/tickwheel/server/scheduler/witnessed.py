"""The present by a scheduler's clock, as far as its workers' clocks bear it out. Pure."""

from collections.abc import Iterable

from tickwheel.server.domain.clock import Clock


class WitnessedClock:
    """The machine's clock; where it is ahead of those of most workers the present is theirs.

    What is skipped, or has failed as its time has run out, stays so: an instant has come once both
    have reached it, as for what is published. A clock that is behind decides nothing too early.
    """

    def __init__(self, clock: Clock, bound_ms: int) -> None:
        """Makes it.

        Args:
            clock: the machine's.
            bound_ms: further ahead than this our own is taken to be wrong; to be right again it has
                to come to half of that, or one that is about as far off would go to and fro.
        """
        self._clock = clock
        self._bound_ms = bound_ms
        self._is_wrong = False
        #: The wall clocks of most workers are no further than this ahead of our steady one.
        self._workers_ms: int | None = None

    def hear(self, workers_ms: Iterable[int]) -> None:
        """Notes what the clocks of all connected workers show.

        Of two that contradict each other that counts which is for us. Where no worker is connected
        the last word of the former ones holds: they had not agreed with us.

        Args:
            workers_ms: how far the wall clock of each is ahead of our steady clock.
        """
        found = sorted(workers_ms)
        if found:
            self._workers_ms = found[len(found) // 2]
        self._is_wrong = self.ahead_ms > 0

    @property
    def is_witnessed(self) -> bool:
        """Whether any worker has ever said what its clock shows."""
        return self._workers_ms is not None

    @property
    def ahead_ms(self) -> int:
        """How far the machine's wall clock is ahead of most workers'; 0 where that is borne."""
        if self._workers_ms is None:
            return 0
        ahead_ms = self._clock.now_ms() - self._clock.steady_ms() - self._workers_ms
        bound_ms = self._bound_ms // 2 if self._is_wrong else self._bound_ms
        return ahead_ms if ahead_ms > bound_ms else 0

    def now_ms(self) -> int:
        """As the port says."""
        return self._clock.now_ms() - self.ahead_ms

    def now_us(self) -> int:
        """As the port says."""
        return self._clock.now_us() - self.ahead_ms * 1000

    def steady_ms(self) -> int:
        """As the port says."""
        return self._clock.steady_ms()

    async def sleep(self, seconds: float) -> None:
        """As the port says."""
        await self._clock.sleep(seconds)
