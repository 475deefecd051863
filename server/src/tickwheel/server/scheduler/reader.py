"""Reads what the owners are to fire: the schedule, and what former owners left."""

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from tickwheel.server.domain.errors import StoreUnavailable
from tickwheel.server.domain.job import Job
from tickwheel.server.domain.names import JobKey
from tickwheel.server.domain.occurrence import RowPlace, ScheduleEntry
from tickwheel.server.domain.run import Run
from tickwheel.server.scheduler.apart import SegmentsAway, Together, about, each_apart
from tickwheel.server.scheduler.backlog import Backlog
from tickwheel.server.scheduler.context import SchedulerContext
from tickwheel.server.scheduler.holding import Holding, position_of, recovered
from tickwheel.server.scheduler.keeper import SET_BACK_MS
from tickwheel.server.scheduler.recovering import is_underway, latest_states
from tickwheel.server.scheduler.segment import POSITION_LAG_MS
from tickwheel.server.scheduler.versions import Versions
from tickwheel.server.store.port import INBOX_HORIZON_MS, LOOK_AHEAD_MS

#: The schedule is read in stretches of this length when an owner catches up, in ms.
CATCH_UP_STRETCH_MS = 600_000
#: Segments whose positions are this near to each other are recovered together.
TOGETHER_MS = 60_000
#: While more runs and rows than this are there, of all segments, an owner that catches up reads no
#: further than a stretch of each.
MAX_BACKLOG = 50_000
#: What could not be taken in, as the store was away or there was no room, is tried again after this
#: long.
RETRY_S = 0.5


@dataclass(frozen=True, slots=True)
class Left:
    """What former owners left of segments."""

    #: Up to where each of the segments is done, in ms; 0 where that was never saved.
    positions: Mapping[int, int]
    #: Runs with rows of their own, and the states that are recorded of them, by segment.
    runs: Mapping[int, list[Run]]


