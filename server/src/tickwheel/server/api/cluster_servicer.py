"""ClusterService: each method to its handler."""

from typing import Any

import grpc.aio

from tickwheel.server.api.handlers.drain_worker import DrainWorkerHandler
from tickwheel.server.api.handlers.get_cluster import GetClusterHandler
from tickwheel.v1 import cluster_service_pb2, cluster_service_pb2_grpc

Context = grpc.aio.ServicerContext[Any, Any]


class ClusterServicer(cluster_service_pb2_grpc.ClusterServiceServicer):
    """Routes calls; the contract says what each method does."""

    def __init__(self, get_cluster: GetClusterHandler, drain_worker: DrainWorkerHandler) -> None:
        self._get_cluster = get_cluster
        self._drain_worker = drain_worker

    async def GetCluster(
        self, request: cluster_service_pb2.GetClusterRequest, context: Context
    ) -> cluster_service_pb2.Cluster:
        """See the contract."""
        return await self._get_cluster(request)

    async def DrainWorker(
        self, request: cluster_service_pb2.DrainWorkerRequest, context: Context
    ) -> cluster_service_pb2.Worker:
        """See the contract."""
        return await self._drain_worker(request)
