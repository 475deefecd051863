"""Rows of the schedule whose job, or whose version of it, is not there: are they still to come?

A creation or a change writes its row first. Mostly the job follows at once; now and then the api
that wrote the row failed, and it never does. So a row is looked at again after a while that gets
longer each time, until it is given up.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from tickwheel.server.domain.occurrence import RowPlace, ScheduleEntry

#: A row whose job does not show up within this time belongs to a creation that failed.
COMMIT_GRACE_MS = 120_000
#: It is looked at again after this long at first, then each time after as long as it waited, but
#: never later than after the second: what is told of a late commit may not come.
FIRST_LOOK_MS = 500
LONGEST_LOOK_MS = 5_000


@dataclass(slots=True)
class _Waiting:
    entry: ScheduleEntry
    since_ms: int
    look_ms: int


class Uncommitted:
    """Those of one segment."""

    def __init__(self) -> None:
        self._waiting: dict[RowPlace, _Waiting] = {}
        #: Those that were waited for long enough, until the position has passed them.
        self._given_up: dict[RowPlace, ScheduleEntry] = {}

    def keep(self, entry: ScheduleEntry, now_ms: int) -> bool:
        """A row without its job was read; False when it has just been given up.

        Each is waited for by itself: a creation that is tried again has a row of its own, and its
        own time.
        """
        place = entry.place
        if place in self._given_up:
            return True
        since_ms = self._waiting[place].since_ms if place in self._waiting else now_ms
        waited_ms = now_ms - since_ms
        if waited_ms < COMMIT_GRACE_MS:
            look_ms = now_ms + min(max(FIRST_LOOK_MS, waited_ms), LONGEST_LOOK_MS)
            look_ms = min(look_ms, since_ms + COMMIT_GRACE_MS)
            self._waiting[place] = _Waiting(entry, since_ms, look_ms)
            return True
        # It goes with its bucket.
        del self._waiting[place]
        self._given_up[place] = entry
        return False

    def settle(self, entry: ScheduleEntry) -> None:
        """Its job is there."""
        if self._waiting:
            self._waiting.pop(entry.place, None)

    def to_look_at(self, now_ms: int, told: Collection[str] = ()) -> list[ScheduleEntry]:
        """Rows whose time has come, and those of jobs (uids) of which somebody told."""
        return [
            one.entry
            for one in self._waiting.values()
            if one.look_ms <= now_ms or one.entry.uid in told
        ]

    def has(self, uid: str) -> bool:
        """Whether a row of a job is waited for."""
        return any(one.entry.uid == uid for one in self._waiting.values())

    def entry_ms(self) -> Iterator[int]:
        """Where the rows stand that are waited for."""
        return (one.entry.fire_ms for one in self._waiting.values())

    def pass_by(self, position_ms: int) -> None:
        """Rows before a position are read no more."""
        self._given_up = {
            place: entry for place, entry in self._given_up.items() if entry.fire_ms >= position_ms
        }
