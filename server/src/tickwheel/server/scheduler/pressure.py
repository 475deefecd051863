"""Whether so much waits to be published that nothing more is taken in.

With Kafka or all workers away for hours, all that comes due would otherwise be held, until memory
ends. It stays in the store instead, where an owner that was down would have left it as well.
"""

import structlog

from tickwheel.server.domain.clock import Clock
from tickwheel.server.scheduler.assignment import weigh
from tickwheel.server.scheduler.holding import Holdings

_log = structlog.get_logger(__name__)

#: What they may weigh with their payloads.
MOST_BYTES = 512 * 1024 * 1024
#: So few are not even counted, and may weigh anything: at most 256 KiB each.
FEW = 20_000
#: A count takes some 20 ms where there are many.
COUNT_EVERY_MS = 1_000


class Pressure:
    """Looks at what all segments of one scheduler hold."""

    def __init__(self, clock: Clock, holdings: Holdings, most: int) -> None:
        """Makes it.

        Args:
            clock: for how often it is counted.
            holdings: shared, and changed by others.
            most: runs that may wait to be published.
        """
        self._clock = clock
        self._holdings = holdings
        self._most = most
        self._few = min(FEW, most)
        self._counted_ms: int | None = None
        self._is_high = False

    def is_high(self) -> bool:
        """Whether it is so now; after that has changed, up to a second later."""
        live = sum(holding.owner.count_live() for holding in self._holdings.values())
        if live <= self._few:
            self._turn(is_high=False, live=live)
            return False
        now_ms = self._clock.steady_ms()
        if self._counted_ms is None or now_ms - self._counted_ms >= COUNT_EVERY_MS:
            self._counted_ms = now_ms
            self._turn(is_high=self._is_over(), live=live)
        return self._is_high

    def _is_over(self) -> bool:
        runs = size = 0
        for holding in self._holdings.values():
            for run in holding.owner.runs.unpublished():
                runs += 1
                size += weigh(run)
        return runs > self._most or size > MOST_BYTES

    def _turn(self, *, is_high: bool, live: int) -> None:
        if is_high != self._is_high:
            self._is_high = is_high
            _log.warning(
                "so much waits for workers that nothing more is taken in"
                if is_high
                else "what comes due is taken in again",
                runs=live,
            )
