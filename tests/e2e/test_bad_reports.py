"""Bad input of executors, by the generated stubs alone: each is answered as the contract says."""

from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.protobuf import struct_pb2
from google.rpc import error_details_pb2, status_pb2

from e2e.dev_process import DevProcess
from e2e.test_reported import Executor, create, run_in_state
from tickwheel.v1 import executor_service_pb2 as pb
from tickwheel.v1 import run_pb2

#: What a result may have as compact JSON, quotes included.
RESULT_BYTES = 65_536

INVALID = grpc.StatusCode.INVALID_ARGUMENT
MISSING = grpc.StatusCode.NOT_FOUND
WRONG = grpc.StatusCode.FAILED_PRECONDITION


@pytest.fixture(scope="module")
def executor(dev: DevProcess) -> Iterator[Executor]:
    made = Executor(dev, "bad-reports")
    yield made
    made.close()


@pytest.fixture(scope="module")
def running(dev: DevProcess, executor: Executor) -> pb.RunAttempt:
    """An attempt at work."""
    create(dev, "bad-reports")
    taken = executor.take()
    assert not executor.start(taken).error.code
    return taken


def refusal(status: status_pb2.Status) -> tuple[int, str]:
    """The code, and the reason."""
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    return status.code, info.reason


def finish(executor: Executor, attempt: pb.RunAttempt, **more: Any) -> status_pb2.Status:
    more.setdefault("state", run_pb2.RUN_STATE_SUCCEEDED)
    report = pb.FinishRun(attempt=attempt, **more)
    return executor.stub.FinishRuns(pb.FinishRunsRequest(runs=[report])).results[0].error


def beat(executor: Executor, attempt: pb.RunAttempt, **progress: Any) -> status_pb2.Status:
    report = pb.HeartbeatRun(attempt=attempt, progress=run_pb2.Progress(**progress))
    return executor.stub.HeartbeatRuns(pb.HeartbeatRunsRequest(runs=[report])).results[0].error


def changed(before: pb.RunAttempt, **fields: Any) -> pb.RunAttempt:
    made = pb.RunAttempt()
    made.CopyFrom(before)
    made.MergeFrom(pb.RunAttempt(**fields))
    return made


def text(size: int) -> struct_pb2.Value:
    """A result of that many bytes as JSON."""
    return struct_pb2.Value(string_value="r" * (size - 2))


@pytest.mark.parametrize(
    ("fields", "code", "reason"),
    [
        ({"fence": 99}, WRONG, "STALE_FENCE"),
        ({"attempt": 2}, WRONG, "STALE_FENCE"),
        ({"run": "users/7/jobs/bad-reports/runs/20200101T000000000Z"}, MISSING, "RUN_NOT_FOUND"),
        ({"job_uid": "0190b5a4-6f3c-7a50-8c3b-2f4e6d8a9b01"}, MISSING, "RUN_NOT_FOUND"),
        ({"job_uid": "no uid"}, MISSING, "RUN_NOT_FOUND"),
    ],
)
def test_what_is_not_the_present_attempt_of_a_run(
    executor: Executor,
    running: pb.RunAttempt,
    fields: dict[str, Any],
    code: grpc.StatusCode,
    reason: str,
) -> None:
    other = changed(running, **fields)
    expected = (code.value[0], reason)
    assert refusal(executor.start(other).error) == expected
    assert refusal(beat(executor, other)) == expected
    assert refusal(finish(executor, other)) == expected


@pytest.mark.parametrize("fraction", [float("nan"), float("inf"), -0.01, 1.01])
def test_progress_is_a_number_from_0_to_1(
    executor: Executor, running: pb.RunAttempt, fraction: float
) -> None:
    assert beat(executor, running, fraction=fraction).code == INVALID.value[0]
    assert not beat(executor, running, fraction=0.5, message="m" * 1_024).code
    assert beat(executor, running, message="m" * 1_025).code == INVALID.value[0]


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_result_is_json(executor: Executor, running: pb.RunAttempt, number: float) -> None:
    result = struct_pb2.Value(number_value=number)
    assert refusal(finish(executor, running, result=result)) == (INVALID.value[0], "FIELD_INVALID")


def test_a_state_that_ends_nothing(executor: Executor, running: pb.RunAttempt) -> None:
    error = finish(executor, running, state=run_pb2.RUN_STATE_RUNNING)
    assert error.code == INVALID.value[0]
    states = "RUN_STATE_SUCCEEDED, RUN_STATE_FAILED or RUN_STATE_CANCELLED"
    assert error.message == f"runs[0].state: must be {states}"


def test_the_largest_result_and_what_comes_after_the_end(
    dev: DevProcess, executor: Executor, running: pb.RunAttempt
) -> None:
    too_large = finish(executor, running, result=text(RESULT_BYTES + 1))
    assert refusal(too_large) == (INVALID.value[0], "RESULT_TOO_LARGE")
    assert run_in_state(dev, running.run, "RUNNING")["state"] == "RUN_STATE_RUNNING"
    assert not finish(executor, running, result=text(RESULT_BYTES)).code
    assert len(run_in_state(dev, running.run, "SUCCEEDED")["result"]) == RESULT_BYTES - 2
    # The same again is no error; anything else is.
    assert not finish(executor, running, result=text(RESULT_BYTES)).code
    expected = (WRONG.value[0], "RUN_STATE_WRONG")
    assert refusal(executor.start(running).error) == expected
    assert refusal(beat(executor, running)) == expected
    assert refusal(finish(executor, running, state=run_pb2.RUN_STATE_FAILED)) == expected


def test_a_report_after_the_time_is_over(dev: DevProcess) -> None:
    create(dev, "too-late", runTimeout="1s", retryPolicy={"maxRetryCount": 0})
    executor = Executor(dev, "too-late")
    try:
        taken = executor.take()
        assert not executor.start(taken).error.code
        run_in_state(dev, taken.run, "FAILED")
        assert refusal(finish(executor, taken)) == (WRONG.value[0], "RUN_STATE_WRONG")
        run = run_in_state(dev, taken.run, "FAILED")
        assert run["error"]["type"] == "run-timeout"
    finally:
        executor.close()


def test_one_bad_report_harms_no_other(dev: DevProcess) -> None:
    create(dev, "among-others")
    executor = Executor(dev, "among-others")
    try:
        taken = executor.take()
        starts = [
            pb.StartRun(attempt=changed(taken, attempt=7)),
            pb.StartRun(),
            pb.StartRun(attempt=taken),
        ]
        answers = executor.stub.StartRuns(pb.StartRunsRequest(runs=starts)).results
        assert [answer.error.code for answer in answers] == [WRONG.value[0], INVALID.value[0], 0]
        assert not finish(executor, taken).code
    finally:
        executor.close()
