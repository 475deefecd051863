"""Rows of `task_schedule`, by minute, segment and shard, and the index of which of these exist.

Times of writing. An owner writes with its stamp. The api has none and its clock may be ahead of
the owner's; were its rows stamped with its own now, the owner could not remove them for as long.
So they are stamped API_SLACK_US earlier, and what compares times of writing allows for it.
"""

import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

from tickwheel.server.domain.clock import Clock
from tickwheel.server.domain.lease import WriteStamp
from tickwheel.server.domain.occurrence import ScheduleEntry
from tickwheel.server.store.cassandra.driver import Bound, Driver, Kind, Prepared, Row
from tickwheel.server.store.cassandra.partition import (
    BUCKET_MS,
    HOUR_BUCKETS,
    HOUR_MS,
    SHARD_ROWS,
    bucket_of,
    hour_of,
)
from tickwheel.server.store.cassandra.registry import Memory, Registry
from tickwheel.server.store.cassandra.session import (
    IN_KEYS,
    CassandraSession,
    chunks,
    gather,
)
from tickwheel.server.store.codec import decode_entry, encode_entry
from tickwheel.server.store.port import Spot

API_SLACK_US: Final = 10_000_000
#: A write may be under way for this long after its time was taken; a bucket is dropped with a time
#: that lies before all that may still arrive.
LATE_US: Final = 15_000_000
#: Rows of `segment_buckets` that are looked at together.
HOURS_AHEAD: Final = 64

_KEY = "next_execution_time, job_id, kind, schedule_time, run_id, generation"
_WHERE_KEY = (
    "bucket = ? AND segment = ? AND shard = ? AND next_execution_time = ? AND job_id = ? "
    "AND kind = ? AND schedule_time = ? AND run_id = ? AND generation = ?"
)

Hour = tuple[int, int]


