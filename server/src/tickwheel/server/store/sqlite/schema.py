"""The tables, step by step. A step that was released is never changed; new ones are added."""

import sqlite3

from tickwheel.server.domain.errors import StoreUnavailable

STEPS = (
    """
    CREATE TABLE settings (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;

    CREATE TABLE job_table (
        user_id TEXT, job_id TEXT, job_name TEXT NOT NULL, is_recurring INTEGER NOT NULL,
        run_interval TEXT NOT NULL, max_retry_count INTEGER NOT NULL,
        created_time INTEGER NOT NULL, version INTEGER NOT NULL, retention INTEGER NOT NULL,
        completed_generation INTEGER NOT NULL, complete_time INTEGER NOT NULL,
        deleted_time INTEGER NOT NULL, expire_time INTEGER NOT NULL, record BLOB NOT NULL,
        PRIMARY KEY (user_id, job_id)
    ) WITHOUT ROWID;
    CREATE UNIQUE INDEX job_living ON job_table (user_id, job_name) WHERE deleted_time = 0;
    CREATE INDEX job_names ON job_table (user_id, job_name, created_time);
    CREATE INDEX job_expiry ON job_table (expire_time) WHERE expire_time > 0;

    CREATE TABLE request_ids (
        user_id TEXT, request_id TEXT, digest BLOB NOT NULL, job_id TEXT NOT NULL,
        expire_time INTEGER NOT NULL, PRIMARY KEY (user_id, request_id)
    ) WITHOUT ROWID;
    CREATE INDEX request_expiry ON request_ids (expire_time);

    CREATE TABLE job_changes (
        job_id TEXT, version INTEGER, change_time INTEGER NOT NULL, actor TEXT NOT NULL,
        reason TEXT NOT NULL, record BLOB NOT NULL, PRIMARY KEY (job_id, version)
    ) WITHOUT ROWID;

    CREATE TABLE task_schedule (
        segment INTEGER, next_execution_time INTEGER, job_id TEXT, kind INTEGER,
        schedule_time INTEGER, run_id TEXT, generation INTEGER NOT NULL,
        written_us INTEGER NOT NULL, record BLOB NOT NULL,
        PRIMARY KEY (segment, next_execution_time, job_id, kind, schedule_time, run_id)
    ) WITHOUT ROWID;
    CREATE TABLE inbox (
        segment INTEGER, write_time INTEGER, job_id TEXT, version INTEGER, record BLOB NOT NULL,
        PRIMARY KEY (segment, write_time, job_id, version)
    ) WITHOUT ROWID;
    CREATE TABLE segment_state (segment INTEGER PRIMARY KEY, epoch INTEGER, position INTEGER);

    CREATE TABLE run_log (
        segment INTEGER, update_time INTEGER, job_id TEXT, run_id TEXT, revision INTEGER,
        expire_time INTEGER NOT NULL, record BLOB NOT NULL,
        PRIMARY KEY (segment, update_time, job_id, run_id, revision)
    ) WITHOUT ROWID;
    CREATE INDEX run_log_expiry ON run_log (expire_time);
    CREATE TABLE task_history (
        entered INTEGER PRIMARY KEY, user_id TEXT NOT NULL, job_id TEXT NOT NULL,
        execution_time INTEGER NOT NULL, run_id TEXT NOT NULL, status TEXT NOT NULL,
        retry_count INTEGER NOT NULL, last_update_time INTEGER NOT NULL,
        revision INTEGER NOT NULL, expire_time INTEGER NOT NULL, record BLOB NOT NULL
    );
    CREATE UNIQUE INDEX history_runs ON task_history (job_id, run_id);
    CREATE INDEX history_jobs ON task_history (job_id, execution_time, run_id);
    CREATE INDEX history_users ON task_history (user_id, entered);
    CREATE INDEX history_expiry ON task_history (expire_time);

    CREATE TABLE scheduler_sessions (
        session_id TEXT PRIMARY KEY, address TEXT, beat INTEGER, lease_until INTEGER,
        closed INTEGER, version TEXT
    ) WITHOUT ROWID;
    CREATE TABLE segments (
        segment INTEGER PRIMARY KEY, epoch INTEGER, session_id TEXT, address TEXT, floor INTEGER
    );
    """,
    """
    CREATE TABLE open_runs (
        segment INTEGER, job_id TEXT, run_id TEXT, record BLOB NOT NULL,
        PRIMARY KEY (segment, job_id, run_id)
    ) WITHOUT ROWID;
    """,
    """
    CREATE TABLE segment_zones (segment INTEGER PRIMARY KEY, zone_data TEXT NOT NULL);
    """,
    # What is changed of a job after it has fired lies apart from its large record, which would be
    # written anew with it; and a name that is the uid needs no index beside the key.
    """
    ALTER TABLE job_table RENAME TO former_jobs;
    CREATE TABLE job_table (
        id INTEGER PRIMARY KEY, user_id TEXT NOT NULL, job_id TEXT NOT NULL,
        job_name TEXT NOT NULL, is_recurring INTEGER NOT NULL, run_interval TEXT NOT NULL,
        max_retry_count INTEGER NOT NULL, created_time INTEGER NOT NULL,
        version INTEGER NOT NULL, retention INTEGER NOT NULL,
        completed_generation INTEGER NOT NULL, complete_time INTEGER NOT NULL,
        deleted_time INTEGER NOT NULL, expire_time INTEGER NOT NULL,
        UNIQUE (user_id, job_id)
    );
    CREATE TABLE job_records (id INTEGER PRIMARY KEY, record BLOB NOT NULL);
    INSERT INTO job_table (
        user_id, job_id, job_name, is_recurring, run_interval, max_retry_count, created_time,
        version, retention, completed_generation, complete_time, deleted_time, expire_time
    ) SELECT
        user_id, job_id, job_name, is_recurring, run_interval, max_retry_count, created_time,
        version, retention, completed_generation, complete_time, deleted_time, expire_time
    FROM former_jobs ORDER BY user_id, job_id;
    INSERT INTO job_records
    SELECT id, record FROM job_table JOIN former_jobs USING (user_id, job_id) ORDER BY id;
    DROP TABLE former_jobs;
    CREATE INDEX job_names ON job_table (user_id, job_name) WHERE job_name <> job_id;
    CREATE INDEX job_expiry ON job_table (expire_time) WHERE expire_time > 0;
    """,
)


def migrate(connection: sqlite3.Connection, segments: int) -> None:
    """Takes the steps that are still to be taken; all or none of them.

    Args:
        connection: inside of a transaction.
        segments: how many segments a new database gets.

    Raises:
        StoreUnavailable: it is of a later release.
    """
    done = schema_version(connection)
    if done > len(STEPS):
        raise StoreUnavailable(
            f"the database has schema version {done}, this release knows {len(STEPS)}"
        )
    for number, step in enumerate(STEPS[done:], done + 1):
        for statement in step.split(";"):
            if statement.strip():
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {number}")
    connection.execute("INSERT OR IGNORE INTO settings VALUES ('segments', ?)", (segments,))


def schema_version(connection: sqlite3.Connection) -> int:
    """How many of the steps a database has taken."""
    (done,) = connection.execute("PRAGMA user_version").fetchone()
    return done
