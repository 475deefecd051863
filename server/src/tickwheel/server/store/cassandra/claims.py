"""Claims of what may be had once: a job id that a client chose, and a request_id.

Both are lightweight transactions; an unknown outcome is settled by a serial read. A claim by
itself stores no job: the job's row does. So a claim whose job never appeared is taken over once
its claimant must have given up, and what he may still have under way is buried first.
"""

import contextlib
import enum
from dataclasses import dataclass
from typing import Final

from tickwheel.server.domain.clock import Clock
from tickwheel.server.domain.errors import OutcomeUnknown
from tickwheel.server.domain.job import Job
from tickwheel.server.domain.names import JobKey, is_uuid7
from tickwheel.server.domain.occurrence import ScheduleEntry
from tickwheel.server.store.cassandra.driver import UNSET, Bound, Driver, Kind, Row
from tickwheel.server.store.cassandra.job_rows import JobRows
from tickwheel.server.store.cassandra.session import CassandraSession
from tickwheel.server.store.codec import REQUEST_ID_KEPT_MS, decode_entry, encode_entry
from tickwheel.server.store.port import NewJob

#: A claimant who has not committed by then gives up by himself.
COMMIT_WITHIN_MS: Final = 30_000
#: A claim this old without a job may be taken over: longer than that, by any clock.
ABANDONED_MS: Final = 60_000
#: A creation begins before it claims an id, by its own clock, which may be set back in between.
BEGUN_BEFORE_MS: Final = 10_000
#: How long to wait for somebody else's creation of the same id to be committed or given up.
CONTEST_WAIT_S: Final = 0.02
CONTEST_TRIES: Final = 150
#: request_ids are remembered for twice the least.
REQUEST_TTL_S: Final = 2 * REQUEST_ID_KEPT_MS // 1000
#: No job is removed before so long after its creation, by any clock: one that is not there by then
#: was never made, and nobody is at it any more. Later it may have been.
FORGOTTEN_MS: Final = REQUEST_ID_KEPT_MS // 2


class IdClaim(enum.Enum):
    """What came of a claim of an id."""

    MINE = "mine"
    TAKEN = "taken"
    #: Somebody else's creation of that id is under way and does not end.
    CONTESTED = "contested"


@dataclass(frozen=True, slots=True)
class RequestClaim:
    """The first use of a request_id; `mine` if it was this one."""

    mine: bool
    uid: str
    digest: bytes
    create_ms: int
    entry: ScheduleEntry | None


class RequestClaims:
    """Rows of `request_ids`."""

    def __init__(self, driver: Driver, session: CassandraSession) -> None:
        self._session = session
        where = "WHERE user_id = ? AND request_id = ?"
        self._insert = driver.prepare(
            "INSERT INTO request_ids (user_id, request_id, digest, job_id, created_time, entry) "
            f"VALUES (?, ?, ?, ?, ?, ?) IF NOT EXISTS USING TTL {REQUEST_TTL_S}",
            Kind.CONDITIONAL,
        )
        self._select = driver.prepare(
            f"SELECT digest, job_id, created_time, entry FROM request_ids {where}", Kind.SERIAL
        )
        self._delete = driver.prepare(
            f"DELETE FROM request_ids {where} IF job_id = ?", Kind.CONDITIONAL
        )

    async def claim(self, new: NewJob) -> RequestClaim:
        """Claims an item's request_id, unless it came before.

        Of the first use so much is kept that a creation which was not finished is finished as it
        was begun, by whoever repeats it: the same job, due at the same instant.
        """
        job, entry = new.job, new.entry
        insert = self._insert.bind(
            job.user,
            new.request_id,
            new.request_digest,
            job.uid,
            job.create_ms,
            UNSET if entry is None else encode_entry(entry),
        )
        mine = RequestClaim(True, job.uid, new.request_digest, job.create_ms, entry)
        while True:
            try:
                if (await self._session.conditional(insert)).applied:
                    return mine
            except OutcomeUnknown:
                row = await self._row(job.user, new.request_id)
                if row is not None and str(row[1]) == job.uid:
                    return mine
            row = await self._row(job.user, new.request_id)
            if row is not None:
                digest, uid, create_ms, packed = row
                return RequestClaim(
                    False, str(uid), digest, create_ms, decode_entry(packed) if packed else None
                )

    async def remember(self, user: str, key: str, digest: bytes, uid: str, now_ms: int) -> bytes:
        """Claims the key of a request that makes no job; the digest of its first use."""
        while True:
            with contextlib.suppress(OutcomeUnknown):
                await self._session.conditional(
                    self._insert.bind(user, key, digest, uid, now_ms, UNSET)
                )
            row = await self._row(user, key)
            if row is not None:
                return row[0]

    async def recall(self, user: str, key: str) -> bytes | None:
        """The digest of a key's first use; None where it had none."""
        row = await self._row(user, key)
        return None if row is None else row[0]

    async def release(self, new: NewJob, uid: str) -> None:
        """Frees a request_id if it is still claimed for that job, which is not there."""
        await self._session.conditional(self._delete.bind(new.job.user, new.request_id, uid))

    async def _row(self, user: str, request_id: str) -> Row | None:
        return await self._session.one(self._select.bind(user, request_id))


