"""The tables, and the steps by which a file of an earlier release becomes one of this.

docs/schema.md says what each table is for. All instants are Unix milliseconds, UTC.
"""

import sqlite3
from typing import Final

from tickwheel.server.domain.errors import StoreUnavailable

# Rows that are found by several columns have a rowid besides, by which they are removed many at a
# time. What a reader needs is in `data`, a record of codec.py; the other columns are for keys, for
# conditions, and for people.
_FIRST: Final = (
    """
    CREATE TABLE store_settings (
        name TEXT PRIMARY KEY,
        value INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE job_table (
        id INTEGER PRIMARY KEY,
        user_id TEXT NOT NULL,
        job_id TEXT NOT NULL,
        job_name TEXT NOT NULL,
        is_recurring INTEGER NOT NULL,
        run_interval TEXT NOT NULL,
        max_retry_count INTEGER NOT NULL,
        created_time INTEGER NOT NULL,
        version INTEGER NOT NULL,
        generation INTEGER NOT NULL,
        completed_generation INTEGER NOT NULL,
        complete_ms INTEGER NOT NULL,
        retention_ms INTEGER NOT NULL,
        expire_ms INTEGER,
        payload_version INTEGER NOT NULL,
        data BLOB NOT NULL
    ) STRICT
    """,
    "CREATE UNIQUE INDEX job_by_key ON job_table (user_id, job_id)",
    # Ids that the server makes are their own uid, so most jobs need no second index.
    """
    CREATE UNIQUE INDEX job_by_chosen_name ON job_table (user_id, job_name)
    WHERE job_name <> job_id
    """,
    "CREATE INDEX job_by_expiry ON job_table (expire_ms) WHERE expire_ms IS NOT NULL",
    # Apart from the living ones, so that these are listed without stepping over the dead.
    """
    CREATE TABLE deleted_jobs (
        id INTEGER PRIMARY KEY,
        user_id TEXT NOT NULL,
        job_id TEXT NOT NULL,
        job_name TEXT NOT NULL,
        delete_ms INTEGER NOT NULL,
        expire_ms INTEGER NOT NULL,
        payload_version INTEGER NOT NULL,
        data BLOB NOT NULL
    ) STRICT
    """,
    "CREATE UNIQUE INDEX deleted_job_by_key ON deleted_jobs (user_id, job_id)",
    "CREATE INDEX deleted_job_by_name ON deleted_jobs (user_id, job_name, delete_ms)",
    "CREATE INDEX deleted_job_by_expiry ON deleted_jobs (expire_ms)",
    """
    CREATE TABLE job_payloads (
        id INTEGER PRIMARY KEY,
        job_id TEXT NOT NULL,
        version INTEGER NOT NULL,
        data BLOB NOT NULL
    ) STRICT
    """,
    "CREATE UNIQUE INDEX job_payload_by_key ON job_payloads (job_id, version)",
    """
    CREATE TABLE job_changes (
        id INTEGER PRIMARY KEY,
        user_id TEXT NOT NULL,
        job_id TEXT NOT NULL,
        version INTEGER NOT NULL,
        change_ms INTEGER NOT NULL,
        actor TEXT NOT NULL,
        reason TEXT NOT NULL,
        expire_ms INTEGER NOT NULL,
        payload_version INTEGER NOT NULL,
        data BLOB NOT NULL
    ) STRICT
    """,
    "CREATE UNIQUE INDEX job_change_by_key ON job_changes (job_id, version)",
    "CREATE INDEX job_change_by_expiry ON job_changes (expire_ms)",
    """
    CREATE TABLE request_ids (
        id INTEGER PRIMARY KEY,
        user_id TEXT NOT NULL,
        request_id TEXT NOT NULL,
        job_id TEXT NOT NULL,
        digest BLOB NOT NULL,
        expire_ms INTEGER NOT NULL
    ) STRICT
    """,
    "CREATE UNIQUE INDEX request_id_by_key ON request_ids (user_id, request_id)",
    "CREATE INDEX request_id_by_expiry ON request_ids (expire_ms)",
    """
    CREATE TABLE task_schedule (
        id INTEGER PRIMARY KEY,
        segment INTEGER NOT NULL,
        next_execution_time INTEGER NOT NULL,
        job_id TEXT NOT NULL,
        kind INTEGER NOT NULL,
        run_id TEXT NOT NULL,
        generation INTEGER NOT NULL,
        write_us INTEGER NOT NULL,
        data BLOB NOT NULL
    ) STRICT
    """,
    """
    CREATE UNIQUE INDEX schedule_by_key
    ON task_schedule (segment, next_execution_time, job_id, kind, run_id)
    """,
    """
    CREATE TABLE inbox (
        id INTEGER PRIMARY KEY,
        segment INTEGER NOT NULL,
        write_ms INTEGER NOT NULL,
        job_id TEXT NOT NULL,
        version INTEGER NOT NULL,
        data BLOB NOT NULL
    ) STRICT
    """,
    "CREATE UNIQUE INDEX inbox_by_key ON inbox (segment, write_ms, job_id, version)",
    """
    CREATE TABLE segment_positions (
        segment INTEGER PRIMARY KEY,
        epoch INTEGER NOT NULL,
        position_ms INTEGER NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE run_log (
        id INTEGER PRIMARY KEY,
        segment INTEGER NOT NULL,
        update_ms INTEGER NOT NULL,
        job_id TEXT NOT NULL,
        execution_time INTEGER NOT NULL,
        run_id TEXT NOT NULL,
        revision INTEGER NOT NULL,
        expire_ms INTEGER NOT NULL,
        data BLOB NOT NULL
    ) STRICT
    """,
    """
    CREATE UNIQUE INDEX run_log_by_key
    ON run_log (segment, update_ms, job_id, run_id, revision)
    """,
    "CREATE INDEX run_log_by_expiry ON run_log (expire_ms)",
    # The rowid tells in which order runs were first recorded.
    """
    CREATE TABLE task_history (
        id INTEGER PRIMARY KEY,
        job_id TEXT NOT NULL,
        execution_time INTEGER NOT NULL,
        run_id TEXT NOT NULL,
        user_id TEXT NOT NULL,
        status TEXT NOT NULL,
        retry_count INTEGER NOT NULL,
        last_update_time INTEGER NOT NULL,
        revision INTEGER NOT NULL,
        data BLOB NOT NULL
    ) STRICT
    """,
    "CREATE UNIQUE INDEX run_by_key ON task_history (job_id, execution_time, run_id)",
    "CREATE INDEX run_by_user ON task_history (user_id)",
    """
    CREATE TABLE scheduler_sessions (
        session_id TEXT PRIMARY KEY,
        address TEXT NOT NULL,
        beat INTEGER NOT NULL,
        lease_until_ms INTEGER NOT NULL,
        closed INTEGER NOT NULL,
        version TEXT NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE segments (
        segment INTEGER PRIMARY KEY,
        epoch INTEGER NOT NULL,
        session_id TEXT NOT NULL,
        address TEXT NOT NULL,
        floor_us INTEGER NOT NULL
    ) STRICT
    """,
)