class Entries:
    """Schedule entries of all segments."""

    def __init__(self, driver: Driver, session: CassandraSession, clock: Clock) -> None:
        self._session = session
        self._clock = clock
        self._hours: Registry[tuple[int, int, int]] = Registry(session)
        self._counts: Memory[tuple[int, int], int] = Memory()
        #: By segment and hour the bucket up to which all was dropped, with nothing left.
        self._dropped: Memory[Hour, int] = Memory()
        self._statements = _Statements(driver)

    def api_time_us(self) -> int:
        """The time of writing for rows that are not an owner's."""
        return self._clock.now_us() - API_SLACK_US

    async def put(
        self, entries: Sequence[ScheduleEntry], timestamp_us: int, beside: Sequence[Bound] = ()
    ) -> None:
        """Writes entries, and other rows with them in the same statements."""
        placed = [(entry, self._shard(entry)) for entry in entries]
        await self._announce(placed)
        rows = await self._session.mapped(
            lambda place: self._statements.insert.bind(
                *_key(*place), encode_entry(place[0]), timestamp_us
            ),
            placed,
        )
        await self._session.write([*rows, *beside])

    async def remove(self, entries: Sequence[ScheduleEntry], timestamp_us: int) -> None:
        """Removes entries that were written no later than that, whichever shard they are in."""
        shards = await self._shards((entry.segment, hour_of(entry.fire_ms)) for entry in entries)
        await self._session.write(
            [
                self._statements.delete.bind(timestamp_us, *_key(entry, shard))
                for entry in entries
                for shard in range(shards[entry.segment, hour_of(entry.fire_ms)])
            ]
        )

    def _shard(self, entry: ScheduleEntry) -> int:
        """Counts the row; a bucket goes on in its next shard when this process filled one."""
        key = (bucket_of(entry.fire_ms), entry.segment)
        count = self._counts.get(key) or 0
        self._counts.put(key, count + 1)
        return count // SHARD_ROWS

    async def _announce(self, placed: Iterable[tuple[ScheduleEntry, int]]) -> None:
        """Registers where rows are about to be written.

        An hour that has passed may have been dropped, and its registration with it; so there it is
        registered anew each time.
        """
        now_us = self._clock.now_us()
        present = hour_of(self._clock.now_ms())
        keys = {(entry.segment, hour_of(entry.fire_ms), shard) for entry, shard in placed}
        await self._hours.write(
            {
                key: (self._statements.insert_hour.bind(*key, now_us), 1)
                for key in keys
                if key[1] < present or not self._hours.knows(key)
            }
        )

    async def read(
        self, segments: Sequence[int], start_ms: int, end_ms: int
    ) -> list[ScheduleEntry]:
        """Entries of a range: all segments together, and only the hours that hold any."""
        if not segments or start_ms >= end_ms:
            return []
        first, last = bucket_of(start_ms), bucket_of(end_ms - 1)
        by_hour: dict[tuple[int, int], list[int]] = {}
        for (segment, hour), shards in (await self._registered(segments, start_ms, end_ms)).items():
            by_hour.setdefault((hour, shards), []).append(segment)
        reads: list[Bound] = []
        for (hour, shards), members in by_hour.items():
            start = max(first, hour * HOUR_BUCKETS)
            buckets = range(start, min(last, (hour + 1) * HOUR_BUCKETS - 1) + 1)
            reads += self._range_reads(members, buckets, shards, start_ms, end_ms)
        rows = await self._session.read_all(reads)
        return _newest_generations(await self._session.mapped(_decoded, rows))

    async def read_at(self, spots: Iterable[Spot]) -> list[ScheduleEntry]:
        """Entries of single jobs at single instants, by the beginning of their keys."""
        wanted = set(spots)
        shards = await self._shards((spot.segment, hour_of(spot.fire_ms)) for spot in wanted)
        rows = await self._session.read_all(
            self._statements.select_at.bind(
                bucket_of(spot.fire_ms), spot.segment, some_shards, spot.fire_ms, spot.uid
            )
            for spot in wanted
            for some_shards in chunks(range(shards[spot.segment, hour_of(spot.fire_ms)]), IN_KEYS)
        )
        return _newest_generations(await self._session.mapped(_decoded, rows))

    def _range_reads(
        self, segments: Sequence[int], buckets: range, shards: int, start_ms: int, end_ms: int
    ) -> Iterable[Bound]:
        for some_shards in chunks(range(shards), IN_KEYS):
            for some_buckets in chunks(buckets, max(1, IN_KEYS // len(some_shards))):
                width = max(1, IN_KEYS // (len(some_shards) * len(some_buckets)))
                for some_segments in chunks(segments, width):
                    yield self._statements.select.bind(
                        some_buckets, some_segments, some_shards, start_ms, end_ms
                    )

    async def _registered(
        self, segments: Sequence[int], start_ms: int, end_ms: int
    ) -> dict[Hour, int]:
        """The (segment, hour)s of a range that hold rows, with how many shards."""
        rows = await self._session.read_all(
            self._statements.select_hours.bind(part, hour_of(start_ms), hour_of(end_ms - 1))
            for part in chunks(segments, IN_KEYS)
        )
        return _shard_counts(rows)

    async def _shards(self, hours: Iterable[Hour]) -> dict[Hour, int]:
        """How many shards each of these (segment, hour)s has."""
        wanted = set(hours)
        by_segment: dict[int, list[int]] = {}
        for segment, hour in wanted:
            by_segment.setdefault(segment, []).append(hour)
        rows = await self._session.read_all(
            self._statements.select_some_hours.bind(segment, part)
            for segment, members in by_segment.items()
            for part in chunks(members, IN_KEYS)
        )
        found = dict.fromkeys(wanted, 0) | _shard_counts(rows)
        for (segment, hour), shards in found.items():
            # Whoever mends what the store has lost relies on its being written.
            lost = itertools.takewhile(
                self._hours.knows, ((segment, hour, shard) for shard in itertools.count(shards))
            )
            for key in list(lost):
                self._hours.forget(key)
        return found

    async def first_ms(self, segment: int, after_ms: int) -> int | None:
        """The next fire_ms of a segment: hour by hour of those that are registered."""
        hour = hour_of(after_ms)
        while True:
            rows = await self._session.read(
                self._statements.select_next_hours.bind(segment, hour, HOURS_AHEAD)
            )
            hours = _shard_counts((segment, *row) for row in rows)
            if not hours:
                return None
            if len(rows) == HOURS_AHEAD:
                # The last hour may have more shards than fitted in.
                hours |= await self._shards([max(hours)])
            for (_, candidate), shards in sorted(hours.items()):
                found = await self._first_in_hour(segment, candidate, shards, after_ms)
                if found is not None:
                    return found
            hour = max(candidate for _, candidate in hours) + 1

    async def _first_in_hour(
        self, segment: int, hour: int, shards: int, after_ms: int
    ) -> int | None:
        first = max(bucket_of(after_ms), hour * HOUR_BUCKETS)
        buckets = range(first, (hour + 1) * HOUR_BUCKETS)
        rows = await self._session.read_all(
            self._statements.select_first.bind(buckets, segment, shard, after_ms)
            for shard in range(shards)
        )
        return min((row[0] for row in rows), default=None)

    async def drop_before(self, stamp: WriteStamp, before_ms: int) -> int:
        """Drops buckets that ended before an instant; returns how many.

        Called each minute, it looks at the buckets of that minute, and once more at all of an hour
        when that is over.

        Two kinds of deletion, because neither swallows a write that is still under way: the whole
        bucket up to a time before which nothing can be, and of the younger rows those that are
        read here and were written before the stamp. An hour stays registered until nothing is left
        in it, so what remains is dropped with a later call.
        """
        rows = await self._session.read(
            self._statements.select_past_hours.bind(stamp.segment, hour_of(before_ms))
        )
        hours = _shard_counts((stamp.segment, *row) for row in rows)
        return sum(
            await gather(
                self._drop_hour(stamp, hour, shards, before_ms)
                for (_, hour), shards in hours.items()
            )
        )

    async def _drop_hour(self, stamp: WriteStamp, hour: int, shards: int, before_ms: int) -> int:
        end = min((hour + 1) * HOUR_BUCKETS, bucket_of(before_ms))
        is_over = (hour + 1) * HOUR_MS <= before_ms // BUCKET_MS * BUCKET_MS
        begin = None if is_over else self._dropped.get((stamp.segment, hour))
        buckets = range(hour * HOUR_BUCKETS if begin is None else begin, end)
        settled_us = stamp.timestamp_us - API_SLACK_US - LATE_US
        dropped: set[int] = set()
        left = 0
        for shard in range(shards if buckets else 0):
            found = await self._session.read(
                self._statements.select_filled.bind(buckets, stamp.segment, shard)
            )
            filled = sorted({row[0] for row in found})
            if not filled:
                continue
            await self._session.write(
                [self._statements.delete_buckets.bind(settled_us, filled, stamp.segment, shard)]
            )
            dropped.update(filled)
            left += await self._drop_young(stamp, filled, shard)
        if not left:
            self._dropped.put((stamp.segment, hour), end)
        if not left and is_over:
            await self._session.write(
                [self._statements.delete_hour.bind(settled_us, stamp.segment, hour)]
            )
        return len(dropped)

    async def _drop_young(self, stamp: WriteStamp, buckets: list[int], shard: int) -> int:
        """Drops single rows that were written before the stamp; returns how many others stay."""
        written_us = stamp.timestamp_us - API_SLACK_US
        rows = await self._session.read(
            self._statements.select_keys.bind(buckets, stamp.segment, shard)
        )
        young = [row for row in rows if row[-1] <= written_us]
        await self._session.write(
            [
                self._statements.delete.bind(written_us, row[0], stamp.segment, shard, *row[1:-1])
                for row in young
            ]
        )
        return len(rows) - len(young)


class _Statements:
    """The statements of this module, prepared."""

    def __init__(self, driver: Driver) -> None:
        def write(cql: str) -> Prepared:
            return driver.prepare(cql, Kind.WRITE)

        def read(cql: str) -> Prepared:
            return driver.prepare(cql, Kind.READ)

        self.insert = write(
            f"INSERT INTO task_schedule (bucket, segment, shard, {_KEY}, entry) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP ?"
        )
        self.delete = write(f"DELETE FROM task_schedule USING TIMESTAMP ? WHERE {_WHERE_KEY}")
        self.delete_buckets = write(
            "DELETE FROM task_schedule USING TIMESTAMP ? "
            "WHERE bucket IN ? AND segment = ? AND shard = ?"
        )
        self.select = read(
            "SELECT entry FROM task_schedule WHERE bucket IN ? AND segment IN ? AND shard IN ? "
            "AND next_execution_time >= ? AND next_execution_time < ?"
        )
        self.select_at = read(
            "SELECT entry FROM task_schedule WHERE bucket = ? AND segment = ? AND shard IN ? "
            "AND next_execution_time = ? AND job_id = ?"
        )
        self.select_first = read(
            "SELECT next_execution_time FROM task_schedule WHERE bucket IN ? AND segment = ? "
            "AND shard = ? AND next_execution_time >= ? PER PARTITION LIMIT 1"
        )
        self.select_filled = read(
            "SELECT bucket FROM task_schedule WHERE bucket IN ? AND segment = ? AND shard = ? "
            "PER PARTITION LIMIT 1"
        )
        self.select_keys = read(
            f"SELECT bucket, {_KEY}, writetime(entry) FROM task_schedule "
            "WHERE bucket IN ? AND segment = ? AND shard = ?"
        )
        self.insert_hour = write(
            "INSERT INTO segment_buckets (segment, hour, shard) VALUES (?, ?, ?) USING TIMESTAMP ?"
        )
        self.delete_hour = write(
            "DELETE FROM segment_buckets USING TIMESTAMP ? WHERE segment = ? AND hour = ?"
        )
        self.select_hours = read(
            "SELECT segment, hour, shard FROM segment_buckets "
            "WHERE segment IN ? AND hour >= ? AND hour <= ?"
        )
        self.select_some_hours = read(
            "SELECT segment, hour, shard FROM segment_buckets WHERE segment = ? AND hour IN ?"
        )
        self.select_next_hours = read(
            "SELECT hour, shard FROM segment_buckets WHERE segment = ? AND hour >= ? LIMIT ?"
        )
        self.select_past_hours = read(
            "SELECT hour, shard FROM segment_buckets WHERE segment = ? AND hour <= ?"
        )


def _key(entry: ScheduleEntry, shard: int) -> tuple[int | str, ...]:
    return (
        bucket_of(entry.fire_ms),
        entry.segment,
        shard,
        entry.fire_ms,
        entry.uid,
        entry.kind,
        entry.schedule_ms,
        entry.run_id,
        entry.generation,
    )


def _decoded(row: Row) -> ScheduleEntry:
    return decode_entry(row[0])


def _shard_counts(rows: Iterable[Row]) -> dict[Hour, int]:
    """From rows (segment, hour, shard): how many shards there are."""
    counts: Counter[Hour] = Counter()
    for segment, hour, shard in rows:
        counts[segment, hour] = max(counts[segment, hour], shard + 1)
    return counts


def _newest_generations(entries: list[ScheduleEntry]) -> list[ScheduleEntry]:
    """In order, without those that an entry of a newer generation stands in place of."""
    entries.sort(
        key=lambda e: (e.segment, e.fire_ms, e.uid, e.kind, e.schedule_ms, e.run_id, e.generation)
    )
    kept: list[ScheduleEntry] = []
    for entry in entries:
        if kept and same_place(kept[-1], entry):
            kept[-1] = entry
        else:
            kept.append(entry)
    return kept


def same_place(one: ScheduleEntry, other: ScheduleEntry) -> bool:
    """Whether two entries differ in nothing that tells entries apart, but the generation."""
    return (
        one.uid == other.uid
        and one.fire_ms == other.fire_ms
        and one.schedule_ms == other.schedule_ms
        and one.kind is other.kind
        and one.run_id == other.run_id
    )
