"""Which cursors a segment has, when each is to be looked at, and which of their rows may move."""

import heapq
from collections import deque
from collections.abc import Iterator

from tickwheel.server.scheduler.live import AttemptKey, Cursor, CursorId

#: So many visits are kept whatever they are of.
FEW = 1_000


class Agenda:
    """The cursors of one segment, with the instants at which they are due to be looked at."""

    def __init__(self) -> None:
        self._cursors: dict[CursorId, Cursor] = {}
        #: The cursors over former schedules, by job and generation.
        self._former: dict[str, dict[int, Cursor]] = {}
        #: The cursors of backfills, by job and backfill.
        self._backfills: dict[str, dict[str, Cursor]] = {}
        #: When each is to be looked at next.
        self._planned: dict[CursorId, int] = {}
        #: A heap of these, and of those that were planned before and hold no more.
        self._visits: list[tuple[int, int, CursorId]] = []
        #: Those of `_visits` whose instant has come, by user: users take turns.
        self._due: dict[str, deque[tuple[int, CursorId]]] = {}
        self._serial = 0
        self._dirty: set[CursorId] = set()

    # -- which there are ---------------------------------------------------------------------

    def __iter__(self) -> Iterator[Cursor]:
        return iter(self._cursors.values())

    def get(self, which: CursorId) -> Cursor | None:
        """The cursor of that id."""
        return self._cursors.get(which)

    def of_job(self, uid: str) -> Cursor | None:
        """The cursor over a job's present schedule, while that is near."""
        return self._cursors.get((uid, ""))

    def all_of(self, uid: str) -> Iterator[Cursor]:
        """The cursors over a job's present and former schedules."""
        present = self.of_job(uid)
        if present is not None:
            yield present
        yield from self._former.get(uid, {}).values()

    def of_generation(self, uid: str, generation: int) -> Cursor | None:
        """The cursor over that one of a job's schedules."""
        same = (one for one in self.all_of(uid) if one.entry.generation == generation)
        return next(same, None)

    def backfills_of(self, uid: str) -> list[Cursor]:
        """The cursors of a job's backfills."""
        return list(self._backfills.get(uid, {}).values())

    def revoking(self, uid: str) -> list[AttemptKey]:
        """Runs of the job that workers were asked to drop and have not answered for."""
        cursors = [*self.all_of(uid), *self.backfills_of(uid)]
        return [key for cursor in cursors for key in cursor.revoking]

    def add(self, cursor: Cursor, visit_ms: int) -> None:
        """One more, to be looked at first at an instant."""
        self._cursors[cursor.id] = cursor
        if cursor.is_former:
            self._former.setdefault(cursor.job.uid, {})[cursor.entry.generation] = cursor
        if cursor.backfill_id:
            self._backfills.setdefault(cursor.job.uid, {})[cursor.backfill_id] = cursor
        self.look_again(cursor, visit_ms)

    def remove(self, cursor: Cursor) -> None:
        """One that is done, or so far away that its row will be read again."""
        del self._cursors[cursor.id]
        self._planned.pop(cursor.id, None)
        if cursor.is_former:
            formers = self._former[cursor.job.uid]
            del formers[cursor.entry.generation]
            if not formers:
                del self._former[cursor.job.uid]
        if cursor.backfill_id:
            backfills = self._backfills[cursor.job.uid]
            del backfills[cursor.backfill_id]
            if not backfills:
                del self._backfills[cursor.job.uid]

    def make_former(self, cursor: Cursor, visit_ms: int) -> None:
        """Its job has another schedule: it makes room for that one's cursor."""
        del self._cursors[cursor.id]
        self._planned.pop(cursor.id, None)
        cursor.become_former()
        self.add(cursor, visit_ms)

    # -- when each is looked at --------------------------------------------------------------

    def visit(self, at_ms: int, which: CursorId) -> None:
        """A cursor is to be looked at from an instant on.

        Where that is done before anyway, it is planned anew then: each has one visit to come,
        however often something of it happens in between.
        """
        planned_ms = self._planned.get(which)
        if planned_ms is not None and planned_ms <= at_ms:
            return
        self._planned[which] = at_ms
        self._serial += 1
        heapq.heappush(self._visits, (at_ms, self._serial, which))
        if len(self._visits) > FEW + 2 * len(self._planned):
            # Those of cursors that are gone by now: most jobs are near once a day, or a year.
            self._visits = [one for one in self._visits if self._holds(one[0], one[2])]
            heapq.heapify(self._visits)

    def look_again(self, cursor: Cursor, at_ms: int) -> None:
        """It has changed: it is looked at from an instant on, and its row may move."""
        self._dirty.add(cursor.id)
        self.visit(at_ms, cursor.id)

    def look_again_at_all_of(self, uid: str, at_ms: int) -> None:
        """As `look_again`, for all cursors of a job."""
        for cursor in [*self.all_of(uid), *self.backfills_of(uid)]:
            self.look_again(cursor, at_ms)

    def next_ms(self) -> int | None:
        """When one is to be looked at next; None: at no instant that is known."""
        for due in self._due.values():
            return due[0][0]
        while self._visits and not self._holds(self._visits[0][0], self._visits[0][2]):
            heapq.heappop(self._visits)
        return self._visits[0][0] if self._visits else None

    def is_due(self, uid: str, now_ms: int) -> bool:
        """Whether one of a job's is to be looked at by now."""
        cursors = (*self.all_of(uid), *self.backfills_of(uid))
        planned = [self._planned[one.id] for one in cursors if one.id in self._planned]
        return min(planned, default=now_ms + 1) <= now_ms

    def take_due(self, now_ms: int) -> CursorId | None:
        """One whose instant has come, users in turn; None: there is none."""
        while self._visits and self._visits[0][0] <= now_ms:
            at_ms, _, which = heapq.heappop(self._visits)
            if not self._holds(at_ms, which):
                continue
            cursor = self._cursors.get(which)
            if cursor is None:
                # Or a later cursor of that id would never be visited: it would seem to be planned.
                del self._planned[which]
                continue
            self._due.setdefault(cursor.job.user, deque()).append((at_ms, which))
        while self._due:
            at_ms, which = self._take_turn()
            if self._holds(at_ms, which):
                del self._planned[which]
                return which
        return None

    def _take_turn(self) -> tuple[int, CursorId]:
        user = next(iter(self._due))
        due = self._due.pop(user)
        first = due.popleft()
        if due:
            # Behind those whose turn is still to come.
            self._due[user] = due
        return first

    def _holds(self, at_ms: int, which: CursorId) -> bool:
        """Whether a visit is still to be made: no other was planned."""
        return self._planned.get(which) == at_ms

    # -- whose rows may move -----------------------------------------------------------------

    def touch(self, cursor: Cursor) -> None:
        """Its row may move."""
        self._dirty.add(cursor.id)

    def take_dirty(self) -> set[CursorId]:
        """Those whose rows may move since this was asked last; they may be gone by now."""
        dirty, self._dirty = self._dirty, set()
        return dirty
