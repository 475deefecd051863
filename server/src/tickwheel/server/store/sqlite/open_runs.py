"""Runs that are open."""

import sqlite3
from collections.abc import Iterable, Sequence

from tickwheel.server.domain.lease import WriteStamp
from tickwheel.server.domain.run import Run
from tickwheel.server.store.codec import decode_run, encode_run
from tickwheel.server.store.port import OpenRunStore
from tickwheel.server.store.sqlite.database import Database
from tickwheel.server.store.sqlite.fence import check_fence
from tickwheel.server.store.sqlite.rows import insert


class SqliteOpenRunStore(OpenRunStore):
    """As the port says. A row has no expiry: it goes when the run's owner removes it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, stamp: WriteStamp, runs: Sequence[Run]) -> None:
        """As the port says."""
        rows = [(stamp.segment, run.job_uid, run.run_id, encode_run(run)) for run in runs]

        def write(connection: sqlite3.Connection) -> None:
            check_fence(connection, stamp)
            insert(connection, "INSERT OR REPLACE INTO open_runs", rows)

        await self._database.write(write)

    async def remove(self, stamp: WriteStamp, runs: Sequence[Run]) -> None:
        """As the port says."""
        keys = [(stamp.segment, run.job_uid, run.run_id) for run in runs]

        def write(connection: sqlite3.Connection) -> None:
            check_fence(connection, stamp)
            connection.executemany(
                "DELETE FROM open_runs WHERE segment = ? AND job_id = ? AND run_id = ?", keys
            )

        await self._database.write(write)

    async def read(self, segments: Sequence[int]) -> list[Run]:
        """As the port says."""
        sql = "SELECT record FROM open_runs WHERE segment IN (SELECT value FROM json_each(?))"
        wanted = f"[{','.join(map(str, segments))}]"
        rows = await self._database.read(lambda db: db.execute(sql, (wanted,)).fetchall())
        return [decode_run(row[0]) for row in rows]

    async def tidy(self, stamp: WriteStamp, create_ms: Iterable[int]) -> None:
        """Nothing to do: one ordered table keeps nothing of times."""
