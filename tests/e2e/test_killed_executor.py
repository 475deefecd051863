"""An executor that is killed amid its runs: a small form of `make drills ARGS=work-kill-executor`."""

import os
import signal
import subprocess
import time
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from e2e.dev_process import DevProcess
from executor.victim import Orders

RUNS = 150
CONCURRENCY = 4


def test_all_runs_end_and_few_are_executed_again(dev: DevProcess, tmp_path: Path) -> None:
    _create(dev)
    effects = tmp_path / "effects"
    effects.touch()
    orders = Orders(
        address=dev.grpc_address,
        effects=str(effects),
        topics=["killed"],
        group="killed",
        concurrency=CONCURRENCY,
        session_timeout=1.0,
        seed=0,
    )
    commands = [replace(orders, seed=seed).words() for seed in range(2)]
    executors = [subprocess.Popen(words, env=os.environ) for words in commands]
    try:
        deadline = time.monotonic() + 60
        while len(effects.read_text().split()) < RUNS // 3:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        executors[0].send_signal(signal.SIGKILL)
        executors[0].wait()
        while (states := _states(dev)) != {"RUN_STATE_SUCCEEDED": RUNS}:
            assert time.monotonic() < deadline, states
            time.sleep(0.1)
        executors[1].terminate()
        assert executors[1].wait(30) == 0
    finally:
        for executor in executors:
            executor.kill()
            executor.wait()
    executed = Counter(line.rpartition("/")[0] for line in effects.read_text().split())
    assert len(executed) == RUNS
    assert executed.total() - RUNS <= CONCURRENCY


def _create(dev: DevProcess) -> None:
    """One-off jobs that come due evenly over a few seconds."""
    begin = datetime.now(UTC) + timedelta(seconds=1)
    jobs: list[dict[str, Any]] = [
        {
            "schedule": {"at": (begin + timedelta(seconds=4 * number / RUNS)).isoformat()},
            "target": {"topic": "killed", "key": str(number)},
            "completion": "COMPLETION_REPORTED",
        }
        for number in range(RUNS)
    ]
    created = httpx.post(
        f"{dev.url}/v1/users/killed/jobs:batchCreate",
        json={"requests": [{"job": job} for job in jobs]},
    )
    assert created.status_code == 200, created.text
    assert all("job" in result for result in created.json()["results"])


def _states(dev: DevProcess) -> Counter[str]:
    url = f"{dev.url}/v1/users/killed/jobs/-/runs"
    listed = httpx.get(url, params={"page_size": 1_000}).json()
    assert not listed.get("nextPageToken")
    return Counter(run["state"] for run in listed["runs"])
