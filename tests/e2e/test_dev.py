"""The main job on the embedded engine, as the README shows it: gRPC, REST and command line."""

import json
import subprocess
import time
from base64 import b64decode
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest

from e2e.dev_process import TICKWHEEL, DevProcess, dev_process


def _due_in(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


def _create(dev: DevProcess, job_id: str, schedule: dict[str, Any], **more: Any) -> dict[str, Any]:
    body = {
        "schedule": schedule,
        "target": {"topic": job_id, "payload": {"json": {"n": 1}}},
        **more,
    }
    answer = httpx.post(f"{dev.url}/v1/users/7/jobs", params={"job_id": job_id}, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def _watch(dev: DevProcess, job_id: str, count: int) -> list[dict[str, Any]]:
    """The job's final runs, by the command line."""
    shown = dev.cli(
        "runs",
        "watch",
        f"users/7/jobs/{job_id}",
        "--count",
        str(count),
        "--output",
        "json",
        check=True,
    )
    runs = [json.loads(line) for line in shown.stdout.splitlines()]
    return [run.get("run", run) for run in runs]


def _lateness_ms(run: dict[str, Any]) -> float:
    due, published = (datetime.fromisoformat(run[key]) for key in ("dueTime", "publishTime"))
    return (published - due) / timedelta(milliseconds=1)


def _records(dev: DevProcess, topic: str, count: int) -> list[dict[str, Any]]:
    shown = dev.cli(
        "records",
        "tail",
        topic,
        "--from-beginning",
        "--count",
        str(count),
        "--output",
        "json",
        check=True,
    )
    return [_with_headers(json.loads(line)) for line in shown.stdout.splitlines()]


def _with_headers(record: dict[str, Any]) -> dict[str, Any]:
    """The record with its headers by name, as text."""
    headers = {one["key"]: b64decode(one["value"]).decode() for one in record["headers"]}
    return {**record, "headers": headers}


def _until_run(dev: DevProcess, job_id: str) -> dict[str, Any]:
    """The job's newest run once it is final, also where it was so before."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        runs = httpx.get(f"{dev.url}/v1/users/7/jobs/{job_id}/runs").json()["runs"]
        if runs and runs[0]["state"] not in ("RUN_STATE_PENDING", "RUN_STATE_PUBLISHED"):
            return runs[0]
        time.sleep(0.05)
    raise AssertionError(f"{job_id} has not run: {dev.log.read_text()}")


def test_a_job_over_rest_is_published_on_time_and_seen(dev: DevProcess) -> None:
    job = _create(dev, "hello", {"at": _due_in(2)})
    assert job["name"] == "users/7/jobs/hello"
    assert (job["state"], job["overlapPolicy"]) == ("JOB_STATE_ACTIVE", "OVERLAP_SKIP")
    run = _watch(dev, "hello", 1)[-1]
    assert run["state"] == "RUN_STATE_SUCCEEDED"
    assert 0 <= _lateness_ms(run) < 1_000
    (record,) = _records(dev, "hello", 1)
    headers = record["headers"]
    assert headers["ce_id"] == f"{job['uid']}/{run['name'].rpartition('/')[2]}/1"
    assert headers["ce_source"] == job["name"]
    assert headers["traceparent"].split("-")[1] == run["traceId"]
    deadline = time.monotonic() + 10
    while (again := httpx.get(f"{dev.url}/v1/users/7/jobs/hello").json())[
        "state"
    ] != "JOB_STATE_COMPLETED":
        assert time.monotonic() < deadline, again
        time.sleep(0.05)
    assert [one["name"] for one in again["recentRuns"]] == [run["name"]]


def test_the_servers_are_seen(dev: DevProcess) -> None:
    cluster = httpx.get(f"{dev.url}/v1/cluster").json()
    assert (cluster["engine"], cluster["unownedSegments"]) == ("embedded", [])
    (scheduler,) = cluster["schedulers"]
    (worker,) = cluster["workers"]
    assert scheduler["answering"]
    assert [one["segment"] for one in scheduler["segments"]] == worker["segments"]
    assert len(worker["segments"]) == cluster["segmentCount"]
    assert {one["worker"] for one in scheduler["segments"]} == {worker["name"]}
    shown = dev.cli("cluster", check=True).stdout
    assert f"{cluster['segmentCount']}: 0-{cluster['segmentCount'] - 1}" in shown
    drained = dev.cli("cluster", "drain", "local")
    assert (drained.returncode, "ENGINE_UNSUPPORTED" in drained.stderr) == (1, True)


def test_an_instant_long_past_is_due_at_once(dev: DevProcess) -> None:
    _create(dev, "past", {"at": "2020-01-01T00:00:00Z"})
    run = _until_run(dev, "past")
    assert (run["state"], run["dueTime"]) == ("RUN_STATE_SUCCEEDED", "2020-01-01T00:00:00Z")


def test_a_recurring_job_runs_again_and_again_each_once(dev: DevProcess) -> None:
    _create(dev, "every", {"every": "1s"})
    _watch(dev, "every", 4)
    dev.cli("jobs", "pause", "users/7/jobs/every", "--reason", "enough", check=True)
    listed = httpx.get(f"{dev.url}/v1/users/7/jobs/every/runs").json()["runs"]
    done = [run for run in listed if run["state"] == "RUN_STATE_SUCCEEDED"]
    instants = [datetime.fromisoformat(run["scheduleTime"]) for run in reversed(done)]
    assert {b - a for a, b in pairwise(instants)} == {timedelta(seconds=1)}
    assert all(_lateness_ms(run) >= 0 for run in done)


def test_a_paused_job_does_not_fire_and_says_so(dev: DevProcess) -> None:
    _create(dev, "paused", {"at": _due_in(2)})
    paused = httpx.post(f"{dev.url}/v1/users/7/jobs/paused:pause", json={"reason": "not yet"})
    assert paused.json()["pauseReason"] == "not yet"
    run = _watch(dev, "paused", 1)[-1]
    assert (run["state"], run["skipReason"]) == ("RUN_STATE_SKIPPED", "SKIP_REASON_PAUSED")
    ran = httpx.post(f"{dev.url}/v1/users/7/jobs/paused:run", json={})
    assert ran.status_code == 200, ran.text
    assert ran.json()["trigger"] == "TRIGGER_MANUAL"


def test_a_deleted_job_does_not_fire(dev: DevProcess) -> None:
    _create(dev, "deleted", {"at": _due_in(2)})
    assert httpx.delete(f"{dev.url}/v1/users/7/jobs/deleted").status_code == 200
    _create(dev, "marker", {"at": _due_in(3)})
    _watch(dev, "marker", 1)
    assert httpx.get(f"{dev.url}/v1/users/7/jobs/deleted").status_code == 404
    runs = httpx.get(f"{dev.url}/v1/users/7/jobs/deleted/runs").json()
    assert not [run for run in runs.get("runs", []) if run["state"] == "RUN_STATE_SUCCEEDED"]


def test_an_update_moves_the_job(dev: DevProcess) -> None:
    _create(dev, "moved", {"at": _due_in(3600)})
    moved = httpx.patch(f"{dev.url}/v1/users/7/jobs/moved", json={"schedule": {"at": _due_in(2)}})
    assert moved.status_code == 200, moved.text
    assert _watch(dev, "moved", 1)[-1]["state"] == "RUN_STATE_SUCCEEDED"


def test_a_batch_answers_in_order_with_errors_in_place(dev: DevProcess) -> None:
    good = {"schedule": {"at": _due_in(3600)}, "target": {"topic": "t"}}
    bad = {"schedule": {"cron": "61 * * * *"}, "target": {"topic": "t"}}
    requests = [{"jobId": "b-1", "job": good}, {"jobId": "b-2", "job": bad}, {"job": good}]
    answer = httpx.post(f"{dev.url}/v1/users/7/jobs:batchCreate", json={"requests": requests})
    first, second, third = answer.json()["results"]
    assert first["job"]["name"] == "users/7/jobs/b-1"
    assert second["error"]["code"] == 3
    assert third["job"]["name"] == f"users/7/jobs/{third['job']['uid']}"


@pytest.mark.parametrize(
    ("body", "reason", "field"),
    [
        ({"target": {"topic": "t"}}, "SCHEDULE_MISSING", "schedule"),
        ({"schedule": {"cron": "* * * *"}, "target": {"topic": "t"}}, "CRON_INVALID", "cron"),
        ({"schedule": {"cron": "61 * * * *"}, "target": {"topic": "t"}}, "CRON_INVALID", "cron"),
        (
            {"schedule": {"cron": "* * * * *", "timeZone": "Mars/Base"}, "target": {"topic": "t"}},
            "TIME_ZONE_UNKNOWN",
            "timeZone",
        ),
        ({"schedule": {"every": "0.5s"}, "target": {"topic": "t"}}, "PERIOD_TOO_SHORT", "every"),
        (
            {"schedule": {"every": "5s", "cron": "* * * * *"}, "target": {"topic": "t"}},
            "CONFLICTING_FIELDS",
            "schedule",
        ),
        (
            {"schedule": {"every": "5s"}, "target": {"topic": "t"}, "colour": "red"},
            "UNKNOWN_FIELD",
            "colour",
        ),
        (
            {
                "schedule": {"every": "5s"},
                "target": {"topic": "t", "payload": {"text": "x" * 262_145}},
            },
            "PAYLOAD_TOO_LARGE",
            "payload",
        ),
    ],
)
def test_bad_input_over_rest_names_the_field(
    dev: DevProcess, body: dict[str, Any], reason: str, field: str
) -> None:
    answer = httpx.post(f"{dev.url}/v1/users/bad/jobs", json=body)
    error = answer.json()
    assert (answer.status_code, error["code"]) == (400, 3)
    details = {detail["@type"].rpartition(".")[2]: detail for detail in error["details"]}
    assert details["ErrorInfo"]["reason"] == reason
    assert details["ErrorInfo"]["domain"] == "tickwheel.dev"
    assert field in details["BadRequest"]["fieldViolations"][0]["field"]
    assert httpx.get(f"{dev.url}/v1/users/bad/jobs").json()["jobs"] == []


@pytest.mark.parametrize(
    ("method", "path", "status", "reason"),
    [
        ("GET", "/v1/users/7/jobs/nobody", 404, "JOB_NOT_FOUND"),
        ("GET", "/v1/users/7/jobs?page_token=nonsense", 400, "PAGE_TOKEN_INVALID"),
        ("POST", "/v1/users/-x-/jobs", 400, "INVALID_NAME"),
        ("DELETE", "/v1/users/7/jobs/every?etag=%22old%22", 409, "ETAG_MISMATCH"),
        ("GET", "/v1/nothing", 404, "PATH_NOT_FOUND"),
        ("PUT", "/v1/users/7/jobs", 405, "METHOD_NOT_ALLOWED"),
        ("GET", "/v1/users/7/jobs?pagesize=3", 400, "UNKNOWN_FIELD"),
        ("GET", "/v1/users/7/jobs/-/runs:watch?filter=x", 400, "FILTER_INVALID"),
    ],
)
def test_errors_over_rest(
    dev: DevProcess, method: str, path: str, status: int, reason: str
) -> None:
    body = {"schedule": {"every": "5s"}, "target": {"topic": "t"}} if method == "POST" else None
    answer = httpx.request(method, f"{dev.url}{path}", json=body)
    assert answer.status_code == status, answer.text
    reasons = [detail.get("reason") for detail in answer.json()["details"]]
    assert reason in reasons


def test_the_page_the_document_and_health(dev: DevProcess) -> None:
    assert "/openapi.json" in httpx.get(f"{dev.url}/").text
    document = httpx.get(f"{dev.url}/openapi.json").json()
    assert "/v1/users/{user}/jobs" in document["paths"]
    assert httpx.get(f"{dev.url}/healthz").json() == {"status": "SERVING"}


def test_preview_over_rest(dev: DevProcess) -> None:
    body = {
        "schedule": {"cron": "30 2 * * *", "timeZone": "Europe/Berlin"},
        "start_time": "2026-11-23T12:00:00Z",
        "count": 2,
    }
    times = httpx.post(f"{dev.url}/v1/schedules:preview", json=body).json()["times"]
    assert times == ["2026-11-24T01:30:00Z", "2026-11-25T01:30:00Z"]


def test_the_trace_of_a_run_by_hand_reaches_the_record(dev: DevProcess) -> None:
    """It is one of its own, linked to the call's, and kept where that one is."""
    _create(dev, "traced", {"at": _due_in(3600)})
    trace = "0af7651916cd43dd8448eb211c80319c"
    run = httpx.post(
        f"{dev.url}/v1/users/7/jobs/traced:run",
        json={},
        headers={"traceparent": f"00-{trace}-b7ad6b7169203331-01"},
    ).json()
    assert run["traceId"] != trace
    (record,) = _records(dev, "traced", 1)
    _, trace_id, _, flags = record["headers"]["traceparent"].split("-")
    assert (trace_id, flags) == (run["traceId"], "01")


def test_it_goes_on_where_it_was_and_stops_quickly(tmp_path: Path, gateway: Path) -> None:
    with dev_process(tmp_path, gateway) as dev:
        _create(dev, "later", {"at": _due_in(4)})
        _create(dev, "often", {"every": "1s"})
        assert dev.stop() < 5
        dev.start()
        assert _until_run(dev, "later")["state"] == "RUN_STATE_SUCCEEDED"
        records = _records(dev, "often", 3)
        ids = [record["headers"]["ce_id"] for record in records]
        assert len(set(ids)) == len(ids)


def test_a_stop_in_the_middle_of_a_burst_is_quick_and_clean(tmp_path: Path, gateway: Path) -> None:
    with dev_process(tmp_path, gateway) as dev:
        begin = time.time()
        for second in range(3):
            target = {"topic": "burst", "payload": {"json": second}}
            at = datetime.fromtimestamp(begin + 2 + second, UTC).isoformat()
            requests = [{"job": {"schedule": {"at": at}, "target": target}} for _ in range(500)]
            answer = httpx.post(
                f"{dev.url}/v1/users/7/jobs:batchCreate", json={"requests": requests}, timeout=30
            )
            assert answer.status_code == 200, answer.text
        while time.time() < begin + 3.2:
            time.sleep(0.01)
        assert dev.stop() < 5
        assert "Traceback" not in dev.log.read_text()
        dev.start()
        records = _records(dev, "burst", 1_500)
        assert len({record["headers"]["ce_id"] for record in records}) == 1_500


def test_what_was_acknowledged_survives_a_power_cut(tmp_path: Path, gateway: Path) -> None:
    with dev_process(tmp_path, gateway) as dev:
        for number in range(20):
            _create(dev, f"cut-{number}", {"at": _due_in(2)})
        dev.kill()
        dev.start()
        for number in range(20):
            assert _until_run(dev, f"cut-{number}")["state"] == "RUN_STATE_SUCCEEDED"


def test_a_second_start_on_the_same_data_is_refused(dev: DevProcess) -> None:
    other = dev.environment | {
        "TICKWHEEL_GRPC_ADDRESS": "127.0.0.1:0",
        "TICKWHEEL_HTTP_ADDRESS": "127.0.0.1:0",
    }
    refused = subprocess.run(
        [TICKWHEEL, "dev"], env=other, capture_output=True, text=True, timeout=30, check=False
    )
    assert refused.returncode != 0
    assert "in use" in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize(
    ("content", "why"),
    [("nothing", "not a directory"), ("rubbish", "not a database"), ("records", "not a database")],
)
def test_data_that_cannot_be_used_is_said_plainly(
    tmp_path: Path, gateway: Path, content: str, why: str
) -> None:
    data = tmp_path / "my data"
    if content == "nothing":
        data.write_text("a file")
    else:
        data.mkdir()
        name = "records.db" if content == "records" else "tickwheel.db"
        (data / name).write_bytes(b"no database" * 1000)
    dev = DevProcess(str(data), tmp_path / "dev.log", gateway)
    _refused_with(dev.environment, str(data), why)


def test_an_address_in_use_is_said_plainly(dev: DevProcess, tmp_path: Path) -> None:
    other = dev.environment | {"TICKWHEEL_DATA": str(tmp_path)}
    free = {f"TICKWHEEL_{part}_ADDRESS": "127.0.0.1:0" for part in ("GRPC", "HTTP", "METRICS")}
    _refused_with(other | free | {"TICKWHEEL_HTTP_ADDRESS": dev.http_address}, dev.http_address)
    _refused_with(other | free | {"TICKWHEEL_GRPC_ADDRESS": dev.grpc_address}, dev.grpc_address)
    _refused_with(other | free | {"TICKWHEEL_HTTP_ADDRESS": "nowhere"}, "nowhere", "host:port")


def _refused_with(environment: dict[str, str], *words: str) -> None:
    """`tickwheel dev` ends with one line, in which the words are."""
    refused = subprocess.run(
        [TICKWHEEL, "dev"], env=environment, capture_output=True, text=True, timeout=30, check=False
    )
    assert refused.returncode == 1, refused.stderr
    last = refused.stderr.splitlines()[-1]
    assert last.startswith("tickwheel dev: ")
    assert "Traceback" not in refused.stderr
    for word in words:
        assert word in last, last


def test_everything_works_in_memory(tmp_path: Path, gateway: Path) -> None:
    with dev_process(tmp_path, gateway, data=":memory:") as dev:
        _create(dev, "fleeting", {"at": _due_in(1)})
        assert _until_run(dev, "fleeting")["state"] == "RUN_STATE_SUCCEEDED"
