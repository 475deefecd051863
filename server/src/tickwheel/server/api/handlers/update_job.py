"""UpdateJob."""

from dataclasses import dataclass

from tickwheel.server.api.answers import Answers
from tickwheel.server.api.commands.update_job import UpdateJob
from tickwheel.server.api.field_mask import update_mask
from tickwheel.server.api.resource_names import job_name
from tickwheel.server.api.rules import check
from tickwheel.v1 import job_pb2, job_service_pb2


@dataclass(frozen=True, slots=True)
class UpdateJobHandler:
    """Serves JobService.UpdateJob."""

    command: UpdateJob
    answers: Answers

    async def __call__(self, request: job_service_pb2.UpdateJobRequest, actor: str) -> job_pb2.Job:
        """Answers with the job as it is now."""
        check(request)
        mask = update_mask(request.update_mask, request.job)
        job = await self.command.run(job_name(request.job.name), request.job, mask, actor)
        return await self.answers.alone(job)
