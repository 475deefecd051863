"""AckRecords."""

from dataclasses import dataclass

from tickwheel.server.api.errors import EngineUnsupported
from tickwheel.server.api.records import Records
from tickwheel.server.api.rules import check
from tickwheel.v1 import executor_service_pb2


@dataclass(frozen=True, slots=True)
class AckRecordsHandler:
    """Serves ExecutorService.AckRecords."""

    #: None where the log is Kafka.
    records: Records | None

    async def __call__(
        self, request: executor_service_pb2.AckRecordsRequest
    ) -> executor_service_pb2.AckRecordsResponse:
        """Answers once the records are acknowledged for good."""
        if self.records is None:
            raise EngineUnsupported("the log is Kafka: commit offsets there")
        check(request)
        return await self.records.ack(request)
