"""The JSON that clients rely on: names, enum values, paths and forms."""

import json
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format
from google.protobuf.timestamp_pb2 import Timestamp

from tickwheel.v1 import errors_pb2, job_pb2, job_service_pb2, schedule_pb2, target_pb2

DOCUMENT = Path(__file__).resolve().parents[2] / "gen/openapi/tickwheel.openapi.json"

JOB: dict[str, Any] = {
    "name": "users/7/jobs/nightly",
    "description": "",
    "labels": {"team": "billing"},
    "schedule": {"cron": "30 2 * * *", "timeZone": "Europe/Berlin"},
    "target": {
        "topic": "billing",
        "key": "",
        "headers": {},
        "payload": {"json": {"report": "daily"}},
    },
    "completion": "COMPLETION_PUBLISHED",
    "runTimeout": "60s",
    "retryPolicy": {
        "maxRetryCount": 3,
        "initialBackoff": "1s",
        "backoffMultiplier": 2,
        "maxBackoff": "300s",
    },
    "overlapPolicy": "OVERLAP_SKIP",
    "catchUpWindow": "3600s",
    "pauseAfterFailures": 0,
    "priority": 5,
    "maxInFlight": 0,
    "retention": "604800s",
    "state": "JOB_STATE_ACTIVE",
    "uid": "",
    "pauseReason": "",
    "etag": "",
    "nextRunTimes": [],
    "recentRuns": [],
}


def test_a_job_comes_back_as_it_was_given() -> None:
    job = json_format.ParseDict(JOB, job_pb2.Job())
    back = json_format.MessageToDict(job, always_print_fields_with_no_presence=True)
    # Those have fields of their own that the example leaves out.
    larger = {name: back[name] | JOB[name] for name in ("schedule", "target", "retryPolicy")}
    assert back | JOB | larger == back


@pytest.mark.parametrize(
    ("given", "form"),
    [
        ({"at": "2026-11-23T12:00:00Z"}, "at"),
        ({"cron": "* * * * *"}, "cron"),
        ({"every": "90s", "anchor": "2026-11-23T12:00:00Z"}, "every"),
        ({"iso8601": "R5/2026-11-23T12:00:00Z/PT1H"}, "iso8601"),
        ({"rrule": "FREQ=DAILY"}, "rrule"),
        ({"anyOf": {"schedules": [{"cron": "@daily"}, {"every": "60s"}]}}, "any_of"),
    ],
)
def test_the_forms_of_a_schedule(given: dict[str, Any], form: str) -> None:
    schedule = json_format.ParseDict(given, schedule_pb2.Schedule())
    assert schedule.WhichOneof("form") == form
    assert json_format.MessageToDict(schedule) == given


def test_two_forms_at_once_are_refused() -> None:
    with pytest.raises(json_format.ParseError, match="form"):
        json_format.ParseDict({"cron": "@daily", "every": "60s"}, schedule_pb2.Schedule())


@pytest.mark.parametrize(
    "given", [{"json": None}, {"json": [1, {"a": "b"}]}, {"text": ""}, {"data": "AAE="}]
)
def test_the_forms_of_a_payload(given: dict[str, Any]) -> None:
    payload = json_format.ParseDict(given, target_pb2.Payload())
    assert json_format.MessageToDict(payload) == given


def test_preview_times_have_no_fraction_unless_they_need_one() -> None:
    times = [Timestamp(seconds=1795435200), Timestamp(seconds=1795435200, nanos=5_000_000)]
    answer = job_service_pb2.PreviewScheduleResponse(times=times)
    assert json_format.MessageToDict(answer) == {
        "times": ["2026-11-23T12:00:00Z", "2026-11-23T12:00:00.005Z"]
    }


def test_the_reason_of_an_error_is_the_name_of_its_value() -> None:
    assert errors_pb2.ErrorReason.Name(errors_pb2.JOB_NOT_FOUND) == "JOB_NOT_FOUND"


def test_the_paths() -> None:
    job = "/v1/users/{user}/jobs/{job}"
    run = f"{job}/runs/{{run}}"
    document = json.loads(DOCUMENT.read_text())
    assert {path: set(operations) for path, operations in document["paths"].items()} == {
        "/v1/users/{user}/jobs": {"get", "post"},
        "/v1/users/{user}/jobs:batchCreate": {"post"},
        job: {"get", "patch", "delete"},
        f"{job}:pause": {"post"},
        f"{job}:resume": {"post"},
        f"{job}:run": {"post"},
        f"{job}:backfill": {"post"},
        f"{job}:explain": {"get"},
        f"{job}/runs": {"get"},
        f"{job}/runs:watch": {"get"},
        run: {"get"},
        f"{run}:cancel": {"post"},
        f"{run}:retry": {"post"},
        "/v1/schedules:preview": {"post"},
        "/v1/cluster": {"get"},
        "/v1/cluster/workers/{worker}:drain": {"post"},
    }
