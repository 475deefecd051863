"""RetryRun."""

from dataclasses import dataclass

from tickwheel.server.api.commands.retry_run import RetryRun
from tickwheel.server.api.resource_names import run_name
from tickwheel.server.api.rules import check
from tickwheel.v1 import job_service_pb2, run_pb2


@dataclass(frozen=True, slots=True)
class RetryRunHandler:
    """Serves JobService.RetryRun."""

    command: RetryRun

    async def __call__(self, request: job_service_pb2.RetryRunRequest) -> run_pb2.Run:
        """Answers with the new run as it is stored."""
        check(request)
        return await self.command.run(run_name(request.name), request.request_id)
