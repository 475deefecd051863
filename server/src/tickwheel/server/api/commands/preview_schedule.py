"""PreviewSchedule."""

from dataclasses import dataclass

from tickwheel.server.api.errors import invalid, schedule_invalid
from tickwheel.server.convert.schedule import compiled, schedule_spec
from tickwheel.server.schedule import Schedule, ScheduleError
from tickwheel.v1 import errors_pb2, schedule_pb2

_PATH = "schedule"


@dataclass(frozen=True, slots=True)
class Preview:
    """The occurrences of a schedule, and what is to be said about them."""

    times_ms: list[int]
    notes: list[str]
    description: str


class PreviewSchedule:
    """Computes occurrences; stores nothing."""

    def run(self, message: schedule_pb2.Schedule, start_ms: int, count: int) -> Preview:
        """The occurrences strictly after `start_ms`, at most `count`.

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
            schedule = compiled(schedule_spec(message), start_ms)
        except ScheduleError as error:
            raise schedule_invalid(error, _PATH) from error
        times = _times(schedule, start_ms, min(count, schedule.spec.max_runs or count))
        notes = schedule.notes(start_ms, times[-1] + 1) if times else _why_none(schedule, start_ms)
        return Preview(times, notes, schedule.describe())


def _times(schedule: Schedule, start_ms: int, count: int) -> list[int]:
    times: list[int] = []
    at: int | None = start_ms
    while len(times) < count:
        at = schedule.next_after(at)
        if at is None:
            break
        times.append(at)
    return times


def _why_none(schedule: Schedule, start_ms: int) -> list[str]:
    at_ms = schedule.spec.at_ms
    if at_ms is not None and at_ms <= start_ms:
        return ["the instant is not after the start; a job created then would be due at once"]
    return ["never fires after the start"]
