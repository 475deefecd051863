"""Runs that an executor reports, and past ones, as a user sees them: REST and command line."""

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import httpx
import pytest

from e2e.dev_process import DevProcess
from tickwheel.v1 import executor_service_pb2 as pb
from tickwheel.v1 import executor_service_pb2_grpc, run_pb2


class Executor:
    """Pulls records and reports, by the generated stubs alone."""

    def __init__(self, dev: DevProcess, topic: str) -> None:
        self._channel = grpc.insecure_channel(dev.grpc_address)
        self.stub = executor_service_pb2_grpc.ExecutorServiceStub(self._channel)
        self._topic = topic

    def take(self) -> pb.RunAttempt:
        """The attempt that the next record names."""
        pulled = self.stub.PullRecords(
            pb.PullRecordsRequest(topic=self._topic, group="g", max=1, wait={"seconds": 15})
        )
        (record,) = pulled.records
        place = pb.RecordPosition(partition=record.partition, offset=record.offset)
        self.stub.AckRecords(pb.AckRecordsRequest(topic=self._topic, group="g", records=[place]))
        headers = {header.key: header.value.decode() for header in record.headers}
        uid, run_id, _ = headers["ce_id"].split("/")
        return pb.RunAttempt(
            run=f"{headers['ce_source']}/runs/{run_id}",
            job_uid=uid,
            attempt=int(headers["ce_attempt"]),
            fence=int(headers["ce_fence"]),
        )

    def start(self, attempt: pb.RunAttempt) -> pb.StartRunResult:
        request = pb.StartRunsRequest(runs=[pb.StartRun(attempt=attempt)], executor="e2e")
        return self.stub.StartRuns(request).results[0]

    def finish(self, attempt: pb.RunAttempt, state: run_pb2.RunState, **more: Any) -> int:
        """Reports the end; the code of the answer, 0 for OK."""
        report = pb.FinishRun(attempt=attempt, state=state, **more)
        return self.stub.FinishRuns(pb.FinishRunsRequest(runs=[report])).results[0].error.code

    def close(self) -> None:
        self._channel.close()


@pytest.fixture
def executor_of(dev: DevProcess) -> Iterator[Callable[[str], Executor]]:
    made: list[Executor] = []

    def make(topic: str) -> Executor:
        made.append(Executor(dev, topic))
        return made[-1]

    yield make
    for executor in made:
        executor.close()


def create(dev: DevProcess, job_id: str, **job: Any) -> None:
    body = {
        "schedule": {"at": (datetime.now(UTC) + timedelta(seconds=1)).isoformat()},
        "target": {"topic": job_id},
        "completion": "COMPLETION_REPORTED",
        "retryPolicy": {"initialBackoff": "0.2s"},
        **job,
    }
    answer = httpx.post(f"{dev.url}/v1/users/7/jobs", params={"job_id": job_id}, json=body)
    assert answer.status_code == 200, answer.text


def run_in_state(dev: DevProcess, name: str, *states: str) -> dict[str, Any]:
    """The run once it is in one of the states."""
    deadline = time.monotonic() + 20
    while True:
        run = httpx.get(f"{dev.url}/v1/{name}").json()
        if run.get("state", "").removeprefix("RUN_STATE_") in states:
            return run
        assert time.monotonic() < deadline, run
        time.sleep(0.05)


def test_a_failed_attempt_is_tried_again_and_its_result_is_kept(
    dev: DevProcess, executor_of: Callable[[str], Executor]
) -> None:
    create(dev, "work")
    executor = executor_of("work")
    first = executor.take()
    assert not executor.start(first).error.code
    failed = run_pb2.RunError(message="no luck", type="ValueError", details="Traceback …")
    assert executor.finish(first, run_pb2.RUN_STATE_FAILED, error=failed) == 0
    second = executor.take()
    assert (second.run, second.attempt) == (first.run, 2)
    stale = executor.start(first)
    assert stale.error.code == grpc.StatusCode.FAILED_PRECONDITION.value[0]
    assert not executor.start(second).error.code
    assert executor.finish(second, run_pb2.RUN_STATE_SUCCEEDED, result={"number_value": 3}) == 0
    assert executor.finish(second, run_pb2.RUN_STATE_SUCCEEDED, result={"number_value": 3}) == 0
    run = run_in_state(dev, first.run, "SUCCEEDED")
    assert run["result"] == 3
    assert [attempt["state"] for attempt in run["attempts"]] == [
        "RUN_STATE_FAILED",
        "RUN_STATE_SUCCEEDED",
    ]
    assert run["attempts"][0]["error"] == {
        "message": "no luck",
        "type": "ValueError",
        "details": "Traceback …",
    }


