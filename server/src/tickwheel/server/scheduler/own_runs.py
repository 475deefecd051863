"""Runs by hand and retries, each of which has a row of its own in the schedule. Pure."""

from collections.abc import Callable

from tickwheel.server.domain.job import Job
from tickwheel.server.domain.names import discriminator_of
from tickwheel.server.domain.occurrence import ScheduleEntry
from tickwheel.server.domain.run import Run
from tickwheel.server.scheduler.cursors import Cursors
from tickwheel.server.scheduler.live import LiveRun
from tickwheel.server.scheduler.overlap import Go, Later, Skip, Wait
from tickwheel.server.scheduler.override import decode_override
from tickwheel.server.scheduler.runs import Runs
from tickwheel.server.trace import sampled_as
from tickwheel.v1.run_pb2 import SKIP_REASON_BUFFER_FULL, SKIP_REASON_DELETED


class OwnRuns:
    """Those of one segment: opens them from their rows, and knows which rows are to go."""

    def __init__(self, runs: Runs, cursors: Cursors, new_traceparent: Callable[[], str]) -> None:
        self._runs = runs
        self._cursors = cursors
        self._new_traceparent = new_traceparent
        #: Rows of runs that are recorded as done, or go on by a row among the open ones.
        self._finished: list[ScheduleEntry] = []

    def trigger(self, entry: ScheduleEntry, run: LiveRun, now_ms: int) -> Run | None:
        """Opens a run by hand; None where that run exists already."""
        if run.name in self._runs.done or self._runs.find(*run.name) is not None:
            return None
        run.entry = entry
        if run.job.delete_ms:
            # That was confirmed while the run was being asked for.
            return self._runs.skip(run, SKIP_REASON_DELETED, "", now_ms)
        return self._begin(run, now_ms) or self._runs.announce(run, now_ms)

    def open(self, job: Job, entry: ScheduleEntry, now_ms: int) -> None:
        """Opens the run of a row, unless it is open or done already."""
        live = self._runs.find(job.uid, entry.run_id)
        if live is not None:
            return
        if (job.uid, entry.run_id) in self._runs.done:
            self._finished.append(entry)
            return
        run = own_run(job, entry, self._new_traceparent)
        run.record = self._cursors.take_begun(*run.name)
        if run.record is not None:
            run.traceparent = run.record.traceparent
        self._begin(run, now_ms)

    def _begin(self, run: LiveRun, now_ms: int) -> Run | None:
        """Begins a run as its policy allows; its record, unless it simply goes."""
        if run.name in self._runs.foretold:
            self._runs.open(run, now_ms)
            return None
        if run.record is None and 0 < run.job.delete_ms < run.due_ms:
            return self._runs.skip(run, SKIP_REASON_DELETED, "", now_ms)
        if run.is_reported:
            # An occurrence that is not due yet is no earlier run, though it was handed out.
            self._runs.revoke(self._cursors.take_back_ahead(run.job.uid, now_ms))
        match self._runs.verdict(run.job, run.policy, due=True):
            case Skip(reason, blocking):
                return self._runs.skip(run, reason, blocking, now_ms)
            case Wait(blocking, cancel):
                if cancel:
                    self._runs.make_way(run, now_ms)
                return self._runs.hold(run, blocking, now_ms)
            case Later(blocking) if run.record is not None:
                # It was told of as one that waits.
                return self._runs.hold(run, blocking, now_ms)
            case Later(blocking):
                # There is no schedule that could wait in its place.
                return self._runs.skip(run, SKIP_REASON_BUFFER_FULL, blocking, now_ms)
            case Go():
                self._runs.open(run, now_ms)
                return None

    def settle(self, run: LiveRun) -> None:
        """A run no longer needs its row, if it has one."""
        if run.entry is not None:
            self._finished.append(run.entry)
            run.entry = None

    def take_finished(self) -> list[ScheduleEntry]:
        """Rows that are to go."""
        finished, self._finished = self._finished, []
        return finished

    def twin_of(self, uid: str, run_id: str) -> str | None:
        """The id of the job's recent run by hand that was made by the same request."""
        mark = discriminator_of(run_id)
        if mark == run_id:
            return None
        return next(
            (one for of, one in self._runs.names() if of == uid and one.endswith(mark)), None
        )


def own_run(job: Job, entry: ScheduleEntry, new_traceparent: Callable[[], str]) -> LiveRun:
    """The live run of an entry that stands for a single run."""
    override = decode_override(entry.detail)
    return LiveRun(
        job=job,
        run_id=entry.run_id,
        kind=entry.kind,
        schedule_ms=entry.schedule_ms,
        due_ms=entry.due_ms,
        fire_ms=entry.due_ms,
        ordinal=0,
        # Whoever asked for it under a sampled trace wants to see what came of that.
        traceparent=sampled_as(new_traceparent(), override.traceparent),
        attempt=entry.attempt,
        entry=entry,
        overlap_policy=override.overlap_policy,
        detail=entry.detail,
        payload=override.payload,
        content_type=override.content_type,
        retried_run=override.retried_run,
    )
