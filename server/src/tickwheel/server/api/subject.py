"""What a call is about, by its resource names: nothing else of a request is logged or traced."""

from collections.abc import Sequence
from typing import Any

from tickwheel.internal.v1.owner_service_pb2 import (
    CancelRunRequest,
    JobRef,
    NotifyJobsRequest,
    RunReport,
    StartBackfillRequest,
    StopWorkerRequest,
    TriggerRunRequest,
)
from tickwheel.server.domain.names import WORKERS
from tickwheel.v1.executor_service_pb2 import RunAttempt
from tickwheel.v1.job_service_pb2 import CreateJobRequest, UpdateJobRequest

#: Of a call that is about many runs so many are named.
_NAMED = 10
#: Names are told as they were sent, right or wrong; one that is right is shorter.
_LONGEST = 300


def subject(request: Any) -> dict[str, Any]:
    """What a request is about.

    Returns:
        `job`, `run` and, of a report, `attempt`; where several are reported `count` and the first
        of them, `runs`; `worker`; `parent` of a list. Nothing of what names nothing, as a stream.
    """
    reports = getattr(request, "runs", None) or getattr(request, "reports", None)
    if reports:
        return _reported([_attempt(report) for report in reports[:_NAMED]], len(reports))
    name = _name(request)
    if not isinstance(name, str) or not name:
        return {}
    if "/runs/" in name:
        return _run(name)
    if name.startswith(WORKERS):
        return {"worker": name[len(WORKERS) :][:_LONGEST]}
    return {"job" if "/jobs/" in name else "parent": name[:_LONGEST]}


def _name(request: Any) -> Any:
    """The resource that a request is about, or in which it looks or makes one."""
    match request:
        case CreateJobRequest(job_id=job_id) if job_id:
            return f"{request.parent}/jobs/{job_id}"
        case UpdateJobRequest():
            return request.job.name
        case StopWorkerRequest():
            return f"{WORKERS}{request.worker_id}"
        case NotifyJobsRequest(jobs=[ref]):
            return _owned(ref, "")
        case TriggerRunRequest() | CancelRunRequest():
            return _owned(request.job, request.run_id)
        case StartBackfillRequest():
            return _owned(request.job, "")
        case _:
            return getattr(request, "name", "") or getattr(request, "parent", "")


def _owned(ref: JobRef, run_id: str) -> str:
    """What one server asks another about; empty where the one that asks does not say."""
    if not ref.job_id:
        return ""
    job = f"users/{ref.user}/jobs/{ref.job_id}"
    return f"{job}/runs/{run_id}" if run_id else job


def _attempt(report: Any) -> RunAttempt:
    """Of an executor's report, or of one that is handed on to the owner."""
    if isinstance(report, RunReport):
        what = report.WhichOneof("what")
        return getattr(report, what).attempt if what else RunAttempt()
    return report.attempt


def _reported(attempts: Sequence[RunAttempt], count: int) -> dict[str, Any]:
    """What executors report of; the trace of one that reports of a single run is the call's."""
    if count == 1:
        return {**_run(attempts[0].run), "attempt": attempts[0].attempt}
    return {"runs": [attempt.run[:_LONGEST] for attempt in attempts], "count": count}


def _run(name: str) -> dict[str, Any]:
    return {"job": name.partition("/runs/")[0][:_LONGEST], "run": name[:_LONGEST]}
