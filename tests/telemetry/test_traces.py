"""A call's trace and a run's, with every hop, as a real OpenTelemetry Collector received them."""

import os
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from bootstrap.gateway import gateway as build_gateway
from engines_fixtures import CassandraServer, KafkaServer
from localcluster import LocalCluster

from e2e.dev_process import dev_process
from telemetry.collector import Collector, Span, drawn, of_trace
from tickwheel.worker.telemetry import names

# The first one builds the Collector where that was never done.
pytestmark = pytest.mark.timeout(1200)

TOPIC = "traced"
CREATE = "POST /v1/{parent=users/*}/jobs"
REPORTED = {"completion": "COMPLETION_REPORTED", "runTimeout": "30s"}


@contextmanager
def _executor(folder: Path, **settings: str) -> Generator[None]:
    with (folder / "executor.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("executor.py"), TOPIC],
            env=os.environ | settings,
            stdout=log,
            stderr=log,
        )
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)


def _create(url: str, job_id: str, **more: Any) -> dict[str, Any]:
    at = (datetime.now(UTC) + timedelta(seconds=2)).isoformat()
    body = {"schedule": {"at": at}, "target": {"topic": TOPIC}, **more}
    answer = httpx.post(f"{url}/v1/users/7/jobs", params={"job_id": job_id}, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def _run(url: str, job_id: str, *states: str) -> dict[str, Any]:
    """The job's latest run once it is over, in one of the states if there are any."""
    ends = states or ("RUN_STATE_SUCCEEDED", "RUN_STATE_FAILED")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        runs = httpx.get(f"{url}/v1/users/7/jobs/{job_id}/runs").json()["runs"]
        if runs and runs[0]["state"] in ends:
            return runs[0]
        time.sleep(0.05)
    raise AssertionError(f"{job_id} has no run that has ended")


def _is_ok(span: Span) -> bool:
    return span.attributes.get("rpc.response.status_code", "OK") == "OK"


def _one(spans: list[Span], service: str, name: str) -> Span:
    found = [span for span in spans if (span.service, span.name) == (service, name)]
    assert len(found) == 1, f"{service}: {name} is there {len(found)} times in\n{drawn(spans)}"
    return found[0]


def _call_trace(seen: Collector, api: str, store: str) -> list[Span]:
    """The trace of the CreateJob over REST: each hop is the child of the one before."""

    def whole(spans: list[Span]) -> list[Span] | None:
        for span in spans:
            if (span.service, span.name) == (api, "jobs.create"):
                trace = of_trace(spans, span.trace_id)
                if any(one.name == CREATE for one in trace):
                    return trace
        return None

    trace: list[Span] = seen.until(whole, "the trace of CreateJob")
    method = "tickwheel.v1.JobService/CreateJob"
    rest = _one(trace, "tickwheel-gateway", CREATE)
    call = _one(trace, "tickwheel-gateway", method)
    served = _one(trace, api, method)
    stored = _one(trace, api, "jobs.create")
    assert (rest.kind, call.kind, served.kind, stored.kind) == (
        "SERVER",
        "CLIENT",
        "SERVER",
        "CLIENT",
    )
    assert rest.parent_id == ""
    assert [call.parent_id, served.parent_id, stored.parent_id] == [
        rest.span_id,
        call.span_id,
        served.span_id,
    ]
    assert served.attributes["rpc.response.status_code"] == "OK"
    assert stored.attributes["db.system.name"] == store
    assert stored.attributes["db.operation.name"] == "jobs.create"
    assert ("db.namespace" in stored.attributes) is (store == "cassandra")
    return trace


def _run_trace(
    seen: Collector, run: dict[str, Any], made: Span, *, scheduler: str, worker: str, api: str
) -> list[Span]:
    """The trace of a run: all hops below its root, which is linked to the job's creation."""
    wanted = {
        (scheduler, "run"),
        (scheduler, "schedule"),
        (scheduler, "assignment"),
        (scheduler, "record"),
        (worker, "hold"),
        (worker, f"send {TOPIC}"),
        ("user-program", f"process {TOPIC}"),
        ("user-program", "the user's own work"),
        (api, "tickwheel.v1.ExecutorService/StartRuns"),
        (api, "tickwheel.v1.ExecutorService/FinishRuns"),
    }

    def whole(spans: list[Span]) -> list[Span] | None:
        # An executor makes a call that failed again.
        trace = [span for span in of_trace(spans, run["traceId"]) if _is_ok(span)]
        return trace if wanted <= {(span.service, span.name) for span in trace} else None

    trace: list[Span] = seen.until(whole, f"all of {sorted(wanted)} of {run['traceId']}")
    root = _one(trace, scheduler, "run")
    assert root.parent_id == ""
    assert root.links == ((made.trace_id, made.span_id),)
    assert root.attributes["tickwheel.run.name"] == run["name"]
    assert root.attributes["tickwheel.run.state"] == "succeeded"
    for service, name in wanted - {(scheduler, "run"), ("user-program", "the user's own work")}:
        span = _one(trace, service, name)
        assert span.parent_id == root.span_id, name
        assert span.attributes["tickwheel.run.name"] == run["name"], name
    sent = _one(trace, worker, f"send {TOPIC}")
    processed = _one(trace, "user-program", f"process {TOPIC}")
    assert (sent.kind, processed.kind) == ("PRODUCER", "CONSUMER")
    for span, operation in ((sent, "send"), (processed, "process")):
        assert span.attributes["messaging.operation.name"] == operation
        assert span.attributes["messaging.operation.type"] == operation
        assert span.attributes["messaging.destination.name"] == TOPIC
        assert span.attributes["messaging.destination.partition.id"] == str(run["partition"])
        assert span.attributes["messaging.kafka.offset"] == run["offset"]
        assert span.attributes["tickwheel.run.name"] == run["name"]
    assert sent.attributes["messaging.message.id"] == processed.attributes["messaging.message.id"]
    assert sent.attributes["messaging.system"] == processed.attributes["messaging.system"]
    assert root.start_ns <= sent.start_ns <= processed.start_ns + 50_000_000
    own = _one(trace, "user-program", "the user's own work")
    assert own.parent_id == processed.span_id
    return trace


def _skipped_trace(seen: Collector, url: str, api: str, scheduler: str) -> list[Span]:
    """The trace of a skipped run: linked to the call that made the version it was skipped of."""
    job = f"{url}/v1/users/7/jobs/skipped"
    body = {"schedule": {"every": "1s"}, "target": {"topic": "skipped"}}
    answer = httpx.post(f"{url}/v1/users/7/jobs", params={"job_id": "skipped"}, json=body)
    assert answer.status_code == 200, answer.text
    caller = {"traceparent": f"00-{os.urandom(16).hex()}-{os.urandom(8).hex()}-01"}
    answer = httpx.post(f"{job}:pause", json={"reason": "to be seen"}, headers=caller)
    assert answer.status_code == 200, answer.text
    run = _run(url, "skipped", "RUN_STATE_SKIPPED")

    def told(spans: list[Span]) -> list[Span] | None:
        is_there = any(
            span.name.endswith("JobService/PauseJob") and span.kind == "SERVER"
            for span in of_trace(spans, caller["traceparent"][3:35])
        )
        return spans if is_there and of_trace(spans, run["traceId"]) else None

    spans: list[Span] = seen.until(told, f"the trace of {run['name']}, and of its job's pause")
    paused = of_trace(spans, caller["traceparent"][3:35])
    made = _one(paused, api, "tickwheel.v1.JobService/PauseJob")
    trace = of_trace(spans, run["traceId"])
    root = _one(trace, scheduler, "run")
    assert root.parent_id == ""
    assert root.links == ((made.trace_id, made.span_id),)
    assert root.attributes["tickwheel.run.name"] == run["name"]
    assert root.attributes["tickwheel.run.skip_reason"] == "SKIP_REASON_PAUSED"
    return trace


def _asked_traces(seen: Collector, url: str, api: str, scheduler: str) -> list[list[Span]]:
    """Of runs by hand, tried again and of a backfill: each its own, linked to the call."""
    job = f"{url}/v1/users/7/jobs/asked"
    body = {"schedule": {"every": "60s"}, "target": {"topic": "asked"}}
    answer = httpx.post(f"{url}/v1/users/7/jobs", params={"job_id": "asked"}, json=body)
    assert answer.status_code == 200, answer.text

    def ask(path: str, **body: str) -> tuple[str, dict[str, Any]]:
        trace_id = os.urandom(16).hex()
        caller = {"traceparent": f"00-{trace_id}-{os.urandom(8).hex()}-01"}
        answer = httpx.post(path, json=body, headers=caller)
        assert answer.status_code == 200, answer.text
        return trace_id, answer.json()

    by_hand, run = ask(f"{job}:run")
    _run(url, "asked")
    retry, again = ask(f"{url}/v1/{run['name']}:retry")
    now = datetime.now(UTC)
    backfill, begun = ask(
        f"{job}:backfill",
        start_time=(now - timedelta(seconds=130)).isoformat(),
        end_time=now.isoformat(),
    )
    deadline = time.monotonic() + 60
    filled: list[dict[str, Any]] = []
    while len(filled) < int(begun["count"]):
        assert time.monotonic() < deadline
        runs = httpx.get(f"{job}/runs").json()["runs"]
        filled = [
            one
            for one in runs
            if one["trigger"] == "TRIGGER_BACKFILL" and one["state"] == "RUN_STATE_SUCCEEDED"
        ]
    assert filled
    asked = [
        (by_hand, "RunJob", run),
        (retry, "RetryRun", again),
        *((backfill, "BackfillJob", one) for one in filled),
    ]
    traces: list[list[Span]] = []
    for trace_id, method, run in asked:

        def whole(
            spans: list[Span], trace_id: str = trace_id, run: dict[str, Any] = run
        ) -> tuple[list[Span], list[Span]] | None:
            call, trace = of_trace(spans, trace_id), of_trace(spans, run["traceId"])
            served = [span for span in call if (span.service, span.kind) == (api, "SERVER")]
            roots = [span for span in trace if span.name == "run"]
            # Where the owner is another process its part comes by itself.
            has_all = scheduler in {span.service for span in call}
            return (call, trace) if served and roots and has_all else None

        call, trace = seen.until(whole, f"the trace of {run['name']}, and that of {method}")
        served = _one(call, api, f"tickwheel.v1.JobService/{method}")
        root = _one(trace, scheduler, "run")
        assert root.attributes["tickwheel.run.name"] == run["name"]
        assert root.parent_id == ""
        assert root.trace_id != trace_id
        assert (served.trace_id, served.span_id) == root.links[0]
        # And to the one that created the job.
        assert len(root.links) == 2
        for span in call:
            # The gateway's own names a route.
            if span.service in (api, scheduler) and span.name.startswith("tickwheel."):
                assert span.attributes["tickwheel.job.name"] == "users/7/jobs/asked", span
        traces.append(trace)
    return traces


def _served(trace: list[Span], api: str) -> Span:
    return _one(trace, api, "tickwheel.v1.JobService/CreateJob")


def test_dev_mode(received: Collector, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = {"TICKWHEEL_OTLP_ENDPOINT": received.endpoint, "TICKWHEEL_TRACE_RATIO": "1"}
    with dev_process(tmp_path, build_gateway(), settings=settings) as dev:
        program = {"TICKWHEEL_ADDRESS": dev.grpc_address, **settings}
        with _executor(tmp_path, **program):
            _create(dev.url, "traced", **REPORTED)
            run = _run(dev.url, "traced")
            call = _call_trace(received, "tickwheel-dev", "sqlite")
            of_run = _run_trace(
                received,
                run,
                _served(call, "tickwheel-dev"),
                scheduler="tickwheel-dev",
                worker="tickwheel-dev",
                api="tickwheel-dev",
            )
        skipped = _skipped_trace(received, dev.url, "tickwheel-dev", "tickwheel-dev")
        by_hand, *_ = _asked_traces(received, dev.url, "tickwheel-dev", "tickwheel-dev")
        # What is left is pushed when it stops.
        dev.stop()
    with capsys.disabled():
        print(f"\n-- a REST call, dev mode\n{drawn(call)}\n-- its run\n{drawn(of_run)}")  # noqa: T201
        print(f"-- a skipped run\n{drawn(skipped)}\n-- a run by hand\n{drawn(by_hand)}")  # noqa: T201
    told = received.metrics()["tickwheel-dev"]
    # Of the runs in a bucket the last one is its exemplar: this one, or one before the pause.
    exemplars = received.exemplars(names.LATENESS.name)
    assert exemplars
    assert exemplars <= {span.trace_id for span in received.spans() if span.name == "run"}
    assert {names.LATENESS.name, names.SUBMITTED.name, names.SEGMENTS.name} <= told
    assert told <= {metric.name for metric in names.ALL}


def test_the_cluster(
    received: Collector,
    cassandra_server: CassandraServer,
    kafka_server: KafkaServer,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings = {"TICKWHEEL_OTLP_ENDPOINT": received.endpoint, "TICKWHEEL_TRACE_RATIO": "1"}
    cluster = LocalCluster(
        tmp_path / "cluster",
        cassandra=",".join(cassandra_server.contact_points),
        kafka=kafka_server.bootstrap,
        gateway=build_gateway(),
        settings=settings,
    )
    with cluster:
        url = f"http://{cluster.http_address}"
        program = {
            "TICKWHEEL_ADDRESS": cluster.grpc_address,
            "TICKWHEEL_KAFKA_BOOTSTRAP": kafka_server.bootstrap,
            "TICKWHEEL_GROUP": "traces",
            **settings,
        }
        with _executor(tmp_path, **program):
            _create(url, "traced-far", **REPORTED)
            run = _run(url, "traced-far")
            call = _call_trace(received, "tickwheel-api", "cassandra")
            of_run = _run_trace(
                received,
                run,
                _served(call, "tickwheel-api"),
                scheduler="tickwheel-scheduler",
                worker="tickwheel-worker",
                api="tickwheel-api",
            )
        # Reports go on to the owner, in another process, within the same trace.
        finished = _one(of_run, "tickwheel-api", "tickwheel.v1.ExecutorService/FinishRuns")
        asked = [span for span in of_run if span.name.endswith("OwnerService/ReportRuns")]
        out = [span for span in asked if span.parent_id == finished.span_id]
        assert [span.kind for span in out] == ["CLIENT"]
        owners = [span for span in asked if span.parent_id == out[0].span_id]
        assert [(span.service, span.kind) for span in owners] == [("tickwheel-scheduler", "SERVER")]
        assert out[0].attributes["server.address"].startswith("127.")
        for span in (*out, *owners):
            assert span.attributes["rpc.system.name"] == "grpc"
            assert span.attributes["rpc.method"] == span.name
            assert span.attributes["rpc.response.status_code"] == "OK"
        skipped = _skipped_trace(received, url, "tickwheel-api", "tickwheel-scheduler")
        by_hand, *_ = _asked_traces(received, url, "tickwheel-api", "tickwheel-scheduler")
        # What is left is pushed when they stop.
        cluster.stop()
    with capsys.disabled():
        print(f"\n-- a REST call, cluster\n{drawn(call)}\n-- its run\n{drawn(of_run)}")  # noqa: T201
        print(f"-- a skipped run\n{drawn(skipped)}\n-- a run by hand\n{drawn(by_hand)}")  # noqa: T201
    told = received.metrics()
    for service in ("tickwheel-api", "tickwheel-scheduler", "tickwheel-worker"):
        assert told[service]
        assert told[service] <= {metric.name for metric in names.ALL}