def test_a_last_failure_is_a_dead_letter_that_can_be_tried_again(
    dev: DevProcess, executor_of: Callable[[str], Executor]
) -> None:
    create(dev, "doomed", target={"topic": "doomed", "headers": {"colour": "red"}})
    attempt = executor_of("doomed").take()
    error = run_pb2.RunError(message="never", type="TypeError")
    executor = executor_of("doomed")
    executor.finish(attempt, run_pb2.RUN_STATE_FAILED, retryable=False, error=error)
    tail = ("records", "tail", "doomed.dlq", "--from-beginning", "--count", "1", "-o", "json")
    (line,) = dev.cli(*tail, check=True).stdout.splitlines()
    assert '"tickwheel-dead-letter-reason"' in line
    assert '"colour"' in line
    run = run_in_state(dev, attempt.run, "FAILED")
    assert run["deadLetterTopic"] == "doomed.dlq"
    retried = json.loads(dev.cli("runs", "retry", attempt.run, "-o", "json", check=True).stdout)
    assert retried["name"] == f"{attempt.run}-r1"
    assert retried["retriedRun"] == attempt.run
    again = executor.take()
    assert again.run == retried["name"]
    executor.finish(again, run_pb2.RUN_STATE_SUCCEEDED)
    run_in_state(dev, again.run, "SUCCEEDED")
    assert run_in_state(dev, attempt.run, "FAILED")["endTime"] == run["endTime"]


def test_a_running_run_is_cancelled_by_its_executor(
    dev: DevProcess, executor_of: Callable[[str], Executor]
) -> None:
    create(dev, "long")
    executor = executor_of("long")
    attempt = executor.take()
    executor.start(attempt)
    dev.cli("runs", "cancel", attempt.run, "--reason", "enough", check=True)
    beat = pb.HeartbeatRunsRequest(runs=[pb.HeartbeatRun(attempt=attempt)])
    assert executor.stub.HeartbeatRuns(beat).results[0].cancel_requested
    assert executor.finish(attempt, run_pb2.RUN_STATE_CANCELLED) == 0
    run = run_in_state(dev, attempt.run, "CANCELLED")
    assert not run["cancelRequested"]
    assert httpx.post(f"{dev.url}/v1/{attempt.run}:cancel", json={}).status_code == 200


def test_an_attempt_that_nobody_takes_times_out(dev: DevProcess) -> None:
    create(dev, "nobody", runTimeout="0.5s", retryPolicy={"maxRetryCount": 0})
    deadline = time.monotonic() + 20
    while not (runs := httpx.get(f"{dev.url}/v1/users/7/jobs/nobody/runs").json()["runs"]):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    run = run_in_state(dev, runs[0]["name"], "FAILED")
    assert run["error"]["type"] == "run-timeout"


def test_what_is_due_while_an_earlier_run_is_unfinished_is_skipped(
    dev: DevProcess, executor_of: Callable[[str], Executor]
) -> None:
    create(dev, "slow", schedule={"every": "1s"})
    executor = executor_of("slow")
    attempt = executor.take()
    executor.start(attempt)
    deadline = time.monotonic() + 20
    url = f"{dev.url}/v1/users/7/jobs/slow/runs"
    while not (
        skipped := [
            run
            for run in httpx.get(url).json()["runs"]
            if run["state"] == "RUN_STATE_SKIPPED" and run["skippedCount"] >= 2
        ]
    ):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert skipped[0]["skipReason"] == "SKIP_REASON_OVERLAP"
    assert skipped[0]["blockingRun"] == attempt.run
    executor.finish(attempt, run_pb2.RUN_STATE_SUCCEEDED)
    assert executor.take().run != attempt.run
    dev.cli("jobs", "delete", "users/7/jobs/slow", check=True)


