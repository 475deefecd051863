"""The cursors' rows in the schedule: each follows to the first occurrence that is not yet done.

Where that one waits, for days maybe, its row goes on with the present: it stands where the next
owner begins to read, and that is not to be days ago.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from tickwheel.server.domain.job import Job
from tickwheel.server.domain.names import JobKey, occurrence_of
from tickwheel.server.domain.occurrence import ScheduleEntry
from tickwheel.server.domain.run import Run
from tickwheel.server.scheduler.cursors.agenda import Agenda, CursorId
from tickwheel.server.scheduler.cursors.recovered import Recovered
from tickwheel.server.scheduler.live import Cursor
from tickwheel.server.scheduler.runs import Runs
from tickwheel.server.store.port import INBOX_HORIZON_MS


@dataclass(frozen=True, slots=True)
class Advance:
    """Rows to write once the records they follow from are stored."""

    put: Sequence[ScheduleEntry]
    remove: Sequence[ScheduleEntry]
    complete: Sequence[tuple[JobKey, int]]

    def __bool__(self) -> bool:
        return bool(self.put or self.remove or self.complete)


class Rows:
    """Where the rows of one segment's cursors are, and where they belong."""

    def __init__(self, agenda: Agenda, recovered: Recovered, runs: Runs) -> None:
        self._agenda = agenda
        self._recovered = recovered
        self._runs = runs
        #: When the rows of what waits went on last.
        self._gone_on_ms = 0
        #: Where the next owner would begin to read.
        self.position_ms = 0
        #: Rows that stand for nothing any more.
        self._void: list[ScheduleEntry] = []

    def discard(self, entry: ScheduleEntry) -> None:
        """A row that stands for nothing any more."""
        self._void.append(entry)

    def unite(self, cursor: Cursor, entry: ScheduleEntry) -> None:
        """A job has one row: another one, of a creation or change that was tried twice, goes."""
        if entry.place != cursor.entry.place:
            cursor.is_row_sure = False
            self._void.append(entry)
            self._agenda.touch(cursor)

    def bring_forward(self, cursor: Cursor, now_ms: int) -> None:
        """Moves a row that was written late: the next owner would not find it there."""
        entry = cursor.entry
        if entry.fire_ms < self.position_ms:
            cursor.entry = replace(entry, fire_ms=max(entry.due_ms, now_ms))
            self.unite(cursor, entry)

    def skip_stored(self, record: Run) -> Job | None:
        """A skipped stretch is recorded, as far as the record says; its job, while that is near."""
        if record.backfill_id:
            backfill = self._agenda.get((record.job_uid, record.backfill_id))
            cursors = [] if backfill is None else [backfill]
        else:
            cursors = list(self._agenda.all_of(record.job_uid))
        for cursor in cursors:
            unstored = cursor.unstored.get(record.run_id)
            if unstored is not None and unstored[2] <= record.revision:
                del cursor.unstored[record.run_id]
            self._agenda.touch(cursor)
        return cursors[0].job if cursors else None

    def take_advance(self, now_ms: int) -> Advance:
        """Rows to move, for all that is recorded. A crash before they are written is harmless."""
        put: list[ScheduleEntry] = []
        remove, self._void = self._void, []
        complete: list[tuple[JobKey, int]] = []
        going_on = self._going_on(now_ms)
        for which in self._agenda.take_dirty() | going_on:
            cursor = self._agenda.get(which)
            if cursor is None:
                continue
            first = cursor.first_open()
            if first is None:
                self._agenda.remove(cursor)
                is_over = cursor.is_former or bool(cursor.job.delete_ms)
                if not cursor.backfill_id and not is_over:
                    complete.append((cursor.job.key, cursor.job.generation))
                if is_over or cursor.schedule.is_recurring:
                    remove.append(cursor.entry)
                continue
            if first[0] != cursor.entry.schedule_ms or which in going_on:
                moved = _entry_at(cursor, first, now_ms)
                put.append(moved)
                remove.append(cursor.entry)
                cursor.entry = moved
            elif not cursor.is_row_sure:
                put.append(cursor.entry)
            cursor.is_row_sure = True
            if not cursor.open and cursor.entry.fire_ms > now_ms + INBOX_HORIZON_MS:
                # Far enough away to be read again from its new place.
                self._agenda.remove(cursor)
        # Of two rows of a job the one that went may be where the other one moves to.
        places = {row.place for row in put}
        return Advance(put, [row for row in remove if row.place not in places], complete)

    def _going_on(self, now_ms: int) -> set[CursorId]:
        """What waits, and whose rows are to go on now; nothing most of the time.

        Not where something after it is known, as that would be forgotten with what lies before the
        row, and come up again; nor where it is recorded itself.
        """
        if now_ms < self._gone_on_ms + self._runs.patience_ms:
            return set()
        self._gone_on_ms = now_ms
        waiting = [one for one in self._agenda if one.is_waiting and one.entry.fire_ms < now_ms]
        jobs = {one.job.uid for one in waiting}
        latest: dict[tuple[str, str], int] = {}
        for uid, run_id in chain(self._runs.names(), self._recovered.begun_names()):
            if uid in jobs and (which := occurrence_of(run_id)) is not None:
                nominal_ms, backfill_id = which
                series = (uid, backfill_id)
                latest[series] = max(latest.get(series, 0), nominal_ms)
        return {one.id for one in waiting if self._may_go_on(one, latest)}

    def _may_go_on(self, cursor: Cursor, latest: dict[tuple[str, str], int]) -> bool:
        if cursor.next_ms is None or cursor.first_open() != (cursor.next_ms, cursor.ordinal):
            return False
        # Those of a job's former schedules and of its present one have the same names.
        series = (cursor.job.uid, cursor.backfill_id)
        known_ms = max(latest.get(series, 0), self._recovered.skipped_to_ms(*series))
        return known_ms < cursor.next_ms

    def entry_ms(self) -> Iterator[int]:
        """Where the rows stand."""
        return (cursor.entry.fire_ms for cursor in self._agenda)


def _entry_at(cursor: Cursor, first: tuple[int, int], now_ms: int) -> ScheduleEntry:
    schedule_ms, ordinal = first
    due_ms = cursor.schedule.due(schedule_ms, salt=cursor.job.uid)
    since_ms = now_ms
    if schedule_ms != cursor.next_ms:
        # What comes after it may be done, which the next owner has to know: it reads no further
        # back than the row. None of that was recorded before this one was opened.
        run = cursor.open.get(schedule_ms)
        opened_ms = 0 if run is None else run.opened_ms
        since_ms = min(now_ms, max(opened_ms, cursor.entry.fire_ms))
    return replace(
        cursor.entry,
        fire_ms=max(due_ms, since_ms),
        schedule_ms=schedule_ms,
        due_ms=due_ms,
        ordinal=ordinal,
    )
