"""ListRuns."""

from dataclasses import dataclass

from tickwheel.server.api.commands.list_runs import ListRuns
from tickwheel.server.api.filter import run_filter
from tickwheel.server.api.page_token import TokenScope
from tickwheel.server.api.paging import clamp_page_size, page_count
from tickwheel.server.api.resource_names import job_name
from tickwheel.server.api.room import Held
from tickwheel.server.api.rules import check
from tickwheel.server.convert.run import run_message
from tickwheel.v1 import job_service_pb2


@dataclass(frozen=True, slots=True)
class ListRunsHandler:
    """Serves JobService.ListRuns."""

    command: ListRuns

    async def __call__(
        self, request: job_service_pb2.ListRunsRequest, held: Held
    ) -> job_service_pb2.ListRunsResponse:
        """Answers with one page."""
        clamp_page_size(request)
        check(request)
        wanted = run_filter(request.filter)
        scope = TokenScope("runs", request.parent, request.filter)
        cursor = scope.decode(request.page_token)
        with scope.refusing(request.page_token):
            page = await self.command.run(
                job_name(request.parent), wanted, cursor, page_count(request.page_size), held
            )
        return job_service_pb2.ListRunsResponse(
            runs=(run_message(run) for run in page.items),
            next_page_token="" if page.cursor is None else scope.encode(page.cursor),
        )
