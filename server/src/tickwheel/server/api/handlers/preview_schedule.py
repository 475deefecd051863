"""PreviewSchedule."""

from dataclasses import dataclass

from tickwheel.server.api.commands.preview_schedule import PreviewSchedule
from tickwheel.server.api.errors import invalid
from tickwheel.server.api.rules import check
from tickwheel.server.convert.instants import floor_ms, is_usable, timestamp, timestamp_ms
from tickwheel.server.domain.clock import Clock
from tickwheel.v1 import errors_pb2, job_service_pb2

_DEFAULT_COUNT = 10


@dataclass(frozen=True, slots=True)
class PreviewScheduleHandler:
    """Serves JobService.PreviewSchedule."""

    command: PreviewSchedule
    clock: Clock

    async def __call__(
        self, request: job_service_pb2.PreviewScheduleRequest
    ) -> job_service_pb2.PreviewScheduleResponse:
        """Answers with the occurrences."""
        check(request)
        after_ms = anchor_ms = self.clock.now_ms()
        if request.HasField("start_time"):
            if not is_usable(request.start_time):
                raise invalid(
                    errors_pb2.FIELD_INVALID, "startTime", "the year must be from 1900 to 9999"
                )
            anchor_ms = timestamp_ms(request.start_time)
            # Rounded up it would leave out an occurrence that comes less than 1 ms after it.
            after_ms = floor_ms(request.start_time)
        count = request.count if request.HasField("count") else _DEFAULT_COUNT
        preview = self.command.run(request.schedule, after_ms, anchor_ms, count)
        return job_service_pb2.PreviewScheduleResponse(
            times=(timestamp(at_ms) for at_ms in preview.times_ms),
            notes=preview.notes,
            description=preview.description,
        )
