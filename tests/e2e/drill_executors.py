"""The example of a real job, on both logs, with three executors of which one is killed.

Takes some minutes, so it is not among the tests: pytest tests/e2e/drill_executors.py. What a kill
amid a thousand runs does is shown by `make drills`.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
from engines_fixtures import CassandraServer, KafkaServer
from localcluster import LocalCluster

from e2e.dev_process import DevProcess

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "thumbnails"
EXECUTORS = 3


@dataclass(frozen=True, slots=True)
class Tickwheel:
    """Where one is, of either kind."""

    url: str
    grpc_address: str
    kafka_bootstrap: str | None
    cluster: LocalCluster | None

    @property
    def environment(self) -> dict[str, str]:
        found = os.environ | {"TICKWHEEL_ADDRESS": self.grpc_address}
        if self.kafka_bootstrap:
            found["TICKWHEEL_KAFKA_BOOTSTRAP"] = self.kafka_bootstrap
        return found

    def runs(self, user: str, job: str = "-") -> list[dict[str, Any]]:
        """All runs of an owner, page by page; an api that is being started anew is waited for."""
        found: list[dict[str, Any]] = []
        token = ""
        while True:
            answer = httpx.get(
                f"{self.url}/v1/users/{user}/jobs/{job}/runs",
                params={"page_size": 1_000, "page_token": token},
                timeout=30,
            )
            if answer.status_code in (503, 504):
                time.sleep(0.2)
                continue
            assert answer.status_code == 200, answer.text
            page = answer.json()
            found += page.get("runs", [])
            token = page.get("nextPageToken", "")
            if not token:
                return found


@pytest.fixture(scope="module")
def on_dev(dev: DevProcess) -> Tickwheel:
    return Tickwheel(dev.url, dev.grpc_address, None, None)


@pytest.fixture(scope="module")
def on_cluster(
    tmp_path_factory: pytest.TempPathFactory,
    cassandra_server: CassandraServer,
    kafka_server: KafkaServer,
    gateway: Path,
) -> Generator[Tickwheel]:
    running = LocalCluster(
        tmp_path_factory.mktemp("cluster"),
        cassandra=",".join(cassandra_server.contact_points),
        kafka=kafka_server.bootstrap,
        gateway=gateway,
    )
    with running:
        yield Tickwheel(
            f"http://{running.http_address}",
            running.grpc_address,
            kafka_server.bootstrap,
            running,
        )
        print(running.tails())  # noqa: T201 - shown where a test has failed


@pytest.fixture(
    params=[
        "dev",
        pytest.param("cluster", marks=[pytest.mark.cassandra_server, pytest.mark.kafka_server]),
    ]
)
def tickwheel(request: pytest.FixtureRequest) -> Tickwheel:
    return request.getfixturevalue(f"on_{request.param}")


@contextmanager
def processes(
    commands: list[list[str]], environment: dict[str, str], folder: Path
) -> Generator[list[subprocess.Popen[bytes]]]:
    started: list[subprocess.Popen[bytes]] = []
    try:
        for number, command in enumerate(commands):
            with (folder / f"executor-{number}.log").open("ab") as log:
                started.append(subprocess.Popen(command, env=environment, stdout=log, stderr=log))
        yield started
    finally:
        for process in started:
            process.kill()
            process.wait()


def until(condition: Callable[[], object], timeout_s: float = 60.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


# -- the example -------------------------------------------------------------------------------


@pytest.mark.timeout(300)
def test_thumbnails(tickwheel: Tickwheel, tmp_path: Path) -> None:
    pictures, thumbnails = tmp_path / "pictures", tmp_path / "thumbnails"
    subprocess.run([sys.executable, EXAMPLE / "pictures.py", pictures, "60"], check=True)
    job = json.loads((EXAMPLE / "job.json").read_text())
    job["target"]["payload"]["json"] = {
        "pictures": str(pictures),
        "thumbnails": str(thumbnails),
    }
    created = httpx.post(f"{tickwheel.url}/v1/users/thumbnails/jobs?job_id=scan", json=job)
    assert created.status_code == 200, created.text
    command = [sys.executable, str(EXAMPLE / "executor.py")]
    with processes([command] * EXECUTORS, tickwheel.environment, tmp_path) as started:
        until(lambda: len(list(thumbnails.glob("*.jpg"))) >= 20)
        started[0].kill()
        until(lambda: len(list(thumbnails.glob("*.jpg"))) == 60, 120)

        def over() -> bool:
            made = [run for run in tickwheel.runs("thumbnails") if "/thumbnail-" in run["name"]]
            return len(made) == 60 and all(run["state"] == "RUN_STATE_SUCCEEDED" for run in made)

        until(over, 120)
        made = [run for run in tickwheel.runs("thumbnails") if "/thumbnail-" in run["name"]]
        for process in started[1:]:
            process.terminate()
            assert process.wait(40) == 0
    httpx.delete(f"{tickwheel.url}/v1/users/thumbnails/jobs/scan")
    recovered = [run for run in made if run["attempt"] > 1]
    # About one of ten, by their names.
    assert 1 <= len(recovered) <= 20
    detail = httpx.get(f"{tickwheel.url}/v1/{recovered[0]['name']}").json()
    failed, succeeded, *_ = detail["attempts"]
    assert "on purpose" in failed["error"]["message"]
    assert succeeded["state"] == "RUN_STATE_SUCCEEDED"
    assert detail["result"]["width"] == 160
    # One that scans at a time: its runs never overlap.
    scans = tickwheel.runs("thumbnails", "scan")
    spans = sorted(
        (run["startTime"], run["endTime"]) for run in scans if run["state"] == "RUN_STATE_SUCCEEDED"
    )
    assert len(spans) >= 2
    assert all(before[1] <= after[0] for before, after in pairwise(spans))
