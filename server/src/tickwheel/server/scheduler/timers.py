"""When something is to be done about runs though nobody says anything of them. Pure."""

import enum
import heapq
from collections.abc import Callable, Iterator

from tickwheel.server.scheduler.live import AttemptKey

#: So many are kept whatever they are of.
FEW = 10_000


class Timer(enum.Enum):
    """What is to be looked at when it rings."""

    #: Whether anything is recorded of the run.
    OVERDUE = enum.auto()
    #: Whether it is still to be published.
    LINGERING = enum.auto()
    #: Whether it is to be handed out: its attempt has come inside the look-ahead.
    HAND_OUT = enum.auto()
    #: Whether its end was reported within its time-out.
    DEADLINE = enum.auto()
    #: Whether its executor was heard of lately.
    SILENCE = enum.auto()


class Timers:
    """Those of one segment's runs.

    None is taken back: for whom it rings has to look whether it means anything by then.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Timer, AttemptKey]] = []
        self._serial = 0

    def set(self, at_ms: int, timer: Timer, key: AttemptKey) -> None:
        """One more, for an attempt."""
        self._serial += 1
        heapq.heappush(self._heap, (at_ms, self._serial, timer, key))

    def ring(self, now_ms: int) -> Iterator[tuple[Timer, AttemptKey]]:
        """Those whose instant has come, in order; also such as are set meanwhile."""
        while self._heap and self._heap[0][0] <= now_ms:
            _, _, timer, key = heapq.heappop(self._heap)
            yield timer, key

    def next_ms(self) -> int | None:
        """When the next one rings; None: there is none."""
        return self._heap[0][0] if self._heap else None

    def weed(self, live: int, is_live: Callable[[AttemptKey], bool]) -> None:
        """Lets go of those of attempts that are over, where they are far more than the live runs.

        Most are; a time-out may be days away.
        """
        if len(self._heap) > FEW + 4 * live:
            self._heap = [one for one in self._heap if is_live(one[3])]
            heapq.heapify(self._heap)
