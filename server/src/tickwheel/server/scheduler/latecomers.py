"""States of runs that a former owner wrote, and that came to the store after it was read.

A write whose outcome nobody knows may land seconds after the take-over. What it says was to be is
taken up, or ended: a run that is recorded as due has a final state.
"""

from typing import Final

from tickwheel.server.domain.clock import Clock
from tickwheel.server.scheduler.apart import about, each_apart
from tickwheel.server.scheduler.holding import Holding, Holdings
from tickwheel.server.scheduler.versions import Versions
from tickwheel.server.store.port import INBOX_HORIZON_MS, Store

#: So long after a take-over the log is read again: a write is given up sooner, and hardly ever
#: lands later.
LATE_MS: Final = 10_000


class Latecomers:
    """Looks at each segment once more, a while after it was taken over."""

    def __init__(self, store: Store, clock: Clock, holdings: Holdings, versions: Versions) -> None:
        """Makes it; `holdings` are shared, and changed by others, `versions` reads the jobs."""
        self._store = store
        self._versions = versions
        self._clock = clock
        self._holdings = holdings

    async def look(self) -> None:
        """Looks at those whose time has come."""
        now_ms = self._clock.now_ms()
        late = [
            holding
            for holding in self._holdings.values()
            if holding.ready
            and 0 < holding.taken_ms <= now_ms - LATE_MS
            # Before that its row may still be to be read, and it is none.
            and holding.taken_in_ms >= holding.taken_ms + LATE_MS
        ]
        await each_apart(about(late, self._look_at))

    async def _look_at(self, holding: Holding) -> None:
        since_ms = holding.taken_ms - INBOX_HORIZON_MS
        log = await self._store.runs.read_log([holding.segment], since_ms)
        late = holding.owner.unknown_of(log)
        jobs, _ = await self._versions.read([(run.key, run.segment, None) for run in late])
        now_ms = self._clock.now_ms()
        # Some may have come to be known while their jobs were read.
        for run in holding.owner.unknown_of(late):
            job = jobs.get(run.key)
            if job is not None and self._holdings.get(holding.segment) is holding:
                holding.owner.take_late(run, job, now_ms)
        holding.taken_ms = 0
