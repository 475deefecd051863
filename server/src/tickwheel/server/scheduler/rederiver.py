"""Notices new time-zone data, and goes through what is written in the segments that are owned.

What is near follows at once. What is further away is read in the background, in bounded stretches
with a pause after each; a segment that was gone through remembers it in the store, so that nobody
does so again.
"""

from collections.abc import Awaitable, Callable

import structlog

from tickwheel.server.domain.occurrence import ScheduleEntry
from tickwheel.server.scheduler.context import SchedulerContext
from tickwheel.server.scheduler.holding import Holding
from tickwheel.server.scheduler.recorder import Recorder
from tickwheel.server.scheduler.versions import Versions

_log = structlog.get_logger(__name__)

#: A digest of the time-zone data that schedules are compiled with now; empty: nobody looks.
ZoneData = Callable[[], Awaitable[str]]

#: Rows are read in stretches of this length, in ms: shorter where they are many.
_SHORTEST_MS, _LONGEST_MS = 60_000, 21_600_000
#: A stretch of more rows is followed by shorter ones, one of fewer by longer ones.
_MANY, _FEW = 2_000, 500
#: Rows looked at between two turns of the event loop.
_SLICE = 100
_PAUSE_S = 0.05


async def unwatched() -> str:
    """Time-zone data that nobody looks at."""
    return ""


class Rederiver:
    """Keeps the segments' rows to the time-zone data."""

    def __init__(
        self,
        context: SchedulerContext,
        versions: Versions,
        recorder: Recorder,
        zone_data: ZoneData,
    ) -> None:
        """Makes it; `versions` reads the jobs, `recorder` writes the rows that move."""
        self._versions = versions
        self._store = context.store
        self._clock = context.clock
        self._options = context.options
        self._keeper = context.keeper
        self._fleet = context.fleet
        self._holdings = context.holdings
        self._recorder = recorder
        self._zone_data = zone_data
        self._digest = ""
        self._look_steady_ms = 0

    async def begin(self) -> None:
        """A new session: nothing is owned yet."""
        self._digest = await self._zone_data()
        self._look_steady_ms = self._clock.steady_ms() + self._options.zone_data_ms

    async def compare(self, segments: list[int]) -> None:
        """Marks the segments whose rows are derived by other data; before they are read."""
        if not self._digest:
            return
        saved = await self._store.schedule.zone_data(segments)
        for segment in segments:
            holding = self._holdings.get(segment)
            if holding is not None:
                holding.zone_data = saved[segment]
                holding.outdated = holding.zone_data != self._digest

    def is_settled(self, holding: Holding) -> bool:
        """Whether all rows of a segment are by the data that schedules are compiled with now."""
        return holding.zone_data == self._digest

    async def work(self) -> None:
        """Looks for new data now and then; goes through the segments that need it."""
        await self._look()
        for holding in list(self._holdings.values()):
            if holding.ready and not self.is_settled(holding):
                await self._go_through(holding, self._digest)
                await self._look()

    async def _look(self) -> None:
        if self._clock.steady_ms() < self._look_steady_ms:
            return
        self._look_steady_ms = self._clock.steady_ms() + self._options.zone_data_ms
        digest = await self._zone_data()
        if digest == self._digest:
            return
        self._digest = digest
        _log.info("new time-zone data", digest=digest)
        for holding in list(self._holdings.values()):
            now = self._clock.now_ms()
            self._fleet.revoke(holding.owner.begin_rederiving(now, now))
            await self._clock.sleep(0)

    async def _go_through(self, holding: Holding, digest: str) -> None:
        """Looks at all rows of a segment that are not in memory."""
        at_ms, stretch_ms = holding.taken_in_ms, _SHORTEST_MS
        while (found := await self._first_ms(holding, at_ms)) is not None:
            from_ms = max(at_ms, found)
            at_ms = from_ms + stretch_ms
            entries = await self._store.schedule.read_due([holding.segment], from_ms, at_ms)
            await self._look_at(holding, entries)
            if len(entries) > _MANY:
                stretch_ms = max(_SHORTEST_MS, stretch_ms // 2)
            elif len(entries) < _FEW:
                stretch_ms = min(_LONGEST_MS, stretch_ms * 2)
            await self._clock.sleep(_PAUSE_S)
        if not self._is_ours(holding) or digest != self._digest:
            return
        # What is near and wrong moves as well before the segment counts as gone through.
        await self._recorder.advance(holding)
        await self._store.schedule.save_zone_data(
            self._keeper.stamp(holding.segment, holding.epoch), digest
        )
        holding.zone_data = digest
        holding.owner.end_rederiving()

    async def _first_ms(self, holding: Holding, at_ms: int) -> int | None:
        if not self._is_ours(holding):
            return None
        return await self._store.schedule.first_fire_ms(holding.segment, at_ms)

    async def _look_at(self, holding: Holding, entries: list[ScheduleEntry]) -> None:
        for start in range(0, len(entries), _SLICE):
            part = entries[start : start + _SLICE]
            jobs, _ = await self._versions.read([(one.key, one.segment, None) for one in part])
            holding.owner.rederive(part, jobs, self._clock.now_ms())
        if entries:
            await self._recorder.advance(holding)

    def _is_ours(self, holding: Holding) -> bool:
        return self._holdings.get(holding.segment) is holding and not holding.leaving
