"""A password in an address is refused wherever one may be written, and told nowhere."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

TICKWHEEL = Path(sys.executable).with_name("tickwheel")
SECRET = "hunter2"


def told(setting: str, value: str, *words: str) -> tuple[int, str]:
    """Exit status of a command that is told a setting, and all that it says."""
    environment = os.environ | {f"TICKWHEEL_{setting}": value}
    done = subprocess.run(
        [TICKWHEEL, *words], env=environment, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("part", "setting"),
    [
        ("scheduler", "GRPC_ADDRESS"),
        ("scheduler", "ADVERTISED_ADDRESS"),
        ("scheduler", "METRICS_ADDRESS"),
        ("api", "CASSANDRA_CONTACT_POINTS"),
        ("api", "OTLP_ENDPOINT"),
        ("dev", "HTTP_ADDRESS"),
        ("dev", "KAFKA_BOOTSTRAP"),
        ("worker", "SCHEDULER_ADDRESSES"),
        ("worker", "KAFKA_BOOTSTRAP"),
        ("worker", "WORKER_HEALTH_ADDRESS"),
        ("worker", "METRICS_ADDRESS"),
        ("worker", "OTLP_ENDPOINT"),
    ],
)
@pytest.mark.parametrize("value", [f"http://u:{SECRET}@host:1", f"u:{SECRET}@host:1"])
def test_it_is_refused_at_the_start(part: str, setting: str, value: str) -> None:
    status, said = told(setting, value, part)
    assert (status, SECRET in said) == (2, False)
    assert setting.lower() in said


def test_a_client_does_not_tell_it() -> None:
    status, said = told("ADDRESS", f"u:{SECRET}@host:1", "jobs", "list")
    assert (status != 0, SECRET in said) == (True, False)


def test_a_bundle_does_not_tell_it(tmp_path: Path) -> None:
    target = tmp_path / "bundle.zip"
    words = ["debug", "bundle", "--file", str(target), "--address", "127.0.0.1:1"]
    status, said = told("OTLP_ENDPOINT", f"http://u:{SECRET}@host:1", *words)
    assert (status, SECRET in said) == (0, False)
    assert "this command's environment is wrong in otlp_endpoint" in said
    with zipfile.ZipFile(target) as archive:
        assert not [name for name in archive.namelist() if SECRET in archive.read(name).decode()]


_TELLS = """
from tickwheel.{}.logs import configure_logs
from tickwheel.worker.telemetry.setup import Telemetry, TelemetryOptions
configure_logs("debug", "console")
Telemetry(TelemetryOptions(service="s", instance="i", version="1", otlp_endpoint="http://127.0.0.1:1"))
"""


@pytest.mark.parametrize("whose", ["server.wiring", "worker"])
def test_headers_that_cannot_be_read_are_not_told(whose: str) -> None:
    headers = f"authorization: Bearer {SECRET},x y={SECRET}"
    done = subprocess.run(
        [sys.executable, "-c", _TELLS.format(whose)],
        env=os.environ | {"OTEL_EXPORTER_OTLP_HEADERS": headers},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Header format invalid" in done.stderr
    assert SECRET not in done.stderr
