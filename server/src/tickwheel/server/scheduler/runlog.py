"""A line for each attempt that has failed, and at level debug for each run that has ended."""

import logging
from collections.abc import Iterable

import structlog

from tickwheel.server.domain.run import Run, RunState
from tickwheel.server.schedule.instants import format_instant
from tickwheel.server.scheduler.live import LiveRun

_log = structlog.get_logger(__name__)


def log_ended(runs: Iterable[LiveRun]) -> None:
    """Says what became of runs. Their errors' texts are their owners', and are not logged."""
    all_of_them = _log.is_enabled_for(logging.DEBUG)
    for live in runs:
        run = live.record
        if run is None or not (all_of_them or run.state is RunState.FAILED):
            continue
        failed = run.state is RunState.FAILED
        _log.log(
            logging.WARNING if failed else logging.DEBUG,
            f"run {run.state.name.lower()}",
            job=str(run.name.job),
            run=str(run.name),
            trace=run.trace_id,
            attempt=run.attempt,
            **({"error_type": run.error_type} if run.error_type else {}),
        )


def log_retried(records: Iterable[Run]) -> None:
    """Says of which runs an attempt has failed and another one follows; no errors' texts either."""
    for run in records:
        if not run.follows_failure:
            continue
        failed = run.past_attempts[-1]
        _log.info(
            "attempt failed",
            job=str(run.name.job),
            run=str(run.name),
            trace=run.trace_id,
            attempt=failed.attempt,
            error_type=failed.error_type,
            again_at=format_instant(run.next_attempt_ms),
        )
