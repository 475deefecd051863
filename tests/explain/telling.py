"""What the tests of explanations are made of."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from scheduler.making import NOW, SECOND
from tickwheel.server.domain.job import Job
from tickwheel.server.domain.names import instant_id
from tickwheel.server.domain.run import Run, RunState, Trigger
from tickwheel.server.explain.facts import Explained, Life, Runs, Surroundings, life_of
from tickwheel.server.explain.judging import explain
from tickwheel.server.explain.slots import slots
from tickwheel.server.store.port import ChangeRecord
from tickwheel.v1 import job_pb2, job_service_pb2

DAY = 86_400 * SECOND
AT = NOW + 5 * SECOND


def run_of(job: Job, at_ms: int = AT, **more: Any) -> Run:
    """A run that was published 3 ms after it was due."""
    fields: dict[str, Any] = {
        "state": RunState.SUCCEEDED,
        "trigger": Trigger.SCHEDULE,
        "update_ms": at_ms + 5,
        "create_ms": at_ms + 5,
        "publish_ms": at_ms + 3,
        "worker": "w1",
        "topic": "billing",
        "partition": 2,
        "offset": 41,
        **more,
    }
    return Run(
        user=job.user,
        job_id=job.job_id,
        job_uid=job.uid,
        run_id=fields.pop("run_id", instant_id(at_ms)),
        segment=0,
        schedule_ms=at_ms,
        due_ms=at_ms,
        **fields,
    )


def lives(job: Job, *former: tuple[Job, str]) -> list[Life]:
    """A job with its former versions, and who ended each."""
    ends = [one.update_ms for one, _ in (*former, (job, ""))][1:]
    history = [
        ChangeRecord(job=one, change_ms=end, actor=actor, reason="")
        for (one, actor), end in zip(former, ends, strict=True)
    ]
    return [life_of(job, history)]


def tell(
    past: list[Life],
    *runs: Run,
    at_ms: int = AT,
    now_ms: int = AT + 60 * SECOND,
    before: Sequence[Run] = (),
    **around: Any,
) -> tuple[str, str, str]:
    """Outcome, reason and text of one instant; `before` are runs before what is asked about."""
    (slot,) = slots(past, at_ms, at_ms + 1)
    uid = past[-1].job.uid
    around.setdefault("done_ms", {uid: now_ms})
    told = explain(slot, {uid: Runs(runs, before)}, Surroundings(now_ms=now_ms, **around))
    assert told.text.endswith(".")
    return (*names(told), told.text)


def names(told: Explained) -> tuple[str, str]:
    outcome = job_service_pb2.OccurrenceOutcome.Name(told.outcome)
    reason = job_service_pb2.OccurrenceReason.Name(told.reason)
    return (
        outcome.removeprefix("OCCURRENCE_OUTCOME_"),
        reason.removeprefix("OCCURRENCE_REASON_"),
    )


def reported(job: Job, policy: "job_pb2.Overlap") -> Job:
    spec = job_pb2.Job()
    spec.CopyFrom(job.spec)
    spec.completion = job_pb2.COMPLETION_REPORTED
    spec.overlap_policy = policy
    return replace(job, spec=spec)
