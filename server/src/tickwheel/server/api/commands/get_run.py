"""GetRun."""

from dataclasses import dataclass

from tickwheel.server.domain.errors import RunNotFound
from tickwheel.server.domain.names import RunName
from tickwheel.server.domain.run import Run
from tickwheel.server.store.port import Store


@dataclass(frozen=True, slots=True)
class GetRun:
    """Reads a run, also one of a deleted job."""

    store: Store

    async def run(self, name: RunName) -> Run:
        """The run in its present state; of jobs of the same name the latest that has it.

        Raises:
            RunNotFound: there is no such run.
        """
        for job in await self.store.jobs.find_all(name.job.user, name.job.job_id):
            run = await self.store.runs.get(job.uid, name.run_id)
            if run is not None:
                return run
        raise RunNotFound(f"there is no run {name}", run=str(name))
