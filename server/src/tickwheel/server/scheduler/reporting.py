"""Takes in what executors report: the state that follows, or why the report is refused. Pure."""

from tickwheel.server.domain.errors import StaleFence
from tickwheel.server.domain.report import (
    Answer,
    Failure,
    Finish,
    Heartbeat,
    Progress,
    Report,
    Start,
)
from tickwheel.server.domain.run import Run, RunState
from tickwheel.server.scheduler.live import UNPUBLISHED, LiveRun, Phase
from tickwheel.server.scheduler.reports import (
    PROGRESS_MS,
    check_attempt,
    check_ended,
    check_executor,
    error_fields,
    is_executors,
    is_repeated,
    needs_no_report,
)
from tickwheel.server.scheduler.runs import Runs


class NotPublishedYetError(Exception):
    """A report came before the worker's word that the attempt is on the log; ask again shortly."""


class Reporting:
    """Executors' reports about the runs of one segment."""

    def __init__(self, runs: Runs) -> None:
        self._runs = runs

    def report(self, report: Report, now_ms: int) -> Answer | None:
        """Takes a report in; None where the run is not live and the store has to be asked.

        Raises:
            StaleFence, RunStateWrong: see `reports`; nothing was changed.
            NotPublishedYetError: the worker's word is still to come.
        """
        run = self._runs.find(report.job_uid, report.run_id)
        if run is None:
            return None
        record = run.record
        if record is not None and is_repeated(report, record):
            return Answer()
        if not run.is_reported and not (record is not None and is_executors(record)):
            raise needs_no_report(report, record)
        if run.phase in UNPUBLISHED or run.phase is Phase.DROPPED or record is None:
            if report.attempt != run.attempt or report.fence > self._runs.epoch:
                raise StaleFence(
                    f"{report.run_name}: attempt {report.attempt} under fence {report.fence} has "
                    f"been superseded; the run is at attempt {run.attempt}",
                    run=report.run_name,
                    attempt=str(run.attempt),
                )
            raise NotPublishedYetError
        if run.phase is Phase.RECORDING:
            check_ended(report, record)
            return Answer()
        check_attempt(report, record)
        check_executor(report, record)
        match report.what:
            case Start():
                self._start(run, record, report.executor, now_ms)
            case Heartbeat(progress=progress):
                self._heartbeat(run, record, progress, now_ms)
            case Finish() as finish:
                self._finish(run, finish, now_ms)
        return Answer(timeout_ms=run.deadline_ms, cancel_requested=run.cancel_reason is not None)

    def _start(self, run: LiveRun, record: Run, executor: str, now_ms: int) -> None:
        if run.phase is Phase.RUNNING and record.executor == executor:
            if run.silent_ms:
                # It may be another process of that name, which is to beat only after a while.
                self._runs.alarms.hear(run, now_ms)
            return
        run.phase = Phase.RUNNING
        # Whoever had begun before was silent and is replaced: it was handed out again.
        run.silent_ms = 0
        start_ms = record.start_ms or now_ms
        self._runs.ledger.add(
            run.as_run(
                RunState.RUNNING, now_ms, self._runs.epoch, start_ms=start_ms, executor=executor
            )
        )

    def _heartbeat(self, run: LiveRun, record: Run, progress: Progress | None, now_ms: int) -> None:
        is_first = not run.silent_ms
        self._runs.alarms.hear(run, now_ms)
        changes = _progress(progress, now_ms) if progress is not None else {}
        if is_first or run.phase is Phase.PUBLISHED:
            changes = {"progress_ms": now_ms, "start_ms": record.start_ms or now_ms, **changes}
        elif now_ms - record.progress_ms < PROGRESS_MS:
            return
        if changes:
            run.phase = Phase.RUNNING
            self._runs.ledger.add(run.as_run(RunState.RUNNING, now_ms, self._runs.epoch, **changes))

    def _finish(self, run: LiveRun, finish: Finish, now_ms: int) -> None:
        progress = _progress(finish.progress, now_ms) if finish.progress is not None else {}
        started = {"start_ms": run.record.start_ms or now_ms} if run.record else {}
        known = {**progress, **started}
        if finish.state is RunState.SUCCEEDED:
            result = finish.result
            self._runs.endings.end(
                run, finish.state, now_ms, **known, result=result, **error_fields(None)
            )
        elif finish.state is RunState.CANCELLED:
            self._runs.endings.cancelled(run, now_ms, finish.failure, **known, result=finish.result)
        else:
            why = finish.failure or Failure(message="the executor gave no reason", type="")
            self._runs.endings.attempt_over(run, why, now_ms, retryable=finish.retryable, **known)


def _progress(progress: Progress, now_ms: int) -> dict[str, object]:
    return {
        "progress_fraction": progress.fraction,
        "progress_message": progress.message,
        "progress_ms": now_ms,
    }
