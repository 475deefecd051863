"""What the contract's own rules accept and refuse, before any server code looks."""

import protovalidate
import pytest
from google.protobuf import json_format
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

from tickwheel.v1 import (
    cluster_service_pb2,
    executor_service_pb2,
    job_pb2,
    job_service_pb2,
    run_pb2,
    schedule_pb2,
    target_pb2,
)

RUN = "users/7/jobs/a/runs/20261123T120000000Z"
ATTEMPT = executor_service_pb2.RunAttempt(run=RUN, attempt=1, fence=4)


def refused(message: Message) -> list[tuple[str, str]]:
    """The field and the rule of each violation."""
    try:
        protovalidate.validate(message)
    except protovalidate.ValidationError as error:
        return [
            (
                ".".join(element.field_name for element in violation.proto.field.elements)
                if violation.proto.field is not None
                else "",
                violation.proto.rule_id,
            )
            for violation in error.violations
        ]
    return []


@pytest.mark.parametrize(
    "user", ["7", "a", "default", "a.b_c-d", "A1", "a" * 63, "0.0", "018f7a3c-0000-7000-8000-00"]
)
def test_users(user: str) -> None:
    assert not refused(job_service_pb2.ListJobsRequest(parent=f"users/{user}"))
    job = job_pb2.Job(schedule=schedule_pb2.Schedule(cron="@daily"))
    assert not refused(job_service_pb2.CreateJobRequest(parent=f"users/{user}", job=job))


@pytest.mark.parametrize("user", ["", ".a", "a.", "-a", "a-", "_", "a b", "a/b", "ä", "a" * 64])
def test_no_users(user: str) -> None:
    wanted = [("parent", "string.pattern")]
    assert refused(job_service_pb2.ListJobsRequest(parent=f"users/{user}")) == wanted


@pytest.mark.parametrize(
    ("job", "right"),
    [
        ("a", True),
        ("nightly-2", True),
        ("a" * 63, True),
        ("018f7a3c-5b1e-7c3d-9a2b-0123456789ab", True),
        ("a" * 64, False),
        ("A", False),
        ("-a", False),
        ("a-", False),
        ("a.b", False),
        ("a\n", False),
    ],
)
def test_jobs(job: str, right: bool) -> None:
    assert (not refused(job_service_pb2.GetJobRequest(name=f"users/7/jobs/{job}"))) == right
    content = job_pb2.Job(schedule=schedule_pb2.Schedule(cron="@daily"))
    request = job_service_pb2.CreateJobRequest(parent="users/7", job=content, job_id=job)
    assert (not refused(request)) == right


@pytest.mark.parametrize(
    ("suffix", "right"),
    [
        ("", True),
        ("-m-0a1b2c3d", True),
        ("-b-018f7a3c", True),
        ("-r1", True),
        ("-b-018f7a3c-r2", True),
        ("-", False),
        ("m", False),
        ("-a/b", False),
    ],
)
def test_runs(suffix: str, right: bool) -> None:
    assert (not refused(job_service_pb2.GetRunRequest(name=RUN + suffix))) == right


def test_any_stands_in_lists_and_watches_only() -> None:
    assert not refused(job_service_pb2.ListJobsRequest(parent="users/-"))
    assert not refused(job_service_pb2.ListRunsRequest(parent="users/-/jobs/-"))
    assert not refused(job_service_pb2.WatchRunsRequest(parent="users/7/jobs/-"))
    assert refused(job_service_pb2.GetJobRequest(name="users/7/jobs/-"))
    assert refused(job_service_pb2.BatchCreateJobsRequest(parent="users/-"))


@pytest.mark.parametrize(("size", "right"), [(-1, False), (0, True), (1000, True), (1001, False)])
def test_page_sizes(size: int, right: bool) -> None:
    request = job_service_pb2.ListJobsRequest(parent="users/-", page_size=size)
    assert (not refused(request)) == right


