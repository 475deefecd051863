"""BatchCreateJobs."""

from collections.abc import Sequence
from dataclasses import dataclass

from tickwheel.server.api.answers import Answers
from tickwheel.server.api.commands.batch_create_jobs import BatchCreateJobs, Item
from tickwheel.server.api.errors import invalid, status_of
from tickwheel.server.api.plain import is_plain
from tickwheel.server.api.resource_names import user_of
from tickwheel.server.api.rules import check
from tickwheel.server.domain.errors import InvalidInput
from tickwheel.v1 import errors_pb2, job_service_pb2

#: What an answer adds to a job at most, its framing included, in bytes: names, times, defaults; and
#: what an error has beyond its item, where it is found later.
_ADDED_BYTES = 1_024
#: An error is never larger.
_ERROR_BYTES = 4_096


@dataclass(frozen=True, slots=True)
class BatchCreateJobsHandler:
    """Serves JobService.BatchCreateJobs."""

    command: BatchCreateJobs
    answers: Answers
    #: Of the answer, in bytes.
    max_bytes: int

    async def __call__(
        self, request: job_service_pb2.BatchCreateJobsRequest
    ) -> job_service_pb2.BatchCreateJobsResponse:
        """Answers with one result for each item."""
        check(request)
        items = [_item(request.parent, index, item) for index, item in enumerate(request.requests)]
        _check_answer(request, items, self.max_bytes)
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


def _check_answer(
    request: job_service_pb2.BatchCreateJobsRequest, items: Sequence[Item], most: int
) -> None:
    """Refuses a batch whose answer would be too large to be sent: what is stored has to be told.

    Raises:
        InvalidInput: names `requests`.
    """
    if request.ByteSize() + len(items) * _ERROR_BYTES <= most:
        return
    size = sum(
        status_of(item).ByteSize() if isinstance(item, Exception) else item.ByteSize()
        for item in items
    )
    size += len(items) * _ADDED_BYTES
    if size > most:
        raise invalid(
            errors_pb2.BATCH_TOO_LARGE,
            "requests",
            f"their answer would have up to {size:,} bytes, with the jobs as they are stored; at "
            f"most {most:,} can be sent, so ask for fewer at once",
        )
