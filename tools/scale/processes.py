"""More scheduler processes: whether each brings as much as the first one.

Each scheduler has a tenth of a core, by a control group, and a load of its own: with twice as many
there is twice as much to do. What counts is runs per CPU second of all schedulers together; all
that they spend in the time is in it, what they spend on being there too.
"""

import os
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from engines import Instance
from localcluster import Size

from scale.lab import ScaleCluster, scale_cluster
from scale.quota import Throttled, quota
from scale.rounds import CORES, Round
from tickwheel.server.bench.bench import bench_of, whole_second_after
from tickwheel.server.bench.firing import fire
from tickwheel.server.bench.jobs import once
from tickwheel.v1 import job_pb2

WORKERS = 2
SEGMENTS = 64
_KEYSPACE = "scale"
#: Beyond the horizon of the inbox (20 s), so that the rows are read from the schedule alone.
_LEAD_S = 32
_SUBMIT_PER_S = 2_500


@dataclass(frozen=True, slots=True)
class Load:
    """What each scheduler has to do."""

    #: Runs a second; 0 for all of them in one instant.
    per_s: int
    #: Runs.
    runs: int

    @property
    def title(self) -> str:
        """Such as `70 runs/s for each scheduler`."""
        if self.per_s:
            return f"{self.per_s} runs/s for each scheduler, {self.runs // self.per_s} s"
        return f"{self.runs:,} runs for each scheduler, all in one instant"


LOADS = {"steady": Load(per_s=60, runs=1_800), "burst": Load(per_s=0, runs=2_000)}


async def measure(
    name: str,
    schedulers: int,
    cassandra: Instance,
    folder: Path,
    say: Callable[[str], None],
) -> Round:
    """One round.

    Args:
        name: of the load, of LOADS.
        schedulers: how many processes.
        cassandra: a running one.
        folder: for the logs of the parts, new.
        say: takes a line on what is going on.

    Raises:
        NoQuotaError: there are no control groups here.
    """
    size = Size(apis=1, schedulers=schedulers, workers=WORKERS)
    async with scale_cluster(folder, cassandra, _KEYSPACE, size=size, segments=SEGMENTS) as cluster:
        with ExitStack() as quotas:
            groups = [
                quotas.enter_context(quota(cluster.parts()[part].pid, part, CORES))
                for part in cluster.named("scheduler")
            ]
            say(f"{schedulers} schedulers: {LOADS[name].title}")
            return await _fire(name, cluster, lambda: [group.throttled() for group in groups], say)


async def _fire(
    name: str,
    cluster: ScaleCluster,
    throttled: Callable[[], Sequence[Throttled]],
    say: Callable[[str], None],
) -> Round:
    load = LOADS[name]
    schedulers = len(cluster.named("scheduler"))
    count = load.runs * schedulers
    start_ms = int(whole_second_after(_LEAD_S + count / _SUBMIT_PER_S) * 1000)
    per_s = load.per_s * schedulers
    topic = cluster.topic("scale")
    jobs = [
        once(topic.name, start_ms + (number * 1000 // per_s if per_s else 0))
        for number in range(count)
    ]
    before = throttled()
    async with bench_of(cluster, say) as bench:
        fired = await fire(bench, topic, jobs, _due)
    verdict, bill = fired.verdict, fired.fire
    late = verdict.lateness
    return Round(
        load=name,
        schedulers=schedulers,
        runs=verdict.expected,
        missing=verdict.missing,
        twice=verdict.twice,
        early=late.early if late else 0,
        p50_ms=late.p50_ms if late else 0,
        p99_ms=late.p99_ms if late else 0,
        cpu_s=_spent(bill.cpu_s, "scheduler-"),
        worker_cpu_s=_spent(bill.cpu_s, "worker-"),
        store_cpu_s=_spent(bill.cpu_s, "cassandra-"),
        seconds=bill.seconds,
        throttled=_part(before, throttled()),
        statements=bill.statements,
        load_average=os.getloadavg()[0],
        at=time.time(),
    )


def _due(job: job_pb2.Job) -> tuple[int]:
    return (job.schedule.at.ToMilliseconds(),)


def _spent(cpu_s: dict[str, float], kind: str) -> float:
    return sum(spent for name, spent in cpu_s.items() if name.startswith(kind))


def _part(before: Sequence[Throttled], after: Sequence[Throttled]) -> float:
    periods = sum(each.periods for each in after) - sum(each.periods for each in before)
    waited = sum(each.throttled for each in after) - sum(each.throttled for each in before)
    return waited / periods if periods else 0.0
