"""Rows that an owner must find although it may have read past their place: written in time.

A row's place is an instant of its writer's clock. Between taking that and having written it, a
process may be suspended, wait for a claim, or for a slow store; the row would then stand where
nobody reads any more. So what has become old is placed anew, and a write that took long is
repeated at a later place. An owner that finds a row twice takes it once.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final

from tickwheel.server.domain.clock import Clock
from tickwheel.server.domain.errors import StoreUnavailable
from tickwheel.server.domain.job import Job
from tickwheel.server.domain.occurrence import InboxEntry, ScheduleEntry
from tickwheel.server.store.port import INBOX_HORIZON_MS, NewJob

#: A place that was taken this long ago is still good, in ms.
FRESH_MS: Final = 1_000
#: A write that took longer than this may have come too late for its place, in ms: an owner looks
#: back by a little more (see `scheduler.inbox.INBOX_OVERLAP_MS`).
PROMPT_MS: Final = 1_500
#: A job that is committed later than this after it was announced is announced again, in ms: owners
#: wait for it a while longer (see `scheduler.uncommitted.COMMIT_GRACE_MS`).
COMMIT_KNOWN_MS: Final = 60_000
_TRIES: Final = 5


def placed(new: NewJob, now_ms: int) -> NewJob:
    """A creation with its rows where an owner looks now."""
    if new.entry is None or not new.made_ms or now_ms - new.made_ms <= FRESH_MS:
        return new
    return placed_anew(new, now_ms)


def placed_anew(new: NewJob, now_ms: int) -> NewJob:
    """A creation with its rows where an owner looks now, however fresh they were.

    What came due meanwhile stands at now; its nominal instant, and so its run, stay the same.
    """
    entry, inbox = new.entry, None
    if entry is not None:
        entry = replace(entry, fire_ms=max(entry.fire_ms, now_ms))
        if entry.fire_ms < now_ms + INBOX_HORIZON_MS:
            inbox = last_change(new.job, entry, now_ms)
    return replace(new, entry=entry, inbox=inbox, made_ms=now_ms)


def stamped(inbox: InboxEntry, now_ms: int) -> InboxEntry:
    """An inbox entry where its owner looks now."""
    is_fresh = abs(now_ms - inbox.write_ms) <= FRESH_MS
    return inbox if is_fresh else replace(inbox, write_ms=now_ms)


def last_change(job: Job, entry: ScheduleEntry | None, now_ms: int) -> InboxEntry:
    """What tells of a job's last change; `entry` is the one that was written with its schedule."""
    return InboxEntry(
        segment=job.segment,
        write_ms=now_ms,
        user=job.user,
        uid=job.uid,
        version=job.version,
        entry=entry if entry is not None and entry.generation == job.generation else None,
    )


async def promptly(clock: Clock, write: Callable[[], Awaitable[None]]) -> None:
    """Writes rows, and again where that took long.

    Args:
        clock: tells how long.
        write: writes them, placed at the present instant.

    Raises:
        StoreUnavailable: it took long each time; nothing is known to be where it is looked for.
    """
    for _ in range(_TRIES):
        begun_ms = clock.steady_ms()
        await write()
        if clock.steady_ms() - begun_ms <= PROMPT_MS:
            return
    raise StoreUnavailable("the store is too slow")
