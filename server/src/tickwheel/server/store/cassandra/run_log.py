"""The run log: `run_log` by minute, segment and shard, and two levels of index over it.

A row is one state of one run and is never changed. Its time of writing is the stamp's, so of two
owners' rows of the same state the later epoch's stays; where a former owner's late row has another
place than the present one's, reading tells by the epoch which of them counts.
"""

import struct
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from tickwheel.server.domain.clock import Clock
from tickwheel.server.domain.lease import WriteStamp
from tickwheel.server.domain.run import Run
from tickwheel.server.store.cassandra.driver import Bound, Driver, Kind, Prepared
from tickwheel.server.store.cassandra.partition import (
    HOUR_BUCKETS,
    SHARD_ROWS,
    bucket_of,
    hour_of,
    uid_from_bytes,
)
from tickwheel.server.store.cassandra.registry import Memory, Registry
from tickwheel.server.store.cassandra.session import IN_KEYS, CassandraSession, chunks
from tickwheel.server.store.cassandra.ttl import log_ttl_s, ttl_s
from tickwheel.server.store.codec import decode_run
from tickwheel.server.store.ghosts import without_ghosts

#: The index outlives the last row of its bucket and hour.
INDEX_MARGIN_S: Final = 2 * 3_600
#: Hours of the index that are read together.
HOURS_AHEAD: Final = 24
#: Rows of each partition that a page looks at, at least.
PARTITION_ROWS: Final = 16

