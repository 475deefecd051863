"""The embedded log as the api sees it."""

from typing import Protocol

from tickwheel.v1 import executor_service_pb2


class Records(Protocol):
    """Serves the records of the embedded log; requests obey the contract's rules."""

    async def pull(
        self, request: executor_service_pb2.PullRecordsRequest
    ) -> executor_service_pb2.PullRecordsResponse:
        """Hands out records, and waits for them where the request asks for that.

        Raises:
            InvalidInput: there can be no such topic.
            LogUnavailable: the log does not answer.
        """
        ...

    async def ack(
        self, request: executor_service_pb2.AckRecordsRequest
    ) -> executor_service_pb2.AckRecordsResponse:
        """Acknowledges records.

        Raises:
            InvalidInput: there can be no such topic.
            LogUnavailable: the log does not answer.
        """
        ...

    def stop(self) -> None:
        """Has waiting pulls answer at once, now and later."""
        ...
