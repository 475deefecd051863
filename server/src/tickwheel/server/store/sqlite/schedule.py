"""The schedule, the inbox and the positions."""

import json
import sqlite3
from collections.abc import Sequence
from typing import Final

from typing_extensions import override

from tickwheel.server.domain.lease import WriteStamp
from tickwheel.server.domain.occurrence import InboxEntry, ScheduleEntry
from tickwheel.server.store import codec
from tickwheel.server.store.port import ScheduleStore
from tickwheel.server.store.sqlite import fence
from tickwheel.server.store.sqlite.database import Database
from tickwheel.server.store.sqlite.many import ManyRows, Row
from tickwheel.server.store.sqlite.pace import encoded
from tickwheel.server.store.sqlite.retention import Sweeper

#: Rows that one transaction drops, so that the others do not wait long for it.
_SLICE: Final = 2_000

# A write of an older generation loses against the newer one that it meets at the same place.
PUT_ENTRIES: Final = ManyRows(
    "INSERT INTO task_schedule"
    " (segment, next_execution_time, job_id, kind, run_id, generation, write_us, data) VALUES",
    8,
    "ON CONFLICT (segment, next_execution_time, job_id, kind, run_id) DO UPDATE"
    " SET generation = excluded.generation, write_us = excluded.write_us, data = excluded.data"
    " WHERE excluded.generation >= generation",
)
# Only the entry that was read: another generation at the same place is somebody else's news.
_REMOVE_ENTRIES: Final = ManyRows(
    "WITH done (segment, fire_ms, job_id, kind, run_id, generation) AS (VALUES",
    6,
    """)
    DELETE FROM task_schedule WHERE id IN (
        SELECT t.id FROM done CROSS JOIN task_schedule AS t
        ON t.segment = done.segment AND t.next_execution_time = done.fire_ms
        AND t.job_id = done.job_id AND t.kind = done.kind AND t.run_id = done.run_id
        AND t.generation = done.generation
    )""",
)
PUT_INBOX: Final = ManyRows(
    "INSERT INTO inbox (segment, write_ms, job_id, version, data) VALUES",
    5,
    "ON CONFLICT (segment, write_ms, job_id, version) DO UPDATE SET data = excluded.data",
)


def entry_row(entry: ScheduleEntry, write_us: int) -> Row:
    """A row of `task_schedule`."""
    return (
        entry.segment,
        entry.fire_ms,
        entry.uid,
        int(entry.kind),
        entry.run_id,
        entry.generation,
        write_us,
        codec.encode_entry(entry),
    )


def inbox_row(entry: InboxEntry) -> Row:
    """A row of `inbox`."""
    return (entry.segment, entry.write_ms, entry.uid, entry.version, codec.encode_inbox(entry))


