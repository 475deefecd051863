"""What telemetry costs: CPU time of `tickwheel dev` under the same work, with it and without.

    python bench/telemetry_bench.py [--starts 15] [--rounds 4] [--calls 1000] [--jobs 1000]

One process for each setting; all run side by side, and in each round each does the same slice of
work, in turns, so that a machine that others use disturbs them alike; what counts of a process is
its lower quartile. Two processes that are told the same differ by up to 8 % for as long as they
live (where things lie in memory, how strings hash), so all are started anew several times, the
median of their ratios counts, and two of them are without telemetry: how far these are apart shows
how far such a figure is to be trusted. With traces, 1 % are sampled and pushed to a real Collector.
"""

import asyncio
import os
import statistics
import sys
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
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

IN_FLIGHT = 20
_IDLE_S = 3
OFF, AGAIN = "off", "off, another process"
CALL = "a call"
IDLE = "a second without work"
RUN = "a job of a batch and its run"


class _Setting:
    """One process, and what it is asked to do."""

    def __init__(self, cluster: DevCluster, client: Client) -> None:
        self._cluster = cluster
        self._client = client
        self._jobs = 0

    async def call(self, count: int) -> float:
        """CPU microseconds of a CreateJob of its own; what it makes never comes due."""
        begun, far = _cpu_us(self._cluster), _job(86_400)
        for turn in in_turns(count, IN_FLIGHT):
            calls = (self._client.create_job("users/calls", far) for _ in range(turn))
            await asyncio.gather(*calls)
        return (_cpu_us(self._cluster) - begun) / count

    async def run(self, count: int) -> float:
        """Likewise of a job that is created with others, due in two seconds, and its run.

        Most of the time it waits; what seconds without work cost is not counted.
        """
        idle_us, begun_s = await self.idle(), time.monotonic()
        begun, soon = _cpu_us(self._cluster), _job(2)
        request = job_service_pb2.CreateJobRequest(parent="users/runs", job=soon)
        answers = await self._client.batch_create_jobs("users/runs", [request] * count)
        assert not [one for one in answers if isinstance(one, ApiError)]
        self._jobs += count
        await asyncio.sleep(4)
        looks = 1
        # Others may have the machine.
        while (done := await self._succeeded()) < self._jobs:
            assert time.time() < soon.schedule.at.seconds + 60, f"{done} of {self._jobs} succeeded"
            await asyncio.sleep(1)
            looks += 1
        spent_us = _cpu_us(self._cluster) - begun - idle_us * (time.monotonic() - begun_s)
        # What it takes to look is not counted, but what was done meanwhile is.
        before_us = _cpu_us(self._cluster)
        await self._succeeded()
        look_us = _cpu_us(self._cluster) - before_us
        return (spent_us - looks * look_us) / count

    async def idle(self) -> float:
        """Likewise of a second in which nothing is asked of it and nothing is due."""
        begun = _cpu_us(self._cluster)
        await asyncio.sleep(_IDLE_S)
        return (_cpu_us(self._cluster) - begun) / _IDLE_S

    async def _succeeded(self) -> int:
        runs = self._client.list_runs(
            "users/runs/jobs/-", filter="state = SUCCEEDED", page_size=1_000
        )
        return len([run async for run in runs])


@asynccontextmanager
async def _started(folder: Path, settings: Mapping[str, str]) -> AsyncGenerator[_Setting]:
    os.environ.update(settings)
    cluster = DevCluster(folder)
    await cluster.start()
    try:
        async with Client(cluster.addresses.grpc, timeout=120) as client:
            yield _Setting(cluster, client)
    finally:
        await cluster.stop()


async def _measured(
    folder: Path, settings: Mapping[str, Mapping[str, str]], rounds: int, calls: int, jobs: int
) -> dict[str, dict[str, float]]:
    """By setting and by what was done, CPU microseconds of a process each."""
    found = {name: {what: list[float]() for what in (CALL, RUN, IDLE)} for name in settings}
    async with AsyncExitStack() as stack:
        there = {
            name: await stack.enter_async_context(_started(folder / str(number), values))
            for number, (name, values) in enumerate(settings.items())
        }
        # The first of all that a process does costs more.
        for one in there.values():
            await one.call(calls)
        await asyncio.gather(*(one.run(jobs) for one in there.values()))
        for number in range(rounds):
            turn = _from(number, list(there))
            for name in turn:
                found[name][CALL].append(await there[name].call(calls))
            # All at once: most of it is waiting until they are due.
            for name, cost in zip(
                turn, await asyncio.gather(*(there[name].run(jobs) for name in turn)), strict=True
            ):
                found[name][RUN].append(cost)
            for name, cost in zip(
                turn, await asyncio.gather(*(there[name].idle() for name in turn)), strict=True
            ):
                found[name][IDLE].append(cost)
    return {
        name: {what: _quiet(values) for what, values in by_work.items()}
        for name, by_work in found.items()
    }


def in_turns(count: int, most: int) -> list[int]:
    """How many in each turn, so that they are `count` together and no more than `most` in one."""
    return [min(most, count - done) for done in range(0, count, most)]


def _from(number: int, names: list[str]) -> list[str]:
    """The names, beginning with another one each time."""
    return names[number % len(names) :] + names[: number % len(names)]


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
    starts: Annotated[int, typer.Option(help="How often all processes are started anew.")] = 15,
    rounds: Annotated[int, typer.Option(help="In each, each setting has its turn.", min=2)] = 4,
    calls: Annotated[int, typer.Option(help="In each turn, one by one.")] = 1_000,
    jobs: Annotated[int, typer.Option(help="In each turn, in one batch.", max=1_000)] = 1_000,
) -> None:
    """Prints CPU time by setting, and what it is of that without telemetry."""
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    os.environ["TICKWHEEL_LOG_LEVEL"] = "warning"
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="tickwheel-telemetry-")))
        off = {"TICKWHEEL_METRICS_ADDRESS": "", "TICKWHEEL_OTLP_ENDPOINT": ""}
        settings: dict[str, Mapping[str, str]] = {
            OFF: off,
            AGAIN: off,
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
        found: list[dict[str, dict[str, float]]] = []
        for number in range(starts):
            # Whoever is started first is not always the same.
            order = {name: settings[name] for name in _from(number, list(settings))}
            home = folder / f"start-{number}"
            found.append(asyncio.run(_measured(home, order, rounds, calls, jobs)))
            print(f"start {number + 1} of {starts}", file=sys.stderr, flush=True)
        for what in (CALL, RUN, IDLE):
            print(f"\n{what}: CPU time, and its ratio to that without telemetry")
            for name in settings:
                print(
                    f"{name:28} {_shown([(each[name][what], _base(each, what)) for each in found])}"
                )


def _base(found: Mapping[str, Mapping[str, float]], what: str) -> float:
    return statistics.mean(found[name][what] for name in (OFF, AGAIN))


def _shown(pairs: Sequence[tuple[float, float]]) -> str:
    """Of figures, each with the mean of the processes without telemetry that ran beside it."""
    ratios = sorted(one / base for one, base in pairs)
    middle = statistics.median(one for one, _ in pairs)
    return (
        f"{middle:6.0f} us  x{statistics.median(ratios):.3f}  ({ratios[0]:.2f} to {ratios[-1]:.2f})"
    )


def _quiet(values: Sequence[float]) -> float:
    """The lower quartile: whoever else uses the machine only ever makes a turn dearer."""
    return statistics.quantiles(values, n=4, method="inclusive")[0]


if __name__ == "__main__":
    typer.run(main)
