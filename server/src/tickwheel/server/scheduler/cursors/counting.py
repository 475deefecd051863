"""How many occurrences of a job count towards `maxRuns`, where that has to be worked out anew."""

from collections.abc import Callable, Mapping

from tickwheel.server.domain.course import FOR_EVER_MS, Era, count_before, is_within
from tickwheel.server.domain.job import Job
from tickwheel.server.domain.occurrence import KEEP_ORDINAL
from tickwheel.server.schedule import Schedule
from tickwheel.server.scheduler.live import Cursor


def counted_before(
    generation: int,
    past: Mapping[int, Era],
    schedule: Schedule,
    compile_schedule: Callable[[Job], Schedule],
) -> int:
    """What counts before a generation, `maxRuns` at most.

    KEEP_ORDINAL where that is no matter, or cannot be known.
    """
    most = schedule.spec.max_runs
    is_known = generation == 1 or generation - 1 in past
    if not most or not is_known:
        return KEEP_ORDINAL
    return count_before(past, generation, most, compile_schedule)


def is_count_known(cursor: Cursor) -> bool:
    """Whether a cursor's count is that of what came due; see `counted_before`.

    One that has come to `maxRuns` may have begun there: then more had counted before.
    """
    return cursor.ordinal >= 0 and not cursor.is_counted_out


def passed_after_end(cursor: Cursor, from_ms: int) -> int:
    """How many occurrences were counted that, as is known now, came due after the schedule's end.

    They were fired before the owner heard of the change; the count is that of what was to be.

    Args:
        cursor: of the schedule.
        from_ms: what is nominally before is none of the schedule's, though its jitter may carry it
            beyond the end.
    """
    schedule = cursor.schedule
    count = 0
    nominal = schedule.next_after(max(from_ms, cursor.until_ms - schedule.spec.jitter_ms) - 1)
    while nominal is not None and nominal <= cursor.passed_ms:
        due_ms = schedule.due(nominal, salt=cursor.job.uid)
        count += due_ms > cursor.until_ms and not is_within(cursor.pauses, due_ms)
        nominal = schedule.next_after(nominal)
    return count


def ordinal_at_end(cursor: Cursor) -> int:
    """What a former schedule's cursor will have counted when it comes to its end."""
    schedule = cursor.schedule
    most = schedule.spec.max_runs or FOR_EVER_MS
    nominal, ordinal = cursor.next_ms, cursor.ordinal
    while nominal is not None and ordinal < most:
        due_ms = schedule.due(nominal, salt=cursor.job.uid)
        if due_ms > cursor.until_ms:
            break
        ordinal += not is_within(cursor.pauses, due_ms)
        nominal = schedule.next_after(nominal)
    return ordinal
