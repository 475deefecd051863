"""Ends runs that are recorded as due and that no cursor will bring up any more."""

from collections.abc import Iterable
from itertools import chain
from typing import NamedTuple

from tickwheel.server.domain.course import is_within
from tickwheel.server.domain.job import Job
from tickwheel.server.domain.run import Run, Trigger
from tickwheel.server.schedule import Schedule
from tickwheel.server.scheduler.cursors.agenda import Agenda
from tickwheel.server.scheduler.cursors.recovered import Recovered
from tickwheel.server.scheduler.live import Cursor, live_run_of
from tickwheel.server.scheduler.runs import Runs
from tickwheel.v1 import run_pb2


class Span(NamedTuple):
    """A schedule, and the time for which it held."""

    schedule: Schedule
    from_ms: int
    until_ms: int

    def has(self, record: Run) -> bool:
        """Whether a run is one of the schedule's, in its time."""
        nominal = record.schedule_ms
        if self.schedule.spec.at_ms is not None:
            return self.schedule.spec.at_ms == nominal and record.due_ms <= self.until_ms
        is_in_time = self.from_ms <= nominal and record.due_ms <= self.until_ms
        return is_in_time and self.schedule.occurs_at(nominal)


class Orphans:
    """Looks for them after a change, and where a record comes to light late."""

    def __init__(self, agenda: Agenda, recovered: Recovered, runs: Runs) -> None:
        self._agenda = agenda
        self._recovered = recovered
        self._runs = runs

    def has_any(self, uid: str) -> bool:
        """Whether there may be some among a job's runs: such as are recorded as due."""
        return bool(self._recovered.begun_of(uid))

    def end(self, job: Job, schedules: Iterable[Span], now_ms: int) -> None:
        """Ends a job's runs that are, after a change, of no schedule any more.

        Args:
            job: as it is now.
            schedules: its schedules; they are looked at only where there are such runs at all.
            now_ms: the present.
        """
        begun = self._begun_by_schedule(job)
        spans = tuple(schedules) if begun else ()
        for record in begun:
            if not any(span.has(record) for span in spans):
                self._end(record, job, now_ms)

    def end_counted_out(self, cursor: Cursor, now_ms: int) -> None:
        """Ends what is recorded as due from where a job's schedule has come to `maxRuns`.

        A former schedule had counted less, or had no such bound. What any other one has still to
        bring up was due before this one began.
        """
        for record in self._begun_by_schedule(cursor.job):
            if cursor.next_ms is not None and record.schedule_ms >= cursor.next_ms:
                self._end(record, cursor.job, now_ms)

    def _begun_by_schedule(self, job: Job) -> list[Run]:
        return [
            record
            for record in self._recovered.begun_of(job.uid)
            if record.trigger is Trigger.SCHEDULE
            and (job.uid, record.run_id) not in self._runs.foretold
        ]

    def _end(self, record: Run, job: Job, now_ms: int) -> None:
        self._recovered.take_begun(job.uid, record.run_id)
        reason = run_pb2.SKIP_REASON_DELETED if job.delete_ms else run_pb2.SKIP_REASON_UPDATED
        self._runs.skip(live_run_of(record, job), reason, "", now_ms)

    def end_outside_cursors(self, job: Job, now_ms: int, others: Iterable[Span] = ()) -> None:
        """As `end`, where cursors have all of the job's schedules but the `others`."""
        spans = (
            Span(one.schedule, 0 if one.is_former else one.job.schedule_from_ms, one.until_ms)
            for one in self._agenda.all_of(job.uid)
        )
        self.end(job, chain(spans, others), now_ms)

    def take_late(self, record: Run, job: Job, now_ms: int) -> None:
        """A run that a former owner recorded as due, which was not known when it was passed."""
        cursor = self._agenda.of_job(job.uid)
        next_ms = cursor.next_ms if cursor is not None else None
        is_foretold = (job.uid, record.run_id) in self._runs.foretold
        if is_foretold or (next_ms is not None and record.schedule_ms >= next_ms):
            self._recovered.remember(record)
            return
        reason = run_pb2.SKIP_REASON_CATCH_UP_WINDOW
        if job.delete_ms:
            reason = run_pb2.SKIP_REASON_DELETED
        elif cursor is not None and is_within(cursor.pauses, record.due_ms):
            reason = run_pb2.SKIP_REASON_PAUSED
        self._runs.skip(live_run_of(record, job), reason, "", now_ms)
