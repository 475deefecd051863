"""Lets go of what has outlived its retention, a bounded number of rows at a time."""

import sqlite3

from tickwheel.server.store.codec import decode_job, expires_ms

#: Rows of each table that one call removes at most.
BATCH = 2_000


def drop_expired(connection: sqlite3.Connection, now_ms: int) -> None:
    """Removes expired runs, jobs and request ids."""
    for table, key in (
        ("task_history", "entered"),
        ("run_log", "(segment, update_time, job_id, run_id, revision)"),
        ("request_ids", "(user_id, request_id)"),
    ):
        columns = key.strip("()")
        connection.execute(
            f"DELETE FROM {table} WHERE {key} IN "
            f"(SELECT {columns} FROM {table} WHERE expire_time < ? LIMIT {BATCH})",
            (now_ms,),
        )
    _drop_jobs(connection, now_ms)


def _drop_jobs(connection: sqlite3.Connection, now_ms: int) -> None:
    found = connection.execute(
        "SELECT id, job_id, version > 1 AND deleted_time = 0 FROM job_table "
        f"WHERE expire_time > 0 AND expire_time < ? LIMIT {BATCH}",
        (now_ms,),
    ).fetchall()
    gone = [
        (at, uid) for at, uid, is_changed in found if not (is_changed and _lives_on(connection, at))
    ]
    for table in ("job_table", "job_records"):
        connection.executemany(f"DELETE FROM {table} WHERE id = ?", [(at,) for at, _ in gone])
    connection.executemany("DELETE FROM job_changes WHERE job_id = ?", [(uid,) for _, uid in gone])


def _lives_on(connection: sqlite3.Connection, at: int) -> bool:
    """Whether it was a former schedule of a job that came to its end; the job expires no more.

    An owner that has not heard of the new one yet says so. By which schedule a job goes its record
    tells alone, which is too large to be read for each that is completed.
    """
    record, generation, complete_ms = connection.execute(
        "SELECT record, completed_generation, complete_time "
        "FROM job_table CROSS JOIN job_records USING (id) WHERE id = ?",
        (at,),
    ).fetchone()
    job = decode_job(record, completed_generation=generation, complete_ms=complete_ms)
    if expires_ms(job) is not None:
        return False
    connection.execute("UPDATE job_table SET expire_time = 0 WHERE id = ?", (at,))
    return True
