"""GetCluster."""

from dataclasses import dataclass

from tickwheel.server.api.commands.get_cluster import GetCluster
from tickwheel.v1 import cluster_service_pb2


@dataclass(frozen=True, slots=True)
class GetClusterHandler:
    """Serves ClusterService.GetCluster."""

    command: GetCluster

    async def __call__(
        self, request: cluster_service_pb2.GetClusterRequest
    ) -> cluster_service_pb2.Cluster:
        """Answers with the servers."""
        return await self.command.run()
