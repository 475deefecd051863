"""A scheduler in another process, reached over gRPC."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import grpc
import grpc.aio

from tickwheel.internal.v1 import owner_service_pb2 as pb
from tickwheel.internal.v1 import owner_service_pb2_grpc
from tickwheel.server.domain.errors import SegmentUnowned
from tickwheel.server.owner.refusals import METADATA, error_of
from tickwheel.v1 import run_pb2

#: An owner answers a notice once workers have confirmed, which may take a few seconds.
TIMEOUT_S = 5.0
#: One that hangs must not keep the others from being shown.
DESCRIBE_S = 1.5
T = TypeVar("T")
_NOT_THERE = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)


class RemoteEndpoint:
    """OwnerService at an address."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = owner_service_pb2_grpc.OwnerServiceStub(channel)

    async def notify(self, request: pb.NotifyJobsRequest) -> pb.NotifyJobsResponse:
        """As OwnerService.NotifyJobs."""
        return await _told(self._stub.NotifyJobs(request, timeout=TIMEOUT_S))

    async def trigger(self, request: pb.TriggerRunRequest) -> run_pb2.Run:
        """As OwnerService.TriggerRun."""
        return (await _told(self._stub.TriggerRun(request, timeout=TIMEOUT_S))).run

    async def cancel(self, request: pb.CancelRunRequest) -> run_pb2.Run:
        """As OwnerService.CancelRun."""
        return (await _told(self._stub.CancelRun(request, timeout=TIMEOUT_S))).run

    async def backfill(self, request: pb.StartBackfillRequest) -> None:
        """As OwnerService.StartBackfill."""
        await _told(self._stub.StartBackfill(request, timeout=TIMEOUT_S))

    async def report(self, request: pb.ReportRunsRequest) -> pb.ReportRunsResponse:
        """As OwnerService.ReportRuns."""
        return await _told(self._stub.ReportRuns(request, timeout=TIMEOUT_S))

    async def describe(self) -> pb.DescribeSchedulerResponse:
        """As OwnerService.DescribeScheduler."""
        request = pb.DescribeSchedulerRequest()
        return await _told(self._stub.DescribeScheduler(request, timeout=DESCRIBE_S))

    async def stop_worker(self, worker_id: str) -> pb.StopWorkerResponse:
        """As OwnerService.StopWorker."""
        request = pb.StopWorkerRequest(worker_id=worker_id)
        return await _told(self._stub.StopWorker(request, timeout=DESCRIBE_S))


class RemoteOwners:
    """One channel to each scheduler, kept open."""

    def __init__(self, interceptors: Callable[[str], Sequence[grpc.aio.ClientInterceptor]]) -> None:
        """Opens none yet; `interceptors` gives what goes around each call to an address."""
        self._interceptors = interceptors
        self._channels: dict[str, grpc.aio.Channel] = {}

    def dial(self, address: str) -> RemoteEndpoint:
        """The scheduler at `host:port`."""
        channel = self._channels.get(address)
        if channel is None:
            channel = self._channels[address] = grpc.aio.insecure_channel(
                address, interceptors=list(self._interceptors(address))
            )
        return RemoteEndpoint(channel)

    async def close(self) -> None:
        """Closes all channels."""
        for channel in self._channels.values():
            await channel.close()
        self._channels.clear()


async def _told(call: Awaitable[T]) -> T:
    """The answer of an owner, or the domain's error that it was refused with."""
    try:
        return await call
    except grpc.aio.AioRpcError as error:
        raise _as_domain_error(error) from error


def _as_domain_error(error: grpc.aio.AioRpcError) -> Exception:
    for name, value in error.trailing_metadata() or ():
        if name == METADATA and isinstance(value, bytes):
            return error_of(pb.ReportRefusal.FromString(value))
    if error.code() in _NOT_THERE:
        return SegmentUnowned(f"the owner does not answer: {error.details()}")
    if error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED:
        return SegmentUnowned(f"the owner has too much to do: {error.details()}")
    return error
