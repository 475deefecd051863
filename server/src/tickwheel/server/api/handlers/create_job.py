"""CreateJob."""

from dataclasses import dataclass

from tickwheel.server.api.answers import Answers
from tickwheel.server.api.commands.create_job import CreateJob
from tickwheel.server.api.plain import is_plain
from tickwheel.server.api.resource_names import user_of
from tickwheel.server.api.rules import check
from tickwheel.v1 import job_pb2, job_service_pb2


@dataclass(frozen=True, slots=True)
class CreateJobHandler:
    """Serves JobService.CreateJob."""

    command: CreateJob
    answers: Answers

    async def __call__(self, request: job_service_pb2.CreateJobRequest) -> job_pb2.Job:
        """Answers with the job as it is stored."""
        if not is_plain(request):
            check(request)
        job = await self.command.run(user_of(request.parent), request)
        return await self.answers.alone(job)
