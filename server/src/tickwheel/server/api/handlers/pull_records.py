"""PullRecords."""

from dataclasses import dataclass

from tickwheel.server.api.errors import EngineUnsupported
from tickwheel.server.api.records import Records
from tickwheel.server.api.rules import check
from tickwheel.v1 import executor_service_pb2


@dataclass(frozen=True, slots=True)
class PullRecordsHandler:
    """Serves ExecutorService.PullRecords."""

    #: None where the log is Kafka.
    records: Records | None

    async def __call__(
        self, request: executor_service_pb2.PullRecordsRequest
    ) -> executor_service_pb2.PullRecordsResponse:
        """Answers with records, at once or as soon as there are any."""
        if self.records is None:
            raise EngineUnsupported("the log is Kafka: consume the topic there")
        check(request)
        return await self.records.pull(request)
