"""`tickwheel dev` as a user runs it: a process of its own, on free ports."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx

TICKWHEEL = Path(sys.executable).with_name("tickwheel")
START_S = 60


class DevProcess:
    """One run of `tickwheel dev` on a data directory."""

    def __init__(self, data: str, log: Path, gateway: Path | None) -> None:
        self.grpc_address = f"127.0.0.1:{_free_port()}"
        self.http_address = f"127.0.0.1:{_free_port()}"
        self.metrics_address = f"127.0.0.1:{_free_port()}"
        self.log = log
        self.environment = os.environ | {
            "TICKWHEEL_ADDRESS": self.grpc_address,
            "TICKWHEEL_GRPC_ADDRESS": self.grpc_address,
            "TICKWHEEL_HTTP_ADDRESS": self.http_address,
            "TICKWHEEL_METRICS_ADDRESS": self.metrics_address,
            "TICKWHEEL_DATA": data,
            "TICKWHEEL_GATEWAY": str(gateway or ""),
        }
        self._with_gateway = gateway is not None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://{self.http_address}"

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [TICKWHEEL, "dev"], env=self.environment, stdout=log, stderr=log
            )
        deadline = time.monotonic() + START_S
        while not self._is_ready():
            assert self._process.poll() is None, f"ended at start:\n{self.log.read_text()}"
            assert time.monotonic() < deadline, f"not ready:\n{self.log.read_text()}"
            time.sleep(0.05)

    def _is_ready(self) -> bool:
        if not self._with_gateway:
            return self.cli("jobs", "list").returncode == 0
        try:
            return httpx.get(f"{self.url}/readyz").status_code == 200
        except httpx.TransportError:
            return False

    def stop(self) -> float:
        """Sends SIGINT as Ctrl-C does; returns how many seconds it took to end, cleanly."""
        assert self._process is not None
        begun = time.monotonic()
        self._process.send_signal(signal.SIGINT)
        assert self._process.wait(30) == 0, self.log.read_text()
        self._process = None
        return time.monotonic() - begun

    def kill(self) -> None:
        """Ends it as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def cli(self, *words: str, check: bool = False) -> subprocess.CompletedProcess[str]:
        """Runs the command line against it."""
        return subprocess.run(
            [TICKWHEEL, *words],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=check,
        )


@contextmanager
def dev_process(
    folder: Path,
    gateway: Path | None,
    data: str | None = None,
    settings: Mapping[str, str] | None = None,
) -> Generator[DevProcess]:
    """A dev process that has been started, and does not outlive the block."""
    process = DevProcess(data or str(folder / "data"), folder / "dev.log", gateway)
    process.environment.update(settings or {})
    process.start()
    try:
        yield process
    finally:
        process.kill()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
