"""Reads jobs of which others tell: none as it was before what was told of it."""

import asyncio
from collections.abc import Iterable, Sequence

from tickwheel.server.domain.clock import Clock
from tickwheel.server.domain.job import Job
from tickwheel.server.domain.names import JobKey
from tickwheel.server.domain.occurrence import ScheduleEntry
from tickwheel.server.scheduler.bounded import MAX_CALLS
from tickwheel.server.scheduler.holding import Holdings
from tickwheel.server.store.port import JobStore

#: A job that is wanted, with its segment, and the row for whose sake it is.
Wanted = tuple[JobKey, int, ScheduleEntry | None]


class Versions:
    """What was told of jobs, and the reading of them."""

    def __init__(self, jobs: JobStore, clock: Clock, holdings: Holdings) -> None:
        """Makes it; `holdings` are shared, and changed by others."""
        self._jobs = jobs
        self._clock = clock
        self._holdings = holdings
        #: By job the newest version that somebody told of, and when.
        self._told: dict[str, tuple[int, int]] = {}

    def tell(self, uid: str, version: int) -> None:
        """Somebody told of a version of a job."""
        if version > self._told_of(uid):
            self._told[uid] = (version, self._clock.now_ms())

    def forget_before(self, told_ms: int) -> None:
        """Lets go of what was told longer ago than a reading may take."""
        self._told = {uid: told for uid, told in self._told.items() if told[1] >= told_ms}

    def is_outdated(self, job: Job) -> bool:
        """Whether somebody has told of a newer version since a job was read."""
        return job.version < self._told_of(job.uid)

    async def present(self, job: Job) -> Job:
        """A job that was read a while ago as it is now, as far as somebody has told of that."""
        if not self.is_outdated(job):
            return job
        jobs, _ = await self.read([(job.key, job.segment, None)])
        return jobs.get(job.key, job)

    def _told_of(self, uid: str) -> int:
        return self._told.get(uid, (0, 0))[0]

    async def read(
        self, wanted: Sequence[Wanted]
    ) -> tuple[dict[JobKey, Job], dict[JobKey, Sequence[Job]]]:
        """Jobs (each with its segment and row), and former versions of those that want them.

        None is older than what was told of it while it was being read: a change may be confirmed
        meanwhile. What was told before is in the store, or the store has lost it.
        """
        jobs: dict[JobKey, Job] = {}
        past: dict[JobKey, Sequence[Job]] = {}
        read_at: dict[str, int] = {}
        left = list(wanted)
        while left:
            read_at |= {key.uid: self._told_of(key.uid) for key, _, _ in left}
            read = await self._jobs.get_many({key for key, _, _ in left})
            jobs.update(read)
            past.update(await self._past((read.get(key), at, row) for key, at, row in left))
            # All of them: while some are read again, others may be told of.
            left = [
                item
                for item in wanted
                if item[0] in jobs
                and max(jobs[item[0]].version, read_at[item[0].uid]) < self._told_of(item[0].uid)
            ]
        return jobs, past

    async def _past(
        self, wanted: Iterable[tuple[Job | None, int, ScheduleEntry | None]]
    ) -> dict[JobKey, Sequence[Job]]:
        """Former versions of jobs (each with its segment and row) whose owners want them."""
        keys: dict[JobKey, None] = {}
        for job, segment, entry in wanted:
            holding = self._holdings.get(segment)
            if job is not None and holding is not None and holding.owner.wants_past(job, entry):
                keys[job.key] = None
        wanted_keys = list(keys)
        past: dict[JobKey, Sequence[Job]] = {}
        for start in range(0, len(wanted_keys), MAX_CALLS):
            some = wanted_keys[start : start + MAX_CALLS]
            histories = await asyncio.gather(*(self._jobs.history(key) for key in some))
            for key, history in zip(some, histories, strict=True):
                past[key] = [record.job for record in history]
        return past
