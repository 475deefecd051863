"""FinishRuns."""

from dataclasses import dataclass

from tickwheel.internal.v1 import owner_service_pb2
from tickwheel.server.api.commands.report_runs import Item, ReportRuns
from tickwheel.server.api.errors import invalid, status_of
from tickwheel.server.api.rules import check
from tickwheel.server.convert.payload import NotJson
from tickwheel.server.convert.report import result_of
from tickwheel.server.domain.errors import InvalidInput
from tickwheel.v1 import errors_pb2, executor_service_pb2

#: A run's result as compact JSON, in bytes (executor_service.proto).
MAX_RESULT_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class FinishRunsHandler:
    """Serves ExecutorService.FinishRuns."""

    command: ReportRuns

    async def __call__(
        self, request: executor_service_pb2.FinishRunsRequest
    ) -> executor_service_pb2.FinishRunsResponse:
        """Answers with one result for each item."""
        check(request)
        items = [_item(index, run, request.executor) for index, run in enumerate(request.runs)]
        response = executor_service_pb2.FinishRunsResponse()
        for answer in await self.command.run(items):
            result = response.results.add()
            if isinstance(answer, Exception):
                result.error.CopyFrom(status_of(answer))
        return response


def _item(index: int, run: executor_service_pb2.FinishRun, executor: str) -> Item:
    path = f"runs[{index}]."
    try:
        check(run, path)
        _check_result(run, path)
    except InvalidInput as error:
        return error
    return owner_service_pb2.RunReport(finish=run, executor=executor)


def _check_result(run: executor_service_pb2.FinishRun, path: str) -> None:
    if not run.HasField("result"):
        return
    field = f"{path}result"
    try:
        size = len(result_of(run.result))
    except NotJson as error:
        raise invalid(errors_pb2.FIELD_INVALID, field, str(error)) from error
    if size > MAX_RESULT_BYTES:
        raise invalid(
            errors_pb2.RESULT_TOO_LARGE,
            field,
            f"is {size} bytes as compact JSON; at most {MAX_RESULT_BYTES} are kept",
            size=str(size),
            limit=str(MAX_RESULT_BYTES),
        )
