"""ClusterService, which this release does not have."""

from typing import Any

import grpc.aio

from tickwheel.server.api.errors import NotImplementedYet
from tickwheel.v1 import cluster_service_pb2, cluster_service_pb2_grpc

Context = grpc.aio.ServicerContext[Any, Any]

_NO_CLUSTER = "this release cannot be asked about its servers"


class UnbuiltClusterServicer(cluster_service_pb2_grpc.ClusterServiceServicer):
    """Refuses everything, with the reason."""

    async def GetCluster(
        self, request: cluster_service_pb2.GetClusterRequest, context: Context
    ) -> cluster_service_pb2.Cluster:
        """Not built yet."""
        raise NotImplementedYet(_NO_CLUSTER)

    async def DrainWorker(
        self, request: cluster_service_pb2.DrainWorkerRequest, context: Context
    ) -> cluster_service_pb2.Worker:
        """Not built yet."""
        raise NotImplementedYet(f"{_NO_CLUSTER}; stop the worker's process, which drains it")
