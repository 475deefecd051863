"""The scheduler's gRPC services: thin, all they do is in `fleet` and `endpoint`."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

import grpc
import grpc.aio

from tickwheel.internal.v1 import owner_service_pb2 as internal_pb
from tickwheel.internal.v1 import owner_service_pb2_grpc
from tickwheel.server.domain.errors import TickwheelError
from tickwheel.server.owner.refusals import METADATA, refusal_of
from tickwheel.server.scheduler.endpoint import SchedulerEndpoint
from tickwheel.server.scheduler.fleet import ConnectRefusedError, Fleet
from tickwheel.v1 import scheduler_service_pb2 as pb
from tickwheel.v1 import scheduler_service_pb2_grpc

Context = grpc.aio.ServicerContext[Any, Any]
T = TypeVar("T")


class SchedulerServicer(scheduler_service_pb2_grpc.SchedulerServiceServicer):
    """Workers' streams."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    async def Connect(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, request_iterator: AsyncIterator[pb.ConnectRequest], context: Context
    ) -> None:
        """Serves one worker until its stream ends."""
        try:
            await self._fleet.serve(request_iterator, context.write)
        except ConnectRefusedError as error:
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(error))


class OwnerServicer(owner_service_pb2_grpc.OwnerServiceServicer):
    """What the api asks of the owner of a segment."""

    def __init__(self, endpoint: SchedulerEndpoint) -> None:
        self._endpoint = endpoint

    async def NotifyJobs(
        self, request: internal_pb.NotifyJobsRequest, context: Context
    ) -> internal_pb.NotifyJobsResponse:
        """Takes in changes."""
        return await _answer(self._endpoint.notify(request), context)

    async def TriggerRun(
        self, request: internal_pb.TriggerRunRequest, context: Context
    ) -> internal_pb.TriggerRunResponse:
        """Fires a run by hand."""
        run = await _answer(self._endpoint.trigger(request), context)
        return internal_pb.TriggerRunResponse(run=run)

    async def CancelRun(
        self, request: internal_pb.CancelRunRequest, context: Context
    ) -> internal_pb.CancelRunResponse:
        """Cancels a run."""
        run = await _answer(self._endpoint.cancel(request), context)
        return internal_pb.CancelRunResponse(run=run)

    async def StartBackfill(
        self, request: internal_pb.StartBackfillRequest, context: Context
    ) -> internal_pb.StartBackfillResponse:
        """Begins a backfill."""
        await _answer(self._endpoint.backfill(request), context)
        return internal_pb.StartBackfillResponse()

    async def ReportRuns(
        self, request: internal_pb.ReportRunsRequest, context: Context
    ) -> internal_pb.ReportRunsResponse:
        """Takes in reports."""
        return await _answer(self._endpoint.report(request), context)

    async def DescribeScheduler(
        self, request: internal_pb.DescribeSchedulerRequest, context: Context
    ) -> internal_pb.DescribeSchedulerResponse:
        """Tells of the scheduler and its workers."""
        return await _answer(self._endpoint.describe(), context)

    async def StopWorker(
        self, request: internal_pb.StopWorkerRequest, context: Context
    ) -> internal_pb.StopWorkerResponse:
        """Tells a worker to stop."""
        return await _answer(self._endpoint.stop_worker(request.worker_id), context)


Adder = Callable[[grpc.aio.Server], None]


def scheduler_services(fleet: Fleet, endpoint: SchedulerEndpoint) -> tuple[tuple[str, Adder], ...]:
    """Both services: their full names, and what adds each to a server."""
    workers, owners = SchedulerServicer(fleet), OwnerServicer(endpoint)
    return (
        (
            pb.DESCRIPTOR.services_by_name["SchedulerService"].full_name,
            lambda server: scheduler_service_pb2_grpc.add_SchedulerServiceServicer_to_server(
                workers, server
            ),
        ),
        (
            internal_pb.DESCRIPTOR.services_by_name["OwnerService"].full_name,
            lambda server: owner_service_pb2_grpc.add_OwnerServiceServicer_to_server(
                owners, server
            ),
        ),
    )


async def _answer(call: Awaitable[T], context: Context) -> T:
    """An answer, or the domain's error in the trailing metadata (see owner.refusals)."""
    try:
        return await call
    except TickwheelError as error:
        refusal = ((METADATA, refusal_of(error).SerializeToString()),)
        await context.abort(grpc.StatusCode.ABORTED, error.message, refusal)
        raise
