"""Removes jobs whose retention is over, with all that belongs to them."""

import asyncio
from collections.abc import Sequence
from typing import Final

from tickwheel.server.domain.clock import Clock
from tickwheel.server.domain.errors import StoreUnavailable
from tickwheel.server.domain.job import Job
from tickwheel.server.domain.names import JobKey
from tickwheel.server.store.cassandra.changes import Changes
from tickwheel.server.store.cassandra.claims import IdClaims
from tickwheel.server.store.cassandra.expiry import FIRST, Expiry
from tickwheel.server.store.cassandra.job_rows import JobRows, is_large
from tickwheel.server.store.cassandra.partition import DAY_MS, HOUR_MS
from tickwheel.server.store.cassandra.session import CassandraSession, gather
from tickwheel.server.store.cassandra.user_index import UserIndex
from tickwheel.server.store.codec import expires_ms

#: A segment is swept this often at most.
SWEEP_MS: Final = HOUR_MS
#: Jobs that are looked at together.
GROUP: Final = 500
#: Removals under way at once; each is a lightweight transaction, and there is no hurry.
REMOVALS: Final = 8


class Sweeper:
    """Looks at the jobs that `expiry` noted for days that are over."""

    def __init__(
        self,
        session: CassandraSession,
        clock: Clock,
        rows: JobRows,
        index: UserIndex,
        ids: IdClaims,
        changes: Changes,
        expiry: Expiry,
    ) -> None:
        self._session = session
        self._clock = clock
        self._rows = rows
        self._index = index
        self._ids = ids
        self._changes = changes
        self._expiry = expiry
        self._swept_ms: dict[int, int] = {}
        self._removals = asyncio.Semaphore(REMOVALS)

    async def sweep(self, segment: int) -> int:
        """Removes what is due in a segment, unless that was done a short while ago.

        What fails is looked at again with the next sweep.

        Returns:
            how many removals had ended halfway, and were carried through.
        """
        now_ms = self._clock.now_ms()
        if now_ms - self._swept_ms.get(segment, 0) < SWEEP_MS:
            return 0
        self._swept_ms[segment] = now_ms
        ended = 0
        failed: StoreUnavailable | None = None
        for day in await self._expiry.days_before(segment, now_ms // DAY_MS):
            try:
                ended += await self._sweep_day(segment, day, now_ms)
            except StoreUnavailable as error:
                # What cannot be removed holds up nothing of other days.
                failed = error
        if failed is not None:
            raise failed
        return ended

    async def _sweep_day(self, segment: int, day: int, now_ms: int) -> int:
        ended = 0
        keys = await self._expiry.keys(segment, day, FIRST, GROUP)
        while keys:
            ended += await self._look(segment, keys, now_ms)
            keys = await self._expiry.keys(segment, day, keys[-1], GROUP)
        await self._expiry.done(segment, day)
        return ended

    async def _look(self, segment: int, keys: Sequence[JobKey], now_ms: int) -> int:
        jobs = await self._rows.get_many(keys)
        over: list[Job] = []
        later: dict[int, list[JobKey]] = {}
        for job in jobs.values():
            expire_ms = expires_ms(job)
            if expire_ms is None:
                continue
            if expire_ms <= now_ms:
                over.append(job)
            else:
                later.setdefault(expire_ms // DAY_MS * DAY_MS, []).append(job.key)
        await gather(self._expiry.note(segment, members, at) for at, members in later.items())
        # Removed by a sweep that did not come to the end of the day.
        gone = [key for key in keys if key not in jobs]
        ended = await gather(self._end_removal(key) for key in gone)
        await gather(self._remove(job) for job in over)
        await self._index.forget_empty([*gone, *(job.key for job in over)], now_ms)
        return sum(ended)

    async def _remove(self, job: Job) -> None:
        """Removes a job in the version that was looked at; a newer one stays, with all it has."""
        async with self._removals:
            is_noted = job.version > 1 or job.job_id != job.uid or is_large(job)
            if is_noted:
                await self._changes.begin_removal(job)
            removed = await self._session.conditional(self._rows.purge_row(job))
            if removed.applied:
                await self._remove_rest(job)
                if is_noted:
                    await self._changes.end_removal(job.uid)

    async def _end_removal(self, key: JobKey) -> bool:
        """Removes what there still is of a job whose row is gone; whether there was anything."""
        async with self._removals:
            job = await self._changes.removal_of(key.uid)
            if job is not None:
                await self._remove_rest(job)
                await self._changes.end_removal(key.uid)
            return job is not None

    async def _remove_rest(self, job: Job) -> None:
        await self._session.write([self._rows.purge_payload_row(job.uid)])
        if job.job_id != job.uid:
            await self._session.write([self._ids.purge_row(job)])
            await self._ids.release(job)
        await self._changes.purge(job)
