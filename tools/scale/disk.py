"""What jobs and runs take on Cassandra's disk, by table."""

import asyncio
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from engines import Instance
from localcluster import Size

from bench.engines_lab import cassandra_session
from scale.lab import scale_cluster
from tickwheel.server.bench.bench import bench_of, whole_second_after
from tickwheel.server.bench.firing import fire
from tickwheel.server.bench.jobs import once
from tickwheel.v1 import job_pb2

# The driver has no types.
# pyright: reportUnknownMemberType=false

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
    #: MiB by table; what is less than a MiB counts as none.
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
    tables = await asyncio.to_thread(_tables, cassandra)
    of_runs = sum(mib for table, mib in tables.items() if table in _OF_RUNS)
    of_jobs = tables.total() - of_runs
    return Disk(
        jobs=jobs,
        tables=dict(tables),
        job_bytes=of_jobs * 2**20 / jobs - PAYLOAD_BYTES,
        run_bytes=of_runs * 2**20 / jobs,
    )


def _job(at_ms: int) -> job_pb2.Job:
    job = once("disk", at_ms)
    job.target.payload.data = os.urandom(PAYLOAD_BYTES)
    return job


def _tables(cassandra: Instance) -> Counter[str]:
    found: Counter[str] = Counter()
    with cassandra_session(cassandra) as session:
        query = "SELECT table_name, mebibytes FROM disk_usage WHERE keyspace_name = %s"
        for row in session.execute(query, [_KEYSPACE]):
            found[row.table_name] += row.mebibytes
    return found
