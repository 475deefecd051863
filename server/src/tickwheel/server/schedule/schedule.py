"""Provisional: at, every and five-field cron behind the final interface."""

import zoneinfo
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from cronsim import CronSim, CronSimError

from tickwheel.server.schedule.errors import ScheduleError, ScheduleErrorReason
from tickwheel.server.schedule.spec import ScheduleSpec

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Schedule:
    """A compiled schedule: immutable, safe to share among threads."""

    def __init__(self, spec: ScheduleSpec, anchor_ms: int) -> None:
        self.spec = spec
        self.is_recurring = spec.at_ms is None
        self._anchor_ms = anchor_ms
        self._zone = zoneinfo.ZoneInfo(spec.time_zone or "UTC")

    def next_after(self, after_ms: int) -> int | None:
        """The first nominal occurrence strictly after `after_ms`; None when there is none."""
        spec = self.spec
        if spec.start_ms is not None:
            after_ms = max(after_ms, spec.start_ms - 1)
        if spec.at_ms is not None:
            found = spec.at_ms if spec.at_ms > after_ms else None
        elif spec.every_ms is not None:
            steps = (after_ms - self._anchor_ms) // spec.every_ms + 1
            found = self._anchor_ms + steps * spec.every_ms
        else:
            moment = (_EPOCH + timedelta(milliseconds=after_ms)).astimezone(self._zone)
            found = round(next(CronSim(spec.cron or "", moment)).timestamp() * 1000)
        if found is None or (spec.end_ms is not None and found >= spec.end_ms):
            return None
        return found

    def between(self, start_ms: int, end_ms: int) -> Iterator[int]:
        """The occurrences from `start_ms` (inclusive) to `end_ms` (exclusive), lazily."""
        at = self.next_after(start_ms - 1)
        while at is not None and at < end_ms:
            yield at
            at = self.next_after(at)

    def due(self, nominal_ms: int, *, salt: str) -> int:
        """When the occurrence is due: its nominal instant plus the jitter."""
        return nominal_ms

    def notes(self, start_ms: int, end_ms: int) -> list[str]:
        """What is remarkable between the two instants, in words."""
        return []

    def describe(self) -> str:
        """The schedule in words."""
        spec = self.spec
        return f"cron {spec.cron}" if spec.cron else f"every {spec.every_ms} ms"


def compile_schedule(spec: ScheduleSpec, *, anchor_ms: int) -> Schedule:
    """Compiles a schedule; `anchor_ms` is counted from where the spec names nothing else.

    Raises:
        ScheduleError: the schedule cannot be used.
    """
    forms = {
        "at": spec.at_ms,
        "cron": spec.cron,
        "every": spec.every_ms,
        "iso8601": spec.iso8601,
        "rrule": spec.rrule,
        "anyOf": spec.any_of,
    }
    given = [name for name, value in forms.items() if value is not None]
    if not given:
        raise ScheduleError(
            ScheduleErrorReason.SCHEDULE_MISSING, "", "the schedule says nothing: set one of at, cron, every"
        )
    if len(given) > 1:
        raise ScheduleError(
            ScheduleErrorReason.CONFLICTING_FIELDS, given[1], f"{' and '.join(given)} are both set"
        )
    if given[0] in ("iso8601", "rrule", "anyOf"):
        raise ScheduleError(
            ScheduleErrorReason.SCHEDULE_INVALID, given[0], f"{given[0]} is not built yet"
        )
    try:
        zoneinfo.ZoneInfo(spec.time_zone or "UTC")
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ScheduleError(
            ScheduleErrorReason.TIME_ZONE_UNKNOWN, "timeZone", f"no zone {spec.time_zone!r}"
        ) from error
    if spec.every_ms is not None and spec.every_ms < 1000:
        raise ScheduleError(
            ScheduleErrorReason.PERIOD_TOO_SHORT, "every", "the smallest period is 1 s"
        )
    if spec.cron is not None:
        try:
            CronSim(spec.cron, _EPOCH)
        except CronSimError as error:
            raise ScheduleError(ScheduleErrorReason.CRON_INVALID, "cron", str(error)) from error
    first = [spec.anchor_ms, spec.start_ms, anchor_ms]
    return Schedule(spec, next(at for at in first if at is not None))
