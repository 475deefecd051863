"""Jobs, their ids and their past."""

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from tickwheel.server.domain.clock import Clock
from tickwheel.server.domain.job import Job
from tickwheel.server.domain.lease import WriteStamp
from tickwheel.server.domain.names import JobKey, uid_ms
from tickwheel.server.store.announcing import placed, stamped
from tickwheel.server.store.codec import (
    REQUEST_ID_KEPT_MS,
    decode_job,
    encode_job,
    expires_ms,
    is_recurring,
    job_retention_ms,
    run_interval,
)
from tickwheel.server.store.port import (
    ChangeRecord,
    Created,
    CreateResult,
    IdTaken,
    JobChange,
    JobStore,
    NewJob,
    Page,
    RequestReused,
)
from tickwheel.server.store.sqlite.cursor import decode_cursor, encode_cursor
from tickwheel.server.store.sqlite.database import Database
from tickwheel.server.store.sqlite.fence import check_fence
from tickwheel.server.store.sqlite.rows import insert, read_records
from tickwheel.server.store.sqlite.schedule import put_entries, put_inbox

_COLUMNS = "record, completed_generation, complete_time"
_FROM = "job_table CROSS JOIN job_records USING (id)"
#: The jobs of a user (?1) that have or had a name (?2). Where the server chose it, it is the uid.
_NAMED = (
    "SELECT id FROM job_table WHERE user_id = ?1 AND job_id = ?2 AND job_name = ?2 UNION ALL "
    "SELECT id FROM job_table WHERE user_id = ?1 AND job_name = ?2 AND job_name <> job_id"
)


