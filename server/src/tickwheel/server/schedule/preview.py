"""A look at what is to come of a schedule."""

from dataclasses import dataclass

from tickwheel.server.schedule.instants import DAY_S
from tickwheel.server.schedule.notes import dead_members, remarks, why_nothing
from tickwheel.server.schedule.schedule import Schedule

#: Where a schedule ends, what follows its last occurrence is looked at for so long.
_BEYOND_MS = 100 * 365 * DAY_S * 1000


@dataclass(frozen=True, slots=True)
class Preview:
    """The next occurrences (nominal, Unix milliseconds) and what is to be said of them."""

    times_ms: tuple[int, ...]
    notes: tuple[str, ...]


def preview(schedule: Schedule, after_ms: int, count: int) -> Preview:
    """Up to `count` occurrences strictly after an instant, no more than `max_runs`.

    The notes name changes of the clock crossed, excluded dates and instants hit, and that nothing
    is to come. Where the schedule ends, also what it has lost after its last occurrence.
    """
    limit = min(count, schedule.spec.max_runs or count)
    times: list[int] = []
    at: int | None = after_ms
    while len(times) < limit:
        at = schedule.next_after(at)
        if at is None:
            break
        times.append(at)
    last_ms = times[-1] if times else after_ms
    notes = [] if times else [why_nothing(schedule, after_ms)]
    notes += dead_members(schedule)
    notes += remarks(schedule, after_ms + 1, last_ms + 1)
    if len(times) < limit:
        notes += remarks(schedule, last_ms + 1, last_ms + _BEYOND_MS, quiet=False)
    return Preview(tuple(times), tuple(dict.fromkeys(notes)))
