"""Rows of `job_table`, and the large payloads that belong to them.

A job's row is made by a plain write whose time lies a day back, and from then on changed by
lightweight transactions only: their times are those of their rounds, so a creation that is
repeated or arrives late never covers a change. The two cells of completion are the owner's, who
writes them without a transaction and with its stamp.
"""

import contextlib
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from tickwheel.server.domain.errors import OutcomeUnknown
from tickwheel.server.domain.job import Job
from tickwheel.server.domain.lease import WriteStamp
from tickwheel.server.domain.names import JobKey
from tickwheel.server.domain.occurrence import ScheduleEntry
from tickwheel.server.store.cassandra.driver import (
    UNSET,
    Bound,
    Driver,
    Kind,
    Prepared,
    Row,
)
from tickwheel.server.store.cassandra.partition import (
    period_of,
)
from tickwheel.server.store.cassandra.session import (
    CassandraSession,
    chunks,
    gather,
)
from tickwheel.server.store.codec import (
    LARGE_PAYLOAD_BYTES,
    decode_job,
    encode_entry,
    encode_job,
    is_recurring,
    run_interval,
)

#: How far back the time of a creation lies: further than any two clocks are apart.
BACKDATE_US: Final = 86_400_000_000
#: Jobs of one partition that are read with one statement.
READ_KEYS: Final = 100
#: Periods of one user that are read with one statement when their jobs lie scattered. Each names
#: all of the jobs, so this times itself is looked up.
SCATTERED: Final = 16

#: Numbers of payloads that are no versions: from here to twice that.
BEYOND_VERSIONS: Final = 1 << 30

#: What makes a job; to be selected first, in this order.
CELLS: Final = "record, payload_version, completed_generation, complete_time"


@dataclass(frozen=True, slots=True)
class StoredJob:
    """A job's row as a change has to know it."""

    job: Job
    record: bytes
    payload_version: int
    actor: str
    reason: str
    entry: bytes | None


