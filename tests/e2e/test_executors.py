"""The SDK's executors on `tickwheel dev`: overlapping runs, and a kill amid them."""

import asyncio
import os
import signal
import subprocess
import time
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from e2e.dev_process import DevProcess
from executor.victim import Orders
from tickwheel.client import Executor, RunContext

RUNS = 150
CONCURRENCY = 4


POLICIES = {
    # Of each: what its strip may show, and what it has to.
    "SKIP": ("■·", "■·"),
    "BUFFER_ONE": ("■▣·", "■▣"),
    "BUFFER_ALL": ("■▣", "■▣"),
    "CANCEL_OTHER": ("○■▶", "○▶"),
    "ALLOW_ALL": ("■◪", "■◪"),
}
OCCURRENCES = 4


async def test_overlap_policies_as_strips(dev: DevProcess) -> None:
    """A run takes longer than it is until the next one."""
    executor = Executor(dev.grpc_address, group="strips", concurrency=20, drain_timeout=0.2)
    for policy in POLICIES:

        @executor.handler(f"strip-{policy}")
        async def work(ctx: RunContext) -> None:
            # It is told to stop with a heartbeat, which takes a while; so this one takes longer.
            seconds = 30 if ctx.topic.endswith("CANCEL_OTHER") else 1.6
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await ctx.cancelled

    serving = asyncio.create_task(executor.serve())
    begin = datetime.now(UTC) + timedelta(seconds=1)
    async with httpx.AsyncClient(base_url=f"{dev.url}/v1/users/strips") as client:
        for policy in POLICIES:
            job = {
                "schedule": {"every": "1s", "startTime": begin.isoformat(), "maxRuns": OCCURRENCES},
                "target": {"topic": f"strip-{policy}"},
                "completion": "COMPLETION_REPORTED",
                "overlapPolicy": f"OVERLAP_{policy}",
            }
            params = {"job_id": policy.lower().replace("_", "-")}
            created = await client.post("/jobs", params=params, json=job)
            assert created.status_code == 200, created.text

        async def is_over(policy: str) -> bool:
            url = f"/jobs/{policy.lower().replace('_', '-')}/runs"
            runs = (await client.get(url)).json().get("runs", [])
            states = Counter(run["state"].removeprefix("RUN_STATE_") for run in runs)
            seen = sum(max(run["skippedCount"], 1) for run in runs)
            going = states["PENDING"] + states["PUBLISHED"] + states["RUNNING"]
            if policy == "CANCEL_OTHER":
                return states == {"CANCELLED": OCCURRENCES - 1, "RUNNING": 1}
            return seen == OCCURRENCES and not going

        async with asyncio.timeout(60):
            for policy in POLICIES:
                while not await is_over(policy):
                    await asyncio.sleep(0.1)
    for policy, (may, must) in POLICIES.items():
        name = f"users/strips/jobs/{policy.lower().replace('_', '-')}"
        shown = await asyncio.to_thread(dev.cli, "runs", "list", name, check=True)
        line = shown.stdout.splitlines()[-2]
        strip = line.split()[-1]
        assert set(must) <= set(strip) <= set(may), (policy, line)
        assert len(strip) == OCCURRENCES
    executor.stop()
    await serving


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
