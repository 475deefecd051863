"""StartRuns."""

from dataclasses import dataclass

from tickwheel.internal.v1 import owner_service_pb2
from tickwheel.server.api.commands.report_runs import Item, ReportRuns
from tickwheel.server.api.errors import status_of
from tickwheel.server.api.rules import check
from tickwheel.server.domain.errors import InvalidInput
from tickwheel.server.domain.report import HEARTBEAT_MS
from tickwheel.v1 import executor_service_pb2


@dataclass(frozen=True, slots=True)
class StartRunsHandler:
    """Serves ExecutorService.StartRuns."""

    command: ReportRuns

    async def __call__(
        self, request: executor_service_pb2.StartRunsRequest
    ) -> executor_service_pb2.StartRunsResponse:
        """Answers with one result for each item."""
        check(request)
        items = [_item(index, run, request.executor) for index, run in enumerate(request.runs)]
        response = executor_service_pb2.StartRunsResponse()
        for answer in await self.command.run(items):
            result = response.results.add()
            if isinstance(answer, Exception):
                result.error.CopyFrom(status_of(answer))
                continue
            if answer.timeout_ms:
                result.timeout_time.FromMilliseconds(answer.timeout_ms)
            result.heartbeat_interval.FromMilliseconds(HEARTBEAT_MS)
            result.cancel_requested = answer.cancel_requested
        return response


def _item(index: int, run: executor_service_pb2.StartRun, executor: str) -> Item:
    try:
        check(run, f"runs[{index}].")
    except InvalidInput as error:
        return error
    return owner_service_pb2.RunReport(start=run, executor=executor)