class SqliteJobStore(JobStore):
    """As the port says."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def create(self, new: Sequence[NewJob]) -> list[CreateResult]:
        """As the port says; the whole call is one transaction."""
        now_us = self._clock.now_us()

        def run(connection: sqlite3.Connection) -> list[CreateResult]:
            now_ms = self._clock.now_ms()
            items = [placed(item, now_ms) for item in new]
            plain = _plain(connection, items)
            _insert(connection, [item for item in items if item.job.key in plain], now_us)
            return [
                Created(item.job) if item.job.key in plain else _create(connection, item, now_us)
                for item in items
            ]

        return await self._database.write(run)

    async def remember_request(self, user: str, key: str, digest: bytes, uid: str) -> bytes:
        """As the port says."""
        now_us = self._clock.now_us()

        def run(connection: sqlite3.Connection) -> bytes:
            known = connection.execute(_KNOWN_REQUEST, (user, key)).fetchone()
            if known is not None:
                return known[0]
            connection.execute(_REMEMBER, (user, key, digest, uid, _forget_ms(now_us)))
            return digest

        return await self._database.write(run)

    async def recall_request(self, user: str, key: str) -> bytes | None:
        """As the port says."""
        rows = await self._all(_KNOWN_REQUEST, user, key)
        return rows[0][0] if rows else None

    async def find(self, user: str, job_id: str) -> Job | None:
        """As the port says."""
        sql = f"SELECT {_COLUMNS} FROM {_FROM} WHERE id IN ({_NAMED}) AND deleted_time = 0"
        rows = await self._all(sql, user, job_id)
        return _job(rows[0]) if rows else None

    async def find_all(self, user: str, job_id: str) -> list[Job]:
        """As the port says."""
        sql = (
            f"SELECT {_COLUMNS} FROM {_FROM} WHERE id IN ({_NAMED}) "
            "ORDER BY deleted_time > 0, created_time DESC, job_id DESC"
        )
        return [_job(row) for row in await self._all(sql, user, job_id)]

    async def get_many(self, keys: Iterable[JobKey]) -> dict[JobKey, Job]:
        """As the port says."""
        by_user: dict[str, list[str]] = {}
        for user, uid in keys:
            by_user.setdefault(user, []).append(uid)
        sql = (
            f"SELECT record, completed_generation AS n1, complete_time AS n2 FROM {_FROM} "
            "WHERE user_id = ? AND job_id IN (SELECT value FROM json_each(?))"
        )

        def run(connection: sqlite3.Connection) -> list[Any]:
            return [
                row
                for user, uids in by_user.items()
                for row in read_records(connection, sql, (user, json.dumps(uids)), numbers=2)
            ]

        jobs = map(_job, await self._database.read(run))
        return {job.key: job for job in jobs}

    async def list(self, user: str | None, cursor: bytes, limit: int) -> Page[Job]:
        """As the port says; all users' jobs in order of user and uid."""
        if user is not None:
            (before,) = decode_cursor(cursor, "j", str) if cursor else ("~",)
            sql = (
                f"SELECT {_COLUMNS}, user_id, job_id FROM {_FROM} "
                "WHERE user_id = ? AND job_id < ? AND deleted_time = 0 "
                "ORDER BY job_id DESC LIMIT ?"
            )
            rows = await self._all(sql, user, before, limit)
            return _page(rows, encode_cursor("j", rows[-1][4]) if len(rows) == limit else None)
        after = decode_cursor(cursor, "a", str, str) if cursor else ("", "")
        sql = (
            f"SELECT {_COLUMNS}, user_id, job_id FROM {_FROM} "
            "WHERE (user_id, job_id) > (?, ?) AND deleted_time = 0 "
            "ORDER BY user_id, job_id LIMIT ?"
        )
        rows = await self._all(sql, *after, limit)
        last = encode_cursor("a", rows[-1][3], rows[-1][4]) if len(rows) == limit else None
        return _page(rows, last)

    async def scan(self, cursor: bytes, limit: int) -> Page[Job]:
        """As the port says; in order of user and uid."""
        after = decode_cursor(cursor, "s", str, str) if cursor else ("", "")
        sql = (
            f"SELECT {_COLUMNS}, user_id, job_id FROM {_FROM} WHERE (user_id, job_id) > (?, ?) "
            "ORDER BY user_id, job_id LIMIT ?"
        )
        rows = await self._all(sql, *after, limit)
        last = encode_cursor("s", rows[-1][3], rows[-1][4]) if len(rows) == limit else None
        return _page(rows, last)

    async def change(self, change: JobChange) -> Job | None:
        """As the port says."""
        now_us = self._clock.now_us()

        def run(connection: sqlite3.Connection) -> Job | None:
            inbox = stamped(change.inbox, self._clock.now_ms())
            return _change(connection, replace(change, inbox=inbox), now_us)

        return await self._database.write(run)

    async def announce(self, job: Job) -> None:
        """Nothing to do: a change and its inbox entry are one transaction."""

    async def history(self, key: JobKey) -> "list[ChangeRecord]":
        """As the port says."""
        sql = (
            "SELECT record, change_time, actor, reason FROM job_changes "
            "WHERE job_id = ? ORDER BY version"
        )
        return [
            ChangeRecord(job=decode_job(record), change_ms=at, actor=actor, reason=reason)
            for record, at, actor, reason in await self._all(sql, key.uid)
        ]

    async def complete(
        self, stamp: WriteStamp, done: Sequence[tuple[JobKey, int]], complete_ms: int
    ) -> None:
        """As the port says."""
        together: dict[tuple[int, str], list[str]] = {}
        for (user, uid), generation in done:
            together.setdefault((generation, user), []).append(uid)

        def run(connection: sqlite3.Connection) -> None:
            check_fence(connection, stamp)
            for (generation, user), uids in together.items():
                connection.execute(
                    "UPDATE job_table SET completed_generation = ?1, complete_time = ?2, "
                    "expire_time = CASE WHEN deleted_time THEN expire_time ELSE ?2 + retention END "
                    "WHERE user_id = ?3 AND job_id IN (SELECT value FROM json_each(?4)) "
                    "AND completed_generation < ?1",
                    (generation, complete_ms, user, json.dumps(uids)),
                )

        await self._database.write(run)

    async def _all(self, sql: str, *values: object) -> "list[Any]":
        return await self._database.read(lambda db: db.execute(sql, values).fetchall())


_KNOWN_REQUEST = "SELECT digest, job_id FROM request_ids WHERE user_id = ? AND request_id = ?"
_REMEMBER = "INSERT OR REPLACE INTO request_ids VALUES (?, ?, ?, ?, ?)"


def _forget_ms(now_us: int) -> int:
    return now_us // 1000 + REQUEST_ID_KEPT_MS


def _plain(connection: sqlite3.Connection, new: Sequence[NewJob]) -> set[JobKey]:
    """Those that nothing can stand in the way of: their name is their uid, and that is new."""
    unnamed = Counter(
        item.job.key for item in new if item.job.job_id == item.job.uid and not item.request_id
    )
    sql = (
        "SELECT user_id, job_id FROM job_table "
        "WHERE user_id = ? AND job_id IN (SELECT value FROM json_each(?))"
    )
    by_user: dict[str, list[str]] = {}
    for user, uid in unnamed:
        by_user.setdefault(user, []).append(uid)
    for user, uids in by_user.items():
        for row in connection.execute(sql, (user, json.dumps(uids))):
            del unnamed[JobKey(*row)]
    return {key for key, count in unnamed.items() if count == 1}


