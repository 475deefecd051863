"""The run log of one segment from the oldest row on, in pages: `run_log` read forwards.

Which minutes of an hour hold rows of the segment is asked of the index hour by hour, and of a
minute no more rows are read than the page has room for: what a call holds does not grow with the
log.
"""

from collections.abc import AsyncIterator
from typing import Final

from tickwheel.server.domain.run import Run
from tickwheel.server.store.cassandra.driver import Driver, Kind
from tickwheel.server.store.cassandra.partition import HOUR_BUCKETS, bucket_of, hour_of
from tickwheel.server.store.cassandra.run_log import HOURS_AHEAD, SCOPE, Place
from tickwheel.server.store.cassandra.session import CassandraSession
from tickwheel.server.store.codec import decode_run

_NO_UID: Final = bytes(16)
_NO_ID: Final = "00000000-0000-0000-0000-000000000000"
#: Before the year 10,000 in minutes and hours, which fit their columns.
_FAR_MS: Final = 253_402_300_799_999


class LogPages:
    """Reads `run_log` from a place on, by way of `run_log_hours` and `run_log_buckets`."""

    def __init__(self, driver: Driver, session: CassandraSession) -> None:
        self._session = session
        self._select_hours = driver.prepare(
            "SELECT hour FROM run_log_hours WHERE scope = ? AND hour >= ? AND hour <= ? "
            "ORDER BY hour ASC LIMIT ?",
            Kind.READ,
        )
        self._select_shards = driver.prepare(
            "SELECT bucket, shard FROM run_log_buckets WHERE hour = ? AND bucket IN ? "
            "AND segment = ?",
            Kind.READ,
        )
        self._select = driver.prepare(
            "SELECT update_time, job_id, run_id, revision, epoch, record FROM run_log "
            "WHERE bucket = ? AND segment = ? AND shard = ? "
            "AND (update_time, job_id, run_id, revision) > (?, ?, ?, ?) "
            "AND (update_time, job_id, run_id, revision) < (?, ?, ?, ?) "
            "ORDER BY update_time ASC, job_id ASC, run_id ASC, revision ASC LIMIT ?",
            Kind.READ,
        )

    async def read(
        self, segment: int, cursor: bytes, limit: int, start_ms: int, end_ms: int
    ) -> tuple[list[Run], Place | None]:
        """The first rows after a cursor, and the place of the last one if others may follow.

        Raises:
            ValueError: the cursor is not one of this store's.
        """
        after = Place.of_cursor(cursor) if cursor else Place(start_ms, _NO_UID, "", 0)
        end_ms = min(end_ms, _FAR_MS)
        records: list[bytes] = []
        if after.update_ms < end_ms:
            async for bucket, shards in self._filled(segment, after.update_ms, end_ms):
                found = await self._oldest(
                    (bucket, segment), shards, after, end_ms, limit - len(records)
                )
                records += found.values()
                if len(records) == limit:
                    return await self._session.mapped(decode_run, records), max(found)
        return await self._session.mapped(decode_run, records), None

    async def _oldest(
        self,
        partition: tuple[int, int],
        shards: list[int],
        after: Place,
        end_ms: int,
        limit: int,
    ) -> dict[Place, bytes]:
        """The oldest rows of a minute after a place, in order, as many as there is room for.

        A state that was recorded twice may stand in two shards: the later owner's counts.
        """
        rows = await self._session.read_all(
            self._select.bind(
                *partition,
                shard,
                after.update_ms,
                after.uid_text,
                after.run_id,
                after.revision,
                end_ms,
                _NO_ID,
                "",
                0,
                limit,
            )
            for shard in shards
        )
        found = {
            Place(update_ms, uid.bytes, run_id, revision): record
            for update_ms, uid, run_id, revision, _, record in sorted(rows, key=lambda row: row[4])
        }
        return {place: found[place] for place in sorted(found)[:limit]}

    async def _filled(
        self, segment: int, start_ms: int, end_ms: int
    ) -> AsyncIterator[tuple[int, list[int]]]:
        """Minutes in which the segment has rows, oldest first, each with its shards."""
        first, last = bucket_of(start_ms), bucket_of(end_ms - 1)
        hour, last_hour = hour_of(start_ms), hour_of(end_ms - 1)
        while True:
            hours = await self._session.read(
                self._select_hours.bind(SCOPE, hour, last_hour, HOURS_AHEAD)
            )
            for (present,) in hours:
                begun = present * HOUR_BUCKETS
                wanted = range(max(first, begun), min(last + 1, begun + HOUR_BUCKETS))
                shards: dict[int, list[int]] = {}
                for bucket, shard in await self._session.read(
                    self._select_shards.bind(present, wanted, segment)
                ):
                    shards.setdefault(bucket, []).append(shard)
                for bucket in sorted(shards):
                    yield bucket, shards[bucket]
            if len(hours) < HOURS_AHEAD:
                return
            hour = hours[-1][0] + 1
