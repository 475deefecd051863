"""Pauses jobs that have failed too often in a row (`pause_after_failures`)."""

import asyncio
from collections.abc import Iterable
from dataclasses import replace

import structlog

from tickwheel.server.domain.clock import Clock
from tickwheel.server.domain.job import Job, JobState
from tickwheel.server.domain.names import JobKey
from tickwheel.server.domain.occurrence import InboxEntry
from tickwheel.server.domain.run import RunState
from tickwheel.server.scheduler.live import LiveRun
from tickwheel.server.store.port import JobChange, Store

_log = structlog.get_logger(__name__)

_ATTEMPTS = 5
#: Runs that are read of the history at a time.
_PAGE = 200
#: Runs of the history that are looked through at most: 1,000 failures, the most that a job may ask
#: for, with nine between any two that were skipped or cancelled, which count neither way. Failures
#: among more of those are no row that anybody would see as one: the job goes on, and is looked at
#: again when a run of it fails. A pause that was not asked for would lose what comes due meanwhile.
LOOK_BACK = 10_000
ACTOR = "tickwheel"


class Suspects:
    """Jobs that may have failed once too often, each once however many of its runs have failed.

    Looking at one costs reads of its history; runs may fail faster than that goes.
    """

    def __init__(self) -> None:
        self._jobs: dict[JobKey, Job] = {}
        self._some = asyncio.Event()

    def note(self, ended: Iterable[LiveRun]) -> None:
        """Takes in the jobs of those runs that have failed."""
        for run in ended:
            has_failed = run.record is not None and run.record.state is RunState.FAILED
            if has_failed and run.job.spec.pause_after_failures:
                self.put(run.job)

    def put(self, job: Job) -> None:
        """Takes a job in; one that waits already keeps its turn."""
        self._jobs[job.key] = job
        self._some.set()

    async def take(self) -> Job:
        """The job that has waited longest; what of it fails from now on has it looked at again."""
        while not self._jobs:
            self._some.clear()
            await self._some.wait()
        return self._jobs.pop(next(iter(self._jobs)))


class Pauser:
    """Looks at a job's last runs in the store, so that no count has to survive a take-over."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def look_at(self, job: Job) -> Job | None:
        """Pauses the job if its last runs have all failed.

        Args:
            job: as its owner knows it.

        Returns:
            The job as it is paused now, of which its owner is to hear; None where there is no news.
            It may have been paused before: the outcome of that was not known, and its inbox may
            have nothing of it.
        """
        for _ in range(_ATTEMPTS):
            present = (await self._store.jobs.get_many([job.key])).get(job.key)
            if present is None or present.delete_ms or present.state is not JobState.ACTIVE:
                is_news = present is not None and present.paused and present.version > job.version
                return present if is_news else None
            most = present.spec.pause_after_failures
            if not most or not await self._has_failed(present, most):
                return None
            now_ms = self._clock.now_ms()
            reason = f"{most} runs in a row have failed"
            after = replace(
                present,
                paused=True,
                pause_reason=reason,
                version=present.version + 1,
                update_ms=now_ms,
            )
            inbox = InboxEntry(
                segment=job.segment,
                write_ms=now_ms,
                user=job.user,
                uid=job.uid,
                version=after.version,
            )
            change = JobChange(
                before=present, after=after, entry=None, inbox=inbox, actor=ACTOR, reason=reason
            )
            if await self._store.jobs.change(change) is not None:
                _log.warning("job paused", job=str(job.name), reason=reason)
                return after
        return None

    async def _has_failed(self, job: Job, most: int) -> bool:
        """Whether the last `most` runs since the job's last change have all failed.

        False as well where they lie further back than `LOOK_BACK`.
        """
        failed = looked_at = 0
        cursor: bytes | None = b""
        while cursor is not None and looked_at < LOOK_BACK:
            page = await self._store.runs.list_job(job.uid, cursor, _PAGE)
            looked_at += len(page.items)
            for run in page.items:
                if run.end_ms and run.end_ms < job.update_ms:
                    return False
                if run.state is RunState.FAILED:
                    failed += 1
                    if failed >= most:
                        return True
                elif run.state is RunState.SUCCEEDED:
                    return False
            cursor = page.cursor
        return False
