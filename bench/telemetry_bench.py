"""What telemetry costs: CPU time of `tickwheel dev` under the same work, with it and without.

    python bench/telemetry_bench.py [--rounds 5] [--jobs 20000]

Rounds of all settings take turns, so that a machine that others use disturbs them alike; what
counts is the ratio of the medians. With traces, 1 % are sampled and pushed to a real Collector.
"""

import asyncio
import os
import statistics
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from bootstrap.command import ToolMissingError
from bootstrap.watching import otelcol

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))

from telemetry.collector import collector
from tickwheel.client import ApiError, Client
from tickwheel.server.bench.embedded import ALL, DevCluster
from tickwheel.v1 import job_pb2, job_service_pb2

BATCH = 1_000
CALLS = 10_000
IN_FLIGHT = 32


async def _round(folder: Path, settings: Mapping[str, str], jobs: int) -> dict[str, float]:
    """CPU microseconds by what was done."""
    os.environ.update(settings)
    cluster = DevCluster(folder)
    await cluster.start()
    try:
        async with Client(cluster.addresses.grpc, timeout=120) as client:
            far = _job(86_400)
            begun = _cpu_us(cluster)
            for _ in range(CALLS // IN_FLIGHT):
                await asyncio.gather(*(client.create_job("users/b", far) for _ in range(IN_FLIGHT)))
            called = _cpu_us(cluster)
            due_s = jobs / 4_000 + 4
            soon = _job(due_s)
            due = time.monotonic() + due_s
            for _ in range(jobs // BATCH):
                requests = [
                    job_service_pb2.CreateJobRequest(parent="users/b", job=soon)
                    for _ in range(BATCH)
                ]
                answers = await client.batch_create_jobs("users/b", requests)
                assert not [one for one in answers if isinstance(one, ApiError)]
            await asyncio.sleep(max(0.0, due - time.monotonic()) + 6)
            ended = _cpu_us(cluster)
            while (done := await _succeeded(client)) < jobs:
                # Others have the machine. What it takes to look is not counted.
                assert time.monotonic() < due + 120, f"{done} of {jobs} runs have succeeded"
                looked = _cpu_us(cluster)
                await asyncio.sleep(5)
                ended += _cpu_us(cluster) - looked
    finally:
        await cluster.stop()
    return {
        "a call": (called - begun) / CALLS,
        "a job of a batch and its run": (ended - called) / jobs,
    }


async def _succeeded(client: Client) -> int:
    runs = client.list_runs("users/b/jobs/-", filter="state = SUCCEEDED", page_size=1_000)
    return len([run async for run in runs])


def _job(in_s: float) -> job_pb2.Job:
    job = job_pb2.Job()
    job.schedule.at.FromMilliseconds(int((time.time() + in_s) * 1000))
    job.target.topic = "bench"
    job.target.payload.text = "x" * 100
    return job


def _cpu_us(cluster: DevCluster) -> float:
    """User and system time of the process so far, in microseconds; /proc has 1/100 s."""
    # The clock of another process's CPU time, as clock_getcpuclockid(3) makes its number.
    clock = (~cluster.parts()[ALL].pid << 3) | 2
    return time.clock_gettime_ns(clock) / 1e3


def main(
    rounds: Annotated[int, typer.Option(help="Of each setting.")] = 5,
    jobs: Annotated[int, typer.Option(help="In each round.")] = 20_000,
) -> None:
    """Prints CPU time by setting, and what it is of that without telemetry."""
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    os.environ["TICKWHEEL_LOG_LEVEL"] = "warning"
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="tickwheel-telemetry-")))
        off = {"TICKWHEEL_METRICS_ADDRESS": "", "TICKWHEEL_OTLP_ENDPOINT": ""}
        settings: dict[str, Mapping[str, str]] = {
            "off": off,
            "metrics": {**off, "TICKWHEEL_METRICS_ADDRESS": "127.0.0.1:0"},
        }
        try:
            running = stack.enter_context(collector(otelcol(), folder / "collector"))
            settings["metrics and 1 % of traces"] = {
                **settings["metrics"],
                "TICKWHEEL_OTLP_ENDPOINT": running.endpoint,
                "TICKWHEEL_TRACE_RATIO": "0.01",
            }
        except ToolMissingError as error:
            print(f"without traces: no Collector can be built here: {error}")
        found: dict[str, list[dict[str, float]]] = {name: [] for name in settings}
        for number in range(rounds):
            for name, values in settings.items():
                place = folder / f"{number}-{name.replace(' ', '-').replace('%', '')}"
                found[name].append(asyncio.run(_round(place, values, jobs)))
                print(f"round {number + 1}, {name}: {_shown(found[name][-1])}", flush=True)
        base = _medians(found["off"])
        print("\nmedian CPU time, and what it is of that without telemetry")
        for name, values in found.items():
            medians = _medians(values)
            ratios = {what: medians[what] / base[what] for what in medians}
            ratio = ", ".join(f"{what} x{one:.3f}" for what, one in ratios.items())
            print(f"{name:28} {_shown(medians)}  ({ratio})")


def _medians(values: list[dict[str, float]]) -> dict[str, float]:
    return {what: statistics.median(one[what] for one in values) for what in values[0]}


def _shown(values: Mapping[str, float]) -> str:
    return ", ".join(f"{what} {us:.0f} us" for what, us in values.items())


if __name__ == "__main__":
    typer.run(main)
