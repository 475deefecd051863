"""DeleteJob."""

from dataclasses import dataclass

from google.protobuf import empty_pb2

from tickwheel.server.api.commands.delete_job import DeleteJob
from tickwheel.server.api.resource_names import job_name
from tickwheel.server.api.rules import check
from tickwheel.v1 import job_service_pb2


@dataclass(frozen=True, slots=True)
class DeleteJobHandler:
    """Serves JobService.DeleteJob."""

    command: DeleteJob

    async def __call__(
        self, request: job_service_pb2.DeleteJobRequest, actor: str
    ) -> empty_pb2.Empty:
        """Answers once the job cannot fire any more."""
        check(request)
        await self.command.run(job_name(request.name), request.etag, actor)
        return empty_pb2.Empty()
