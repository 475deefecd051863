"""When completed and deleted jobs are to be looked at for removal.

Rows have no TTL: a completed job may live on with a new schedule, and its row is under lightweight
transactions. So the day on which to look is noted, per segment; `sweeper` looks.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from tickwheel.server.domain.names import JobKey
from tickwheel.server.store.cassandra.driver import Driver, Kind
from tickwheel.server.store.cassandra.partition import DAY_MS
from tickwheel.server.store.cassandra.registry import Registry
from tickwheel.server.store.cassandra.session import CassandraSession

#: Before the key of any job.
FIRST: Final = JobKey("", "00000000-0000-0000-0000-000000000000")


class Expiry:
    """Rows of `job_expiry`, and `job_expiry_days`, which tells on which days there are any."""

    def __init__(self, driver: Driver, session: CassandraSession) -> None:
        self._session = session
        self._days: Registry[tuple[int, int]] = Registry(session)
        self._insert = driver.prepare(
            "INSERT INTO job_expiry (segment, day, user_id, job_id) VALUES (?, ?, ?, ?)",
            Kind.WRITE,
        )
        self._insert_day = driver.prepare(
            "INSERT INTO job_expiry_days (segment, day) VALUES (?, ?)", Kind.WRITE
        )
        self._select_days = driver.prepare(
            "SELECT day FROM job_expiry_days WHERE segment = ? AND day < ?", Kind.READ
        )
        self._select = driver.prepare(
            "SELECT user_id, job_id FROM job_expiry WHERE segment = ? AND day = ? "
            "AND (user_id, job_id) > (?, ?) LIMIT ?",
            Kind.READ,
        )
        self._delete = driver.prepare(
            "DELETE FROM job_expiry WHERE segment = ? AND day = ?", Kind.WRITE
        )
        self._delete_day = driver.prepare(
            "DELETE FROM job_expiry_days WHERE segment = ? AND day = ?", Kind.WRITE
        )

    async def note(self, segment: int, keys: Iterable[JobKey], expire_ms: int) -> None:
        """Has jobs looked at on the day after an instant."""
        day = expire_ms // DAY_MS + 1
        if not self._days.knows((segment, day)):
            await self._days.write({(segment, day): (self._insert_day.bind(segment, day), 1)})
        await self._session.write(
            [self._insert.bind(segment, day, key.user, key.uid) for key in keys]
        )

    async def days_before(self, segment: int, day: int) -> Sequence[int]:
        """Days that are over and hold rows."""
        rows = await self._session.read(self._select_days.bind(segment, day))
        return [row[0] for row in rows]

    async def keys(self, segment: int, day: int, after: JobKey, limit: int) -> list[JobKey]:
        """Some of the jobs to look at on a day: there may be millions. FIRST is before all."""
        rows = await self._session.read(self._select.bind(segment, day, *after, limit))
        return [JobKey(user, str(uid)) for user, uid in rows]

    async def done(self, segment: int, day: int) -> None:
        """Forgets a day that is over."""
        await self._session.write([self._delete.bind(segment, day)])
        await self._session.write([self._delete_day.bind(segment, day)])
