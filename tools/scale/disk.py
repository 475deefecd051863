"""What jobs and runs take on Cassandra's disk, by table."""

import asyncio
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from engines import Instance
from localcluster import Size

from scale.lab import scale_cluster
from tickwheel.server.bench.bench import bench_of, whole_second_after
from tickwheel.server.bench.firing import fire
from tickwheel.server.bench.jobs import once
from tickwheel.v1 import job_pb2

PAYLOAD_BYTES = 1_024
_KEYSPACE = "disk"
_LEAD_S = 30
_SUBMIT_PER_S = 2_000
#: Of which rows are written with each run; all other tables have rows of jobs.
_OF_RUNS = frozenset({"run_log", "task_history"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """Bytes, of one replica, compressed as Cassandra does by default (LZ4)."""

    #: Each of them has run once.
    jobs: int
    #: Bytes by table, with what indexes and filters take.
    tables: dict[str, int]
    #: Beside its payload of PAYLOAD_BYTES, which cannot be compressed.
    job_bytes: float
    #: Of its history and of the run log.
    run_bytes: float


async def disk(jobs: int, cassandra: Instance, folder: Path, say: Callable[[str], None]) -> Disk:
    """Has so many jobs run once, and looks at what is on the disk then."""
    size = Size(apis=1, schedulers=2, workers=2)
    async with (
        scale_cluster(folder, cassandra, _KEYSPACE, size=size, segments=64) as cluster,
        bench_of(cluster, say) as bench,
    ):
        at_ms = int(whole_second_after(_LEAD_S + jobs / _SUBMIT_PER_S) * 1000)
        topic = cluster.topic("disk")
        fired = await fire(bench, topic, [_job(at_ms) for _ in range(jobs)], lambda _: (at_ms,))
    if fired.verdict.missing:
        raise RuntimeError(f"{fired.verdict.missing} of {jobs} runs are missing")
    # At its start it writes out all that only its commit log has.
    await asyncio.to_thread(cassandra.stop)
    await asyncio.to_thread(cassandra.start)
    tables = _tables(cassandra)
    of_runs = sum(size for table, size in tables.items() if table in _OF_RUNS)
    of_jobs = tables.total() - of_runs
    return Disk(
        jobs=jobs,
        tables=dict(tables),
        job_bytes=of_jobs / jobs - PAYLOAD_BYTES,
        run_bytes=of_runs / jobs,
    )


def _job(at_ms: int) -> job_pb2.Job:
    job = once("disk", at_ms)
    job.target.payload.data = os.urandom(PAYLOAD_BYTES)
    return job


def _tables(cassandra: Instance) -> Counter[str]:
    """By the files that are there: Cassandra's own figures are whole MiB, one too many each."""
    found: Counter[str] = Counter()
    for node in cassandra.nodes:
        for folder in (node.folder / "data" / "data" / _KEYSPACE).iterdir():
            table = folder.name.rpartition("-")[0]
            found[table] += sum(file.stat().st_size for file in folder.glob("*.db"))
    return found
