"""Reads what the owners are to fire: the schedule, the inbox beside it, and what was left."""

import asyncio
from collections.abc import Iterable, Sequence

from tickwheel.server.domain.clock import Clock
from tickwheel.server.domain.job import Job
from tickwheel.server.domain.names import JobKey
from tickwheel.server.domain.occurrence import ScheduleEntry
from tickwheel.server.domain.run import Run
from tickwheel.server.scheduler.bounded import MAX_CALLS, bounded
from tickwheel.server.scheduler.fleet import Fleet
from tickwheel.server.scheduler.gaps import final_states
from tickwheel.server.scheduler.holding import Holding, Holdings
from tickwheel.server.scheduler.keeper import SET_BACK_MS
from tickwheel.server.scheduler.segment import POSITION_LAG_MS, is_underway
from tickwheel.server.store.port import INBOX_HORIZON_MS, LOOK_AHEAD_MS, Store

#: The schedule is read in stretches of this length when an owner catches up, in ms.
CATCH_UP_STRETCH_MS = 600_000
#: While more runs than this are open, a catching-up owner reads no further.
MAX_BACKLOG = 50_000
#: Each read of the inbox overlaps the last by the time a write usually takes; the sweep, by the
#: longest that it may take.
INBOX_OVERLAP_MS = 2_000


class Reader:
    """The reading side of one scheduler."""

    def __init__(self, store: Store, clock: Clock, fleet: Fleet, holdings: Holdings) -> None:
        """Makes it; `holdings` are shared, and changed by others."""
        self._store = store
        self._clock = clock
        self._fleet = fleet
        self._holdings = holdings
        self._seen: dict[tuple[str, int], int] = {}
        self._inbox_read_ms = 0

    def begin(self) -> None:
        """A new session: nothing of the inbox has been read."""
        self._inbox_read_ms = self._clock.now_ms()

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
        if holding.outdated:
            # New time-zone data hold from the former owner's last sign of life on.
            alive_ms = min(max([position, *(run.update_ms for run in log)]) or now, now)
            holding.owner.begin_rederiving(alive_ms, now)
        holding.unchecked = final_states(log)
        holding.position_ms = holding.read_to_ms = position
        holding.recovered = True

    async def read(self) -> None:
        """Reads schedule and inbox up to the look-ahead."""
        now = self._clock.now_ms()
        horizon = now + LOOK_AHEAD_MS
        groups: dict[int, list[int]] = {}
        for segment, holding in self._holdings.items():
            if holding.recovered and not holding.leaving:
                groups.setdefault(holding.read_to_ms, []).append(segment)
        for start, segments in groups.items():
            await self._read_schedule(segments, start, horizon)
        if self._holdings:
            await self._read_inbox(list(self._holdings), self._inbox_read_ms - INBOX_OVERLAP_MS)
            self._inbox_read_ms = now
        await self._load_uncommitted()

    async def _read_schedule(self, segments: list[int], start_ms: int, end_ms: int) -> None:
        """Reads from `start_ms` on; after an outage in stretches, skipping what is empty."""
        if end_ms - start_ms > CATCH_UP_STRETCH_MS:
            await bounded(self._catch_up(segment, start_ms, end_ms) for segment in segments)
            return
        entries = await self._store.schedule.read_due(segments, start_ms, end_ms)
        await self._load(entries)
        self._mark_read(segments, end_ms)

    async def _catch_up(self, segment: int, start_ms: int, end_ms: int) -> None:
        at_ms = start_ms
        while at_ms < end_ms:
            found = await self._store.schedule.first_fire_ms(segment, at_ms)
            if found is None or found >= end_ms:
                break
            until_ms = min(end_ms, max(at_ms, found) + CATCH_UP_STRETCH_MS)
            await self._load(await self._store.schedule.read_due([segment], found, until_ms))
            at_ms = until_ms
            holding = self._holdings.get(segment)
            if holding is None or holding.owner.count_live() > MAX_BACKLOG:
                # Goes on from here with the next read, when what is open has become less.
                self._mark_read([segment], at_ms)
                return
        self._mark_read([segment], end_ms)

    def _mark_read(self, segments: Iterable[int], read_to_ms: int) -> None:
        for segment in segments:
            holding = self._holdings.get(segment)
            if holding is not None:
                holding.read_to_ms = read_to_ms

    async def _load(self, entries: list[ScheduleEntry]) -> None:
        if not entries:
            return
        jobs = await self._store.jobs.get_many({entry.key for entry in entries})
        past = await self._past((jobs.get(one.key), one.segment, one) for one in entries)
        now = self._clock.now_ms()
        grouped: dict[int, list[ScheduleEntry]] = {}
        for entry in entries:
            grouped.setdefault(entry.segment, []).append(entry)
        for segment, group in grouped.items():
            holding = self._holdings.get(segment)
            if holding is not None:
                revoked = holding.owner.load(group, jobs, now, past)
                self._fleet.revoke([*revoked, *holding.owner.take_revocations()])

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

    async def _load_uncommitted(self) -> None:
        await self._load(
            [entry for holding in self._holdings.values() for entry in holding.owner.uncommitted()]
        )

    async def notice(self, segments: list[int]) -> None:
        """Takes in what is new in the inbox of some segments."""
        await self._read_inbox(segments, self._inbox_read_ms - INBOX_OVERLAP_MS)
        await self._load_uncommitted()

    async def _read_inbox(self, segments: list[int], since_ms: int) -> None:
        """Takes in what is new in the inbox; reads overlap, what was seen before is passed over."""
        found = await self._store.schedule.read_inbox(segments, since_ms)
        fresh = [item for item in found if (item.uid, item.version) not in self._seen]
        if not fresh:
            return
        jobs = await self._store.jobs.get_many({item.key for item in fresh})
        past = await self._past((jobs.get(one.key), one.segment, one.entry) for one in fresh)
        now = self._clock.now_ms()
        for item in fresh:
            holding = self._holdings.get(item.segment)
            if holding is not None:
                self._seen[item.uid, item.version] = now
                former = past.get(item.key, ())
                revoked = holding.owner.notice(item, jobs.get(item.key), now, former)
                self._fleet.revoke([*revoked, *holding.owner.take_revocations()])
        oldest = now - 2 * INBOX_HORIZON_MS
        self._seen = {mark: at for mark, at in self._seen.items() if at >= oldest}

    async def sweep(self) -> None:
        """Reads everything since the positions again: the net below the watermark."""
        holdings = [holding for holding in self._holdings.values() if holding.ready]
        if not holdings:
            return
        now = self._clock.now_ms()
        segments = [holding.segment for holding in holdings]
        await self._read_inbox(segments, now - INBOX_HORIZON_MS)
        start = min(holding.position_ms or now for holding in holdings)
        start = max(start, now - CATCH_UP_STRETCH_MS)
        end = min(holding.read_to_ms for holding in holdings)
        if start < end:
            await self._load(await self._store.schedule.read_due(segments, start, end))


def _by_segment(runs: Iterable[Run]) -> dict[int, list[Run]]:
    grouped: dict[int, list[Run]] = {}
    for run in runs:
        grouped.setdefault(run.segment, []).append(run)
    return grouped
