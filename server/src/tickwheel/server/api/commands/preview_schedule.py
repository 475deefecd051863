"""PreviewSchedule."""

from dataclasses import dataclass

from tickwheel.server.api.errors import invalid, schedule_invalid
from tickwheel.server.convert.schedule import compiled, schedule_spec
from tickwheel.server.schedule import ScheduleError, preview
from tickwheel.v1 import errors_pb2, schedule_pb2

_PATH = "schedule"


@dataclass(frozen=True, slots=True)
class Previewed:
    """The occurrences of a schedule, and what is to be said about them."""

    times_ms: tuple[int, ...]
    notes: tuple[str, ...]
    description: str


class PreviewSchedule:
    """Computes occurrences; stores nothing."""

    def run(
        self, message: schedule_pb2.Schedule, after_ms: int, anchor_ms: int, count: int
    ) -> Previewed:
        """The occurrences strictly after an instant, at most `count`.

        Args:
            message: the schedule.
            after_ms: the instant.
            anchor_ms: what is counted from where the schedule names neither anchor nor start.
            count: 1 to 1,000.

        Raises:
            InvalidInput: the schedule is missing or wrong.
        """
        if message.WhichOneof("form") is None:
            raise invalid(
                errors_pb2.SCHEDULE_MISSING,
                _PATH,
                "needs one of at, cron, every, iso8601, rrule, anyOf",
            )
        try:
            schedule = compiled(schedule_spec(message), anchor_ms)
        except ScheduleError as error:
            raise schedule_invalid(error, _PATH) from error
        found = preview(schedule, after_ms, count)
        return Previewed(found.times_ms, found.notes, schedule.describe())
