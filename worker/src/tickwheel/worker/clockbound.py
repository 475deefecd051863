"""What a worker knows of a scheduler's wall clock. Pure."""

#: Two machines' steady clocks drift apart by at most this many milliseconds per second (500 ppm,
#: the most that NTP slews, on each side).
DRIFT = 0.001


class ClockBound:
    """Bounds of a scheduler's wall clock, from readings that it sends with its answers.

    The scheduler read its clock somewhere between our asking and its answer's arrival; had it read
    it at the arrival, its clock would stand lowest now. Each reading therefore gives an interval
    for the difference of its wall clock and our steady clock. The intersection of intervals is
    kept (as in Marzullo's algorithm), so that one slow answer does not make everything late; an
    interval that does not meet it means that the scheduler's clock was stepped, and replaces it.
    """

    __slots__ = ("_high", "_low", "_taken_ms")

    def __init__(self) -> None:
        self._low: float | None = None
        self._high = 0.0
        self._taken_ms = 0

    def observe(self, wall_ms: int, asked_ms: int, heard_ms: int) -> None:
        """Takes in one reading.

        Args:
            wall_ms: the scheduler's wall clock.
            asked_ms: our steady clock before asking.
            heard_ms: our steady clock after the answer has arrived.
        """
        # All three are cut to whole milliseconds; the widening by one on each side covers that.
        low: float = wall_ms - heard_ms - 1
        high: float = wall_ms + 1 - asked_ms + 1
        if self._low is not None:
            aged = DRIFT * (heard_ms - self._taken_ms)
            kept_low, kept_high = self._low - aged, self._high + aged
            if kept_low <= high and low <= kept_high:
                low, high = max(low, kept_low), min(high, kept_high)
        self._low, self._high, self._taken_ms = low, high, heard_ms

    def lower_ms(self, steady_ms: int) -> int | None:
        """The scheduler's wall clock has at least reached this; None before the first reading."""
        if self._low is None:
            return None
        return int(self._low + steady_ms - DRIFT * (steady_ms - self._taken_ms))

    def apart_ms(self, wall_ms: int, steady_ms: int) -> int:
        """By how much our wall clock is ahead of the scheduler's for certain; negative if behind.

        0 where they may be equal, and before the first reading.
        """
        if self._low is None:
            return 0
        aged = DRIFT * (steady_ms - self._taken_ms)
        low, high = self._low + steady_ms - aged, self._high + steady_ms + aged
        if wall_ms > high:
            return int(wall_ms - high)
        if wall_ms < low:
            return -int(low - wall_ms)
        return 0
