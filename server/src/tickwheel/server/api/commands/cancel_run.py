"""CancelRun."""

from dataclasses import dataclass

from tickwheel.server.domain.errors import RunNotFound
from tickwheel.server.domain.names import RunName
from tickwheel.server.owner.port import Owners
from tickwheel.server.store.port import Store
from tickwheel.v1 import run_pb2


@dataclass(frozen=True, slots=True)
class CancelRun:
    """Cancels a run, also one of a deleted job."""

    store: Store
    owners: Owners

    async def run(self, name: RunName, reason: str) -> run_pb2.Run:
        """The run once the cancellation is stored.

        Raises:
            RunNotFound: there is no such run.
            RunStateWrong: it has ended otherwise.
            SegmentUnowned: no owner answers.
            ChangeUnconfirmed: whether it was published is not known yet; an owner that ends takes
                the cancellation with it: to be asked again.
        """
        jobs = await self.store.jobs.find_all(name.job.user, name.job.job_id)
        for job in jobs:
            if await self.store.runs.get(job.uid, name.run_id) is not None:
                return await self.owners.cancel(job, name.run_id, reason)
        if jobs and not jobs[0].delete_ms:
            # A run can be read a moment after it is due; its owner knows it before.
            return await self.owners.cancel(jobs[0], name.run_id, reason)
        raise RunNotFound(f"there is no run {name}", run=str(name))
