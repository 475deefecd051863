"""JobStore on Cassandra."""

from collections.abc import Iterable, Sequence
from typing import Final

from tickwheel.server.domain.clock import Clock
from tickwheel.server.domain.job import Job
from tickwheel.server.domain.lease import WriteStamp
from tickwheel.server.domain.names import JobKey, is_uuid7
from tickwheel.server.store.cassandra.changes import Changes
from tickwheel.server.store.cassandra.claims import IdClaims, RequestClaims
from tickwheel.server.store.cassandra.creation import Creation
from tickwheel.server.store.cassandra.expiry import Expiry
from tickwheel.server.store.cassandra.job_rows import JobRows
from tickwheel.server.store.cassandra.partition import uid_from_bytes, uuid_bytes
from tickwheel.server.store.cassandra.session import CassandraSession
from tickwheel.server.store.cassandra.user_index import LAST_UID, UserIndex
from tickwheel.server.store.port import (
    ChangeRecord,
    CreateResult,
    JobChange,
    JobStore,
    NewJob,
    Page,
)

#: Begins the cursors of lists across users; what follows is the last job's uid and user. (The
#: server's own paging state would do, but a strange one makes it close the connection.)
_ALL: Final = b"a"
#: Begins the cursors of a user's lists; what follows is the uid of the last job.
_USER: Final = b"u"


class CassandraJobs(JobStore):
    """Jobs by name and by key."""

    def __init__(
        self,
        session: CassandraSession,
        clock: Clock,
        rows: JobRows,
        index: UserIndex,
        ids: IdClaims,
        requests: RequestClaims,
        creation: Creation,
        changes: Changes,
        expiry: Expiry,
    ) -> None:
        self._session = session
        self._clock = clock
        self._rows = rows
        self._index = index
        self._ids = ids
        self._requests = requests
        self._creation = creation
        self._changes = changes
        self._expiry = expiry

    async def create(self, new: Sequence[NewJob]) -> list[CreateResult]:
        """Stores jobs."""
        return await self._creation.create(new)

    async def remember_request(self, user: str, key: str, digest: bytes, uid: str) -> bytes:
        """Remembers a request as those of creations."""
        return await self._requests.remember(user, key, digest, uid, self._clock.now_ms())

    async def recall_request(self, user: str, key: str) -> bytes | None:
        """As the port says."""
        return await self._requests.recall(user, key)

    async def find(self, user: str, job_id: str) -> Job | None:
        """The living job of a name: an id that the server made is the uid itself."""
        if is_uuid7(job_id):
            made = await self._rows.get(JobKey(user, job_id))
            if made is not None and made.job_id == job_id and not made.delete_ms:
                return made
        uid = await self._ids.current(user, job_id)
        job = None if uid is None else await self._rows.get(JobKey(user, uid))
        return None if job is None or job.delete_ms else job

    async def find_all(self, user: str, job_id: str) -> list[Job]:
        """All jobs of a name: the living one, then the deleted ones from the newest on."""
        uids = await self._ids.all(user, job_id)
        if is_uuid7(job_id):
            uids.append(job_id)
        found = await self._rows.get_many(JobKey(user, uid) for uid in uids)
        jobs = [job for job in found.values() if job.job_id == job_id]
        jobs.sort(key=lambda job: job.uid, reverse=True)
        return [job for job in jobs if not job.delete_ms] + [job for job in jobs if job.delete_ms]

    async def get_many(self, keys: Iterable[JobKey]) -> dict[JobKey, Job]:
        """Jobs by key."""
        return await self._rows.get_many(keys)

    async def list(self, user: str | None, cursor: bytes, limit: int) -> Page[Job]:
        """Living jobs of a user, newest first; of all users in the order of their tokens."""
        if user is None:
            return await self._list_all(cursor, limit)
        before = _uid_of_cursor(cursor) if cursor else LAST_UID
        jobs, more = await self._index.page(user, before, limit)
        return Page(jobs, _USER + uuid_bytes(jobs[-1].uid) if more else None)

    async def _list_all(self, cursor: bytes, limit: int) -> Page[Job]:
        key = _key_of_cursor(cursor) if cursor else None
        jobs: list[Job] = []
        while True:
            found, key = await self._rows.after(key, limit - len(jobs))
            jobs += [job for job in found if not job.delete_ms]
            if key is None:
                return Page(jobs, None)
            if len(jobs) >= limit:
                return Page(jobs, _cursor_of_key(key))

    async def scan(self, cursor: bytes, limit: int) -> Page[Job]:
        """All jobs in the order of their tokens."""
        key = _key_of_cursor(cursor) if cursor else None
        jobs, key = await self._rows.after(key, limit)
        return Page(jobs, None if key is None else _cursor_of_key(key))

    async def change(self, change: JobChange) -> Job | None:
        """Makes a change."""
        return await self._changes.change(change)

    async def announce(self, job: Job) -> None:
        """Tells the owner again of the last change."""
        await self._changes.announce(job)

    async def history(self, key: JobKey) -> Sequence[ChangeRecord]:
        """What a job was before each of its changes."""
        return await self._changes.history(key)

    async def complete(
        self, stamp: WriteStamp, done: Sequence[tuple[JobKey, int]], complete_ms: int
    ) -> None:
        """Marks generations as completed: two cells of each row that are the owner's alone."""
        if not done:
            return
        await self._expiry.note(stamp.segment, (key for key, _ in done), complete_ms)
        await self._session.write(
            [
                self._rows.completion_row(key, stamp, generation, complete_ms)
                for key, generation in done
            ]
        )


def _uid_of_cursor(cursor: bytes) -> str:
    if cursor[:1] != _USER:
        raise ValueError("the page cursor is not one of this store")
    return uid_from_bytes(cursor[1:])


def _cursor_of_key(key: JobKey) -> bytes:
    return _ALL + uuid_bytes(key.uid) + key.user.encode()


def _key_of_cursor(cursor: bytes) -> JobKey:
    if cursor[:1] != _ALL:
        raise ValueError("the page cursor is not one of this store")
    return JobKey(cursor[17:].decode(), uid_from_bytes(cursor[1:17]))
