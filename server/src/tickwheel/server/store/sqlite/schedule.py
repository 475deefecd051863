"""The schedule, the inbox and the positions."""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

from tickwheel.server.domain.clock import Clock
from tickwheel.server.domain.course import FOR_EVER_MS
from tickwheel.server.domain.lease import WriteStamp
from tickwheel.server.domain.occurrence import InboxEntry, ScheduleEntry
from tickwheel.server.store.codec import decode_entry, decode_inbox, encode_entry, encode_inbox
from tickwheel.server.store.port import Dropped, ScheduleStore, Spot
from tickwheel.server.store.sqlite.database import Database
from tickwheel.server.store.sqlite.expiry import drop_expired
from tickwheel.server.store.sqlite.fence import check_fence
from tickwheel.server.store.sqlite.rows import insert, read_records


def put_entries(
    connection: sqlite3.Connection, entries: Iterable[ScheduleEntry], written_us: int
) -> None:
    """Writes rows of the schedule; one of a newer generation at the same place stays."""
    insert(
        connection,
        "INSERT INTO task_schedule",
        [(*_key(entry), entry.generation, written_us, encode_entry(entry)) for entry in entries],
        "ON CONFLICT DO UPDATE SET generation = excluded.generation, "
        "written_us = excluded.written_us, record = excluded.record "
        "WHERE excluded.generation >= generation",
    )


def put_inbox(connection: sqlite3.Connection, entries: Iterable[InboxEntry]) -> None:
    """Writes rows of the inbox."""
    insert(
        connection,
        "INSERT OR REPLACE INTO inbox",
        [
            (entry.segment, entry.write_ms, entry.uid, entry.version, encode_inbox(entry))
            for entry in entries
        ],
    )


class SqliteScheduleStore(ScheduleStore):
    """As the port says."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def read_due(
        self, segments: Sequence[int], start_ms: int, end_ms: int
    ) -> list[ScheduleEntry]:
        """As the port says."""
        sql = (
            "SELECT record FROM task_schedule WHERE segment IN (SELECT value FROM json_each(?)) "
            "AND next_execution_time >= ? AND next_execution_time < ? "
            "ORDER BY segment, next_execution_time"
        )
        wanted = (_list(segments), start_ms, end_ms)
        # Many may be due at one instant: the event loop is not held up by them.
        return await self._database.read(
            lambda db: [decode_entry(row[0]) for row in read_records(db, sql, wanted)]
        )

    async def read_at(self, spots: Iterable[Spot]) -> list[ScheduleEntry]:
        """As the port says."""
        sql = (
            "SELECT record FROM json_each(?) AS spot CROSS JOIN task_schedule "
            "ON segment = json_extract(spot.value, '$[0]') "
            "AND next_execution_time = json_extract(spot.value, '$[1]') "
            "AND job_id = json_extract(spot.value, '$[2]')"
        )
        rows = await self._all(sql, json.dumps(list(set(spots))))
        return [decode_entry(row[0]) for row in rows]

    async def advance(
        self, stamp: WriteStamp, put: Sequence[ScheduleEntry], remove: Sequence[ScheduleEntry]
    ) -> None:
        """As the port says."""

        def run(connection: sqlite3.Connection) -> None:
            check_fence(connection, stamp)
            put_entries(connection, put, stamp.timestamp_us)
            kept = {_key(entry) for entry in put}
            connection.executemany(
                "DELETE FROM task_schedule WHERE segment = ? AND next_execution_time = ? "
                "AND job_id = ? AND kind = ? AND schedule_time = ? AND run_id = ? "
                "AND generation <= ?",
                [(*key, entry.generation) for entry in remove if (key := _key(entry)) not in kept],
            )

        await self._database.write(run)

    async def read_inbox(
        self, segments: Sequence[int], since_ms: int, until_ms: int | None = None
    ) -> list[InboxEntry]:
        """As the port says."""
        sql = (
            "SELECT record FROM inbox WHERE segment IN (SELECT value FROM json_each(?)) "
            "AND write_time >= ? AND write_time < ? ORDER BY segment, write_time, version"
        )
        end_ms = FOR_EVER_MS if until_ms is None else until_ms
        wanted = (_list(segments), since_ms, end_ms)
        return await self._database.read(
            lambda db: [decode_inbox(row[0]) for row in read_records(db, sql, wanted)]
        )

    async def positions(self, segments: Sequence[int]) -> dict[int, int]:
        """As the port says."""
        rows = await self._all("SELECT segment, position FROM segment_state")
        saved: dict[int, int] = dict(rows)
        return {segment: saved.get(segment, 0) for segment in segments}

    async def save_position(self, stamp: WriteStamp, position_ms: int) -> None:
        """As the port says."""

        def run(connection: sqlite3.Connection) -> None:
            check_fence(connection, stamp)
            connection.execute(
                "INSERT INTO segment_state VALUES (?, ?, ?) ON CONFLICT (segment) DO UPDATE SET "
                "epoch = excluded.epoch, position = excluded.position "
                "WHERE excluded.epoch > epoch OR excluded.position > position",
                (stamp.segment, stamp.epoch, position_ms),
            )

        await self._database.write(run)

    async def zone_data(self, segments: Sequence[int]) -> dict[int, str]:
        """As the port says."""
        rows = await self._all("SELECT segment, zone_data FROM segment_zones")
        saved: dict[int, str] = dict(rows)
        return {segment: saved.get(segment, "") for segment in segments}

    async def save_zone_data(self, stamp: WriteStamp, digest: str) -> None:
        """As the port says."""

        def run(connection: sqlite3.Connection) -> None:
            check_fence(connection, stamp)
            connection.execute(
                "INSERT OR REPLACE INTO segment_zones VALUES (?, ?)", (stamp.segment, digest)
            )

        await self._database.write(run)

    async def first_fire_ms(self, segment: int, after_ms: int) -> int | None:
        """As the port says."""
        sql = (
            "SELECT MIN(next_execution_time) FROM task_schedule "
            "WHERE segment = ? AND next_execution_time >= ?"
        )
        return (await self._all(sql, segment, after_ms))[0][0]

    async def drop_before(self, stamp: WriteStamp, before_ms: int) -> Dropped:
        """As the port says; what has outlived its retention goes with it."""
        now_ms = self._clock.now_ms()

        def run(connection: sqlite3.Connection) -> Dropped:
            check_fence(connection, stamp)
            bounds = (stamp.segment, before_ms)
            dropped = connection.execute(
                "DELETE FROM task_schedule "
                "WHERE segment = ? AND next_execution_time < ? AND written_us < ?",
                (*bounds, stamp.timestamp_us),
            ).rowcount
            connection.execute("DELETE FROM inbox WHERE segment = ? AND write_time < ?", bounds)
            drop_expired(connection, now_ms)
            return Dropped(dropped)

        return await self._database.write(run)

    async def _all(self, sql: str, *values: object) -> list[Any]:
        return await self._database.read(lambda db: db.execute(sql, values).fetchall())


def _key(entry: ScheduleEntry) -> tuple[int, int, str, int, int, str]:
    return (
        entry.segment,
        entry.fire_ms,
        entry.uid,
        int(entry.kind),
        entry.schedule_ms,
        entry.run_id,
    )


def _list(numbers: Iterable[int]) -> str:
    return f"[{','.join(map(str, numbers))}]"
