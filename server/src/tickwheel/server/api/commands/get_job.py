"""GetJob."""

from dataclasses import dataclass

from tickwheel.server.domain.errors import JobNotFound
from tickwheel.server.domain.job import Job
from tickwheel.server.domain.names import JobName
from tickwheel.server.domain.run import Run
from tickwheel.server.store.port import Store

_RECENT = 5


@dataclass(frozen=True, slots=True)
class GetJob:
    """Reads a job and its last runs."""

    store: Store

    async def run(self, name: JobName) -> tuple[Job, list[Run]]:
        """The job, and its last runs, newest first.

        Raises:
            JobNotFound: there is no such job.
        """
        job = await self.store.jobs.find(name.user, name.job_id)
        if job is None:
            raise JobNotFound(f"there is no job {name}", job=str(name))
        recent = await self.store.runs.list_job(job.uid, b"", _RECENT)
        return job, list(recent.items)
