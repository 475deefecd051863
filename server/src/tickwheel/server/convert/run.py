"""Runs: from the domain's record to the contract's message."""

from typing import cast

from tickwheel.server.convert.instants import put_ms
from tickwheel.server.convert.report import put_result
from tickwheel.server.domain.names import RunName
from tickwheel.server.domain.run import PastAttempt, Run, RunState
from tickwheel.v1 import run_pb2


def run_message(run: Run) -> run_pb2.Run:
    """The run as clients see it, with all its attempts."""
    message = run_summary(run)
    _put_error(run, message.error)
    if run.result:
        put_result(run.result, message.result)
    for past in run.past_attempts:
        _put_past_attempt(past, message.attempts.add())
    if run.state is not RunState.SKIPPED:
        _put_attempt(run, message.attempts.add())
    return message


def run_summary(run: Run) -> run_pb2.Run:
    """The run without attempts, result and error, as in Job.recent_runs."""
    message = run_pb2.Run(
        name=str(run.name),
        job_uid=run.job_uid,
        state=run.state.value,
        trigger=run.trigger.value,
        worker=run.worker,
        topic=run.topic,
        trace_id=run.trace_id,
        cancel_requested=run.cancel_requested,
        backfill_id=run.backfill_id,
        dead_letter_topic=run.dead_letter_topic,
    )
    put_ms(message.schedule_time, run.schedule_ms)
    put_ms(message.due_time, run.due_ms)
    put_ms(message.publish_time, run.publish_ms)
    put_ms(message.start_time, run.start_ms)
    put_ms(message.end_time, run.end_ms)
    put_ms(message.update_time, run.update_ms)
    put_ms(message.create_time, run.create_ms)
    put_ms(message.next_attempt_time, run.next_attempt_ms)
    if run.retried_run:
        message.retried_run = str(RunName(run.name.job, run.retried_run))
    if run.blocking_run:
        message.blocking_run = str(RunName(run.name.job, run.blocking_run))
    if run.progress_ms and (run.progress_fraction or run.progress_message):
        message.progress.fraction = run.progress_fraction
        message.progress.message = run.progress_message
        put_ms(message.progress.update_time, run.progress_ms)
    if run.offset >= 0:
        message.partition = run.partition
        message.offset = run.offset
    if run.state is RunState.SKIPPED:
        message.skip_reason = cast("run_pb2.SkipReason", run.skip_reason)
        message.skipped_count = run.skipped_count
        put_ms(message.first_schedule_time, run.first_schedule_ms)
        put_ms(message.last_schedule_time, run.last_schedule_ms)
    else:
        message.attempt = run.attempt
    return message


def _put_attempt(run: Run, attempt: run_pb2.Attempt) -> None:
    attempt.attempt = run.attempt
    attempt.state = run.state.value
    attempt.worker = run.worker
    attempt.executor = run.executor
    attempt.topic = run.topic
    attempt.fence = run.fence
    put_ms(attempt.due_time, run.attempt_due_ms or run.due_ms)
    put_ms(attempt.publish_time, run.publish_ms)
    put_ms(attempt.start_time, run.start_ms)
    put_ms(attempt.end_time, run.end_ms)
    if run.offset >= 0:
        attempt.partition = run.partition
        attempt.offset = run.offset
    if not run.next_attempt_ms:
        # Else the error is that of the attempt before.
        _put_error(run, attempt.error)


def _put_past_attempt(past: PastAttempt, attempt: run_pb2.Attempt) -> None:
    attempt.attempt = past.attempt
    attempt.state = past.state.value
    attempt.worker = past.worker
    attempt.executor = past.executor
    attempt.topic = past.topic
    attempt.fence = past.fence
    put_ms(attempt.due_time, past.due_ms)
    put_ms(attempt.publish_time, past.publish_ms)
    put_ms(attempt.start_time, past.start_ms)
    put_ms(attempt.end_time, past.end_ms)
    if past.offset >= 0:
        attempt.partition = past.partition
        attempt.offset = past.offset
    _put_error(past, attempt.error)


def _put_error(failed: Run | PastAttempt, error: run_pb2.RunError) -> None:
    if failed.error or failed.error_type:
        error.message = failed.error
        error.type = failed.error_type
        error.details = failed.error_details
