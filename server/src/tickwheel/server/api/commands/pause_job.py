"""PauseJob."""

from dataclasses import dataclass, replace

from tickwheel.server.api.commands.change import Change, JobChanger
from tickwheel.server.api.errors import JobStateWrong
from tickwheel.server.domain.job import Job, JobState
from tickwheel.server.domain.names import JobName


@dataclass(frozen=True, slots=True)
class PauseJob:
    """Pauses a job; a paused one takes the new reason."""

    changer: JobChanger

    async def run(self, name: JobName, reason: str, etag: str, actor: str) -> Job:
        """Returns the job once none of its occurrences can fire.

        Raises:
            JobStateWrong: it is completed.
            JobNotFound, EtagMismatch, Contention, ChangeUnconfirmed: see JobChanger.change.
        """

        def decide(job: Job, now_ms: int) -> Change | None:
            if job.state is JobState.COMPLETED:
                raise JobStateWrong(f"{name} is completed: it has nothing to pause", job=str(name))
            if job.paused and job.pause_reason == reason:
                return None
            after = replace(
                job,
                paused=True,
                pause_reason=reason,
                version=job.version + 1,
                update_ms=now_ms,
            )
            return Change(after, reason=reason or "paused")

        return await self.changer.change(name, etag, actor, decide)
