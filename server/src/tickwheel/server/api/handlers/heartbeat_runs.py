"""HeartbeatRuns."""

from dataclasses import dataclass

from tickwheel.internal.v1 import owner_service_pb2
from tickwheel.server.api.commands.report_runs import Item, ReportRuns
from tickwheel.server.api.errors import status_of
from tickwheel.server.api.rules import check
from tickwheel.server.domain.errors import InvalidInput
from tickwheel.v1 import executor_service_pb2


@dataclass(frozen=True, slots=True)
class HeartbeatRunsHandler:
    """Serves ExecutorService.HeartbeatRuns."""

    command: ReportRuns

    async def __call__(
        self, request: executor_service_pb2.HeartbeatRunsRequest
    ) -> executor_service_pb2.HeartbeatRunsResponse:
        """Answers with one result for each item."""
        check(request)
        items = [_item(index, run, request.executor) for index, run in enumerate(request.runs)]
        response = executor_service_pb2.HeartbeatRunsResponse()
        for answer in await self.command.run(items):
            result = response.results.add()
            if isinstance(answer, Exception):
                result.error.CopyFrom(status_of(answer))
            else:
                result.cancel_requested = answer.cancel_requested
        return response


def _item(index: int, run: executor_service_pb2.HeartbeatRun, executor: str) -> Item:
    try:
        check(run, f"runs[{index}].")
    except InvalidInput as error:
        return error
    return owner_service_pb2.RunReport(heartbeat=run, executor=executor)
