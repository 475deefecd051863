"""ExecutorService: the embedded log's records; executors themselves are not built yet."""

from dataclasses import dataclass
from typing import Any

import grpc.aio

from tickwheel.server.api.errors import NotImplementedYet
from tickwheel.server.api.handlers.ack_records import AckRecordsHandler
from tickwheel.server.api.handlers.pull_records import PullRecordsHandler
from tickwheel.v1 import executor_service_pb2, executor_service_pb2_grpc

Context = grpc.aio.ServicerContext[Any, Any]

_NO_EXECUTORS = "this release has no executors; consume the topic, with COMPLETION_PUBLISHED"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorHandlers:
    """One for each method that this release has."""

    pull_records: PullRecordsHandler
    ack_records: AckRecordsHandler


class ExecutorServicer(executor_service_pb2_grpc.ExecutorServiceServicer):
    """Routes calls; the contract says what each method does."""

    def __init__(self, handlers: ExecutorHandlers) -> None:
        self._handlers = handlers

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
        """See the contract."""
        return await self._handlers.pull_records(request)

    async def AckRecords(
        self, request: executor_service_pb2.AckRecordsRequest, context: Context
    ) -> executor_service_pb2.AckRecordsResponse:
        """See the contract."""
        return await self._handlers.ack_records(request)
