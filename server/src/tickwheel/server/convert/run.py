"""Runs: from the domain's record to the contract's message."""

from typing import cast

from tickwheel.server.convert.instants import put_ms
from tickwheel.server.domain.run import Run, RunState
from tickwheel.v1 import run_pb2


def run_message(run: Run) -> run_pb2.Run:
    """The run as clients see it, with its latest attempt."""
    message = run_summary(run)
    if run.error:
        message.error.message = run.error
    if run.state is not RunState.SKIPPED:
        _put_attempt(run, message.attempts.add())
    return message


def run_summary(run: Run) -> run_pb2.Run:
    """The run without attempts and error, as in Job.recent_runs."""
    message = run_pb2.Run(
        name=str(run.name),
        job_uid=run.job_uid,
        state=run.state.value,
        trigger=run.trigger.value,
        worker=run.worker,
        topic=run.topic,
        trace_id=run.trace_id,
    )
    put_ms(message.schedule_time, run.schedule_ms)
    put_ms(message.due_time, run.due_ms)
    put_ms(message.publish_time, run.publish_ms)
    put_ms(message.start_time, run.start_ms)
    put_ms(message.end_time, run.end_ms)
    put_ms(message.update_time, run.update_ms)
    if run.revision == 1:
        put_ms(message.create_time, run.update_ms)
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
    attempt.topic = run.topic
    attempt.fence = run.epoch
    if run.attempt == 1:
        put_ms(attempt.due_time, run.due_ms)
    put_ms(attempt.publish_time, run.publish_ms)
    put_ms(attempt.start_time, run.start_ms)
    put_ms(attempt.end_time, run.end_ms)
    if run.offset >= 0:
        attempt.partition = run.partition
        attempt.offset = run.offset
    if run.error:
        attempt.error.message = run.error
