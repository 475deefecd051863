"""What a worker process can be told, and how it answers nonsense."""

import pytest
import typer
from typer.testing import CliRunner

from tickwheel.worker import logs, process
from tickwheel.worker.cli import register
from tickwheel.worker.settings import WorkerSettings


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[WorkerSettings]:
    """What the process would have been started with."""
    settings: list[WorkerSettings] = []
    monkeypatch.setattr(process, "run_process", settings.append)
    # What it configures would hold for the tests that follow, and the runner's streams end.
    monkeypatch.setattr(logs, "configure_logs", lambda *_: None)  # pyright: ignore
    return settings


def app() -> typer.Typer:
    made = typer.Typer()
    register(made)
    made.command("other")(lambda: None)
    return made


def test_defaults() -> None:
    settings = WorkerSettings()
    assert settings.scheduler_addresses == ("127.0.0.1:7420",)
    assert settings.worker_window_count == 20_000
    assert settings.worker_window_bytes == 64 << 20
    assert settings.worker_health_address == ""
    assert WorkerSettings().worker_id != settings.worker_id


def test_environment_and_flags(monkeypatch: pytest.MonkeyPatch, told: list[WorkerSettings]) -> None:
    monkeypatch.setenv("TICKWHEEL_SCHEDULER_ADDRESSES", "a:1, b:2,")
    monkeypatch.setenv("TICKWHEEL_WORKER_ID", "from the environment")
    result = CliRunner().invoke(app(), ["worker", "--worker-id", "w", "--kafka-bootstrap", "k:9"])
    assert result.exit_code == 0, result.output
    (settings,) = told
    assert settings.scheduler_addresses == ("a:1", "b:2")
    assert settings.worker_id == "w"
    assert settings.kafka_bootstrap == "k:9"


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        (["--worker-window-count", "0"], "worker_window_count"),
        (["--scheduler-addresses", ","], "scheduler_addresses"),
        (["--worker-id", "x" * 129], "worker_id"),
        (["--log-level", "loud"], "log_level"),
        (["--metrics-address", "nowhere"], "metrics_address"),
        (["--metrics-address", "127.0.0.1:"], "metrics_address"),
        (["--worker-health-address", "127.0.0.1:65536"], "worker_health_address"),
    ],
)
def test_nonsense_is_named(flags: list[str], named: str, told: list[WorkerSettings]) -> None:
    result = CliRunner().invoke(app(), ["worker", *flags])
    assert result.exit_code == 2
    assert named in result.output
    assert told == []
