"""What the log says of attempts that have failed."""

from collections.abc import MutableMapping
from dataclasses import replace
from typing import Any

from structlog.testing import capture_logs

from scheduler.making import NOW, SECOND, assign, entry_of, load, make_job, make_owner
from tickwheel.server.schedule.instants import format_instant
from tickwheel.server.scheduler.runlog import log_retried
from tickwheel.v1 import scheduler_service_pb2


def test_an_attempt_that_is_followed_by_another_one_has_a_line_without_its_errors_text() -> None:
    owner, job = make_owner(), make_job(at_ms=NOW)
    job.spec.retry_policy.max_retry_count = 1
    (run,) = load(owner, job, entry_of(job, NOW))
    refusal = scheduler_service_pb2.PublishFailure(message="secret", refused=True)
    again_at = ""
    now_ms, logs = NOW, list[MutableMapping[str, Any]]()
    for _ in range(2):
        assert owner.failed(run.key, "w", refusal, now_ms)
        assert run.record is not None
        with capture_logs() as said:
            # The second state is one of a run that still waits.
            log_retried([run.record, replace(run.record, update_ms=now_ms + 1)])
        logs += said
        if run.record.next_attempt_ms:
            again_at = format_instant(run.record.next_attempt_ms)
        now_ms += 60 * SECOND
        owner.step(now_ms)
        assign(owner)
    assert run.record is not None
    # The second failure ends the run, which has a line of its own.
    assert logs == [
        {
            "event": "attempt failed",
            "log_level": "info",
            "job": str(run.record.name.job),
            "run": str(run.record.name),
            "trace": run.record.trace_id,
            "attempt": 1,
            "error_type": "publish-refused",
            "again_at": again_at,
        }
    ]