def test_a_job_that_fails_again_and_again_pauses_itself(
    dev: DevProcess, executor_of: Callable[[str], Executor]
) -> None:
    create(dev, "broken", schedule={"every": "1s"}, pauseAfterFailures=2)
    executor = executor_of("broken")
    for _ in range(2):
        attempt = executor.take()
        executor.finish(attempt, run_pb2.RUN_STATE_FAILED, retryable=False)
    deadline = time.monotonic() + 20
    while (job := httpx.get(f"{dev.url}/v1/users/7/jobs/broken").json())["state"] != (
        "JOB_STATE_PAUSED"
    ):
        assert time.monotonic() < deadline, job
        time.sleep(0.05)
    assert job["pauseReason"] == "2 runs in a row have failed"


def test_a_backfill_runs_a_past_range_in_order(dev: DevProcess) -> None:
    job = {"schedule": {"cron": "0 * * * *"}, "target": {"topic": "past"}}
    created = httpx.post(f"{dev.url}/v1/users/7/jobs", params={"job_id": "past"}, json=job)
    assert created.status_code == 200, created.text
    day = ("--start", "2026-11-01T00:00:00Z", "--end", "2026-11-02T00:00:00Z")
    begun = json.loads(
        dev.cli("jobs", "backfill", "users/7/jobs/past", *day, "-o", "json", check=True).stdout
    )
    assert begun["count"] == 24
    deadline = time.monotonic() + 20
    url = f"{dev.url}/v1/users/7/jobs/past/runs"
    while len(runs := _backfilled(url)) < 24:
        assert time.monotonic() < deadline, len(runs)
        time.sleep(0.1)
    assert [run["scheduleTime"] for run in reversed(runs)] == [
        f"2026-11-01T{hour:02}:00:00Z" for hour in range(24)
    ]
    assert {run["backfillId"] for run in runs} == {begun["backfillId"]}
    assert all(run["name"].endswith(f"-b-{begun['backfillId']}") for run in runs)
    tail = ("records", "tail", "past", "--from-beginning", "--count", "24", "-o", "json")
    assert len(dev.cli(*tail, check=True).stdout.splitlines()) == 24


def _backfilled(url: str) -> list[dict[str, Any]]:
    runs = httpx.get(url, params={"page_size": 100}).json()["runs"]
    return [run for run in runs if run["state"] == "RUN_STATE_SUCCEEDED"]


def test_a_backfills_request_id_is_for_one_range(dev: DevProcess) -> None:
    job = {"schedule": {"cron": "0 * * * *"}, "target": {"topic": "repeated"}}
    parent = f"{dev.url}/v1/users/7/jobs"
    for job_id in ("repeated", "another"):
        assert httpx.post(parent, params={"job_id": job_id}, json=job).status_code == 200

    def backfill(job_id: str, end: str, **more: str) -> httpx.Response:
        body = {"startTime": "2026-11-01T00:00:00Z", "endTime": end, "requestId": "r1", **more}
        return httpx.post(f"{parent}/{job_id}:backfill", json=body)

    first = backfill("repeated", "2026-11-01T06:00:00Z")
    assert first.status_code == 200, first.text
    assert backfill("repeated", "2026-11-01T06:00:00Z").json() == first.json()
    for other in (
        backfill("repeated", "2026-11-01T07:00:00Z"),
        backfill("repeated", "2026-11-01T06:00:00Z", overlapPolicy="OVERLAP_SKIP"),
    ):
        assert other.status_code == 409, other.text
        assert other.json()["details"][0]["reason"] == "REQUEST_ID_REUSED"
    assert backfill("another", "2026-11-01T07:00:00Z").status_code == 200


@pytest.mark.parametrize(
    ("start", "end", "status", "reason"),
    [
        ("2026-11-02T00:00:00Z", "2026-11-01T00:00:00Z", 400, "TIME_RANGE_INVALID"),
        ("2026-11-02T00:00:00Z", "2099-11-01T00:00:00Z", 400, "TIME_RANGE_INVALID"),
    ],
)
def test_a_range_that_cannot_be_backfilled(
    dev: DevProcess, start: str, end: str, status: int, reason: str
) -> None:
    body = {"startTime": start, "endTime": end}
    answer = httpx.post(f"{dev.url}/v1/users/7/jobs/past:backfill", json=body)
    assert answer.status_code == status
    assert answer.json()["details"][0]["reason"] == reason
