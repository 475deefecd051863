"""ResumeJob."""

from dataclasses import dataclass

from tickwheel.server.api.answers import Answers
from tickwheel.server.api.commands.resume_job import ResumeJob
from tickwheel.server.api.resource_names import job_name
from tickwheel.server.api.rules import check
from tickwheel.v1 import job_pb2, job_service_pb2


@dataclass(frozen=True, slots=True)
class ResumeJobHandler:
    """Serves JobService.ResumeJob."""

    command: ResumeJob
    answers: Answers

    async def __call__(self, request: job_service_pb2.ResumeJobRequest, actor: str) -> job_pb2.Job:
        """Answers with the active job."""
        check(request)
        job = await self.command.run(job_name(request.name), request.etag, actor)
        return await self.answers.alone(job)
