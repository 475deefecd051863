"""Time as a scheduler counts the silence of others: only while it is awake itself."""

from tickwheel.server.domain.clock import Clock


class TimeAwake:
    """Steady time, less that in which this process stood still and could hear nobody.

    It was stopped (SIGSTOP), or its machine was suspended or starved: then much time passes between
    two looks at this clock, of which only a little counts. So it is never ahead of steady time, and
    what has ended by it has ended.
    """

    def __init__(self, clock: Clock, most_ms: int) -> None:
        """Makes it.

        Args:
            clock: the machine's.
            most_ms: how much counts between two looks at most; who is awake looks more often.
        """
        self._clock = clock
        self._most_ms = most_ms
        self._seen_ms = clock.steady_ms()
        self._ms = 0

    def ms(self) -> int:
        """Milliseconds from an arbitrary beginning."""
        now_ms = self._clock.steady_ms()
        self._ms += min(now_ms - self._seen_ms, self._most_ms)
        self._seen_ms = now_ms
        return self._ms
