"""Newer versions of jobs: what came due before a change stays, later occurrences are made anew."""

from collections.abc import Callable, Mapping, Sequence

from tickwheel.server.domain.course import FOR_EVER_MS, Era, Stretches, eras
from tickwheel.server.domain.job import Job
from tickwheel.server.domain.occurrence import ScheduleEntry
from tickwheel.server.schedule import Schedule
from tickwheel.server.scheduler.cursors.agenda import Agenda
from tickwheel.server.scheduler.cursors.counting import (
    counted_before,
    is_count_known,
    ordinal_at_end,
    passed_after_end,
)
from tickwheel.server.scheduler.cursors.making import cursor_over, first_entry
from tickwheel.server.scheduler.cursors.orphans import Orphans, Span
from tickwheel.server.scheduler.cursors.revoking import Revoking
from tickwheel.server.scheduler.live import Cursor, LiveRun


class Changes:
    """Takes the changes of one segment's jobs in."""

    def __init__(
        self,
        agenda: Agenda,
        orphans: Orphans,
        revoking: Revoking,
        compile_schedule: Callable[[Job], Schedule],
    ) -> None:
        self._agenda = agenda
        self._orphans = orphans
        self._revoking = revoking
        self._compile = compile_schedule

    def change(
        self, job: Job, entry: ScheduleEntry | None, former: Sequence[Job], now_ms: int
    ) -> list[LiveRun]:
        """Takes in a job's newer version, and the entry that was written with it.

        Runs that came due before the change stay as they are. Later ones are taken back and
        computed again once the workers have confirmed: the returned ones are with a worker. So are
        those of backfills that are not on the log, which stay and go by the newer version then.

        Args:
            job: as it is now.
            entry: where it has another schedule; computed anew if it is another one's.
            former: its former versions, where `Loading.wants_past`.
            now_ms: the present.
        """
        revoked = self.change_backfills(job, now_ms)
        cursor = self._agenda.of_job(job.uid)
        if cursor is None or job.version <= cursor.job.version:
            return revoked
        before = cursor.job
        unseen = [one for one in former if before.version < one.version < job.version]
        # The api's clock may be ahead of ours.
        since_ms = min(now_ms, *(one.update_ms for one in [*unseen, job]))
        past = eras(job, former or [before])
        for one in list(self._agenda.all_of(job.uid)):
            one.job = job
            one.stretch = None
        cursor.pauses = _pauses(cursor.pauses, before, past.get(before.generation), now_ms)
        rewind = self._revoking.take_back(cursor, after_ms=since_ms)
        if rewind is not None:
            cursor.go_back(rewind)
        if job.delete_ms or job.generation != before.generation:
            cursor.until_ms = min(now_ms, past[before.generation].until_ms)
            if cursor.ordinal > 0:
                cursor.ordinal = max(
                    0, cursor.ordinal - passed_after_end(cursor, before.schedule_from_ms)
                )
            if cursor.next_ms is not None and cursor.next_due_ms > cursor.until_ms:
                cursor.next_ms = None
        if job.generation != before.generation:
            self._replace(cursor, job, entry, past, now_ms, is_past_whole=bool(former))
        # Of schedules that were missed the rows are still to come.
        missed = (
            Span(self._compile(era.job), era.job.schedule_from_ms, era.until_ms)
            for generation, era in past.items()
            if self._agenda.of_generation(job.uid, generation) is None
        )
        self._orphans.end_outside_cursors(job, now_ms, missed)
        self._agenda.look_again(cursor, now_ms)
        return [*revoked, *(run for run in cursor.revoking.values() if run.worker)]

    def change_backfills(self, job: Job, now_ms: int) -> list[LiveRun]:
        """As `change`, for the job's backfills, which may be all of it that is near.

        Each goes on over the schedule that it was begun with.
        """
        revoked: list[LiveRun] = []
        for one in self._agenda.backfills_of(job.uid):
            if job.version <= one.job.version:
                continue
            one.job = job
            one.stretch = None
            revoked.extend(self._revoking.renew(one, now_ms))
            self._agenda.look_again(one, now_ms)
        return revoked

    def _replace(
        self,
        cursor: Cursor,
        job: Job,
        entry: ScheduleEntry | None,
        past: Mapping[int, Era],
        now_ms: int,
        *,
        is_past_whole: bool,
    ) -> None:
        """The job has another schedule: the former one's cursor goes on to where it ends."""
        self._agenda.make_former(cursor, now_ms)
        if job.delete_ms:
            # What came due of it meanwhile comes with its row.
            return
        schedule = self._compile(job)
        if entry is None or entry.generation != job.generation:
            entry = first_entry(job, schedule)
        if entry is None:
            return
        present = cursor_over(job, entry, past[job.generation], schedule, is_former=False)
        if entry.ordinal < 0:
            # What came due of schedules between the two counts as well.
            is_next = job.generation == cursor.entry.generation + 1
            present.ordinal = (
                ordinal_at_end(cursor)
                if (is_next and is_count_known(cursor))
                or (cursor.ordinal >= 0 and not is_past_whole)
                else counted_before(job.generation, past, schedule, self._compile)
            )
        self._agenda.add(present, now_ms)


def _pauses(known: Stretches, before: Job, era: Era | None, now_ms: int) -> Stretches:
    """The pauses of a generation, as they are known after changes of which we hear now."""
    if era is None:
        return known
    kept = tuple(pause for pause in known if pause[1] <= before.update_ms)
    open_ms = next((after for after, until in known if until == FOR_EVER_MS), None)
    later: list[tuple[int, int]] = []
    for after_ms, until_ms in era.pauses:
        if until_ms <= before.update_ms:
            continue
        if after_ms <= before.update_ms and open_ms is not None:
            after_ms = open_ms
        # The api's clock may be ahead of ours.
        elif after_ms > now_ms:
            after_ms = now_ms
        later.append((after_ms, until_ms))
    return (*kept, *later)
