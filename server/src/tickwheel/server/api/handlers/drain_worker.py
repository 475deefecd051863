"""DrainWorker."""

from dataclasses import dataclass

from tickwheel.server.api.commands.drain_worker import DrainWorker
from tickwheel.server.api.rules import check
from tickwheel.v1 import cluster_service_pb2


@dataclass(frozen=True, slots=True)
class DrainWorkerHandler:
    """Serves ClusterService.DrainWorker."""

    command: DrainWorker

    async def __call__(
        self, request: cluster_service_pb2.DrainWorkerRequest
    ) -> cluster_service_pb2.Worker:
        """Answers with the worker."""
        check(request)
        return await self.command.run(request.name.rpartition("/")[2])
