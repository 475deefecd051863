"""Lets go of what has outlived its retention, a bounded number of rows at a time."""

import sqlite3

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
    gone = connection.execute(
        f"SELECT id, job_id FROM job_table WHERE expire_time > 0 AND expire_time < ? LIMIT {BATCH}",
        (now_ms,),
    ).fetchall()
    for table in ("job_table", "job_records"):
        connection.executemany(f"DELETE FROM {table} WHERE id = ?", [(at,) for at, _ in gone])
    connection.executemany("DELETE FROM job_changes WHERE job_id = ?", [(uid,) for _, uid in gone])