class IdClaims:
    """Rows of `job_ids`: whose a name is now, and all who ever had it."""

    def __init__(
        self, driver: Driver, session: CassandraSession, clock: Clock, rows: JobRows
    ) -> None:
        self._session = session
        self._clock = clock
        self._rows = rows
        where = "WHERE user_id = ? AND job_name = ?"
        self._claim = driver.prepare(
            f"UPDATE job_ids SET current = ?, claimed_time = ? {where} "
            "IF current = ? AND claimed_time = ?",
            Kind.CONDITIONAL,
        )
        self._release = driver.prepare(
            f"UPDATE job_ids SET current = null, claimed_time = null {where} IF current = ?",
            Kind.CONDITIONAL,
        )
        self._select = driver.prepare(
            f"SELECT DISTINCT current, claimed_time FROM job_ids {where}", Kind.SERIAL
        )
        self._select_current = driver.prepare(
            f"SELECT DISTINCT current FROM job_ids {where}", Kind.READ
        )
        self._insert = driver.prepare(
            "INSERT INTO job_ids (user_id, job_name, job_id) VALUES (?, ?, ?)", Kind.WRITE
        )
        self._delete = driver.prepare(f"DELETE FROM job_ids {where} AND job_id = ?", Kind.WRITE)
        self._select_all = driver.prepare(f"SELECT job_id FROM job_ids {where}", Kind.READ)

    async def claim(self, job: Job) -> IdClaim:
        """Claims a chosen id for a job, unless a living job has it.

        A deletion need not free the id: it is taken over here when its job turns out deleted.
        """
        if is_uuid7(job.job_id) and await self._made_by_server(job):
            return IdClaim.TAKEN
        seen: Row = (None, None)
        for _ in range(CONTEST_TRIES):
            if await self._try(job, seen):
                return IdClaim.MINE
            seen = await self._row(job.user, job.job_id)
            if seen[0] is None or str(seen[0]) == job.uid:
                # Free again, or ours by an earlier attempt, which this one renews.
                continue
            holder = JobKey(job.user, str(seen[0]))
            present = await self._rows.get(holder)
            if present is not None:
                if not present.delete_ms:
                    return IdClaim.TAKEN
            elif self._clock.now_ms() - seen[1] > ABANDONED_MS:
                # No later: who has begun since then, and renews the claim just now, commits.
                buried_us = (seen[1] + BEGUN_BEFORE_MS) * 1000
                await self._session.write([self._rows.burial_row(holder, buried_us)])
            else:
                await self._clock.sleep(CONTEST_WAIT_S)
                seen = (None, None)
        return IdClaim.CONTESTED

    async def _try(self, job: Job, seen: Row) -> bool:
        now_ms = self._clock.now_ms()
        claim = self._claim.bind(job.uid, now_ms, job.user, job.job_id, *seen)
        try:
            return (await self._session.conditional(claim)).applied
        except OutcomeUnknown:
            row = await self._row(job.user, job.job_id)
            return row[1] == now_ms and str(row[0]) == job.uid

    async def _made_by_server(self, job: Job) -> bool:
        other = await self._rows.get(JobKey(job.user, job.job_id))
        return (
            other is not None
            and other.uid != job.uid
            and other.job_id == job.job_id
            and not other.delete_ms
        )

    async def release(self, job: Job) -> None:
        """Frees a claimed id, if it is still this job's."""
        await self._session.conditional(self._release.bind(job.user, job.job_id, job.uid))

    def row(self, job: Job) -> Bound:
        """The row that keeps a name's former jobs findable."""
        return self._insert.bind(job.user, job.job_id, job.uid)

    def purge_row(self, job: Job) -> Bound:
        """Removes such a row."""
        return self._delete.bind(job.user, job.job_id, job.uid)

    async def current(self, user: str, job_id: str) -> str | None:
        """The uid of the job that has claimed a name."""
        row = await self._session.one(self._select_current.bind(user, job_id))
        return None if row is None or row[0] is None else str(row[0])

    async def all(self, user: str, job_id: str) -> list[str]:
        """The uids of all jobs that have or had a name, newest first."""
        rows = await self._session.read(self._select_all.bind(user, job_id))
        return [str(row[0]) for row in rows if row[0] is not None]

    async def _row(self, user: str, job_id: str) -> Row:
        return await self._session.one(self._select.bind(user, job_id)) or (None, None)