class JobRows:
    """Reads and writes rows of jobs."""

    def __init__(self, driver: Driver, session: CassandraSession) -> None:
        self._session = session
        self._statements = _Statements(driver)

    # -- writing -----------------------------------------------------------------------------

    def payload_rows(self, jobs: Iterable[Job]) -> list[Bound]:
        """The rows of large payloads of new jobs; written before the jobs."""
        return [
            self._statements.insert_payload.bind(job.uid, job.version, job.payload.data)
            for job in jobs
            if is_large(job)
        ]

    async def keep_payload(self, job: Job) -> int:
        """Keeps the large payload of a job that is to be changed; under which number.

        No other payload of the job has that: who tries to make the same version at the same time,
        and fails, is not to leave the winner with the payload of his own.
        """
        number = job.version
        while True:
            with contextlib.suppress(OutcomeUnknown):
                insert = self._statements.keep_payload.bind(job.uid, number, job.payload.data)
                if (await self._session.conditional(insert)).applied:
                    return number
            row = await self._session.one(
                self._statements.select_payload_serial.bind(job.uid, number)
            )
            if row is not None and row[0] == job.payload.data:
                return number
            number = BEYOND_VERSIONS + secrets.randbelow(BEYOND_VERSIONS)

    def creation_row(self, job: Job, started_us: int, entry: ScheduleEntry | None) -> Bound:
        """The row that commits a creation, with a time that lies BACKDATE_US back."""
        spec = job.spec
        payload_version = job.version if is_large(job) else 0
        return self._statements.insert.bind(
            started_us - BACKDATE_US,
            is_recurring(spec),
            run_interval(spec) or UNSET,
            spec.retry_policy.max_retry_count,
            job.create_ms,
            job.job_id,
            job.segment,
            job.version,
            job.paused or UNSET,
            encode_job(job, payload_version),
            payload_version or UNSET,
            UNSET if entry is None else encode_entry(entry),
            *_where(job.key),
        )

    def change_row(
        self,
        before: int,
        after: Job,
        payload_version: int,
        entry: ScheduleEntry | None,
        actor: str,
        reason: str,
    ) -> tuple[Bound, bytes]:
        """The lightweight transaction of a change, and the record that it writes.

        `entry` is kept in the row as well while it is that of the present generation: who loses a
        race for the next version, and removes the entry that it has written, must not remove the
        winner's.
        """
        spec = after.spec
        record = encode_job(after, payload_version)
        bound = self._statements.change.bind(
            is_recurring(spec),
            run_interval(spec),
            spec.retry_policy.max_retry_count,
            after.version,
            after.paused,
            after.delete_ms or None,
            record,
            payload_version or None,
            UNSET if entry is None else encode_entry(entry),
            actor,
            reason,
            *_where(after.key),
            before,
        )
        return bound, record

    def completion_row(self, key: JobKey, stamp: WriteStamp, generation: int, at_ms: int) -> Bound:
        """An owner's word that a generation is done."""
        return self._statements.complete.bind(stamp.timestamp_us, generation, at_ms, *_where(key))

    def burial_row(self, key: JobKey, before_us: int) -> Bound:
        """Makes sure that a creation begun before then never takes effect."""
        return self._statements.bury.bind(before_us - BACKDATE_US, *_where(key))

    def purge_row(self, job: Job) -> Bound:
        """The lightweight transaction that removes a job for good, in the version given."""
        return self._statements.purge.bind(*_where(job.key), job.version)

    def purge_payload_row(self, uid: str) -> Bound:
        """Removes the large payloads of all of a job's versions."""
        return self._statements.delete_payloads.bind(uid)

    # -- reading -----------------------------------------------------------------------------

    async def get(self, key: JobKey) -> Job | None:
        """One job."""
        return (await self.get_many([key])).get(key)

    async def get_many(self, keys: Iterable[JobKey]) -> dict[JobKey, Job]:
        """Jobs by key; those of one partition are one read, scattered ones share a statement."""
        rows = await self._session.read_all(self._key_reads(set(keys)))
        jobs = await self.jobs(rows)
        return {job.key: job for job in jobs}

    def _key_reads(self, keys: set[JobKey]) -> Iterable[Bound]:
        users: dict[str, dict[int, list[str]]] = {}
        for key in keys:
            users.setdefault(key.user, {}).setdefault(period_of(key.uid), []).append(key.uid)
        for user, periods in users.items():
            scattered: list[tuple[int, list[str]]] = []
            for period, uids in periods.items():
                if len(uids) > 2 or len(periods) == 1:
                    for part in chunks(uids, READ_KEYS):
                        yield self._statements.select_keys.bind(user, [period], part)
                else:
                    scattered.append((period, uids))
            for group in chunks(scattered, SCATTERED):
                yield self._statements.select_keys.bind(
                    user,
                    [period for period, _ in group],
                    [uid for _, uids in group for uid in uids],
                )

    async def jobs(self, rows: Sequence[Row]) -> list[Job]:
        """The jobs of rows, with their large payloads; a row of mere completion is none.

        Such a row is left where an owner completed a job that had been removed meanwhile.
        """
        whole = [row for row in rows if row[0] is not None]
        if any(row[1] for row in whole):
            return await gather(self._job(row) for row in whole)
        return await self._session.mapped(lambda row: _decoded(row, None), whole)

    async def _job(self, row: Row) -> Job:
        if not row[1]:
            return _decoded(row, None)
        return _decoded(row, await self.payload(decode_job(row[0]).uid, row[1]))

    async def payload(self, uid: str, version: int) -> bytes:
        """A large payload."""
        row = await self._session.one(self._statements.select_payload.bind(uid, version))
        return b"" if row is None else row[0]

    async def stored(self, key: JobKey, *, serial: bool = False) -> StoredJob | None:
        """A job's whole row; `serial` also settles a transaction that is still under way."""
        statements = self._statements
        select = statements.select_stored_serial if serial else statements.select_stored
        row = await self._session.one(select.bind(*_where(key)))
        if row is None or row[0] is None:
            return None
        return StoredJob(
            job=await self._job(row[:4]),
            record=row[0],
            payload_version=row[1] or 0,
            actor=row[4] or "",
            reason=row[5] or "",
            entry=row[6],
        )

    async def after(self, key: JobKey | None, limit: int) -> tuple[list[Job], JobKey | None]:
        """Jobs behind one, in the order of their partitions' tokens; from the first one if None.

        Returns up to `limit` of them, and where to go on; None where there are no more.
        """
        statements = self._statements
        if key is None:
            rows = await self._session.read(statements.select_first.bind(limit))
        else:
            rows = await self._session.read(statements.select_rest.bind(*_where(key), limit))
            left = limit - len(rows)
            if left:
                rows += await self._session.read(
                    statements.select_next.bind(key.user, period_of(key.uid), left)
                )
        last = JobKey(rows[-1][0], str(rows[-1][1])) if len(rows) == limit else None
        return await self.jobs([row[2:] for row in rows]), last


