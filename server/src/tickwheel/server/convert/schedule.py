"""Schedules: from the contract's message to what can be computed with."""

from functools import lru_cache

from google.protobuf import timestamp_pb2

from tickwheel.server.convert.instants import duration_ms, duration_ns, is_usable, timestamp_ms
from tickwheel.server.domain.job import Job
from tickwheel.server.schedule import (
    DstGap,
    DstOverlap,
    Schedule,
    ScheduleError,
    ScheduleErrorReason,
    ScheduleSpec,
    compile_schedule,
)
from tickwheel.v1 import job_pb2, schedule_pb2

_GAPS = {
    schedule_pb2.DST_GAP_NEXT_VALID: DstGap.NEXT_VALID,
    schedule_pb2.DST_GAP_SKIP: DstGap.SKIP,
    schedule_pb2.DST_GAP_SAME_OFFSET: DstGap.SAME_OFFSET,
}
_OVERLAPS = {
    schedule_pb2.DST_OVERLAP_FIRST: DstOverlap.FIRST,
    schedule_pb2.DST_OVERLAP_SECOND: DstOverlap.SECOND,
    schedule_pb2.DST_OVERLAP_BOTH: DstOverlap.BOTH,
}


def schedule_of(job: Job) -> Schedule:
    """The compiled schedule of a job, for everything that computes its occurrences.

    Raises:
        ScheduleError: the stored schedule cannot be used any more.
    """
    return schedule_from_spec(job.spec, job.create_ms)


def schedule_from_spec(spec: job_pb2.Job, anchor_ms: int) -> Schedule:
    """Compiles the schedule of a job's message.

    Args:
        spec: the job; only its schedule is looked at.
        anchor_ms: what `every` and `rrule` are counted from where the schedule names neither
            anchor nor start: the job's create_ms, also after the schedule has been changed.

    Raises:
        ScheduleError: its field is relative to the schedule.
    """
    at_ms = plain_at_ms(spec.schedule)
    return compiled(schedule_spec(spec.schedule), anchor_ms) if at_ms is None else _once(at_ms)


def compiled(spec: ScheduleSpec, anchor_ms: int) -> Schedule:
    """Compiles, or takes what was compiled before: recurring jobs share few expressions.

    Raises:
        ScheduleError: the schedule cannot be used.
    """
    if spec.at_ms is not None:
        return compile_schedule(spec, anchor_ms=anchor_ms)
    if spec.cron is not None and spec.anchor_ms is None:
        # A cron expression is not counted from anywhere: one compilation serves all jobs.
        anchor_ms = 0
    schedule = _shared(spec, anchor_ms)
    if not schedule.is_current:
        # There are new time-zone data.
        _shared.cache_clear()
        schedule = _shared(spec, anchor_ms)
    return schedule


@lru_cache(maxsize=4096)
def _shared(spec: ScheduleSpec, anchor_ms: int) -> Schedule:
    return compile_schedule(spec, anchor_ms=anchor_ms)


@lru_cache(maxsize=4096)
def _once(at_ms: int) -> Schedule:
    # The jobs of a burst have one instant, and no time-zone data can change it.
    spec = ScheduleSpec(
        at_ms=at_ms,
        time_zone="UTC",
        dst_gap=DstGap.NEXT_VALID,
        dst_overlap=DstOverlap.FIRST,
    )
    return compile_schedule(spec, anchor_ms=at_ms)


def plain_at_ms(schedule: schedule_pb2.Schedule) -> int | None:
    """The instant of a schedule that is `at` and nothing else; None for any other.

    Such a schedule needs no compilation, and most jobs of a large batch have one.
    """
    fields = schedule.ListFields()
    if len(fields) == 1 and fields[0][0].name == "at" and is_usable(schedule.at):
        return timestamp_ms(schedule.at)
    return None


def schedule_spec(message: schedule_pb2.Schedule, path: str = "") -> ScheduleSpec:
    """The schedule as the schedule package wants it, with absent settings at their defaults.

    Two messages that mean the same thing give equal specs.

    Args:
        message: the schedule.
        path: where it stands within the outermost schedule; ends with a dot, or is empty.

    Raises:
        ScheduleError: an instant is outside of what can be represented.
    """
    form = message.WhichOneof("form")
    any_of = None
    if form == "any_of":
        any_of = tuple(
            schedule_spec(member, f"{path}anyOf.schedules[{index}].")
            for index, member in enumerate(message.any_of.schedules)
        )
    return ScheduleSpec(
        at_ms=_instant(message.at, f"{path}at") if form == "at" else None,
        cron=message.cron if form == "cron" else None,
        every_ns=duration_ns(message.every) if form == "every" else None,
        iso8601=message.iso8601 if form == "iso8601" else None,
        rrule=message.rrule if form == "rrule" else None,
        any_of=any_of,
        time_zone=message.time_zone if path else message.time_zone or "UTC",
        start_ms=_optional(message, "start_time", f"{path}startTime"),
        end_ms=_optional(message, "end_time", f"{path}endTime"),
        max_runs=message.max_runs,
        jitter_ms=duration_ms(message.jitter) if message.HasField("jitter") else 0,
        excludes=tuple(message.excludes),
        anchor_ms=_optional(message, "anchor", f"{path}anchor"),
        # A member of anyOf that says nothing goes by the whole.
        dst_gap=_GAPS.get(message.dst_gap, None if path else DstGap.NEXT_VALID),
        dst_overlap=_OVERLAPS.get(message.dst_overlap, None if path else DstOverlap.FIRST),
    )


def _optional(message: schedule_pb2.Schedule, name: str, path: str) -> int | None:
    if not message.HasField(name):
        return None
    return _instant(getattr(message, name), path)


def _instant(instant: timestamp_pb2.Timestamp, path: str) -> int:
    if not is_usable(instant):
        raise ScheduleError(
            ScheduleErrorReason.SCHEDULE_INVALID, path, "the year must be from 1900 to 9999"
        )
    return timestamp_ms(instant)
