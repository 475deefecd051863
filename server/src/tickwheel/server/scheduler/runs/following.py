"""How runs follow a job that was changed or deleted.

Later attempts go by the job as it is now, and so does what lingers of its backfills. Of a deleted
job nothing more is begun; but what a worker may have published is to be heard of first.
"""

from itertools import chain

from tickwheel.server.domain.job import Job
from tickwheel.server.domain.run import RunState
from tickwheel.server.scheduler.live import AttemptKey, LiveRun, Phase
from tickwheel.server.scheduler.runs.endings import Endings
from tickwheel.server.scheduler.runs.live_runs import LiveRuns
from tickwheel.server.scheduler.timers import Timer
from tickwheel.v1 import run_pb2


class Following:
    """Keeps the runs of one segment to their jobs."""

    def __init__(self, live: LiveRuns, endings: Endings) -> None:
        self._live = live
        self._endings = endings

    def change_job(self, job: Job, now_ms: int) -> None:
        """Later attempts follow the job as it is now; of a deleted one there are none.

        So does what is not on the log of its backfills.
        """
        for run in self._live.lingering.backfilled(job.uid):
            if run.job.version < job.version:
                self._follow(run, job, now_ms)
        for run in self._live.unfinished.of(job.uid):
            is_to_come = _comes_after(run, min(now_ms, job.update_ms))
            if is_to_come and run.job.version < job.version:
                self._take_back(run)
            run.job = job
            if not job.delete_ms or run.name in self._live.foretold:
                continue
            if run.phase is Phase.WAITING:
                self._endings.skipped(run, run_pb2.SKIP_REASON_DELETED, "", now_ms)
                continue
            is_put_off = run.phase is Phase.BACKOFF and run not in self._live.lingering
            if is_put_off or (run.phase is Phase.READY and is_to_come):
                self._endings.end(run, RunState.FAILED, now_ms)

    def _follow(self, run: LiveRun, job: Job, now_ms: int) -> None:
        """Lets a lingering run of a backfill go by its job as it is now."""
        self._take_back(run)
        self._live.go_by(run, job)
        if run.phase is Phase.READY and job.delete_ms:
            self.put_off(run, now_ms)

    def _take_back(self, run: LiveRun) -> None:
        """A worker is to drop a run that it may hold; `confirm` follows.

        Also where it was asked already, as the run is to be cancelled: one answer is for both.
        """
        if run.phase is Phase.ASSIGNED:
            run.phase = Phase.DROPPED
            self._live.revoke([run])

    def confirm(self, run: LiveRun, now_ms: int, *, started: bool) -> None:
        """The worker has dropped a run that was taken back here, or had begun with it."""
        if started:
            run.phase = Phase.ASSIGNED
        elif run.cancel_reason is not None:
            self._endings.cancelled(run, now_ms)
        elif run.attempt > 1:
            run.worker = ""
            run.expire_ms = 0
            self.come_near(run, now_ms)
        elif run in self._live.lingering:
            self.renew(run, run.job, now_ms)

    def renew(self, run: LiveRun, job: Job, now_ms: int) -> None:
        """A run that no worker holds goes by its job as it is now; of a deleted one it is skipped.

        One that was taken back is to be handed out again.
        """
        self._live.go_by(run, job)
        run.worker = ""
        run.expire_ms = 0
        if job.delete_ms:
            self._endings.skipped(run, run_pb2.SKIP_REASON_DELETED, "", now_ms)
        elif run.phase is Phase.DROPPED:
            self._live.queue(run, now_ms)

    def given_back(self, run: LiveRun, now_ms: int) -> None:
        """No worker holds the run any more, and its job may have been changed meanwhile."""
        cursor = run.cursor
        if cursor is not None and cursor.backfill_id and run.job is not cursor.job:
            # It was changed after a worker had begun with the run.
            self.renew(run, cursor.job, now_ms)
        elif self.is_of_deleted_job(run) or self._comes_too_late(run):
            self.put_off(run, now_ms)

    def come_near(self, run: LiveRun, now_ms: int) -> None:
        """The instant of a run that was put off, or waited for its backoff, has come near."""
        if not run.job.delete_ms or run.name in self._live.foretold:
            self._live.queue(run, now_ms)
        elif run.attempt == 1:
            self.renew(run, run.job, now_ms)
        else:
            self._endings.end(run, RunState.FAILED, now_ms)

    def is_of_deleted_job(self, run: LiveRun) -> bool:
        """Whether it lingers of the backfill of a job that is deleted: it is to be skipped."""
        is_backfilled = bool(run.backfill_id) and run in self._live.lingering
        return is_backfilled and bool(run.job.delete_ms)

    def _comes_too_late(self, run: LiveRun) -> bool:
        """Whether it is an attempt that came due once its job was deleted."""
        return bool(run.job.delete_ms) and _comes_after(run, run.job.update_ms)

    def put_off(self, run: LiveRun, now_ms: int) -> None:
        """Lets the next step decide: a worker may have published what is to be skipped."""
        run.phase = Phase.BACKOFF
        self._live.timers.set(now_ms, Timer.HAND_OUT, run.key)

    def taken_back(self, uid: str) -> list[AttemptKey]:
        """Attempts, and lingering runs of backfills, of a job that workers were asked to drop."""
        attempts = (run for run in self._live.unfinished.of(uid) if run.attempt > 1)
        runs = chain(self._live.lingering.backfilled(uid), attempts)
        return [run.key for run in runs if run.phase is Phase.DROPPED]


def _comes_after(run: LiveRun, at_ms: int) -> bool:
    """Whether it is a later attempt, and comes due after an instant."""
    return run.attempt > 1 and run.fire_ms > at_ms
