"""Of runs that are not sampled those that went wrong leave a whole trace, and no others any."""

import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from bootstrap.gateway import gateway as build_gateway

from e2e.dev_process import DevProcess, dev_process
from telemetry.collector import Collector, Span, drawn, of_trace
from tickwheel.server.telemetry.tracing import LATE_MS

# The first one builds the Collector where that was never done.
pytestmark = pytest.mark.timeout(1200)

_JOBS = "/v1/users/7/jobs"
#: For longer than what counts as late.
_AWAY_S = 3


def _create(dev: DevProcess, job_id: str, **more: Any) -> None:
    body = {"schedule": {"every": "1s"}, "target": {"topic": job_id}, **more}
    answer = httpx.post(f"{dev.url}{_JOBS}", params={"job_id": job_id}, json=body)
    assert answer.status_code == 200, answer.text


def _until(dev: DevProcess, job_id: str, which: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The newest run of a job that is such a one, once there is one."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for run in _runs(dev, job_id):
            if which(run):
                return run
        time.sleep(0.05)
    raise AssertionError(f"{job_id} has no such run: {_runs(dev, job_id)}")


def _runs(dev: DevProcess, job_id: str) -> list[dict[str, Any]]:
    return httpx.get(f"{dev.url}{_JOBS}/{job_id}/runs").json()["runs"]


def _late_ms(run: dict[str, Any]) -> float:
    due, published = (datetime.fromisoformat(run[field]) for field in ("dueTime", "publishTime"))
    return (published - due).total_seconds() * 1000


def _is_late(run: dict[str, Any]) -> bool:
    return run["state"] == "RUN_STATE_SUCCEEDED" and _late_ms(run) > LATE_MS


def _is_fine(run: dict[str, Any]) -> bool:
    return run["state"] == "RUN_STATE_SUCCEEDED" and _late_ms(run) <= LATE_MS


def _whole(spans: list[Span], run: dict[str, Any], children: set[str]) -> Span:
    """The root of a run's trace, which has these children and no others, and nothing below."""
    trace = of_trace(spans, run["traceId"])
    (root,) = [span for span in trace if not span.parent_id]
    assert (root.name, root.attributes["tickwheel.run.name"]) == ("run", run["name"])
    assert len(root.links) == 1
    below = [span for span in trace if span is not root]
    assert {span.name for span in below} == children, drawn(trace)
    assert {span.parent_id for span in below} <= {root.span_id}
    assert all(root.start_ns <= span.start_ns <= span.end_ns for span in trace), drawn(trace)
    return root


def test_without_sampling_only_what_went_wrong_leaves_a_trace(
    received: Collector, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = {"TICKWHEEL_OTLP_ENDPOINT": received.endpoint, "TICKWHEEL_TRACE_RATIO": "0"}
    with dev_process(tmp_path, build_gateway(), settings=settings) as dev:
        _create(dev, "plain")
        _create(
            dev,
            "unheard",
            completion="COMPLETION_REPORTED",
            runTimeout="1s",
            retryPolicy={"maxRetryCount": 1, "initialBackoff": "0.1s"},
        )
        _create(dev, "asleep")
        httpx.post(f"{dev.url}{_JOBS}/asleep:pause", json={"reason": "to be seen"})
        _until(dev, "plain", _is_fine)
        failed = _until(dev, "unheard", lambda run: run["state"] == "RUN_STATE_FAILED")
        skipped = _until(dev, "asleep", lambda run: run["state"] == "RUN_STATE_SKIPPED")
        dev.stop()
        time.sleep(_AWAY_S)
        dev.start()
        late = _until(dev, "plain", _is_late)
        plain = _runs(dev, "plain")
        # What is left is pushed when it stops.
        dev.stop()
    spans = received.spans()
    children = {"schedule", "assignment", "record", "send unheard", "attempt"}
    root = _whole(spans, failed, children)
    assert (root.is_error, root.attributes["error.type"]) == (True, "run-timeout")
    root = _whole(spans, skipped, set())
    assert root.attributes["tickwheel.run.skip_reason"] == "SKIP_REASON_PAUSED"
    root = _whole(spans, late, {"schedule", "assignment", "record", "send plain"})
    assert root.attributes["tickwheel.run.lateness"] == pytest.approx(_late_ms(late) / 1000)
    # Each run of the plain job, by what became of it.
    left = {run["name"] for run in plain if of_trace(spans, run["traceId"])}
    assert left == {run["name"] for run in plain if _is_late(run)}
    assert any(_is_fine(run) for run in plain)
    with capsys.disabled():
        for what, run in (("failed", failed), ("skipped", skipped), ("late", late)):
            print(f"\n-- {what}, not sampled\n{drawn(of_trace(spans, run['traceId']))}")  # noqa: T201
