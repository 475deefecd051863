"""BatchCreateJobs."""

from dataclasses import dataclass

from tickwheel.server.api.answers import Answers
from tickwheel.server.api.commands.batch_create_jobs import BatchCreateJobs, Item
from tickwheel.server.api.errors import invalid, status_of
from tickwheel.server.api.plain import is_plain
from tickwheel.server.api.resource_names import user_of
from tickwheel.server.api.rules import check
from tickwheel.server.domain.errors import InvalidInput
from tickwheel.v1 import errors_pb2, job_service_pb2


@dataclass(frozen=True, slots=True)
class BatchCreateJobsHandler:
    """Serves JobService.BatchCreateJobs."""

    command: BatchCreateJobs
    answers: Answers

    async def __call__(
        self, request: job_service_pb2.BatchCreateJobsRequest
    ) -> job_service_pb2.BatchCreateJobsResponse:
        """Answers with one result for each item."""
        check(request)
        items = [_item(request.parent, index, item) for index, item in enumerate(request.requests)]
        response = job_service_pb2.BatchCreateJobsResponse()
        for result in await self.command.run(user_of(request.parent), items):
            if isinstance(result, Exception):
                response.results.add(error=status_of(result))
            else:
                self.answers.put_among_many(result, response.results.add().job)
        return response


def _item(parent: str, index: int, item: job_service_pb2.CreateJobRequest) -> Item:
    if not item.parent:
        item.parent = parent
    try:
        if not is_plain(item):
            check(item, f"requests[{index}].")
        if item.parent != parent:
            raise invalid(
                errors_pb2.CONFLICTING_FIELDS,
                f"requests[{index}].parent",
                f"must be empty or that of the batch, {parent}",
            )
    except InvalidInput as error:
        return error
    return item