class _Statements:
    """The statements of this module, prepared."""

    def __init__(self, driver: Driver) -> None:
        def write(cql: str) -> Prepared:
            return driver.prepare(cql, Kind.WRITE)

        def read(cql: str) -> Prepared:
            return driver.prepare(cql, Kind.READ)

        where = "WHERE user_id = ? AND period = ? AND job_id = ?"
        # UPDATE and not INSERT: without a row marker a row is gone when its cells are.
        self.insert = write(
            "UPDATE job_table USING TIMESTAMP ? SET is_recurring = ?, run_interval = ?, "
            "max_retry_count = ?, created_time = ?, job_name = ?, segment = ?, version = ?, "
            f"paused = ?, record = ?, payload_version = ?, entry = ? {where}"
        )
        self.change = driver.prepare(
            "UPDATE job_table SET is_recurring = ?, run_interval = ?, max_retry_count = ?, "
            "version = ?, paused = ?, deleted_time = ?, record = ?, payload_version = ?, "
            f"entry = ?, change_actor = ?, change_reason = ? {where} IF version = ?",
            Kind.CONDITIONAL,
        )
        self.complete = write(
            "UPDATE job_table USING TIMESTAMP ? SET completed_generation = ?, complete_time = ? "
            f"{where}"
        )
        self.bury = write(f"DELETE FROM job_table USING TIMESTAMP ? {where}")
        self.purge = driver.prepare(
            f"DELETE FROM job_table {where} IF version = ?", Kind.CONDITIONAL
        )
        self.insert_payload = write(
            "INSERT INTO job_payloads (job_id, version, payload) VALUES (?, ?, ?)"
        )
        self.keep_payload = driver.prepare(
            "INSERT INTO job_payloads (job_id, version, payload) VALUES (?, ?, ?) IF NOT EXISTS",
            Kind.CONDITIONAL,
        )
        self.delete_payloads = write("DELETE FROM job_payloads WHERE job_id = ?")
        payload = "SELECT payload FROM job_payloads WHERE job_id = ? AND version = ?"
        self.select_payload = read(payload)
        self.select_payload_serial = driver.prepare(payload, Kind.SERIAL)
        self.select_keys = read(
            f"SELECT {CELLS} FROM job_table WHERE user_id = ? AND period IN ? AND job_id IN ?"
        )
        stored = f"SELECT {CELLS}, change_actor, change_reason, entry FROM job_table {where}"
        self.select_stored = read(stored)
        self.select_stored_serial = driver.prepare(stored, Kind.SERIAL)
        scan = f"SELECT user_id, job_id, {CELLS} FROM job_table"
        self.select_first = read(f"{scan} LIMIT ?")
        self.select_rest = read(f"{scan} WHERE user_id = ? AND period = ? AND job_id < ? LIMIT ?")
        self.select_next = read(f"{scan} WHERE token(user_id, period) > token(?, ?) LIMIT ?")


def is_large(job: Job) -> bool:
    """Whether the job's payload is kept apart from its row."""
    return len(job.payload.data) > LARGE_PAYLOAD_BYTES


def _where(key: JobKey) -> tuple[str, int, str]:
    return (key.user, period_of(key.uid), key.uid)


def _decoded(row: Row, payload: bytes | None) -> Job:
    return decode_job(row[0], payload, completed_generation=row[2] or 0, complete_ms=row[3] or 0)
