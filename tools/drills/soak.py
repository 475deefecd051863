"""``python -m drills.soak``, behind ``make soak``: half of the peak for long; memory is flat.

Recurring jobs make the steady rate, one-off jobs keep the way in busy, a slow watcher keeps the way
out. At the end `tickwheel audit` proves the whole time.
"""

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from background.process import Process, resident_mib
from background.wait import NotReadyError
from bootstrap.command import ToolMissingError
from google.protobuf import duration_pb2
from localcluster.layout import TICKWHEEL

from drills.load import USER
from drills.rig import SMALL, Rig, rig
from tickwheel.client import ApiError, Client, RetryPolicy
from tickwheel.v1 import job_pb2, job_service_pb2, schedule_pb2, target_pb2

#: The steady rate that has to be held, runs a second; half of it is the default.
PEAK = 5_000
TOPIC = "soak"
SAMPLE_S = 10.0
#: Memory is flat if the last quarter's median is at most this much above the second quarter's.
GROWTH = 0.10
GROWTH_MIB = 16
#: Of the rate, what comes from one-off jobs: 1 in 10.
ONE_OFF_PART = 10
_BATCH = 1_000
_KEPT = duration_pb2.Duration(seconds=3_600)


@dataclass(slots=True)
class Memory:
    """Samples of one process, MiB."""

    samples: list[int] = field(default_factory=list[int])

    def quarter(self, number: int) -> float:
        """The median of a quarter, 1 to 4."""
        size = len(self.samples) // 4
        return statistics.median(self.samples[(number - 1) * size : number * size or None])

    @property
    def is_flat(self) -> bool:
        """The first quarter is warming up and does not count."""
        early, late = self.quarter(2), self.quarter(4)
        return late <= max(early * (1 + GROWTH), early + GROWTH_MIB)


def main() -> int:
    """Soaks; 1 when something grew, or the audit found something."""
    parser = argparse.ArgumentParser(prog="soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--rate", type=int, default=PEAK // 2, help="runs a second")
    parser.add_argument("--keep", type=Path, help="a folder for logs, which stay")
    arguments = parser.parse_args()
    if arguments.minutes * 60 < 8 * SAMPLE_S or arguments.rate < ONE_OFF_PART:
        parser.error(f"at least {8 * SAMPLE_S / 60:.1f} minutes and {ONE_OFF_PART} runs a second")
    with tempfile.TemporaryDirectory(prefix="tickwheel-soak-") as temporary:
        home: Path = arguments.keep or Path(temporary)
        try:
            with rig(home.absolute(), SMALL) as running:
                return asyncio.run(_soak(running, arguments.minutes * 60, arguments.rate))
        except (ToolMissingError, NotReadyError) as error:
            print(f"soak: {error}", file=sys.stderr)
            return 1


async def _soak(running: Rig, seconds: float, rate: int) -> int:
    begun = datetime.now(UTC)
    print(f"{rate} runs a second for {seconds / 60:g} minutes", flush=True)
    one_off = rate // ONE_OFF_PART
    retry = RetryPolicy(max_attempts=60, max_backoff=1.0)
    async with Client(running.api, timeout=60.0, retry=retry) as client:
        await _create(client, [_every_second()] * (rate - one_off))
        processes = _processes(running)
        memories = {name: Memory() for name in processes}
        tasks = [
            asyncio.create_task(_keep_creating(client, one_off)),
            asyncio.create_task(_watch_slowly(client)),
        ]
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            await asyncio.sleep(SAMPLE_S)
            for name, process in processes.items():
                memories[name].samples.append(resident_mib(process))
            for task in tasks:
                if task.done():
                    task.result()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await _delete_all(client)
    flat = _show(memories)
    # The audit leaves the last ten seconds alone.
    await asyncio.sleep(15)
    return 0 if await asyncio.to_thread(_audit, running, begun) and flat else 1


async def _create(client: Client, jobs: list[job_pb2.Job]) -> None:
    for start in range(0, len(jobs), _BATCH):
        requests = [
            job_service_pb2.CreateJobRequest(job=job) for job in jobs[start : start + _BATCH]
        ]
        for result in await client.batch_create_jobs(f"users/{USER}", requests):
            if isinstance(result, ApiError):
                raise result


async def _keep_creating(client: Client, rate: int) -> None:
    """One-off jobs, due within the minute."""
    following = time.time()
    while True:
        schedule = schedule_pb2.Schedule()
        schedule.at.FromMilliseconds(round((following + 30) * 1000))
        await _create(client, [_job(schedule)] * rate)
        following += 1
        await asyncio.sleep(max(0.0, following - time.time()))


async def _watch_slowly(client: Client) -> None:
    """A reader that never keeps up: it must not cost the api its memory."""
    async for _ in client.watch_runs(f"users/{USER}/jobs/-"):
        await asyncio.sleep(0.05)


async def _delete_all(client: Client) -> None:
    room = asyncio.Semaphore(32)

    async def delete(name: str) -> None:
        async with room:
            await client.delete_job(name)

    living = [
        job.name
        async for job in client.list_jobs(f"users/{USER}", filter="state = ACTIVE")
        if job.schedule.HasField("every")
    ]
    await asyncio.gather(*(delete(name) for name in living))


def _every_second() -> job_pb2.Job:
    schedule = schedule_pb2.Schedule()
    schedule.every.FromSeconds(1)
    return _job(schedule)


def _job(schedule: schedule_pb2.Schedule) -> job_pb2.Job:
    target = target_pb2.Target(topic=TOPIC)
    target.payload.text = "x" * 200
    return job_pb2.Job(schedule=schedule, target=target, retention=_KEPT)


def _processes(running: Rig) -> Mapping[str, Process]:
    found = {name: running.cluster.process(name) for name in running.cluster.parts}
    return {name: process for name, process in found.items() if process is not None}


def _show(memories: Mapping[str, Memory]) -> bool:
    """Prints each process's memory; whether all are flat."""
    print(f"{'MiB':<14}{'1st quarter':>12}{'2nd':>8}{'3rd':>8}{'4th':>8}{'most':>8}")
    for name, memory in memories.items():
        quarters = [memory.quarter(number) for number in (1, 2, 3, 4)]
        verdict = "" if memory.is_flat else "  GROWS"
        numbers = "".join(f"{each:>8.0f}" for each in (*quarters[1:], max(memory.samples)))
        print(f"{name:<14}{quarters[0]:>12.0f}{numbers}{verdict}", flush=True)
    return all(memory.is_flat for memory in memories.values())


def _audit(running: Rig, begun: datetime) -> bool:
    """Whether the audit of the whole time finds nothing."""
    done = subprocess.run(
        [TICKWHEEL, "audit", "--start-time", begun.isoformat(), "--user", USER],
        env={**os.environ, **running.cluster.settings},
        check=False,
    )
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