class SqliteSchedule(ScheduleStore):
    """ScheduleStore on SQLite."""

    def __init__(self, database: Database, sweeper: Sweeper) -> None:
        self._database = database
        self._sweeper = sweeper

    @override
    async def read_due(
        self, segments: Sequence[int], start_ms: int, end_ms: int
    ) -> list[ScheduleEntry]:
        wanted = json.dumps(list(segments))

        def body(connection: sqlite3.Connection) -> list[ScheduleEntry]:
            rows = connection.execute(
                "SELECT data FROM task_schedule"
                " WHERE segment IN (SELECT value FROM json_each(?))"
                " AND next_execution_time >= ? AND next_execution_time < ?"
                " ORDER BY segment, next_execution_time",
                (wanted, start_ms, end_ms),
            ).fetchall()
            return [codec.decode_entry(data) for (data,) in rows]

        return await self._database.read(body)

    @override
    async def advance(
        self, stamp: WriteStamp, put: Sequence[ScheduleEntry], remove: Sequence[ScheduleEntry]
    ) -> None:
        rows = await encoded(put, lambda entry: entry_row(entry, stamp.timestamp_us))
        gone: list[Row] = [
            (
                entry.segment,
                entry.fire_ms,
                entry.uid,
                int(entry.kind),
                entry.run_id,
                entry.generation,
            )
            for entry in remove
        ]

        def body(connection: sqlite3.Connection) -> None:
            fence.check(connection, stamp)
            PUT_ENTRIES.run(connection, rows)
            _REMOVE_ENTRIES.run(connection, gone)

        await self._database.write(body, weight=len(rows) + len(gone))

    @override
    async def read_inbox(self, segments: Sequence[int], since_ms: int) -> list[InboxEntry]:
        wanted = json.dumps(list(segments))

        def body(connection: sqlite3.Connection) -> list[InboxEntry]:
            rows = connection.execute(
                "SELECT data FROM inbox"
                " WHERE segment IN (SELECT value FROM json_each(?)) AND write_ms >= ?"
                " ORDER BY segment, write_ms, job_id, version",
                (wanted, since_ms),
            ).fetchall()
            return [codec.decode_inbox(data) for (data,) in rows]

        return await self._database.read(body)

    @override
    async def positions(self, segments: Sequence[int]) -> dict[int, int]:
        wanted = json.dumps(list(segments))

        def body(connection: sqlite3.Connection) -> dict[int, int]:
            return dict(
                connection.execute(
                    "SELECT segment, position_ms FROM segment_positions"
                    " WHERE segment IN (SELECT value FROM json_each(?))",
                    (wanted,),
                ).fetchall()
            )

        saved = await self._database.read(body)
        return {segment: saved.get(segment, 0) for segment in segments}

    @override
    async def save_position(self, stamp: WriteStamp, position_ms: int) -> None:
        def body(connection: sqlite3.Connection) -> None:
            fence.check(connection, stamp)
            connection.execute(
                "INSERT INTO segment_positions (segment, epoch, position_ms) VALUES (?, ?, ?)"
                " ON CONFLICT (segment) DO UPDATE"
                " SET epoch = excluded.epoch, position_ms = excluded.position_ms"
                " WHERE excluded.epoch > epoch OR excluded.position_ms > position_ms",
                (stamp.segment, stamp.epoch, position_ms),
            )

        await self._database.write(body)

    @override
    async def first_fire_ms(self, segment: int, after_ms: int) -> int | None:
        def body(connection: sqlite3.Connection) -> int | None:
            (first,) = connection.execute(
                "SELECT min(next_execution_time) FROM task_schedule"
                " WHERE segment = ? AND next_execution_time >= ?",
                (segment, after_ms),
            ).fetchone()
            return first

        return await self._database.read(body)

    @override
    async def drop_before(self, stamp: WriteStamp, before_ms: int) -> int:
        """Drops what is finished, and sweeps what has outlived its retention, of any segment.

        There are no buckets here: the number returned is 1 if anything was dropped.
        """
        # What was written after the stamp is not known to be finished, however old its instant.
        dropped = await self._drop(
            stamp,
            "DELETE FROM task_schedule WHERE id IN (SELECT id FROM task_schedule"
            " WHERE segment = ? AND next_execution_time < ? AND write_us <= ? LIMIT ?)",
            (stamp.segment, before_ms, stamp.timestamp_us, _SLICE),
        )
        dropped += await self._drop(
            stamp,
            "DELETE FROM inbox WHERE id IN (SELECT id FROM inbox"
            " WHERE segment = ? AND write_ms < ? LIMIT ?)",
            (stamp.segment, before_ms, _SLICE),
        )
        await self._sweeper.sweep()
        return min(dropped, 1)

    async def _drop(self, stamp: WriteStamp, statement: str, values: tuple[int, ...]) -> int:
        def body(connection: sqlite3.Connection) -> int:
            fence.check(connection, stamp)
            return connection.execute(statement, values).rowcount

        total = 0
        while (dropped := await self._database.write(body, weight=_SLICE)) > 0:
            total += dropped
            if dropped < _SLICE:
                break
        return total