class Reader:
    """The reading side of one scheduler."""

    def __init__(self, context: SchedulerContext, versions: Versions) -> None:
        """Makes it; `versions` reads the jobs."""
        self._store = context.store
        self._clock = context.clock
        self._slice = context.options.slice
        self._fleet = context.fleet
        self._holdings = context.holdings
        self._pressure = context.pressure
        self._wake = context.wake
        self._versions = versions
        self._backlog = Backlog[ScheduleEntry]()
        self._some = asyncio.Event()
        #: The last slice of it had jobs that cannot be read: it is taken in job by job.
        self._is_apart = False
        #: Rows of jobs that could not be read while others could.
        self._aside: list[ScheduleEntry] = []
        #: Readings of the schedule that are under way.
        self._readings = 0
        self._schedules = Together()
        #: What lies behind may be not to be read while what lies ahead is, and the other way round.
        self._sweeps = Together()
        #: One slice of the backlog is taken in at a time.
        self._loading = asyncio.Lock()

    async def read_left(self, segments: list[int]) -> Left:
        """What the former owners of the segments have left, but for their run logs."""
        positions, rows = await asyncio.gather(
            self._store.schedule.positions(segments), self._store.open_runs.read(segments)
        )
        states = await self._store.runs.get_many([(run.job_uid, run.run_id) for run in rows])
        return Left(positions, _by_segment([*rows, *states.values()]))

    async def recover(self, left: Left) -> None:
        """Takes in what the former owners have left, with what their run logs tell of it."""
        groups: dict[int, list[int]] = {}
        for segment, position_ms in left.positions.items():
            groups.setdefault(position_ms // TOGETHER_MS, []).append(segment)
        await each_apart((group, partial(self._recover, group, left)) for group in groups.values())

    async def _recover(self, segments: list[int], left: Left) -> None:
        """Recovers segments whose positions lie together: all that is read is read at once."""
        now = self._clock.now_ms()
        # A former owner may have ended before it saved any position.
        since = {
            segment: max(0, min(left.positions[segment], now) - INBOX_HORIZON_MS)
            for segment in segments
        }
        found = await self._store.runs.read_log(segments, min(since.values()))
        logs = _by_segment(run for run in found if run.update_ms >= since[run.segment])
        known = [run for segment in segments for run in left.runs.get(segment, ())]
        underway = [run for log in logs.values() for run in log if is_underway(run)]
        keys = {run.key: run.segment for run in (*known, *underway)}
        # A change may be confirmed meanwhile, as nothing goes by a former version yet.
        jobs, _ = await self._versions.read([(key, at, None) for key, at in keys.items()])
        for segment in segments:
            holding = self._holdings.get(segment)
            if holding is not None:
                log = logs.get(segment, [])
                self._begin(holding, left.positions[segment], log, left.runs.get(segment, []), jobs)

    def _begin(
        self,
        holding: Holding,
        position: int,
        log: list[Run],
        left: list[Run],
        jobs: Mapping[JobKey, Job],
    ) -> None:
        now = self._clock.now_ms()
        if position > now - POSITION_LAG_MS + SET_BACK_MS:
            # It was saved before the wall clock was set back: what was written since then may
            # stand before it. All that is there is read.
            position = 0
        holding.owner.recover(log, left, jobs, now)
        holding.owner.begin_at(position)
        if holding.outdated:
            # New time-zone data hold from the former owner's last sign of life on.
            alive_ms = min(max([position, *(run.update_ms for run in log)]) or now, now)
            holding.owner.begin_rederiving(alive_ms, now)
        holding.taken_ms = now
        holding.unchecked = list(latest_states(log).values())
        holding.position_ms = holding.read_to_ms = position
        holding.recovered = True

    async def read_schedule(self) -> None:
        """Reads the schedule up to the look-ahead; `load_some` takes the rows in."""
        await self._until_there_is_room()
        await self.read_schedule_of(list(self._holdings))

    async def _until_there_is_room(self) -> None:
        # Looked for more often than it is counted: room is there for a second at least, in which
        # jobs that are gone by already would take all of it.
        while self._pressure.is_high():
            await self._clock.sleep(RETRY_S)

    @property
    def stands_still(self) -> bool:
        """Nothing more is taken in: what stands further on in the schedule is read later."""
        return not self._readings and self._pressure.is_high()

    async def read_schedule_of(self, segments: Iterable[int]) -> None:
        """Does that for some segments, as far as they are owned."""
        self._readings += 1
        try:
            await self._read_schedules(segments)
        finally:
            self._readings -= 1

    async def _read_schedules(self, segments: Iterable[int]) -> None:
        horizon = self._clock.now_ms() + LOOK_AHEAD_MS
        held: dict[int, Holding] = {}
        groups: dict[int, list[int]] = {}
        for segment in segments:
            holding = recovered(self._holdings, segment)
            if holding is not None and not holding.leaving:
                held[segment] = holding
                groups.setdefault(holding.read_to_ms, []).append(segment)

        async def read(start_ms: int, some: list[int]) -> None:
            await self._read_schedule([held[segment] for segment in some], start_ms, horizon)

        await self._schedules.read(groups, read)

    async def _read_schedule(self, holdings: list[Holding], start_ms: int, end_ms: int) -> None:
        """Reads from `start_ms` on; after an outage in stretches, skipping what is empty."""
        if end_ms - start_ms > CATCH_UP_STRETCH_MS:
            await each_apart(
                about(holdings, lambda holding: self._catch_up(holding, start_ms, end_ms))
            )
            return
        segments = [holding.segment for holding in holdings]
        self._put_off(await self._store.schedule.read_due(segments, start_ms, end_ms))
        for holding in holdings:
            holding.read_to_ms = end_ms

    async def _catch_up(self, holding: Holding, start_ms: int, end_ms: int) -> None:
        segment, at_ms = holding.segment, start_ms
        while at_ms < end_ms:
            found = await self._store.schedule.first_fire_ms(segment, at_ms)
            if found is None or found >= end_ms:
                break
            until_ms = min(end_ms, max(at_ms, found) + CATCH_UP_STRETCH_MS)
            self._put_off(await self._store.schedule.read_due([segment], found, until_ms))
            at_ms = until_ms
            is_ours = self._holdings.get(segment) is holding
            if not is_ours or self._count_open() > MAX_BACKLOG:
                # Goes on from here with the next read, when what is open has become less.
                holding.read_to_ms = at_ms
                return
        holding.read_to_ms = end_ms

    def _count_open(self) -> int:
        """Runs that are open, and rows that are still to be taken in."""
        held = self._holdings.values()
        return sum(len(holding.unloaded) + holding.owner.count_live() for holding in held)

    def _put_off(self, entries: Iterable[ScheduleEntry]) -> None:
        """Rows to be taken in, as soon as their turn comes."""
        for entry in sorted(entries, key=lambda one: one.fire_ms):
            holding = self._holdings.get(entry.segment)
            if holding is not None and entry.place not in holding.unloaded:
                holding.unloaded[entry.place] = entry.fire_ms
                self._backlog.extend([entry])
        if self._backlog:
            self._some.set()

    async def load_some(self) -> None:
        """Waits for rows that were read, and takes a slice of them in, users in turn."""
        await self._some.wait()
        await self._until_there_is_room()
        try:
            await self._load_slice()
        except StoreUnavailable:
            await self._clock.sleep(RETRY_S)
            raise

    async def load_all(self, segments: Iterable[int]) -> None:
        """Takes in all that was read of these segments, as far as they are not let go meanwhile.

        Where too much waits to be published already it comes in as there is room, like the rest.
        """
        segments = list(segments)
        while any(map(self._unloaded, segments)) and not self._pressure.is_high():
            aside = [row for row in self._aside if self._is_unloaded(row)]
            if any(row.segment in segments for row in aside):
                raise _jobs_away(aside)
            await self._load_slice()

    async def _load_slice(self) -> None:
        async with self._loading:
            entries = self._backlog.take(self._slice)
            wanted = [one for one in entries if self._is_unloaded(one)]
            try:
                left = await self._load_jobs(wanted)
            except BaseException as error:
                self._backlog.put_back(entries)
                # Not at once: see `apart`.
                self._is_apart = isinstance(error, StoreUnavailable)
                raise
            self._is_apart = bool(left)
            self._aside += left
            if not self._backlog:
                self._some.clear()
        self._wake.set()

    async def load_aside(self) -> None:
        """Tries again what was put aside: none of the others waits for its time-outs.

        Raises:
            StoreUnavailable: some of it cannot be read yet.
        """
        if self._pressure.is_high():
            return
        some = [row for row in self._aside if self._is_unloaded(row)][: self._slice]
        left = await self._load_apart(some)
        # Those that were not tried come first, with the next call.
        tried = {row.place for row in some}
        others = [row for row in self._aside if row.place not in tried]
        self._aside = [*filter(self._is_unloaded, others), *left]
        if left:
            raise _jobs_away(left)
        if some:
            self._wake.set()

    async def _load_jobs(self, rows: list[ScheduleEntry]) -> list[ScheduleEntry]:
        """Takes in rows; returns those whose jobs could not be read while others could.

        Raises:
            StoreUnavailable: nothing could be read.
        """
        if not self._is_apart:
            await self.load(rows)
            self._loaded(rows)
            return []
        left = await self._load_apart(rows)
        if rows and len(left) == len(rows):
            raise _jobs_away(left)
        return left

    async def _load_apart(self, rows: Iterable[ScheduleEntry]) -> list[ScheduleEntry]:
        """Takes in the rows of each job by themselves; returns those that could not be."""
        by_job: dict[JobKey, list[ScheduleEntry]] = {}
        for row in rows:
            by_job.setdefault(row.key, []).append(row)
        tried: list[ScheduleEntry] = []

        async def load(some: list[ScheduleEntry]) -> None:
            try:
                await self.load(some)
            except StoreUnavailable:
                tried.extend(some)
                raise
            self._loaded(some)
            for row in some:
                by_job.pop(row.key, None)

        with suppress(SegmentsAway):
            await each_apart(
                ((row.segment for row in some), partial(load, some)) for some in by_job.values()
            )
        places = {row.place for row in tried}
        left = [row for some in by_job.values() for row in some]
        return [*(row for row in left if row.place not in places), *tried]

    def _loaded(self, rows: Iterable[ScheduleEntry]) -> None:
        for row in rows:
            self._unloaded(row.segment).pop(row.place, None)

    def _is_unloaded(self, row: ScheduleEntry) -> bool:
        return row.place in self._unloaded(row.segment)

    def _unloaded(self, segment: int) -> dict[RowPlace, int]:
        """The rows of a segment that are to be taken in; none of one that was let go."""
        holding = self._holdings.get(segment)
        return holding.unloaded if holding is not None else {}

    async def take_in(self, entry: ScheduleEntry) -> None:
        """Takes in a row that was just written; where that fails its turn comes all the same."""
        self._put_off([entry])
        await self.load([entry])
        self._loaded([entry])

    async def load(self, entries: list[ScheduleEntry]) -> None:
        """Takes in rows of the schedule at once, with their jobs as they are now."""
        if not entries:
            return
        jobs, past = await self._versions.read([(one.key, one.segment, one) for one in entries])
        now = self._clock.now_ms()
        grouped: dict[int, list[ScheduleEntry]] = {}
        for entry in entries:
            grouped.setdefault(entry.segment, []).append(entry)
        for segment, group in grouped.items():
            holding = recovered(self._holdings, segment)
            if holding is not None:
                revoked = holding.owner.load(group, jobs, now, past)
                self._fleet.revoke([*revoked, *holding.owner.take_revocations()])

    async def sweep(self) -> None:
        """Reads everything since the positions again: the net below the watermark."""
        held = {segment: holding for segment, holding in self._holdings.items() if holding.ready}
        if not held or self._pressure.is_high():
            return
        now = self._clock.now_ms()

        async def sweep(_: object, segments: list[int]) -> None:
            some = [held[segment] for segment in segments]
            start = min(holding.position_ms or now for holding in some)
            start = max(start, now - CATCH_UP_STRETCH_MS)
            end = max(holding.read_to_ms for holding in some)
            if start < end:
                found = await self._store.schedule.read_due(segments, start, end)
                # What stands before its own segment's position is done with; what stands beyond
                # what was read of it comes with that.
                self._put_off(
                    row
                    for row in found
                    if position_of(self._holdings, row.segment)
                    <= row.fire_ms
                    < held[row.segment].read_to_ms
                )

        await self._sweeps.read({None: held}, sweep)


def _jobs_away(rows: Iterable[ScheduleEntry]) -> SegmentsAway:
    rows = list(rows)
    error = StoreUnavailable(f"{len(rows)} rows wait for jobs that cannot be read")
    return SegmentsAway((row.segment for row in rows), error)


def _by_segment(runs: Iterable[Run]) -> dict[int, list[Run]]:
    grouped: dict[int, list[Run]] = {}
    for run in runs:
        grouped.setdefault(run.segment, []).append(run)
    return grouped
