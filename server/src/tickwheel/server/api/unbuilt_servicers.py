"""The services of the contract that this release does not have."""

from typing import Any

import grpc.aio
from tickwheel.server.api.errors import NotImplementedYet
from tickwheel.v1 import (
    cluster_service_pb2,
    cluster_service_pb2_grpc,
    executor_service_pb2,
    executor_service_pb2_grpc,
)

Context = grpc.aio.ServicerContext[Any, Any]

_NO_EXECUTORS = "this release has no executors; consume the topic, with COMPLETION_PUBLISHED"
_NO_PULL = "this release cannot hand out records; use `tickwheel records tail`"
_NO_CLUSTER = "this release cannot be asked about its servers"


class UnbuiltExecutorServicer(executor_service_pb2_grpc.ExecutorServiceServicer):
    """Refuses everything, with the reason."""

    async def StartRuns(
        self, request: executor_service_pb2.StartRunsRequest, context: Context
    ) -> executor_service_pb2.StartRunsResponse:
        """Not built yet."""
        raise NotImplementedYet(_NO_EXECUTORS)

    async def HeartbeatRuns(
        self, request: executor_service_pb2.HeartbeatRunsRequest, context: Context
    ) -> executor_service_pb2.HeartbeatRunsResponse:
        """Not built yet."""
        raise NotImplementedYet(_NO_EXECUTORS)

    async def FinishRuns(
        self, request: executor_service_pb2.FinishRunsRequest, context: Context
    ) -> executor_service_pb2.FinishRunsResponse:
        """Not built yet."""
        raise NotImplementedYet(_NO_EXECUTORS)

    async def PullRecords(
        self, request: executor_service_pb2.PullRecordsRequest, context: Context
    ) -> executor_service_pb2.PullRecordsResponse:
        """Not built yet."""
        raise NotImplementedYet(_NO_PULL)

    async def AckRecords(
        self, request: executor_service_pb2.AckRecordsRequest, context: Context
    ) -> executor_service_pb2.AckRecordsResponse:
        """Not built yet."""
        raise NotImplementedYet(_NO_PULL)


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
