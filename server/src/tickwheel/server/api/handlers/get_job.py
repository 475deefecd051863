"""GetJob."""

from dataclasses import dataclass

from tickwheel.server.api.answers import Answers
from tickwheel.server.api.commands.get_job import GetJob
from tickwheel.server.api.resource_names import job_name
from tickwheel.server.api.rules import check
from tickwheel.v1 import job_pb2, job_service_pb2


@dataclass(frozen=True, slots=True)
class GetJobHandler:
    """Serves JobService.GetJob."""

    command: GetJob
    answers: Answers

    async def __call__(self, request: job_service_pb2.GetJobRequest) -> job_pb2.Job:
        """Answers with the job, its next and its recent runs."""
        check(request)
        job, recent = await self.command.run(job_name(request.name))
        return await self.answers.alone(job, recent)
