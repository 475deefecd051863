"""A scheduler in another process, reached over gRPC."""

import grpc
import grpc.aio

from tickwheel.internal.v1 import owner_service_pb2 as pb
from tickwheel.internal.v1 import owner_service_pb2_grpc
from tickwheel.server.domain.errors import SegmentUnowned
from tickwheel.v1 import run_pb2

#: An owner answers a notice once workers have confirmed, which may take a few seconds.
TIMEOUT_S = 5.0
_NOT_THERE = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)


class RemoteEndpoint:
    """OwnerService at an address."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = owner_service_pb2_grpc.OwnerServiceStub(channel)

    async def notify(self, request: pb.NotifyJobsRequest) -> pb.NotifyJobsResponse:
        """As OwnerService.NotifyJobs."""
        try:
            return await self._stub.NotifyJobs(request, timeout=TIMEOUT_S)
        except grpc.aio.AioRpcError as error:
            raise _as_unowned(error) from error

    async def trigger(self, request: pb.TriggerRunRequest) -> run_pb2.Run:
        """As OwnerService.TriggerRun."""
        try:
            response = await self._stub.TriggerRun(request, timeout=TIMEOUT_S)
        except grpc.aio.AioRpcError as error:
            raise _as_unowned(error) from error
        return response.run


class RemoteOwners:
    """One channel to each scheduler, kept open."""

    def __init__(self) -> None:
        self._channels: dict[str, grpc.aio.Channel] = {}

    def dial(self, address: str) -> RemoteEndpoint:
        """The scheduler at `host:port`."""
        channel = self._channels.get(address)
        if channel is None:
            channel = self._channels[address] = grpc.aio.insecure_channel(address)
        return RemoteEndpoint(channel)

    async def close(self) -> None:
        """Closes all channels."""
        for channel in self._channels.values():
            await channel.close()
        self._channels.clear()


def _as_unowned(error: grpc.aio.AioRpcError) -> SegmentUnowned:
    if error.code() in _NOT_THERE:
        return SegmentUnowned(f"the owner does not answer: {error.details()}")
    raise error
