"""GetRun."""

from dataclasses import dataclass

from tickwheel.server.api.commands.get_run import GetRun
from tickwheel.server.api.resource_names import run_name
from tickwheel.server.api.rules import check
from tickwheel.server.convert.run import run_message
from tickwheel.v1 import job_service_pb2, run_pb2


@dataclass(frozen=True, slots=True)
class GetRunHandler:
    """Serves JobService.GetRun."""

    command: GetRun

    async def __call__(self, request: job_service_pb2.GetRunRequest) -> run_pb2.Run:
        """Answers with the run in its present state."""
        check(request)
        return run_message(await self.command.run(run_name(request.name)))
