"""DeleteJob."""

from dataclasses import dataclass, replace

from tickwheel.server.api.commands.change import Change, JobChanger
from tickwheel.server.domain.errors import JobNotFound
from tickwheel.server.domain.job import Job
from tickwheel.server.domain.names import JobName

#: How long a deletion that could not be confirmed may be repeated, in ms.
_REPEAT_MS = 600_000


@dataclass(frozen=True, slots=True)
class DeleteJob:
    """Deletes a job; its runs stay."""

    changer: JobChanger

    async def run(self, name: JobName, etag: str, actor: str) -> None:
        """Returns once no occurrence can fire any more.

        Raises:
            JobNotFound: there is none; one that was deleted lately cannot fire any more either.
            EtagMismatch, Contention, ChangeUnconfirmed: see JobChanger.change.
        """

        def decide(job: Job, now_ms: int) -> Change | None:
            after = replace(job, delete_ms=now_ms, version=job.version + 1, update_ms=now_ms)
            return Change(after, reason="deleted")

        try:
            await self.changer.change(name, etag, actor, decide)
        except JobNotFound:
            # The client may be repeating a deletion that was not confirmed.
            await self._confirm_latest(name)
            raise

    async def _confirm_latest(self, name: JobName) -> None:
        former = await self.changer.store.jobs.find_all(name.user, name.job_id)
        if former and former[0].delete_ms > self.changer.clock.now_ms() - _REPEAT_MS:
            await self.changer.owners.confirm(former[0])
