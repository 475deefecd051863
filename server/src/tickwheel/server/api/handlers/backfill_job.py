"""BackfillJob."""

from dataclasses import dataclass

from tickwheel.server.api.commands.backfill_job import BackfillJob
from tickwheel.server.api.resource_names import job_name
from tickwheel.server.api.rules import check
from tickwheel.v1 import job_service_pb2


@dataclass(frozen=True, slots=True)
class BackfillJobHandler:
    """Serves JobService.BackfillJob."""

    command: BackfillJob

    async def __call__(
        self, request: job_service_pb2.BackfillJobRequest
    ) -> job_service_pb2.BackfillJobResponse:
        """Answers once the backfill is stored; it goes on from there."""
        check(request)
        backfill_id, count = await self.command.run(job_name(request.name), request)
        return job_service_pb2.BackfillJobResponse(backfill_id=backfill_id, count=count)
