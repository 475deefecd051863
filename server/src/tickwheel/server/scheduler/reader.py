"""Reads what the owners are to fire: the schedule, the inbox beside it, and what was left."""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter

from tickwheel.server.domain.clock import Clock
from tickwheel.server.domain.errors import StoreUnavailable
from tickwheel.server.domain.job import Job
from tickwheel.server.domain.names import JobKey
from tickwheel.server.domain.occurrence import InboxEntry, RowPlace, ScheduleEntry
from tickwheel.server.domain.run import Run
from tickwheel.server.scheduler.backlog import Backlog
from tickwheel.server.scheduler.bounded import MAX_CALLS, bounded
from tickwheel.server.scheduler.fleet import Fleet
from tickwheel.server.scheduler.gaps import final_states
from tickwheel.server.scheduler.holding import Holding, Holdings
from tickwheel.server.scheduler.keeper import SET_BACK_MS
from tickwheel.server.scheduler.rounds import Rounds
from tickwheel.server.scheduler.segment import POSITION_LAG_MS, is_underway
from tickwheel.server.store.announcing import FRESH_MS
from tickwheel.server.store.port import INBOX_HORIZON_MS, LOOK_AHEAD_MS, Store

#: The schedule is read in stretches of this length when an owner catches up, in ms.
CATCH_UP_STRETCH_MS = 600_000
#: While more runs than this are open, a catching-up owner reads no further.
MAX_BACKLOG = 50_000
#: Rows whose jobs are read and taken in between two turns of the event loop.
SLICE = 500
#: What could not be taken in as the store was away is tried again after this long.
RETRY_S = 0.5
#: Each read of the inbox overlaps the last by the time a write usually takes; what is read again
#: now and then overlaps by INBOX_HORIZON_MS, the longest that it may take.
INBOX_OVERLAP_MS = 2_000
#: Segments whose positions are this near to each other are looked back at together.
LOOK_BACK_MS = 60_000
#: A row stands at most so long before the instant at which it was told of.
BEFORE_NEWS_MS = 5_000
#: Rows further apart than this are not asked after in one read.
STRETCH_GAP_MS = 5_000


@dataclass(frozen=True, slots=True)
class News:
    """Somebody has changed a job."""

    key: JobKey
    segment: int
    #: The version that it has at least; 0 where that is not known.
    version: int = 0


