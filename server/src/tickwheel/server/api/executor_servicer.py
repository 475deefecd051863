"""ExecutorService: what executors report, and the embedded log's records."""

from dataclasses import dataclass
from typing import Any

import grpc.aio

from tickwheel.server.api.handlers.ack_records import AckRecordsHandler
from tickwheel.server.api.handlers.finish_runs import FinishRunsHandler
from tickwheel.server.api.handlers.heartbeat_runs import HeartbeatRunsHandler
from tickwheel.server.api.handlers.pull_records import PullRecordsHandler
from tickwheel.server.api.handlers.start_runs import StartRunsHandler
from tickwheel.v1 import executor_service_pb2, executor_service_pb2_grpc

Context = grpc.aio.ServicerContext[Any, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorHandlers:
    """One for each method."""

    start_runs: StartRunsHandler
    heartbeat_runs: HeartbeatRunsHandler
    finish_runs: FinishRunsHandler
    pull_records: PullRecordsHandler
    ack_records: AckRecordsHandler


class ExecutorServicer(executor_service_pb2_grpc.ExecutorServiceServicer):
    """Routes calls; the contract says what each method does."""

    def __init__(self, handlers: ExecutorHandlers) -> None:
        self._handlers = handlers

    async def StartRuns(
        self, request: executor_service_pb2.StartRunsRequest, context: Context
    ) -> executor_service_pb2.StartRunsResponse:
        """See the contract."""
        return await self._handlers.start_runs(request)

    async def HeartbeatRuns(
        self, request: executor_service_pb2.HeartbeatRunsRequest, context: Context
    ) -> executor_service_pb2.HeartbeatRunsResponse:
        """See the contract."""
        return await self._handlers.heartbeat_runs(request)

    async def FinishRuns(
        self, request: executor_service_pb2.FinishRunsRequest, context: Context
    ) -> executor_service_pb2.FinishRunsResponse:
        """See the contract."""
        return await self._handlers.finish_runs(request)

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