#: All hours of the index stand in one partition.
SCOPE: Final = 0
_PLACE: Final = struct.Struct(">q16si")


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where a row stands in the log, across segments."""

    update_ms: int
    uid: bytes
    run_id: str
    #: Two states of a run may be of one millisecond.
    revision: int

    @property
    def uid_text(self) -> str:
        """The uid as ids are written."""
        return uid_from_bytes(self.uid)

    def cursor(self) -> bytes:
        """As an opaque page cursor."""
        return b"r" + _PLACE.pack(self.update_ms, self.uid, self.revision) + self.run_id.encode()

    @classmethod
    def of_cursor(cls, cursor: bytes) -> "Place":
        """The place of a cursor; an empty one is before all.

        Raises:
            ValueError: it is not one of this store's.
        """
        if not cursor:
            return _NEWEST
        if cursor[:1] != b"r" or len(cursor) < 1 + _PLACE.size:
            raise ValueError("the page cursor is not one of this store")
        update_ms, uid, revision = _PLACE.unpack_from(cursor, 1)
        if abs(update_ms) > _FAR_MS:
            raise ValueError("the page cursor has an instant of no year")
        return cls(update_ms, uid, cursor[1 + _PLACE.size :].decode(), revision)


_NEWEST: Final = Place(1 << 62, b"\xff" * 16, "", 0)


@dataclass(frozen=True, slots=True)
class LogRow:
    """One state of one run, not yet decoded."""

    place: Place
    user: str
    record: bytes


class RunLog:
    """Rows of `run_log`, with `run_log_hours` and `run_log_buckets`, which tell where they are."""

    def __init__(self, driver: Driver, session: CassandraSession, clock: Clock) -> None:
        self._session = session
        self._clock = clock
        self._buckets: Registry[tuple[int, int, int]] = Registry(session)
        self._hours: Registry[int] = Registry(session)
        self._counts: Memory[tuple[int, int], int] = Memory()
        self._statements = _Statements(driver)

    # -- writing -----------------------------------------------------------------------------

    async def append(self, stamp: WriteStamp, runs: Sequence[tuple[Run, bytes]]) -> None:
        """Writes states of runs, given with their records, into the stamp's segment."""
        placed = [(run, record, self._shard(run)) for run, record in runs]
        await self._announce((run, shard) for run, _, shard in placed)
        now_ms = self._clock.now_ms()

        def row(place: tuple[Run, bytes, int]) -> Bound:
            run, record, shard = place
            return self._statements.insert.bind(
                bucket_of(run.update_ms),
                stamp.segment,
                shard,
                run.update_ms,
                run.job_uid,
                run.run_id,
                run.revision,
                stamp.epoch,
                run.user,
                record,
                stamp.timestamp_us,
                log_ttl_s(run, now_ms),
            )

        await self._session.write(await self._session.mapped(row, placed))

    def _shard(self, run: Run) -> int:
        """Counts the row; a bucket goes on in its next shard when this process filled one."""
        key = (bucket_of(run.update_ms), run.segment)
        count = self._counts.get(key) or 0
        self._counts.put(key, count + 1)
        return count // SHARD_ROWS

    async def _announce(self, placed: Iterable[tuple[Run, int]]) -> None:
        """Registers where rows are about to be written, for as long as the longest lived of them.

        The time of writing grows with the TTL, so that a shorter one never replaces a longer.
        """
        now_ms = self._clock.now_ms()
        buckets: dict[tuple[int, int, int], int] = {}
        hours: dict[int, int] = {}
        for run, shard in placed:
            life = ttl_s(log_ttl_s(run, now_ms) + INDEX_MARGIN_S, now_ms)
            bucket = (bucket_of(run.update_ms), run.segment, shard)
            buckets[bucket] = max(buckets.get(bucket, 0), life)
            hours[hour_of(run.update_ms)] = max(hours.get(hour_of(run.update_ms), 0), life)
        await self._hours.write(
            {
                hour: (self._statements.insert_hour.bind(SCOPE, hour, life, life), life)
                for hour, life in hours.items()
                if not self._hours.knows(hour, life)
            }
        )
        await self._buckets.write(
            {
                key: (
                    self._statements.insert_bucket.bind(key[0] // HOUR_BUCKETS, *key, life, life),
                    life,
                )
                for key, life in buckets.items()
                if not self._buckets.knows(key, life)
            }
        )

    # -- reading what is new -----------------------------------------------------------------

    async def since(self, segments: Sequence[int], since_ms: int) -> list[Run]:
        """States recorded from an instant on, oldest first within a segment."""
        if not segments:
            return []
        wanted = set(segments)
        first = bucket_of(since_ms)
        hours = await self._session.read(
            self._statements.select_hours_from.bind(SCOPE, hour_of(since_ms))
        )
        found = await self._session.read_all(
            self._statements.select_buckets_from.bind(part, first)
            for part in chunks([row[0] for row in hours], IN_KEYS)
        )
        shards: dict[int, list[tuple[int, int]]] = {}
        for bucket, segment, shard in found:
            if segment in wanted:
                shards.setdefault(shard, []).append((bucket, segment))
        rows = await self._session.read_all(
            self._statements.select_since.bind(*partitions, shard, since_ms)
            for shard, members in shards.items()
            for partitions in _rectangles(members)
        )
        runs = await self._session.mapped(lambda row: (int(row[0]), decode_run(row[1])), rows)
        runs.sort(
            key=lambda item: (
                item[1].segment,
                item[1].update_ms,
                item[1].job_uid,
                item[1].run_id,
                item[1].revision,
            )
        )
        return without_ghosts(runs)

    # -- reading from the newest on ----------------------------------------------------------

    async def backwards(self, start: Place, width: int) -> AsyncIterator[list[LogRow]]:
        """States older than a place, newest first, in stretches.

        `width` is about how many the caller wants. Yields an empty stretch now and then where
        there is nothing.
        """
        async for bucket, members in self._filled(bucket_of(min(start.update_ms, _FAR_MS))):
            bound, more = start, True
            while more:
                rows, more = await self._stretch(bucket, members, bound, width)
                if rows:
                    bound = rows[-1].place
                yield rows

    async def _stretch(
        self, bucket: int, members: list[tuple[int, int]], bound: Place, width: int
    ) -> tuple[list[LogRow], bool]:
        """The newest rows of a bucket, as far as they are complete across its partitions."""
        limit = max(PARTITION_ROWS, 2 * width // len(members))
        shards: dict[int, list[int]] = {}
        for segment, shard in members:
            shards.setdefault(shard, []).append(segment)
        found = await self._session.read_all(
            self._statements.select_before.bind(
                bucket,
                part,
                shard,
                bound.update_ms,
                bound.uid_text,
                bound.run_id,
                bound.revision,
                limit,
            )
            for shard, segments in shards.items()
            for part in chunks(segments, IN_KEYS)
        )
        counts: dict[tuple[int, int], int] = {}
        horizon: Place | None = None
        rows: list[LogRow] = []
        for segment, shard, update_ms, uid, run_id, revision, user, record in found:
            row = LogRow(Place(update_ms, uid.bytes, run_id, revision), user, record)
            rows.append(row)
            count = counts[segment, shard] = counts.get((segment, shard), 0) + 1
            if count == limit:
                # Of this partition nothing older was read: what is older elsewhere has to wait.
                horizon = row.place if horizon is None else max(horizon, row.place)
        if horizon is not None:
            rows = [row for row in rows if row.place >= horizon]
        rows.sort(key=lambda row: row.place, reverse=True)
        return rows, horizon is not None

    async def _filled(self, newest: int) -> AsyncIterator[tuple[int, list[tuple[int, int]]]]:
        """Buckets that hold rows, newest first, each with its (segment, shard)s."""
        hour = newest // HOUR_BUCKETS
        while True:
            hours = await self._session.read(
                self._statements.select_hours_to.bind(SCOPE, hour, HOURS_AHEAD)
            )
            for (present,) in hours:
                members: dict[int, list[tuple[int, int]]] = {}
                for bucket, segment, shard in await self._session.read(
                    self._statements.select_buckets_to.bind(present, newest)
                ):
                    members.setdefault(bucket, []).append((segment, shard))
                for bucket in sorted(members, reverse=True):
                    yield bucket, members[bucket]
            if len(hours) < HOURS_AHEAD:
                return
            hour = hours[-1][0] - 1


class _Statements:
    """The statements of this module, prepared."""

    def __init__(self, driver: Driver) -> None:
        def write(cql: str) -> Prepared:
            return driver.prepare(cql, Kind.WRITE)

        def read(cql: str) -> Prepared:
            return driver.prepare(cql, Kind.READ)

        self.insert = write(
            "INSERT INTO run_log (bucket, segment, shard, update_time, job_id, run_id, revision, "
            "epoch, user_id, record) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
            "USING TIMESTAMP ? AND TTL ?"
        )
        self.insert_hour = write(
            "INSERT INTO run_log_hours (scope, hour) VALUES (?, ?) USING TIMESTAMP ? AND TTL ?"
        )
        self.insert_bucket = write(
            "INSERT INTO run_log_buckets (hour, bucket, segment, shard) VALUES (?, ?, ?, ?) "
            "USING TIMESTAMP ? AND TTL ?"
        )
        self.select_hours_from = read(
            "SELECT hour FROM run_log_hours WHERE scope = ? AND hour >= ?"
        )
        self.select_hours_to = read(
            "SELECT hour FROM run_log_hours WHERE scope = ? AND hour <= ? LIMIT ?"
        )
        self.select_buckets_from = read(
            "SELECT bucket, segment, shard FROM run_log_buckets WHERE hour IN ? AND bucket >= ?"
        )
        self.select_buckets_to = read(
            "SELECT bucket, segment, shard FROM run_log_buckets WHERE hour = ? AND bucket <= ?"
        )
        self.select_since = read(
            "SELECT epoch, record FROM run_log WHERE bucket IN ? AND segment IN ? AND shard = ? "
            "AND update_time >= ?"
        )
        self.select_before = read(
            "SELECT segment, shard, update_time, job_id, run_id, revision, user_id, record "
            "FROM run_log WHERE bucket = ? AND segment IN ? AND shard = ? "
            "AND (update_time, job_id, run_id, revision) < (?, ?, ?, ?) PER PARTITION LIMIT ?"
        )


#: The year 9999; no bucket lies beyond it.
_FAR_MS: Final = 253_402_300_799_999


def _rectangles(members: list[tuple[int, int]]) -> Iterable[tuple[Sequence[int], Sequence[int]]]:
    """Covers (bucket, segment)s by pairs of lists; what is not there costs the server little."""
    buckets = sorted({bucket for bucket, _ in members})
    segments = sorted({segment for _, segment in members})
    for some_segments in chunks(segments, IN_KEYS):
        for some_buckets in chunks(buckets, max(1, IN_KEYS // len(some_segments))):
            yield some_buckets, some_segments