class Reader:
    """The reading side of one scheduler."""

    def __init__(
        self, store: Store, clock: Clock, fleet: Fleet, holdings: Holdings, wake: asyncio.Event
    ) -> None:
        """Makes it.

        Args:
            store: where from.
            clock: the scheduler's.
            fleet: whose workers drop what is taken back.
            holdings: the segments that are owned; shared, and changed by others.
            wake: is set when something was taken in.
        """
        self._store = store
        self._clock = clock
        self._fleet = fleet
        self._holdings = holdings
        #: By job the newest version that somebody told of, and when.
        self._told: dict[str, tuple[int, int]] = {}
        self._inbox_read_ms = 0
        self._inbox_reread_ms = 0
        self._rounds = Rounds(self._read_new)
        self._wake = wake
        self._backlog = Backlog[ScheduleEntry]()
        self._some = asyncio.Event()
        #: One slice of the backlog is taken in at a time.
        self._loading = asyncio.Lock()

    def begin(self) -> None:
        """A new session: nothing of the inbox has been read."""
        self._inbox_read_ms = self._inbox_reread_ms = self._clock.now_ms()

    async def recover(self, segments: list[int]) -> None:
        """Takes in what the former owners of the segments have left."""
        positions = await self._store.schedule.positions(segments)
        rows = await self._store.open_runs.read(segments)
        states = await self._store.runs.get_many([(run.job_uid, run.run_id) for run in rows])
        known = _by_segment([*rows, *states.values()])
        by_position: dict[int, list[int]] = {}
        for segment in segments:
            by_position.setdefault(positions[segment], []).append(segment)
        for position, group in by_position.items():
            # A former owner may have ended before it saved any position.
            since = max(0, min(position, self._clock.now_ms()) - INBOX_HORIZON_MS)
            logs = _by_segment(await self._store.runs.read_log(group, since))
            for segment in group:
                holding = self._holdings.get(segment)
                if holding is not None:
                    log, left = logs.get(segment, []), known.get(segment, [])
                    await self._recover(holding, position, log, left)

    async def _recover(
        self, holding: Holding, position: int, log: list[Run], left: list[Run]
    ) -> None:
        keys = {run.key for run in left} | {run.key for run in log if is_underway(run)}
        jobs = await self._store.jobs.get_many(keys) if keys else {}
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
        holding.unchecked = final_states(log)
        holding.position_ms = holding.read_to_ms = holding.told_to_ms = position
        holding.recovered = True

    async def read(self) -> None:
        """Reads schedule and inbox; see there."""
        await self.read_schedule()
        await self.read_inbox()

    async def read_schedule(self) -> None:
        """Reads the schedule up to the look-ahead; `load_some` takes the rows in."""
        horizon = self._clock.now_ms() + LOOK_AHEAD_MS
        groups: dict[int, list[int]] = {}
        for segment, holding in self._holdings.items():
            if holding.recovered and not holding.leaving:
                groups.setdefault(holding.read_to_ms, []).append(segment)
        for start, segments in groups.items():
            await self._read_schedule(segments, start, horizon)

    async def read_inbox(self) -> None:
        """Takes in what is new in the inbox, and what could not be taken in before."""
        now = self._clock.now_ms()
        holdings = list(self._holdings.values())
        if holdings:
            await self._read_new(list(self._holdings))
            self._inbox_read_ms = now
            for holding in holdings:
                if holding.recovered:
                    holding.told_to_ms = now - INBOX_OVERLAP_MS
        await self._load_uncommitted(self._holdings)
        self._wake.set()

    async def _read_schedule(self, segments: list[int], start_ms: int, end_ms: int) -> None:
        """Reads from `start_ms` on; after an outage in stretches, skipping what is empty."""
        if end_ms - start_ms > CATCH_UP_STRETCH_MS:
            await bounded(self._catch_up(segment, start_ms, end_ms) for segment in segments)
            return
        self._put_off(await self._store.schedule.read_due(segments, start_ms, end_ms))
        self._mark_read(segments, end_ms)

    async def _catch_up(self, segment: int, start_ms: int, end_ms: int) -> None:
        at_ms = start_ms
        while at_ms < end_ms:
            found = await self._store.schedule.first_fire_ms(segment, at_ms)
            if found is None or found >= end_ms:
                break
            until_ms = min(end_ms, max(at_ms, found) + CATCH_UP_STRETCH_MS)
            self._put_off(await self._store.schedule.read_due([segment], found, until_ms))
            at_ms = until_ms
            holding = self._holdings.get(segment)
            if holding is None or len(holding.unloaded) + holding.owner.count_live() > MAX_BACKLOG:
                # Goes on from here with the next read, when what is open has become less.
                self._mark_read([segment], at_ms)
                return
        self._mark_read([segment], end_ms)

    def _mark_read(self, segments: Iterable[int], read_to_ms: int) -> None:
        for segment in segments:
            holding = self._holdings.get(segment)
            if holding is not None:
                holding.read_to_ms = read_to_ms

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
        try:
            await self._load_slice()
        except StoreUnavailable:
            await self._clock.sleep(RETRY_S)
            raise

    async def load_all(self, segments: Iterable[int]) -> None:
        """Takes in all that was read of these segments."""
        holdings = [self._holdings[segment] for segment in segments if segment in self._holdings]
        while any(holding.unloaded for holding in holdings):
            await self._load_slice()

    async def _load_slice(self) -> None:
        async with self._loading:
            entries = self._backlog.take(SLICE)
            wanted = [one for one in entries if one.place in self._unloaded(one.segment)]
            try:
                await self.load(wanted)
            except BaseException:
                self._backlog.put_back(entries)
                raise
            for entry in wanted:
                self._unloaded(entry.segment).pop(entry.place, None)
            if not self._backlog:
                self._some.clear()
        self._wake.set()

    def _unloaded(self, segment: int) -> dict[RowPlace, int]:
        """The rows of a segment that are to be taken in; none of one that was let go."""
        holding = self._holdings.get(segment)
        return holding.unloaded if holding is not None else {}

    async def load(self, entries: list[ScheduleEntry]) -> None:
        """Takes in rows of the schedule at once, with their jobs as they are now."""
        if not entries:
            return
        jobs, past = await self._jobs([(one.key, one.segment, one) for one in entries])
        now = self._clock.now_ms()
        grouped: dict[int, list[ScheduleEntry]] = {}
        for entry in entries:
            grouped.setdefault(entry.segment, []).append(entry)
        for segment, group in grouped.items():
            holding = self._holdings.get(segment)
            if holding is not None:
                revoked = holding.owner.load(group, jobs, now, past)
                self._fleet.revoke([*revoked, *holding.owner.take_revocations()])

    async def _jobs(
        self, wanted: Sequence[tuple[JobKey, int, ScheduleEntry | None]]
    ) -> tuple[dict[JobKey, Job], dict[JobKey, Sequence[Job]]]:
        """Jobs (each with its segment and row), and former versions of those that want them.

        None is older than what was told of it until now: a change may be confirmed while the job
        is being read.
        """
        jobs: dict[JobKey, Job] = {}
        past: dict[JobKey, Sequence[Job]] = {}
        left = list(wanted)
        while left:
            read = await self._store.jobs.get_many({key for key, _, _ in left})
            jobs.update(read)
            past.update(await self._past((read.get(key), at, row) for key, at, row in left))
            # All of them: while some are read again, others may be told of.
            left = [
                item
                for item in wanted
                if item[0] in jobs and jobs[item[0]].version < self._told_of(item[0].uid)
            ]
        return jobs, past

    def _told_of(self, uid: str) -> int:
        return self._told.get(uid, (0, 0))[0]

    def _tell(self, uid: str, version: int) -> None:
        if version > self._told_of(uid):
            self._told[uid] = (version, self._clock.now_ms())

    async def _past(
        self, wanted: Iterable[tuple[Job | None, int, ScheduleEntry | None]]
    ) -> dict[JobKey, Sequence[Job]]:
        """Former versions of jobs (each with its segment and row) whose owners want them."""
        keys: dict[JobKey, None] = {}
        for job, segment, entry in wanted:
            holding = self._holdings.get(segment)
            if job is not None and holding is not None and holding.owner.wants_past(job, entry):
                keys[job.key] = None
        wanted_keys = list(keys)
        past: dict[JobKey, Sequence[Job]] = {}
        for start in range(0, len(wanted_keys), MAX_CALLS):
            some = wanted_keys[start : start + MAX_CALLS]
            histories = await asyncio.gather(*(self._store.jobs.history(key) for key in some))
            for key, history in zip(some, histories, strict=True):
                past[key] = [record.job for record in history]
        return past

    async def _load_uncommitted(
        self, segments: Iterable[int], told: frozenset[str] = frozenset()
    ) -> None:
        """Looks again at rows whose jobs were not there; at once where told of a job (its uid)."""
        now = self._clock.now_ms()
        holdings = [self._holdings[segment] for segment in segments if segment in self._holdings]
        await self.load([row for one in holdings for row in one.owner.uncommitted(now, told)])

    async def notice(self, news: Sequence[News]) -> None:
        """Takes in changes of jobs that somebody tells of, and what else is new in the inbox."""
        for one in news:
            self._tell(one.key.uid, one.version)
        segments = {one.segment for one in news if one.segment in self._holdings}
        await self._rounds.ask(segments)
        await self._load_uncommitted(segments, frozenset(one.key.uid for one in news))
        behind = [one for one in news if self._is_behind(one)]
        if behind:
            # Their inbox entries came late, or never did.
            await self._refresh(behind)

    async def _read_new(self, segments: list[int]) -> None:
        """Takes in what is new in the inbox; reads overlap, what was seen before is passed over."""
        since_ms = self._inbox_read_ms - INBOX_OVERLAP_MS
        fresh = self._fresh(await self._store.schedule.read_inbox(segments, since_ms))
        late = {item.entry for item in fresh if item.entry is not None and _is_told_late(item)}
        await self._take_in(await self._still(fresh, late))

    def _is_behind(self, one: News) -> bool:
        holding = self._holdings.get(one.segment)
        return holding is not None and holding.owner.is_behind(one.key.uid, one.version)

    async def _refresh(self, news: Iterable[News]) -> None:
        """Reads jobs anew whose owners go by a former version."""
        segments = {one.key: one.segment for one in news}
        jobs, past = await self._jobs([(key, at, None) for key, at in segments.items()])
        now = self._clock.now_ms()
        for key, job in jobs.items():
            holding = self._holdings.get(segments[key])
            if holding is not None:
                revoked = holding.owner.change(job, None, now, past.get(key, ()))
                self._fleet.revoke([*revoked, *holding.owner.take_revocations()])

    def _fresh(self, found: Iterable[InboxEntry]) -> list[InboxEntry]:
        """What was not taken in before, of the segments that are owned."""
        return [
            item
            for item in found
            if (holding := self._holdings.get(item.segment)) is not None
            and item.news not in holding.seen
        ]

    async def _take_in(self, fresh: Sequence[InboxEntry]) -> None:
        for item in fresh:
            self._tell(item.uid, item.version)
        waiting = Backlog(fresh)
        while waiting:
            await self._take_in_slice(waiting.take(SLICE))
            if waiting:
                self._wake.set()

    async def _take_in_slice(self, fresh: Sequence[InboxEntry]) -> None:
        news = [item for item in self._fresh(fresh) if self._concerns(item)]
        jobs, past = await self._jobs([(one.key, one.segment, one.entry) for one in news])
        now = self._clock.now_ms()
        for item in news:
            holding = self._holdings.get(item.segment)
            if holding is not None:
                former = past.get(item.key, ())
                revoked = holding.owner.notice(item, jobs.get(item.key), now, former)
                self._fleet.revoke([*revoked, *holding.owner.take_revocations()])
        # Not before: what could not be read is to be taken in another time.
        for item in fresh:
            holding = self._holdings.get(item.segment)
            if holding is not None:
                holding.seen[item.news] = now

    def _concerns(self, item: InboxEntry) -> bool:
        holding = self._holdings.get(item.segment)
        return holding is not None and (
            item.entry is not None or holding.owner.has_older(item.uid, item.version)
        )

    async def reread_inbox(self) -> None:
        """Reads again what may have been written late: longer ago than a usual read looks back."""
        begun = self._clock.now_ms()
        since_ms = self._inbox_reread_ms - INBOX_HORIZON_MS
        found = await self._store.schedule.read_inbox(list(self._holdings), since_ms)
        await self._take_in(await self._still(self._fresh(found)))
        oldest = self._inbox_reread_ms - 2 * INBOX_HORIZON_MS
        self._inbox_reread_ms = begun
        for holding in self._holdings.values():
            holding.seen = {news: at for news, at in holding.seen.items() if at >= oldest}
        self._told = {uid: told for uid, told in self._told.items() if told[1] >= oldest}

    async def look_back(self, segments: Iterable[int]) -> None:
        """Takes in rows of segments just taken over that were written late, behind the position."""
        groups: dict[int, list[int]] = {}
        for segment in segments:
            groups.setdefault(self._position(segment) // LOOK_BACK_MS, []).append(segment)
        for number, group in groups.items():
            # What a former owner may not have seen was written at most so long before the position
            # that it left.
            since_ms = number * LOOK_BACK_MS - 2 * INBOX_HORIZON_MS
            until_ms = (number + 1) * LOOK_BACK_MS + BEFORE_NEWS_MS
            found = await self._store.schedule.read_inbox(group, since_ms, until_ms)
            behind = [
                item
                for item in self._fresh(found)
                if item.entry is not None and item.entry.fire_ms < self._position(item.segment)
            ]
            await self._take_in(await self._still(behind))

    async def _still(
        self, items: Sequence[InboxEntry], doubtful: Iterable[ScheduleEntry] | None = None
    ) -> list[InboxEntry]:
        """Inbox entries, without those rows that were done with meanwhile, by a former owner.

        Only the `doubtful` rows are asked after; by default all are.
        """
        rows = {item.entry for item in items if item.entry is not None}
        gone = rows if doubtful is None else set(doubtful)
        for stretch in _stretches(gone):
            segments = sorted({row.segment for row in stretch})
            since_ms, until_ms = stretch[0].fire_ms, stretch[-1].fire_ms + 1
            found = await self._store.schedule.read_due(segments, since_ms, until_ms)
            there = {row.place for row in found}
            gone = {row for row in gone if row.place not in there}
        return [replace(item, entry=None) if item.entry in gone else item for item in items]

    async def sweep(self) -> None:
        """Reads everything since the positions again: the net below the watermark."""
        holdings = [holding for holding in self._holdings.values() if holding.ready]
        if not holdings:
            return
        now = self._clock.now_ms()
        segments = [holding.segment for holding in holdings]
        start = min(holding.position_ms or now for holding in holdings)
        start = max(start, now - CATCH_UP_STRETCH_MS)
        end = min(holding.read_to_ms for holding in holdings)
        if start < end:
            found = await self._store.schedule.read_due(segments, start, end)
            # What stands before its own segment's position is done with.
            self._put_off(row for row in found if row.fire_ms >= self._position(row.segment))

    def _position(self, segment: int) -> int:
        holding = self._holdings.get(segment)
        return holding.position_ms if holding is not None else 0


def _is_told_late(item: InboxEntry) -> bool:
    """Whether a row may have been read and done with before it was told of."""
    return item.entry is not None and item.entry.fire_ms < item.write_ms - FRESH_MS


def _stretches(rows: Iterable[ScheduleEntry]) -> Iterator[list[ScheduleEntry]]:
    """Rows in order of time, in stretches that are worth one read each."""
    stretch: list[ScheduleEntry] = []
    for row in sorted(rows, key=attrgetter("fire_ms")):
        if stretch and row.fire_ms - stretch[-1].fire_ms > STRETCH_GAP_MS:
            yield stretch
            stretch = []
        stretch.append(row)
    if stretch:
        yield stretch


def _by_segment(runs: Iterable[Run]) -> dict[int, list[Run]]:
    grouped: dict[int, list[Run]] = {}
    for run in runs:
        grouped.setdefault(run.segment, []).append(run)
    return grouped
