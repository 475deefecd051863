"""ResumeJob."""

from dataclasses import dataclass, replace

from tickwheel.server.api.commands.change import Change, JobChanger
from tickwheel.server.api.errors import JobStateWrong
from tickwheel.server.domain.job import Job, JobState
from tickwheel.server.domain.names import JobName


@dataclass(frozen=True, slots=True)
class ResumeJob:
    """Makes a paused job active again; an active one stays as it is."""

    changer: JobChanger

    async def run(self, name: JobName, etag: str, actor: str) -> Job:
        """Returns the job once its owner knows.

        Raises:
            JobStateWrong: it is completed.
            JobNotFound, EtagMismatch, Contention, ChangeUnconfirmed: see JobChanger.change.
        """

        def decide(job: Job, now_ms: int) -> Change | None:
            if job.state is JobState.COMPLETED:
                raise JobStateWrong(
                    f"{name} is completed: give it a new schedule instead", job=str(name)
                )
            if not job.paused:
                return None
            after = replace(
                job, paused=False, pause_reason="", version=job.version + 1, update_ms=now_ms
            )
            return Change(after, reason="resumed")

        return await self.changer.change(name, etag, actor, decide)
