"""RunJob."""

from dataclasses import dataclass

from tickwheel.server.api.commands.run_job import RunJob
from tickwheel.server.api.resource_names import job_name
from tickwheel.server.api.rules import check
from tickwheel.v1 import job_service_pb2, run_pb2


@dataclass(frozen=True, slots=True)
class RunJobHandler:
    """Serves JobService.RunJob."""

    command: RunJob

    async def __call__(self, request: job_service_pb2.RunJobRequest) -> run_pb2.Run:
        """Answers with the run as it is stored."""
        check(request)
        return await self.command.run(job_name(request.name), request)
