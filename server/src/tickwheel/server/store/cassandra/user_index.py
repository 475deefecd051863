"""Where a user's jobs are: `user_blocks` and `user_periods`, and lists that follow them."""

from collections.abc import AsyncIterator, Iterable, Sequence

from tickwheel.server.domain.job import Job
from tickwheel.server.domain.names import JobKey
from tickwheel.server.store.cassandra.driver import Driver, Kind, Row
from tickwheel.server.store.cassandra.job_rows import CELLS, JobRows
from tickwheel.server.store.cassandra.partition import (
    BLOCK_PERIODS,
    DAY_MS,
    PERIOD_MS,
    period_of,
)
from tickwheel.server.store.cassandra.registry import Registry
from tickwheel.server.store.cassandra.session import IN_KEYS, CassandraSession, chunks

#: Not below any UUIDv7.
LAST_UID = "ffffffff-ffff-7fff-bfff-ffffffffffff"


class UserIndex:
    """The periods in which each user has jobs."""

    def __init__(self, driver: Driver, session: CassandraSession, rows: JobRows) -> None:
        self._session = session
        self._rows = rows
        self._known: Registry[tuple[str, int]] = Registry(session)
        self._insert_block = driver.prepare(
            "INSERT INTO user_blocks (user_id, block) VALUES (?, ?)", Kind.WRITE
        )
        self._insert_period = driver.prepare(
            "INSERT INTO user_periods (user_id, block, period) VALUES (?, ?, ?)", Kind.WRITE
        )
        self._delete_period = driver.prepare(
            "DELETE FROM user_periods WHERE user_id = ? AND block = ? AND period = ?", Kind.WRITE
        )
        self._select_blocks = driver.prepare(
            "SELECT block FROM user_blocks WHERE user_id = ? AND block <= ?", Kind.READ
        )
        self._select_periods = driver.prepare(
            "SELECT period FROM user_periods WHERE user_id = ? AND block = ? AND period <= ? "
            "LIMIT ?",
            Kind.READ,
        )
        self._select_jobs = driver.prepare(
            f"SELECT period, job_id, {CELLS} FROM job_table WHERE user_id = ? AND period IN ? "
            "AND job_id < ? PER PARTITION LIMIT ?",
            Kind.READ,
        )

    async def announce(self, jobs: Sequence[Job]) -> None:
        """Registers where jobs are about to be written."""
        keys = {(job.user, period_of(job.uid)) for job in jobs}
        fresh = [key for key in keys if not self._known.knows(key)]
        blocks = {(user, period // BLOCK_PERIODS) for user, period in fresh}
        await self._session.write([self._insert_block.bind(*block) for block in blocks])
        await self._known.write(
            {
                (user, period): (
                    self._insert_period.bind(user, period // BLOCK_PERIODS, period),
                    1,
                )
                for user, period in fresh
            }
        )

    async def page(self, user: str, before: str, limit: int) -> tuple[list[Job], bool]:
        """Living jobs of a user that are older than a uid, newest first; whether there are more."""
        found: list[Job] = []
        async for periods in self._periods(user, period_of(before)):
            rest = periods
            while rest:
                jobs, before, rest = await self._jobs(user, rest, before, limit + 1)
                found += [job for job in jobs if not job.delete_ms]
                if len(found) > limit:
                    return found[:limit], True
        return found, False

    async def _jobs(
        self, user: str, periods: list[int], before: str, limit: int
    ) -> tuple[list[Job], str, list[int]]:
        """Jobs of periods, newest first, until one has more than was read of it.

        Returns them, the uid to go on from and the periods that are left.
        """
        found = await self._session.read(self._select_jobs.bind(user, periods, before, limit))
        by_period: dict[int, list[Row]] = {}
        for row in found:
            by_period.setdefault(row[0], []).append(row)
        kept: list[Row] = []
        rest: list[int] = []
        for place, period in enumerate(periods):
            members = by_period.get(period, [])
            kept += members
            if len(members) == limit:
                before, rest = str(members[-1][1]), periods[place:]
                break
        return await self._rows.jobs([row[2:] for row in kept]), before, rest

    async def _periods(self, user: str, newest: int) -> AsyncIterator[list[int]]:
        """Periods in which a user has jobs, newest first: one, then four, then more at a time."""
        blocks = await self._session.read(self._select_blocks.bind(user, newest // BLOCK_PERIODS))
        width = 1
        for (block,) in blocks:
            while True:
                rows = await self._session.read(
                    self._select_periods.bind(user, block, newest, width)
                )
                if rows:
                    yield [row[0] for row in rows]
                if len(rows) < width:
                    break
                newest = rows[-1][0] - 1
                width = min(4 * width, IN_KEYS)

    async def forget_empty(self, removed: Iterable[JobKey], now_ms: int) -> None:
        """Takes the periods of removed jobs out of the index where no job is left.

        Only such as lie a day back: nothing is created in them any more.
        """
        latest = (now_ms - DAY_MS) // PERIOD_MS
        periods: dict[str, list[int]] = {}
        for user, period in {(key.user, period_of(key.uid)) for key in removed}:
            if period < latest:
                periods.setdefault(user, []).append(period)
        for user, members in periods.items():
            for part in chunks(members, IN_KEYS):
                rows = await self._session.read(self._select_jobs.bind(user, part, LAST_UID, 1))
                await self._session.write(
                    [
                        self._delete_period.bind(user, period // BLOCK_PERIODS, period)
                        for period in set(part) - {row[0] for row in rows}
                    ]
                )