#: Step n makes version n out of version n - 1. A step that was released is never changed.
MIGRATIONS: Final[tuple[tuple[str, ...], ...]] = (_FIRST,)


def migrate(
    connection: sqlite3.Connection,
    *,
    segments: int,
    now_ms: int,
    migrations: tuple[tuple[str, ...], ...] = MIGRATIONS,
) -> None:
    """Brings the tables to this release's version; all at once, or not at all.

    May run any number of times, and in several processes at once: the versions are looked at under
    SQLite's write lock.

    Args:
        connection: outside of a transaction.
        segments: how many segments a new store gets; an existing one keeps its number.
        now_ms: noted beside each version.
        migrations: the steps, oldest first.

    Raises:
        StoreUnavailable: the file belongs to a later release.
        sqlite3.Error: a step failed; the file is as it was.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.execute(
            "CREATE TABLE IF NOT EXISTS schema_version"
            " (version INTEGER PRIMARY KEY, applied_ms INTEGER NOT NULL) STRICT"
        )
        (version,) = connection.execute(
            "SELECT coalesce(max(version), 0) FROM schema_version"
        ).fetchone()
        if version > len(migrations):
            raise StoreUnavailable(
                f"the store has schema version {version}, and this release knows"
                f" {len(migrations)}: it was used by a later one"
            )
        for number, steps in enumerate(migrations[version:], version + 1):
            for step in steps:
                connection.execute(step)
            connection.execute("INSERT INTO schema_version VALUES (?, ?)", (number, now_ms))
        known = connection.execute("SELECT 1 FROM store_settings WHERE name = 'segments'")
        if known.fetchone() is None:
            connection.execute("INSERT INTO store_settings VALUES ('segments', ?)", (segments,))
            connection.executemany(
                "INSERT INTO segments VALUES (?, 0, '', '', 0)",
                [(segment,) for segment in range(segments)],
            )
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
