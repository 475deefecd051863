"""Executors' reports: which are accepted, and what state follows. Pure.

A report names a run, an attempt and the fence under which its record was published. Only the
present attempt, under the fence that the run has it on the log with, may change anything; the same
report again is accepted again.
"""

from tickwheel.server.domain.errors import RunStateWrong, StaleFence
from tickwheel.server.domain.report import HEARTBEAT_MS, Failure, Finish, Report, Start
from tickwheel.server.domain.run import Run, RunState

#: After its first heartbeat, an attempt that is silent for this long has failed.
SILENCE_MS = 3 * HEARTBEAT_MS
#: Progress is recorded at most this often; in between it is kept in memory alone.
PROGRESS_MS = 2_000


def needs_no_report(report: Report, record: Run | None) -> RunStateWrong:
    """What to answer about a run that has succeeded once it is on the log."""
    state = record.state if record else RunState.PENDING
    return RunStateWrong(
        f"{report.run_name} needs no report: its job is COMPLETION_PUBLISHED",
        run=report.run_name,
        state=f"RUN_STATE_{state.name}",
        completion="COMPLETION_PUBLISHED",
    )


def is_executors(record: Run) -> bool:
    """Whether the attempt on the log is, or was, an executor's to report, whatever its job is now.

    Of a job that was made COMPLETION_PUBLISHED meanwhile as well: it would time out, and be
    executed again.
    """
    is_on_the_log = record.fence > 0
    return record.start_ms > 0 or (is_on_the_log and record.state is not RunState.SUCCEEDED)


def check_attempt(report: Report, record: Run) -> None:
    """Whether a report is about the attempt that the run is at.

    Raises:
        StaleFence: it is about another attempt, or a record that does not count.
    """
    if report.attempt == record.attempt and report.fence == record.fence:
        return
    raise StaleFence(
        f"{report.run_name}: attempt {report.attempt} under fence {report.fence} has been "
        f"superseded; the run is at attempt {record.attempt} under fence {record.fence}",
        run=report.run_name,
        attempt=str(record.attempt),
        fence=str(record.fence),
    )


def check_executor(report: Report, record: Run) -> None:
    """Whether a report comes from the executor that has the attempt.

    Who started it last has it: its record was handed out again, because the former executor lost
    its partition or was taken for dead. A success of the former one counts: the work is done.

    Raises:
        StaleFence: another executor has taken the attempt over.
    """
    what = report.what
    if isinstance(what, Start) or not report.executor or not record.executor:
        return
    if report.executor == record.executor:
        return
    if isinstance(what, Finish) and what.state is RunState.SUCCEEDED:
        return
    raise StaleFence(
        f"{report.run_name}: attempt {report.attempt} has been taken over by {record.executor}",
        run=report.run_name,
        attempt=str(record.attempt),
        executor=record.executor,
    )


def check_ended(report: Report, record: Run) -> None:
    """Accepts the repetition of the report that ended a run; refuses everything else.

    Raises:
        StaleFence: as check_attempt.
        RunStateWrong: the run has ended otherwise.
    """
    check_attempt(report, record)
    if isinstance(report.what, Finish) and report.what.state is record.state:
        return
    raise RunStateWrong(
        f"{report.run_name} is {record.state.name} already",
        run=report.run_name,
        state=f"RUN_STATE_{record.state.name}",
    )


def is_repeated(report: Report, record: Run) -> bool:
    """Whether it repeats the report of a failure after which another attempt followed."""
    if not isinstance(report.what, Finish) or report.what.state is not RunState.FAILED:
        return False
    return any(
        (past.attempt, past.fence) == (report.attempt, report.fence) and past.end_ms
        for past in record.past_attempts
    )


def why_cancelled(reason: str, word: Failure | None) -> Failure:
    """The error of a cancelled run: the reason of who asked for it, where one was given.

    Args:
        reason: of who has cancelled it; may be empty.
        word: what its executor has said of the attempt; kept as the details beside a reason.
    """
    if word is None:
        return Failure(message=reason, type="cancelled")
    if not reason:
        return word
    return Failure(message=reason, type="cancelled", details=word.details or word.message)


def error_fields(why: Failure | None) -> dict[str, str]:
    """The fields of a run that say why it failed; empty ones for None."""
    if why is None:
        return {"error": "", "error_type": "", "error_details": ""}
    return {"error": why.message, "error_type": why.type, "error_details": why.details}
