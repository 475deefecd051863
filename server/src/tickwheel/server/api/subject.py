"""What a call is about, by its resource names: nothing else of a request is logged or traced."""

from collections.abc import Sequence
from typing import Any

from tickwheel.internal.v1.owner_service_pb2 import RunReport
from tickwheel.v1.executor_service_pb2 import RunAttempt

#: Of a call that is about many runs so many are named.
_NAMED = 10
#: Names are told as they were sent, right or wrong; one that is right is shorter.
_LONGEST = 300


def subject(request: Any) -> dict[str, Any]:
    """What a request is about.

    Returns:
        `job`, `run` and, of a report, `attempt`; where several are reported `count` and the first
        of them, `runs`; `parent` of a list. Nothing of what names nothing, as a stream.
    """
    reports = getattr(request, "runs", None) or getattr(request, "reports", None)
    if reports:
        return _reported([_attempt(report) for report in reports[:_NAMED]], len(reports))
    name = getattr(request, "name", "") or getattr(request, "parent", "")
    if not isinstance(name, str) or not name:
        return {}
    if "/runs/" in name:
        return _run(name)
    return {"job" if "/jobs/" in name else "parent": name[:_LONGEST]}


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
