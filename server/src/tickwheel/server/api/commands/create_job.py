"""CreateJob."""

from dataclasses import dataclass

from tickwheel.server.api.commands.creation import Creation
from tickwheel.server.domain.errors import TickwheelError
from tickwheel.server.domain.job import Job
from tickwheel.v1 import job_service_pb2


@dataclass(frozen=True, slots=True)
class CreateJob:
    """Creates one job, or says what it would be."""

    creation: Creation

    async def run(self, user: str, request: job_service_pb2.CreateJobRequest) -> Job:
        """Returns the job once it is stored for good.

        Raises:
            InvalidInput: names the field.
            JobAlreadyExists: the chosen id is taken.
            RequestIdReused: the request_id came before with other content.
        """
        new = self.creation.prepare(user, request, await self.creation.segments.count())
        if request.validate_only:
            return await self.creation.rehearse(new)
        (result,) = await self.creation.store_all([new])
        if isinstance(result, TickwheelError):
            raise result
        return result
