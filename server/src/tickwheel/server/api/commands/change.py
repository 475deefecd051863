"""Changing one job and making sure that the change holds: what update, pause and delete share."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from tickwheel.server.api.errors import Contention
from tickwheel.server.domain.clock import Clock
from tickwheel.server.domain.errors import EtagMismatch, JobNotFound
from tickwheel.server.domain.job import Job
from tickwheel.server.domain.names import JobName
from tickwheel.server.domain.occurrence import InboxEntry, ScheduleEntry
from tickwheel.server.owner.port import Owners
from tickwheel.server.store.port import JobChange, Store
from tickwheel.server.trace import current_traceparent

_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Change:
    """How a job is to become."""

    after: Job
    #: Its new schedule entry, where its schedule changed.
    entry: ScheduleEntry | None = None
    #: Why, for explain and audit.
    reason: str = ""


#: Says how a job is to become at an instant (Unix milliseconds); None: it is so already.
Decide = Callable[[Job, int], Change | None]


@dataclass(frozen=True, slots=True)
class JobChanger:
    """Makes changes of jobs."""

    store: Store
    owners: Owners
    clock: Clock

    async def change(self, name: JobName, etag: str, actor: str, decide: Decide) -> Job:
        """Changes a job and returns it once no occurrence can fire any more as it was before.

        Without an etag a change that met another one is decided anew.

        Args:
            name: which job.
            etag: what its etag has to be; empty for any.
            actor: who wants it, for people.
            decide: how it is to become.

        Raises:
            JobNotFound: there is none.
            EtagMismatch: it has another etag.
            Contention: others changed it again and again.
            ChangeUnconfirmed: the change stands, but is not sure to hold for what is due now.
        """
        for _ in range(_ATTEMPTS):
            job = await self.store.jobs.find(name.user, name.job_id)
            if job is None:
                raise JobNotFound(f"there is no job {name}", job=str(name))
            check_etag(job, etag)
            now_ms = self.clock.now_ms()
            change = decide(job, now_ms)
            # Where nothing changes it is made sure all the same: that is how a client repeats a
            # change which was not confirmed.
            if change is None:
                await self.store.jobs.announce(job)
                changed: Job | None = job
            else:
                changed = await self._store(job, change, actor, now_ms)
            if changed is not None:
                await self.owners.confirm(changed)
                return changed
        raise Contention(f"{name} was changed by others {_ATTEMPTS} times meanwhile", job=str(name))

    async def _store(self, job: Job, change: Change, actor: str, now_ms: int) -> Job | None:
        after = replace(change.after, traceparent=current_traceparent())
        return await self.store.jobs.change(
            JobChange(
                before=job,
                after=after,
                entry=change.entry,
                inbox=InboxEntry(
                    segment=job.segment,
                    write_ms=now_ms,
                    user=job.user,
                    uid=job.uid,
                    version=after.version,
                    entry=change.entry,
                ),
                actor=actor,
                reason=change.reason,
            )
        )


def check_etag(job: Job, etag: str) -> None:
    """Compares a client's etag with the job's (AIP-154).

    Raises:
        EtagMismatch: they differ.
    """
    if etag and etag != job.etag:
        raise EtagMismatch(
            f"{job.name} has changed since it was read: its etag is {job.etag}",
            job=str(job.name),
            etag=job.etag,
        )
