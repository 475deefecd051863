"""DrainWorker."""

from dataclasses import dataclass

from tickwheel.server.api.commands.get_cluster import merge_workers
from tickwheel.server.api.errors import EngineUnsupported, WorkerNotFound
from tickwheel.server.owner.schedulers import Schedulers
from tickwheel.v1 import cluster_service_pb2 as pb


@dataclass(frozen=True, slots=True)
class DrainWorker:
    """Tells a worker to stop."""

    schedulers: Schedulers
    #: The worker is part of the process that answers.
    is_embedded: bool

    async def run(self, worker_id: str) -> pb.Worker:
        """The worker, once it has been told.

        Raises:
            WorkerNotFound: no such worker is connected.
            SegmentUnowned: nobody knows it, but somebody does not answer.
            EngineUnsupported: it ends with the process.
        """
        if self.is_embedded:
            raise EngineUnsupported("the worker of `tickwheel dev` is part of it: stop the process")
        answers = await self.schedulers.stop_worker(worker_id)
        if not answers:
            raise WorkerNotFound(f"no worker {worker_id} is connected", worker=worker_id)
        return merge_workers(answer.worker for answer in answers)[0]
