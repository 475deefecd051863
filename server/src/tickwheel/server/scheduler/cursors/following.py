"""Lets cursors follow new time-zone data, from the instant on from which those hold."""

from collections.abc import Callable

from tickwheel.server.domain.job import Job
from tickwheel.server.domain.occurrence import ScheduleEntry
from tickwheel.server.schedule import Schedule
from tickwheel.server.scheduler.cursors.agenda import Agenda
from tickwheel.server.scheduler.cursors.revoking import Revoking
from tickwheel.server.scheduler.live import Cursor, LiveRun
from tickwheel.server.scheduler.rederiving import (
    Rederivation,
    are_next,
    depends_on_zone,
    first_due_after,
    rightly_at,
)


class Following:
    """Whether one segment's rows are right by the time-zone data that there are now."""

    def __init__(
        self, agenda: Agenda, revoking: Revoking, compile_schedule: Callable[[Job], Schedule]
    ) -> None:
        self._agenda = agenda
        self._revoking = revoking
        self._compile = compile_schedule
        #: Rows are being gone through because of new data; None: they are not.
        self._rederivation: Rederivation | None = None

    def begin(self, since_ms: int, now_ms: int) -> list[LiveRun]:
        """New data hold from an instant on: what is near follows now, rows as they are looked at.

        Returns runs to take back from workers.
        """
        self._rederivation = Rederivation(since_ms)
        revoked: list[LiveRun] = []
        for cursor in list(self._agenda):
            if cursor.backfill_id or cursor.is_former or cursor.job.delete_ms:
                continue
            self._rederivation.see(cursor.job.uid)
            if depends_on_zone(cursor.job.spec.schedule):
                revoked += self._follow(cursor, since_ms, now_ms)
        return revoked

    def end(self) -> None:
        """All rows were looked at."""
        self._rederivation = None

    def is_wrong(self, job: Job, entry: ScheduleEntry) -> bool:
        """Whether a row that may be far ahead stands at another instant than it has to."""
        going = self._rederivation
        if going is None or going.has_seen(job.uid) or self._agenda.of_job(job.uid) is not None:
            return False
        if not depends_on_zone(job.spec.schedule) or entry.generation != job.generation:
            return False
        return going.first_ms(job, entry, self._compile(job)) != entry.schedule_ms

    def first_ms(self, job: Job, entry: ScheduleEntry, schedule: Schedule) -> int | None:
        """The occurrence at which a cursor over a row has to begin; None: its schedule has ended.

        Args:
            job: the job.
            entry: its row, of its present schedule.
            schedule: that one.
        """
        if self._rederivation is None:
            return rightly_at(job, schedule, entry.schedule_ms)
        first_ms = self._rederivation.first_ms(job, entry, schedule)
        self._rederivation.see(job.uid)
        return first_ms

    def _follow(self, cursor: Cursor, since_ms: int, now_ms: int) -> list[LiveRun]:
        """Lets a cursor go on by the new data; what came due stays as it is."""
        job, former = cursor.job, cursor.schedule
        cursor.schedule = self._compile(job)
        then_ms = cursor.next_ms
        if then_ms is not None and former.due(then_ms, salt=job.uid) <= since_ms:
            return []
        ahead = sorted(run.schedule_ms for run in cursor.open.values() if run.due_ms > since_ms)
        if not cursor.revoking and are_next(job, cursor.schedule, since_ms, ahead, then_ms):
            return []
        rewind = self._revoking.take_back(cursor, after_ms=since_ms)
        if rewind is not None:
            cursor.go_back(rewind)
        cursor.next_ms = first_due_after(job, cursor.schedule, since_ms)
        cursor.stretch = None
        self._agenda.look_again(cursor, now_ms)
        return [run for run in cursor.revoking.values() if run.worker]
