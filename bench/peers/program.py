"""What the programs of peers in Python have in common; it runs in their environment, not in ours.

Standard library only.
"""

import json
import math
import resource
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Job:
    """One to be handed in."""

    number: int
    due: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """The order of `port.py` as a program needs it: requests of jobs."""

    clients: int
    warm_up: Sequence[Sequence[Job]]
    requests: Sequence[Sequence[Job]]
    payload: str


class Meter:
    """Measures the requests between its first and its last."""

    def __init__(self) -> None:
        self._took_ms: list[float] = []
        self._begun = time.perf_counter()
        self._cpu_s = time.process_time()

    def add(self, begun: float) -> None:
        """Notes a request that began at that `time.perf_counter()` and has ended."""
        self._took_ms.append((time.perf_counter() - begun) * 1000)

    def receipt(self) -> dict[str, float]:
        """As `port.py` has it."""
        ordered = sorted(self._took_ms)
        return {
            "seconds": time.perf_counter() - self._begun,
            "p50_ms": _percentile(ordered, 50),
            "p99_ms": _percentile(ordered, 99),
            "cpu_s": time.process_time() - self._cpu_s,
            # Linux counts it in KiB.
            "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        }


def main(
    set_up: Callable[[str], None],
    submit: Callable[[str, Task], Meter],
    work: Callable[[str, Path], None],
) -> None:
    """Does what the arguments say."""
    match sys.argv[1:]:
        case ["setup", url]:
            set_up(url)
        case ["submit", url, order]:
            print(json.dumps(submit(url, task(order)).receipt()))
        case ["work", url, folder]:
            work(url, Path(folder))
        case _:
            sys.exit("usage: setup URL | submit URL ORDER | work URL FOLDER")


def task(order: str) -> Task:
    """From the order's JSON."""
    given = json.loads(order)
    count, warm_up = given["count"], given["warm_up"]
    due_us, apart_us = given["due_us"], given["apart_us"]
    jobs = [
        Job(given["first"] + place, _EPOCH + timedelta(microseconds=due_us + int(place * apart_us)))
        for place in range(count + warm_up)
    ]

    def requests(some: Sequence[Job]) -> list[Sequence[Job]]:
        return [some[at : at + given["batch"]] for at in range(0, len(some), given["batch"])]

    return Task(
        clients=given["clients"],
        warm_up=requests(jobs[count:]),
        requests=requests(jobs[:count]),
        payload="x" * given["payload"],
    )


def _percentile(ordered: Sequence[float], percent: int) -> float:
    return ordered[max(math.ceil(percent * len(ordered) / 100), 1) - 1] if ordered else 0.0
