"""Records of occurrences that do not run; adjacent ones share one. Pure."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import islice

from tickwheel.server.domain.names import backfill_run_id, instant_id
from tickwheel.server.domain.run import Run, RunState, Trigger
from tickwheel.server.schedule import Schedule
from tickwheel.server.scheduler.live import Cursor
from tickwheel.server.scheduler.terms import retention_ms

#: Longer stretches are not gone through to find out of which schedule they are.
_MOST_COUNTED = 10_000


def derived_run_id(cursor: Cursor, nominal_ms: int) -> str:
    """The id of a cursor's run at an instant."""
    if cursor.backfill_id:
        return backfill_run_id(nominal_ms, cursor.backfill_id)
    return instant_id(nominal_ms)


def skipped_run(
    cursor: Cursor, due_ms: int, now_ms: int, reason: int, blocking: str, segment: int, epoch: int
) -> Run:
    """The record of the occurrence at the cursor.

    Args:
        cursor: stands at the occurrence.
        due_ms: when that came due.
        now_ms: the present.
        reason: a number of tickwheel.v1.SkipReason.
        blocking: the run because of which it does not run, if there is one.
        segment: the job's.
        epoch: the owner's.
    """
    nominal_ms = cursor.next_ms or 0
    return Run(
        user=cursor.job.user,
        job_id=cursor.job.job_id,
        job_uid=cursor.job.uid,
        run_id=derived_run_id(cursor, nominal_ms),
        segment=segment,
        state=RunState.SKIPPED,
        trigger=Trigger.BACKFILL if cursor.backfill_id else Trigger.SCHEDULE,
        schedule_ms=nominal_ms,
        due_ms=due_ms,
        update_ms=now_ms,
        create_ms=now_ms,
        end_ms=now_ms,
        epoch=epoch,
        skip_reason=reason,
        skipped_count=1,
        first_schedule_ms=nominal_ms,
        last_schedule_ms=nominal_ms,
        retention_ms=retention_ms(cursor.job.spec),
        backfill_id=cursor.backfill_id,
        detail=cursor.detail,
        blocking_run=blocking,
    )


def longer(stretch: Run, nominal_ms: int, now_ms: int) -> Run:
    """The same record, for one more occurrence."""
    return replace(
        stretch,
        revision=stretch.revision + 1,
        update_ms=now_ms,
        end_ms=now_ms,
        skipped_count=stretch.skipped_count + 1,
        last_schedule_ms=nominal_ms,
    )


def schedules_of(
    first_ms: int, last_ms: int, count: int, schedules: Iterable[Schedule]
) -> list[Schedule]:
    """Those of a job's schedules of which a stretch may be, as far as that can be told.

    All that are returned are of its first occurrence. One alone is where no other one has that, or
    as many occurrences up to the last, or where those that do have the same.

    Args:
        first_ms: the first occurrence that it stands for.
        last_ms: the last one.
        count: how many it stands for.
        schedules: the job's.
    """
    able = [one for one in schedules if one.occurs_at(first_ms)]
    if len(able) <= 1 or count > _MOST_COUNTED:
        return able
    fitting: dict[tuple[int, ...], Schedule] = {}
    for one in able:
        within = tuple(islice(one.between(first_ms, last_ms + 1), count + 1))
        if len(within) == count and within[-1] == last_ms:
            fitting.setdefault(within, one)
    return list(fitting.values()) or able
