"""ListJobs."""

from dataclasses import dataclass

from tickwheel.server.api.answers import Answers
from tickwheel.server.api.commands.list_jobs import ListJobs
from tickwheel.server.api.filter import job_filter
from tickwheel.server.api.page_token import TokenScope
from tickwheel.server.api.paging import clamp_page_size, page_count
from tickwheel.server.api.resource_names import user_of
from tickwheel.server.api.room import Held
from tickwheel.server.api.rules import check
from tickwheel.v1 import job_service_pb2


@dataclass(frozen=True, slots=True)
class ListJobsHandler:
    """Serves JobService.ListJobs."""

    command: ListJobs
    answers: Answers

    async def __call__(
        self, request: job_service_pb2.ListJobsRequest, held: Held
    ) -> job_service_pb2.ListJobsResponse:
        """Answers with one page."""
        clamp_page_size(request)
        check(request)
        wanted = job_filter(request.filter)
        scope = TokenScope("jobs", request.parent, request.filter)
        cursor = scope.decode(request.page_token)
        with scope.refusing(request.page_token):
            page = await self.command.run(
                user_of(request.parent), wanted, cursor, page_count(request.page_size), held
            )
        response = job_service_pb2.ListJobsResponse(
            next_page_token="" if page.cursor is None else scope.encode(page.cursor)
        )
        for job in page.items:
            self.answers.put_among_many(job, response.jobs.add())
        return response
