"""Drills of runs that executors report: somebody is killed amid a thousand of them.

All of them have to end well, the effect of each has to be there at least once, and what was done a
second time must not be more than what was in flight at the kill.
"""

import asyncio
import contextlib
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from pathlib import Path

from background.process import Process, kill, spawn

from drills.executor import CONCURRENCY
from tickwheel.client import ApiError, Client, RetryPolicy
from tickwheel.v1 import job_pb2, job_service_pb2, run_pb2, target_pb2

RUNS = 1_000
EXECUTORS = 3
#: They come due over this long.
SPREAD_S = 10.0
#: The kill comes when so many have been executed.
CALM_RUNS = 300
#: How long they may take to end after it: a lease, a take-over, and what has waited.
LIMIT_S = 90.0
#: An attempt may take longer than any recovery, so that none fails by time.
_RUN_TIMEOUT_S = 600
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Kill:
    """One drill: who is killed."""

    name: str
    what: str
    #: The part; empty for two of the executors.
    part: str = ""

    @property
    def in_flight(self) -> int:
        """Handlers that may be at work in the processes concerned when it happens."""
        return CONCURRENCY * (EXECUTORS if self.part else EXECUTORS - 1)


KILLS = (
    Kill("work-kill-executor", "kill -9 of two of three executors amid 1,000 runs"),
    Kill("work-kill-scheduler", "kill -9 of a scheduler amid 1,000 runs", "scheduler-1"),
    Kill("work-kill-api", "kill -9 of an api amid 1,000 runs", "api-1"),
)


@dataclass(frozen=True, slots=True)
class WorkLine:
    """What such a drill has shown."""

    name: str
    states: Counter[str]
    #: Names of runs that have not succeeded.
    unfinished: list[str]
    #: How often each run was executed.
    executed: Counter[str]
    in_flight: int
    seconds: float

    @property
    def again(self) -> int:
        """Executions beyond the first of a run."""
        return self.executed.total() - len(self.executed)

    @property
    def wrong(self) -> list[str]:
        """What was promised and not kept."""
        wrong: list[str] = []
        if self.states != {"SUCCEEDED": RUNS}:
            wrong.append(f"not all have succeeded: {dict(self.states)}, {self.unfinished[:_SHOWN]}")
        if len(self.executed) != RUNS:
            wrong.append(f"{RUNS - len(self.executed)} were never executed")
        if self.again > self.in_flight:
            wrong.append(f"{self.again} second executions, and {self.in_flight} in flight at most")
        return wrong

    @property
    def holds(self) -> bool:
        """Whether all promises were kept."""
        return not self.wrong

    def __str__(self) -> str:
        line = (
            f"{self.name:<20} runs {self.states.total():>6,}  "
            f"succeeded {self.states['SUCCEEDED']:>6,}  executed {len(self.executed):>6,}  "
            f"a second time {self.again} (in flight at most {self.in_flight})  "
            f"all ended {self.seconds:.1f} s after the kill"
        )
        return line + "".join(f"\n  VIOLATED: {each}" for each in self.wrong)


def run_work_drill(
    wanted: Kill,
    *,
    api: str,
    bootstrap: str,
    home: Path,
    kill_part: Callable[[str], None],
    start_part: Callable[[str], None],
) -> WorkLine:
    """Runs one.

    Args:
        wanted: who is killed.
        api: where clients and executors call.
        bootstrap: Kafka's; empty for the embedded log.
        home: for logs, and the file of effects.
        kill_part: kills a part of the cluster.
        start_part: starts it again.
    """
    topic = f"{wanted.name}-{uuid.uuid4().hex[:8]}"
    folder = home / topic
    folder.mkdir(parents=True)
    effects = folder / "effects"
    effects.touch()
    with _executors(folder, [api, bootstrap, topic, str(effects)]) as executors:
        asyncio.run(_create(api, topic))
        _until(lambda: len(_lines(effects)) >= CALM_RUNS, SPREAD_S + LIMIT_S)
        killed_s = time.monotonic()
        if wanted.part:
            kill_part(wanted.part)
            time.sleep(2)
            start_part(wanted.part)
        else:
            for process in executors[: EXECUTORS - 1]:
                kill([process])
                time.sleep(1)
        states, unfinished = asyncio.run(_ended(api, topic))
        ended_s = time.monotonic()
    return WorkLine(
        name=wanted.name,
        states=states,
        unfinished=unfinished,
        executed=Counter(line.partition(" ")[2] for line in _lines(effects)),
        in_flight=wanted.in_flight,
        seconds=ended_s - killed_s,
    )


@contextlib.contextmanager
def _executors(folder: Path, arguments: list[str]) -> Generator[list[Process]]:
    started: list[Process] = []
    try:
        for number in range(1, EXECUTORS + 1):
            own = folder / f"executor-{number}"
            own.mkdir()
            started.append(
                spawn(
                    [sys.executable, "-m", "drills.executor", *arguments],
                    folder=own,
                    log=own / "output.log",
                    record=own / "process.json",
                )
            )
        yield started
    finally:
        kill(started)


def _lines(effects: Path) -> list[str]:
    return effects.read_text().splitlines()


def _until(condition: Callable[[], bool], timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError("nothing is broken yet, but the runs are not executed")
        time.sleep(0.05)


def _client(api: str) -> Client:
    return Client(api, timeout=40.0, retry=RetryPolicy(max_attempts=60, max_backoff=1.0))


async def _create(api: str, topic: str) -> None:
    """One-off jobs that come due evenly, of an owner that is named like the topic."""
    begin_ms = time.time_ns() // 1_000_000 + 3_000
    async with _client(api) as client:
        results = await client.batch_create_jobs(f"users/{topic}", _requests(topic, begin_ms))
    refused = [result for result in results if isinstance(result, ApiError)]
    if refused:
        raise refused[0]


def _requests(topic: str, begin_ms: int) -> Iterable[job_service_pb2.CreateJobRequest]:
    for number in range(RUNS):
        job = job_pb2.Job(
            target=target_pb2.Target(topic=topic, key=str(number)),
            completion=job_pb2.COMPLETION_REPORTED,
        )
        job.schedule.at.FromMilliseconds(begin_ms + round(SPREAD_S * 1000 * number / RUNS))
        job.run_timeout.FromSeconds(_RUN_TIMEOUT_S)
        yield job_service_pb2.CreateJobRequest(job=job)


async def _ended(api: str, topic: str) -> tuple[Counter[str], list[str]]:
    """Waits until all runs are final, for a bounded time; their states, and who is left."""
    deadline = time.monotonic() + LIMIT_S
    async with _client(api) as client:
        while True:
            listed = client.list_runs(f"users/{topic}/jobs/-", page_size=1_000)
            runs = [run async for run in listed]
            states = Counter(
                run_pb2.RunState.Name(run.state).removeprefix("RUN_STATE_") for run in runs
            )
            if states == {"SUCCEEDED": RUNS} or time.monotonic() > deadline:
                left = [run.name for run in runs if run.state != run_pb2.RUN_STATE_SUCCEEDED]
                return states, left
            await asyncio.sleep(0.5)
