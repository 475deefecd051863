"""CancelRun."""

from dataclasses import dataclass

from tickwheel.server.api.commands.cancel_run import CancelRun
from tickwheel.server.api.resource_names import run_name
from tickwheel.server.api.rules import check
from tickwheel.v1 import job_service_pb2, run_pb2


@dataclass(frozen=True, slots=True)
class CancelRunHandler:
    """Serves JobService.CancelRun."""

    command: CancelRun

    async def __call__(self, request: job_service_pb2.CancelRunRequest) -> run_pb2.Run:
        """Answers with the run as it is stored."""
        check(request)
        return await self.command.run(run_name(request.name), request.reason)
