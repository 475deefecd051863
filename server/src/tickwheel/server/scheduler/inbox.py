"""Reads what is told of changes: the inbox beside the schedule, and news from those who made them.

What is written may come late, or twice, or in another order. So each read overlaps the last one,
now and then one looks further back, and what was seen is passed over by its row's place.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter

from tickwheel.server.domain.names import JobKey
from tickwheel.server.domain.occurrence import InboxEntry, ScheduleEntry
from tickwheel.server.scheduler.apart import SegmentsAway, Together
from tickwheel.server.scheduler.backlog import Backlog
from tickwheel.server.scheduler.context import SchedulerContext
from tickwheel.server.scheduler.holding import position_of, recovered
from tickwheel.server.scheduler.reader import Reader
from tickwheel.server.scheduler.rounds import Rounds
from tickwheel.server.scheduler.versions import Versions
from tickwheel.server.store.announcing import FRESH_MS
from tickwheel.server.store.port import INBOX_HORIZON_MS

#: Each read of the inbox overlaps the last by the time a write usually takes; what is read again
#: now and then overlaps by INBOX_HORIZON_MS, the longest that it may take.
INBOX_OVERLAP_MS = 2_000
#: Writers' clocks may be ahead of ours by so much; what is told further ahead is found when the
#: inbox is read again.
AHEAD_MS = 5_000
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


class Inbox:
    """The inbox of one scheduler's segments."""

    def __init__(self, context: SchedulerContext, versions: Versions, reader: Reader) -> None:
        """Makes it.

        Args:
            context: the scheduler's.
            versions: is told of jobs, and reads them.
            reader: takes in rows whose jobs were not there before.
        """
        self._schedule = context.store.schedule
        self._clock = context.clock
        self._slice = context.options.slice
        self._fleet = context.fleet
        self._holdings = context.holdings
        self._wake = context.wake
        self._versions = versions
        self._reader = reader
        self._read_ms = 0
        self._reread_ms = 0
        self._news = Together()
        #: What is older may be not to be read while what is new is, and the other way round.
        self._late = Together()
        self._rounds = Rounds(self._read_asked)

    def begin(self) -> None:
        """A new session: nothing of it has been read."""
        self._read_ms = self._reread_ms = self._clock.now_ms()

    async def read(self) -> None:
        """Takes in what is new in the inbox, and what could not be taken in before."""
        now = self._clock.now_ms()
        groups = self._since(self._holdings)
        self._read_ms = now
        await self._read_on(groups)

    async def read_of(self, segments: Iterable[int]) -> None:
        """Does that for some segments, as far as they are owned."""
        await self._read_on(self._since(segments))

    def _since(self, segments: Iterable[int]) -> dict[int, list[int]]:
        """Those of the segments that are owned, by the instant up to which their inbox was read."""
        groups: dict[int, list[int]] = {}
        for segment in segments:
            holding = self._holdings.get(segment)
            if holding is not None:
                # What was written before it was taken stands in the schedule when that is read.
                holding.told_to_ms = holding.told_to_ms or self._read_ms - INBOX_OVERLAP_MS
                groups.setdefault(holding.told_to_ms, []).append(segment)
        return groups

    async def _read_on(self, groups: Mapping[int, Iterable[int]]) -> None:
        now = self._clock.now_ms()
        held = dict(self._holdings)

        async def read(since_ms: int, segments: list[int]) -> None:
            await self._read_new(since_ms, segments)
            for segment in segments:
                held[segment].told_to_ms = now - INBOX_OVERLAP_MS
            await self._load_uncommitted(segments)
            self._wake.set()

        await self._news.read(groups, read)

    async def notice(self, news: Sequence[News]) -> None:
        """Takes in changes of jobs that somebody tells of, and what else is new in the inbox."""
        for one in news:
            self._versions.tell(one.key.uid, one.version)
        segments = {one.segment for one in news if one.segment in self._holdings}
        try:
            await self._rounds.ask(segments)
        except SegmentsAway as error:
            # Others have asked for theirs in the same round.
            if not error.segments.isdisjoint(segments):
                raise
        await self._load_uncommitted(segments, frozenset(one.key.uid for one in news))
        missed = [one for one in news if self._has_older(one)]
        if missed:
            # Their inbox entries came late, or never did.
            await self._refresh(missed)

    async def _read_asked(self, segments: list[int]) -> None:
        await self._news.read(self._since(segments), self._read_new)

    async def _read_new(self, since_ms: int, segments: list[int]) -> None:
        """Takes in what is new in the inbox; reads overlap, what was seen before is passed over."""
        until_ms = self._clock.now_ms() + AHEAD_MS
        fresh = self._fresh(await self._read(segments, since_ms, until_ms))
        late = {item.entry for item in fresh if item.entry is not None and _is_told_late(item)}
        await self._take_in(await self._still(fresh, late))

    def _has_older(self, one: News) -> bool:
        holding = self._holdings.get(one.segment)
        return holding is not None and holding.owner.has_older(one.key.uid, one.version)

    async def _refresh(self, news: Iterable[News]) -> None:
        """Reads jobs anew of which owners have something that goes by a former version."""
        segments = {one.key: one.segment for one in news}
        jobs, past = await self._versions.read([(key, at, None) for key, at in segments.items()])
        now = self._clock.now_ms()
        for key, job in jobs.items():
            holding = self._holdings.get(segments[key])
            if holding is not None:
                revoked = holding.owner.change(job, None, now, past.get(key, ()))
                self._fleet.revoke([*revoked, *holding.owner.take_revocations()])

    async def _read(
        self, segments: Sequence[int], since_ms: int, until_ms: int | None = None
    ) -> list[InboxEntry]:
        """Reads the inbox. Whoever reads one of its jobs at this moment is to read it again."""
        found = await self._schedule.read_inbox(segments, since_ms, until_ms)
        for item in found:
            self._versions.tell(item.uid, item.version)
        return found

    def _fresh(self, found: Iterable[InboxEntry]) -> list[InboxEntry]:
        """What was not taken in before, of the segments of which something may be."""
        return [
            item
            for item in found
            if (holding := recovered(self._holdings, item.segment)) is not None
            and item.news not in holding.seen
        ]

    async def _take_in(self, fresh: Sequence[InboxEntry]) -> None:
        waiting = Backlog(fresh)
        while waiting:
            await self._take_in_slice(waiting.take(self._slice))
            if waiting:
                self._wake.set()

    async def _take_in_slice(self, fresh: Sequence[InboxEntry]) -> None:
        fresh = self._as_far_as_read(self._fresh(fresh))
        news = [item for item in fresh if self._concerns(item)]
        jobs, past = await self._versions.read([(one.key, one.segment, one.entry) for one in news])
        now = self._clock.now_ms()
        for item in news:
            holding = recovered(self._holdings, item.segment)
            if holding is not None:
                former = past.get(item.key, ())
                revoked = holding.owner.notice(item, jobs.get(item.key), now, former)
                self._fleet.revoke([*revoked, *holding.owner.take_revocations()])
        # Not before: what could not be read is to be taken in another time. So is a row that is
        # left to the reader, which may be written only after that was there.
        for item in fresh:
            holding = recovered(self._holdings, item.segment)
            if holding is not None:
                holding.seen[item.news] = now

    def _as_far_as_read(self, items: Iterable[InboxEntry]) -> list[InboxEntry]:
        """Inbox entries, without the rows that are read later, where the reader stands still."""
        if not self._reader.stands_still:
            return list(items)
        return [replace(item, entry=None) if self._is_ahead(item) else item for item in items]

    def _is_ahead(self, item: InboxEntry) -> bool:
        holding = self._holdings.get(item.segment)
        row = item.entry
        return row is not None and holding is not None and row.fire_ms >= holding.read_to_ms

    def _concerns(self, item: InboxEntry) -> bool:
        holding = self._holdings.get(item.segment)
        return holding is not None and (
            item.entry is not None or holding.owner.has_older(item.uid, item.version)
        )

    async def reread(self) -> None:
        """Reads again what may have been written late: longer ago than a usual read looks back."""
        begun = self._clock.now_ms()
        held = dict(self._holdings)
        groups: dict[int, list[int]] = {}
        for segment, holding in held.items():
            holding.reread_ms = holding.reread_ms or self._reread_ms
            groups.setdefault(holding.reread_ms, []).append(segment)
        self._versions.forget_before(self._reread_ms - 2 * INBOX_HORIZON_MS)
        self._reread_ms = begun

        async def reread(from_ms: int, segments: list[int]) -> None:
            found = await self._read(segments, from_ms - INBOX_HORIZON_MS)
            fresh = self._as_far_as_read(self._fresh(found))
            await self._take_in(await self._still(fresh))
            oldest = from_ms - 2 * INBOX_HORIZON_MS
            for holding in map(held.__getitem__, segments):
                holding.reread_ms = begun
                # Else what is forgotten of it here would be read once more as new.
                holding.told_to_ms = max(holding.told_to_ms, begun - INBOX_OVERLAP_MS)
                holding.seen = {news: at for news, at in holding.seen.items() if at >= oldest}

        await self._late.read(groups, reread)

    async def look_back(self, segments: Iterable[int]) -> None:
        """Takes in rows of segments just taken over that were written late, behind the position."""
        groups: dict[int, list[int]] = {}
        for segment in segments:
            groups.setdefault(position_of(self._holdings, segment) // LOOK_BACK_MS, []).append(
                segment
            )
        for number, group in groups.items():
            # What a former owner may not have seen was written at most so long before the position
            # that it left.
            since_ms = number * LOOK_BACK_MS - 2 * INBOX_HORIZON_MS
            until_ms = (number + 1) * LOOK_BACK_MS + BEFORE_NEWS_MS
            found = await self._read(group, since_ms, until_ms)
            behind = [
                item
                for item in self._fresh(found)
                if item.entry is not None
                and item.entry.fire_ms < position_of(self._holdings, item.segment)
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
            found = await self._schedule.read_due(segments, since_ms, until_ms)
            there = {row.place for row in found}
            gone = {row for row in gone if row.place not in there}
        return [replace(item, entry=None) if item.entry in gone else item for item in items]

    async def _load_uncommitted(
        self, segments: Iterable[int], told: frozenset[str] = frozenset()
    ) -> None:
        """Looks again at rows whose jobs were not there; at once where told of a job (its uid)."""
        now = self._clock.now_ms()
        holdings = [self._holdings[segment] for segment in segments if segment in self._holdings]
        await self._reader.load(
            [row for one in holdings for row in one.owner.uncommitted(now, told)]
        )


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