def test_a_wrong_item_does_not_spoil_its_batch() -> None:
    wrong = job_service_pb2.CreateJobRequest(job_id="NO", job=job_pb2.Job(priority=10))
    batch = job_service_pb2.BatchCreateJobsRequest(parent="users/7", requests=[wrong] * 1000)
    assert not refused(batch)
    batch.requests.append(wrong)
    assert refused(batch) == [("requests", "repeated.max_items")]


def test_a_part_of_a_job_will_do_for_an_update_but_its_name() -> None:
    part = job_pb2.Job(target=target_pb2.Target(payload=target_pb2.Payload(text="x")))
    request = job_service_pb2.UpdateJobRequest(job=part)
    assert refused(request) == [("job", "job.name_required")]
    request.job.name = "users/7/jobs/a"
    assert not refused(request)
    assert refused(job_service_pb2.UpdateJobRequest()) == [("job", "required")]


@pytest.mark.parametrize(
    ("field", "json"),
    [
        ("priority", {"priority": 10}),
        ("priority", {"priority": -1}),
        ("run_timeout", {"runTimeout": "0s"}),
        ("catch_up_window", {"catchUpWindow": "-1s"}),
        ("max_in_flight", {"maxInFlight": -1}),
        ("retry_policy.max_retry_count", {"retryPolicy": {"maxRetryCount": 101}}),
        ("retry_policy.backoff_multiplier", {"retryPolicy": {"backoffMultiplier": 0.5}}),
        ("schedule.jitter", {"schedule": {"cron": "@daily", "jitter": "-1s"}}),
        ("schedule.max_runs", {"schedule": {"cron": "@daily", "maxRuns": -1}}),
        ("target.topic", {"target": {"topic": "a b"}}),
        ("target.topic", {"target": {"topic": ".."}}),
        ("target.dead_letter_topic", {"target": {"topic": "a", "deadLetterTopic": "/"}}),
        ("target.headers", {"target": {"topic": "a", "headers": {"a b": "c"}}}),
        ("labels", {"labels": {"-": "c"}}),
        ("description", {"description": "x" * 1025}),
    ],
)
def test_refused_fields_of_a_job(field: str, json: dict[str, object]) -> None:
    assert [name for name, _ in refused(json_format.ParseDict(json, job_pb2.Job()))] == [field]


def test_an_explicit_zero_is_kept() -> None:
    zeros = {
        "retryPolicy": {"maxRetryCount": 0, "initialBackoff": "0s", "maxBackoff": "0s"},
        "catchUpWindow": "0s",
        "priority": 0,
        "retention": "0s",
    }
    job = json_format.ParseDict(zeros, job_pb2.Job())
    assert not refused(job)
    assert json_format.MessageToDict(job) == zeros


def test_a_count_that_is_given_is_at_least_one() -> None:
    request = job_service_pb2.PreviewScheduleRequest(schedule=schedule_pb2.Schedule(cron="@daily"))
    assert not refused(request)
    request.count = 0
    assert refused(request) == [("count", "int32.gte_lte")]


@pytest.mark.parametrize(("name", "number"), run_pb2.RunState.items())
def test_only_final_states_that_an_executor_knows_end_a_run(name: str, number: int) -> None:
    right = name in {"RUN_STATE_SUCCEEDED", "RUN_STATE_FAILED", "RUN_STATE_CANCELLED"}
    request = executor_service_pb2.FinishRun(attempt=ATTEMPT, state=name)
    assert request.state == number
    assert (not refused(request)) == right


def test_records_are_pulled_with_four_arguments() -> None:
    request = executor_service_pb2.PullRecordsRequest(
        topic="billing", group="g", max=10, wait=Duration(seconds=5)
    )
    assert not refused(request)
    request.max = 1001
    assert refused(request) == [("max", "int32.gte_lte")]


def test_workers() -> None:
    drain = cluster_service_pb2.DrainWorkerRequest
    assert not refused(drain(name="cluster/workers/host-1:4711"))
    assert refused(drain(name="cluster/workers/a/b")) == [("name", "string.pattern")]
