"""What a watch is shown of the time before it began: read from the run log, not from the hub.

As long as it lies so far back that nothing can be written there any more, it is read stretch by
stretch of time, all segments in each. Then what was shown is all there was up to the end of the
last stretch, which is where a token goes on; the hub keeps nothing for the watch meanwhile, and a
client may take its time. Only the last seconds are read beside the hub.
"""

from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Final

from tickwheel.server.api.watch.hub import SETTLE_MS, Watch
from tickwheel.server.domain.clock import Clock
from tickwheel.server.domain.run import Run
from tickwheel.server.store.log_reader import LogReader
from tickwheel.server.store.port import Store

#: What lies no further back than this beyond the time in which things settle is read beside the
#: hub, in ms.
NEAR_MS: Final = 5_000
#: A stretch at first, at least; in ms.
_FIRST_MS: Final = 60_000
_SHORTEST_MS: Final = 1_000
#: Pages of a stretch that ought to be more than one for each segment: below it, the next one is
#: twice as long, beyond four times as many half as long.
_PAGES: Final = 10
_EVER_MS: Final = 1 << 60

Segments = Callable[[], Awaitable[frozenset[int]]]


class Past:
    """Reads the run log for one watch; what it holds at a time is a page."""

    def __init__(self, store: Store, clock: Clock, watch: Watch, wants: Callable[[Run], bool]):
        """See `settled` and `recent`."""
        self._store = store
        self._clock = clock
        self._watch = watch
        self._wants = wants
        self._pages = 0

    async def settled(
        self, segments: Segments, since_ms: int
    ) -> AsyncIterator[tuple[int, Run | None]]:
        """States from an instant on to near the present, each with the instant to go on from.

        No state: all from before that instant was given. It ends with such a one.

        Raises:
            Overloaded, ServerStopping: the watch was ended.
            StoreUnavailable: the run log cannot be read.
        """
        steady_ms, width_ms = self._clock.steady_ms(), _FIRST_MS
        behind_ms = _EVER_MS
        while True:
            now_ms, former_ms = self._clock.now_ms(), steady_ms
            steady_ms = self._clock.steady_ms()
            # Where the wall clock was set back meanwhile, what has been recorded since stands
            # before what was read.
            since_ms = min(since_ms, now_ms - (steady_ms - former_ms) - SETTLE_MS)
            settled_ms = now_ms - SETTLE_MS
            yield since_ms, None
            if settled_ms - since_ms <= NEAR_MS or settled_ms - since_ms >= behind_ms:
                # Or a stretch takes as long as it is: there is no coming nearer.
                return
            end_ms = min(since_ms + width_ms, settled_ms)
            if end_ms == settled_ms:
                behind_ms = settled_ms - since_ms
            wanted = await segments()
            self._pages = 0
            async for run in self._stretch(wanted, since_ms, end_ms):
                yield since_ms, run
            since_ms = end_ms
            width_ms = next_width_ms(width_ms, self._pages - len(wanted))

    def recent(self, segments: Iterable[int], since_ms: int) -> AsyncIterator[Run]:
        """States from an instant on, segment by segment, up to now.

        Raises:
            Overloaded, ServerStopping: the watch was ended.
            StoreUnavailable: the run log cannot be read.
        """
        return self._stretch(segments, since_ms, _EVER_MS)

    async def _stretch(
        self, segments: Iterable[int], start_ms: int, end_ms: int
    ) -> AsyncIterator[Run]:
        reader = await LogReader.open(self._store)
        for segment in sorted(segments):
            async for page in reader.pages(segment, start_ms, end_ms, self._wants):
                self._pages += 1
                for run in page:
                    # It may have been waited for long until the last one was taken.
                    self._watch.check()
                    yield run
                self._watch.check()


def next_width_ms(width_ms: int, pages: int) -> int:
    """How long the next stretch is to be; `pages`: of the last one, beyond one for each segment."""
    if pages > 4 * _PAGES:
        return max(width_ms // 2, _SHORTEST_MS)
    return width_ms * 2 if pages < _PAGES else width_ms


class Shown:
    """Of the runs that were shown last the latest state of each, by its order."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._orders: OrderedDict[tuple[str, str], tuple[int, int]] = OrderedDict()

    def add(self, run: Run) -> bool:
        """Whether this state is later than what was shown of its run; it is shown then."""
        name = (run.job_uid, run.run_id)
        if not self.is_new(run):
            return False
        self._orders[name] = run.order
        self._orders.move_to_end(name)
        if len(self._orders) > self._most:
            self._orders.popitem(last=False)
        return True

    def is_new(self, run: Run) -> bool:
        """Whether this state is later than what was shown of its run."""
        shown = self._orders.get((run.job_uid, run.run_id))
        return shown is None or shown < run.order

    def clear(self) -> None:
        """Forgets them."""
        self._orders.clear()

    def __len__(self) -> int:
        return len(self._orders)