def _create(connection: sqlite3.Connection, new: NewJob, now_us: int) -> CreateResult:
    job = new.job
    if new.request_id:
        known = connection.execute(_KNOWN_REQUEST, (job.user, new.request_id)).fetchone()
        if known is not None:
            if known[0] != new.request_digest:
                return RequestReused()
            row = _row(connection, job.user, known[1])
            return Created(_past(job, known[1]) if row is None else _job(row), repeated=True)
    taken = connection.execute(
        f"SELECT 1 FROM job_table WHERE id IN ({_NAMED}) AND deleted_time = 0",
        (job.user, job.job_id),
    ).fetchone()
    if taken is not None:
        row = _row(connection, job.user, job.uid)
        return Created(_job(row)) if row is not None else IdTaken()
    if new.request_id:
        remembered = (job.user, new.request_id, new.request_digest, job.uid, _forget_ms(now_us))
        connection.execute(_REMEMBER, remembered)
    _insert(connection, [new], now_us)
    return Created(job)


def _past(job: Job, uid: str) -> Job:
    """A job that was made by a request, and is past its retention, when it comes once more."""
    create_ms = uid_ms(uid)
    return replace(
        job,
        uid=uid,
        job_id=uid if job.job_id == job.uid else job.job_id,
        create_ms=create_ms,
        update_ms=create_ms,
        schedule_from_ms=create_ms,
        completed_generation=job.generation,
        complete_ms=create_ms,
    )


def _insert(connection: sqlite3.Connection, new: Sequence[NewJob], now_us: int) -> None:
    """Writes jobs that are not there, with their entries."""
    put_entries(connection, [item.entry for item in new if item.entry is not None], now_us)
    put_inbox(connection, [item.inbox for item in new if item.inbox is not None])
    (last,) = connection.execute("SELECT COALESCE(MAX(id), 0) FROM job_table").fetchone()
    numbered = [(at, item.job) for at, item in enumerate(new, last + 1)]
    insert(
        connection,
        "INSERT INTO job_table",
        [(at, job.user, job.uid, *_written(job)) for at, job in numbered],
    )
    insert(connection, "INSERT INTO job_records", [(at, encode_job(job)) for at, job in numbered])


def _change(connection: sqlite3.Connection, change: JobChange, now_us: int) -> Job | None:
    before, after = change.before, change.after
    row = connection.execute(
        "SELECT id, version, deleted_time, completed_generation, complete_time FROM job_table "
        "WHERE user_id = ? AND job_id = ?",
        before.key,
    ).fetchone()
    if row is None or row[1] != before.version or row[2]:
        return None
    # The completion is the owner's to write: it may have come after the job was read.
    after = replace(after, completed_generation=row[3], complete_ms=row[4])
    connection.execute(
        "INSERT OR REPLACE INTO job_changes VALUES (?, ?, ?, ?, ?, ?)",
        (
            before.uid,
            before.version,
            after.update_ms,
            change.actor,
            change.reason,
            encode_job(before),
        ),
    )
    if change.entry is not None:
        put_entries(connection, [change.entry], now_us)
    connection.execute(
        "UPDATE job_table SET job_name = ?, is_recurring = ?, run_interval = ?, "
        "max_retry_count = ?, created_time = ?, version = ?, retention = ?, "
        "completed_generation = ?, complete_time = ?, deleted_time = ?, expire_time = ? "
        "WHERE id = ?",
        (*_written(after), row[0]),
    )
    connection.execute(
        "UPDATE job_records SET record = ? WHERE id = ?", (encode_job(after), row[0])
    )
    put_inbox(connection, [change.inbox])
    return after


def _written(job: Job) -> tuple[object, ...]:
    """The columns of `job_table` after the key."""
    return (
        job.job_id,
        is_recurring(job.spec),
        run_interval(job.spec),
        job.spec.retry_policy.max_retry_count,
        job.create_ms,
        job.version,
        job_retention_ms(job.spec),
        job.completed_generation,
        job.complete_ms,
        job.delete_ms,
        expires_ms(job) or 0,
    )


def _row(connection: sqlite3.Connection, user: str, uid: str) -> Any:
    return connection.execute(
        f"SELECT {_COLUMNS} FROM {_FROM} WHERE user_id = ? AND job_id = ?", (user, uid)
    ).fetchone()


def _job(row: Any) -> Job:
    return decode_job(row[0], completed_generation=row[1], complete_ms=row[2])


def _page(rows: "list[Any]", cursor: bytes | None) -> Page[Job]:
    return Page([_job(row) for row in rows], cursor)
