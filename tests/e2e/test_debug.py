"""Logs and the debug bundle: they say which run and which trace, and nothing secret."""

import json
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from e2e.dev_process import DevProcess, dev_process

SECRET = "hunter2-is-nobodys-business"
JOB = "users/7/jobs/discreet"


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory, gateway: Path) -> Iterator[DevProcess]:
    settings = {
        "TICKWHEEL_LOG_LEVEL": "debug",
        "TICKWHEEL_LOG_FORMAT": "json",
        "TICKWHEEL_CASSANDRA_PASSWORD": SECRET,
        "TICKWHEEL_OTLP_ENDPOINT": "http://127.0.0.1:1",
        "OTEL_EXPORTER_OTLP_HEADERS": f"authorization={SECRET}",
        "TICKWHEEL_TRACE_RATIO": "0",
    }
    folder = tmp_path_factory.mktemp("debug")
    with dev_process(folder, gateway, settings=settings) as process:
        yield process


@pytest.fixture(scope="module")
def runs(dev: DevProcess) -> list[dict[str, Any]]:
    """A run that nobody reported, of a job that has secrets; and one of another job, beside it."""
    body = {
        "schedule": {"at": "2020-01-01T00:00:00Z"},
        "completion": "COMPLETION_REPORTED",
        "runTimeout": "1s",
        "retryPolicy": {"maxRetryCount": 0},
        "target": {
            "topic": "discreet",
            "headers": {"authorization": SECRET},
            "payload": {"json": {"password": SECRET}},
        },
    }
    url = f"{dev.url}/v1/users/7/jobs"
    plain = {"schedule": {"at": "2020-01-01T00:00:00Z"}, "target": body["target"]}
    assert httpx.post(url, params={"job_id": "plain"}, json=plain).status_code == 200
    assert httpx.post(url, params={"job_id": "discreet"}, json=body).status_code == 200
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        found = httpx.get(f"{dev.url}/v1/{JOB}/runs").json()["runs"]
        if found and found[0]["state"] == "RUN_STATE_FAILED":
            return found
        time.sleep(0.05)
    raise AssertionError(dev.log.read_text())


def lines(dev: DevProcess) -> list[dict[str, Any]]:
    text = dev.log.read_text().splitlines()
    return [json.loads(line) for line in text if line.startswith("{")]


def test_logs_name_job_run_and_trace(dev: DevProcess, runs: list[dict[str, Any]]) -> None:
    (run,) = runs
    (failed,) = [line for line in lines(dev) if line["event"] == "run failed"]
    assert (failed["job"], failed["run"], failed["trace"]) == (JOB, run["name"], run["traceId"])
    assert (failed["level"], failed["error_type"]) == ("warning", "run-timeout")
    trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"
    traced = {"traceparent": f"00-{trace_id}-00f067aa0ba902b7-01"}
    httpx.get(f"{dev.url}/v1/{run['name']}", headers=traced)
    (call,) = [line for line in lines(dev) if line.get("trace") == trace_id]
    assert (call["job"], call["run"]) == (JOB, run["name"])


def test_nothing_secret_is_logged(dev: DevProcess, runs: list[dict[str, Any]]) -> None:
    assert {"debug", "info", "warning"} <= {line["level"] for line in lines(dev)}
    assert SECRET not in dev.log.read_text()


def test_the_bundle_tells_and_hides(
    dev: DevProcess, runs: list[dict[str, Any]], tmp_path: Path
) -> None:
    target = tmp_path / "bundle.zip"
    words = ["debug", "bundle", "--file", str(target), "--metrics", dev.metrics_address]
    dev.cli(*words, "--log", str(dev.log), check=True)
    with zipfile.ZipFile(target) as archive:
        files = {name: archive.read(name).decode() for name in archive.namelist()}
    assert not [name for name, text in files.items() if SECRET in text]
    settings = json.loads(files["settings.json"])
    assert settings["cassandra_password"] == "(hidden)"
    assert settings["grpc_address"] == dev.grpc_address
    about = json.loads(files[f"about-{dev.metrics_address.replace(':', '-')}.json"])
    assert about["service"] == "tickwheel-dev"
    assert about["settings"]["grpc_address"] == dev.grpc_address
    assert about["settings"]["cassandra_password"] == "(hidden)"
    # What the process is told, and not what the command is.
    assert (about["settings"]["store"], settings["store"]) == ("sqlite", "cassandra")
    assert about["versions"]["installed"]["grpcio"]
    assert json.loads(files["cluster.json"])["engine"] == "embedded"
    assert json.loads(files["versions.json"])["installed"]["tickwheel-server"]
    (failed,) = json.loads(files["failed-runs.json"])
    assert failed["name"] == runs[0]["name"]
    assert (
        "tickwheel_scheduler_segments"
        in files[f"metrics-{dev.metrics_address.replace(':', '-')}.txt"]
    )
    (log,) = [text for name, text in files.items() if name.startswith("log-")]
    assert "run failed" in log
    assert '"level": "info"' not in log


def test_a_password_in_an_address_is_refused(dev: DevProcess) -> None:
    told = dev.cli("dev", "--otlp-endpoint", "http://otel:pass@127.0.0.1:1")
    assert told.returncode == 2
    assert "otlp_endpoint" in told.stderr


def test_a_bundle_of_what_does_not_answer(tmp_path: Path, dev: DevProcess) -> None:
    target = tmp_path / "bundle.zip"
    words = ["debug", "bundle", "--file", str(target), "--metrics", "127.0.0.1:1"]
    told = dev.cli(*words, "--address", "127.0.0.1:1", "--log", "/nowhere/x.log", check=True)
    assert "the api does not tell" in told.stdout
    with zipfile.ZipFile(target) as archive:
        assert set(archive.namelist()) == {"README.txt", "versions.json", "settings.json"}
        told_inside = archive.read("README.txt").decode()
        assert "cannot be read" in told_inside
        assert "settings.json: taken from the environment of this command" in told_inside
