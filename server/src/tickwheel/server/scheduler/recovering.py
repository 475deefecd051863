"""Runs of a segment's former owners: what of them goes on, and what counts as done. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import chain

from tickwheel.server.domain.job import Job
from tickwheel.server.domain.names import JobKey
from tickwheel.server.domain.run import Run, RunState, Trigger
from tickwheel.server.scheduler.cursors import Cursors
from tickwheel.server.scheduler.runs import Runs


class Recovering:
    """Takes in what former owners of one segment have recorded."""

    def __init__(self, runs: Runs, cursors: Cursors) -> None:
        self._runs = runs
        self._cursors = cursors

    def recover(
        self,
        log: Iterable[Run],
        rows: Iterable[Run],
        jobs: Mapping[JobKey, Job],
        now_ms: int,
    ) -> None:
        """Takes in what former owners have left, before anything is loaded.

        Args:
            log: the run log since the position.
            rows: the open runs, each both as its row has it and in its present state.
            jobs: the jobs of all runs that are not final.
            now_ms: the present.
        """
        rows = list(rows)
        has_row = {(run.job_uid, run.run_id) for run in rows}
        latest = latest_states(chain(rows, log))
        for name, run in sorted(latest.items(), key=lambda item: item[1].due_ms):
            if run.state is RunState.SKIPPED and name not in has_row and run.skipped_count:
                self._cursors.remember_skip(run)
                self._runs.done[name] = run.update_ms
            elif name in has_row or is_underway(run):
                self._adopt(run, jobs, now_ms, has_row=name in has_row)
            elif run.state is RunState.PENDING:
                self._cursors.remember(run)
            else:
                self._runs.done[name] = run.update_ms
        for uid in {run.job_uid for run in latest.values()}:
            self._runs.released(uid, now_ms)

    def _adopt(self, run: Run, jobs: Mapping[JobKey, Job], now_ms: int, *, has_row: bool) -> None:
        job = jobs.get(run.key)
        if job is not None:
            self._runs.adopt(run, job, now_ms, has_row=has_row)
            return
        # The job has outlived its retention: nothing is known of how to go on.
        self._runs.done[run.job_uid, run.run_id] = run.update_ms
        if not run.state.is_final:
            self._runs.ledger.add(
                replace(
                    run,
                    state=RunState.FAILED,
                    revision=run.revision + 1,
                    update_ms=now_ms,
                    end_ms=now_ms,
                    epoch=self._runs.epoch,
                    error="the job is past its retention",
                    error_type="job-gone",
                )
            )
        self._runs.ledger.close(run, has_row=has_row)

    def unknown_of(self, log: Iterable[Run]) -> list[Run]:
        """Unfinished runs of former owners, of a log that was read again, that nobody knows."""
        return [
            run
            for name, run in latest_states(log).items()
            if run.epoch < self._runs.epoch
            and not run.state.is_final
            and name not in self._runs.done
            and self._runs.find(*name) is None
        ]

    def take_late(self, run: Run, job: Job, now_ms: int) -> None:
        """Takes in a run of `unknown_of`: it goes on, or ends as what it was taken for."""
        if is_underway(run):
            self._adopt(run, {run.key: job}, now_ms, has_row=False)
        elif run.trigger is Trigger.SCHEDULE:
            self._cursors.take_late(run, job, now_ms)


def is_underway(run: Run) -> bool:
    """Whether a run goes on by itself, as against one that the schedule's row brings up again.

    A failed one does until its dead letter is on the log.
    """
    if run.state is RunState.PENDING:
        return run.attempt > 1 or bool(run.blocking_run)
    return not run.state.is_final or (run.state is RunState.FAILED and not run.dead_letter_topic)


def latest_states(states: Iterable[Run]) -> dict[tuple[str, str], Run]:
    """The last state of each run."""
    latest: dict[tuple[str, str], Run] = {}
    for run in states:
        key = (run.job_uid, run.run_id)
        if key not in latest or latest[key].order < run.order:
            latest[key] = run
    return latest
