"""The run log, and each run's present state."""

import json
import sqlite3
from collections.abc import Sequence
from typing import Any

from tickwheel.server.domain.lease import WriteStamp
from tickwheel.server.domain.run import Run
from tickwheel.server.store.codec import (
    decode_run,
    encode_run,
    run_kept_until_ms,
    run_logged_until_ms,
)
from tickwheel.server.store.port import Page, RunStore
from tickwheel.server.store.sqlite.cursor import decode_cursor, encode_cursor
from tickwheel.server.store.sqlite.database import Database
from tickwheel.server.store.sqlite.fence import check_fence
from tickwheel.server.store.sqlite.rows import insert, read_records

_LATEST = 1 << 62


class SqliteRunStore(RunStore):
    """As the port says."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def record(self, stamp: WriteStamp, runs: Sequence[Run]) -> None:
        """As the port says; log and present state in one transaction."""
        rows = [(run, encode_run(run)) for run in runs]

        def write(connection: sqlite3.Connection) -> None:
            check_fence(connection, stamp)
            insert(
                connection,
                "INSERT OR REPLACE INTO run_log",
                [
                    (
                        stamp.segment,
                        run.update_ms,
                        run.job_uid,
                        run.run_id,
                        run.revision,
                        run_logged_until_ms(run),
                        data,
                    )
                    for run, data in rows
                ],
            )
            insert(
                connection,
                "INSERT INTO task_history (user_id, job_id, execution_time, run_id, status, "
                "retry_count, last_update_time, revision, expire_time, record)",
                [
                    (
                        run.user,
                        run.job_uid,
                        run.schedule_ms,
                        run.run_id,
                        run.state.name,
                        run.attempt - 1,
                        run.update_ms,
                        run.revision,
                        run_kept_until_ms(run),
                        data,
                    )
                    for run, data in rows
                ],
                "ON CONFLICT (job_id, run_id) DO UPDATE SET "
                "status = excluded.status, retry_count = excluded.retry_count, "
                "last_update_time = excluded.last_update_time, revision = excluded.revision, "
                "expire_time = excluded.expire_time, record = excluded.record "
                "WHERE excluded.revision >= revision",
            )

        await self._database.write(write)

    async def get(self, job_uid: str, run_id: str) -> Run | None:
        """As the port says."""
        sql = "SELECT record FROM task_history WHERE job_id = ? AND run_id = ?"
        rows = await self._all(sql, job_uid, run_id)
        return decode_run(rows[0][0]) if rows else None

    async def get_many(self, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Run]:
        """As the port says."""
        sql = (
            "SELECT history.job_id, history.run_id, history.record "
            "FROM json_each(?) AS wanted CROSS JOIN task_history AS history "
            "WHERE history.job_id = json_extract(wanted.value, '$[0]') "
            "AND history.run_id = json_extract(wanted.value, '$[1]')"
        )
        rows = await self._all(sql, json.dumps(list(keys)))
        return {(job_uid, run_id): decode_run(record) for job_uid, run_id, record in rows}

    async def list_job(
        self,
        job_uid: str,
        cursor: bytes,
        limit: int,
        *,
        start_ms: int = 0,
        end_ms: int = 1 << 60,
    ) -> Page[Run]:
        """As the port says."""
        last: tuple[Any, ...] = decode_cursor(cursor, "r", int, str) if cursor else (end_ms, "")
        sql = (
            "SELECT record, execution_time, run_id FROM task_history "
            "WHERE job_id = ? AND (execution_time, run_id) < (?, ?) "
            "AND execution_time >= ? AND execution_time < ? "
            "ORDER BY execution_time DESC, run_id DESC LIMIT ?"
        )
        rows = await self._all(sql, job_uid, *last, start_ms, end_ms, limit)
        more = encode_cursor("r", rows[-1][1], rows[-1][2]) if len(rows) == limit else None
        return Page([decode_run(row[0]) for row in rows], more)

    async def list_log(self, user: str | None, cursor: bytes, limit: int) -> Page[Run]:
        """As the port says."""
        (before,) = decode_cursor(cursor, "l", int) if cursor else (_LATEST,)
        mine = "AND user_id = ? " if user is not None else ""
        values = (before, user, limit) if user is not None else (before, limit)
        sql = (
            f"SELECT record, entered FROM task_history WHERE entered < ? {mine}"
            "ORDER BY entered DESC LIMIT ?"
        )
        rows = await self._all(sql, *values)
        more = encode_cursor("l", rows[-1][1]) if len(rows) == limit else None
        return Page([decode_run(row[0]) for row in rows], more)

    async def read_log(self, segments: Sequence[int], since_ms: int) -> list[Run]:
        """As the port says."""
        sql = (
            "SELECT record FROM run_log WHERE segment IN (SELECT value FROM json_each(?)) "
            "AND update_time >= ? ORDER BY segment, update_time, revision"
        )
        wanted = f"[{','.join(map(str, segments))}]"
        return [decode_run(row[0]) for row in await self._all(sql, wanted, since_ms)]

    async def page_log(
        self,
        segment: int,
        cursor: bytes,
        limit: int,
        *,
        start_ms: int = 0,
        end_ms: int = 1 << 60,
    ) -> Page[Run]:
        """As the port says."""
        first: tuple[Any, ...] = (start_ms, "", "", 0)
        after = decode_cursor(cursor, "s", int, str, str, int) if cursor else first
        sql = (
            "SELECT record FROM run_log WHERE segment = ? "
            "AND (update_time, job_id, run_id, revision) > (?, ?, ?, ?) AND update_time < ? "
            "ORDER BY update_time, job_id, run_id, revision LIMIT ?"
        )
        values = (segment, *after, end_ms, limit)
        rows = await self._database.read(lambda db: read_records(db, sql, values))
        runs = [decode_run(row[0]) for row in rows]
        if len(runs) < limit:
            return Page(runs, None)
        last = runs[-1]
        place = (last.update_ms, last.job_uid, last.run_id, last.revision)
        return Page(runs, encode_cursor("s", *place))

    async def _all(self, sql: str, *values: object) -> list[Any]:
        return await self._database.read(lambda db: db.execute(sql, values).fetchall())
