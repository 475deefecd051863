"""What a cluster of any size needs, from what was measured on a small one. Pure.

A core is one of the machine on which the coefficients were measured, shared with others.
"""

import math
from dataclasses import dataclass, replace

from scale.coefficients import Coefficients

#: What processes, brokers and nodes spend at most of their cores, so that the others can take over
#: from one that has died, and a burst is no outage.
BUSY = 0.6
#: Cores of a Cassandra node and of a broker.
NODE_CORES = 16
BROKER_CORES = 8
#: What a node of Cassandra is to hold at most; compaction needs as much again for a while.
NODE_BYTES = 2e12
REPLICAS = 3
#: With this many segments for each scheduler the largest share is an eighth above the smallest.
SEGMENTS_EACH = 8
MAX_SEGMENTS = 4_096
#: What a record has beside its payload: headers and key.
RECORD_BYTES = 500
DAY_S = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What is asked of a cluster."""

    #: Stored, those included that have not come due.
    jobs: float
    runs_per_s: float
    #: Jobs that are created a second, in batches.
    created_per_s: float
    #: For how long runs, and jobs that are done, stay readable.
    kept_days: float
    payload_bytes: int = 1_024


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """Processes, each with one core at BUSY; nodes and brokers with several."""

    segments: int
    schedulers: int
    workers: int
    apis: int
    cassandra_nodes: int
    brokers: int
    #: Of all replicas, busy or not: what the nodes were counted by.
    cassandra_cores: float
    cassandra_bytes: float
    broker_cores: float
    broker_bytes_per_s: float
    #: Part of a scheduler's core that is spent on being one of so many.
    scheduler_standing: float


def need(demand: Demand, of: Coefficients) -> Need:
    """What the demand needs.

    Schedulers and workers depend on each other's number: each has a stream to each. So the numbers
    are raised until both suffice.

    Raises:
        ValueError: no number of processes suffices, or there would have to be more segments than a
            keyspace can have.
    """
    schedulers = workers = 1
    standing = 0.0
    while True:
        segments = _segments(schedulers)
        standing = scheduler_standing(schedulers, workers, segments, of)
        worker_standing = of.worker_base + of.worker_stream * schedulers
        if max(standing, worker_standing) >= BUSY:
            raise ValueError(f"{schedulers} schedulers and {workers} workers have no time for runs")
        enough = _processes(demand.runs_per_s * of.scheduler_run, BUSY - standing)
        enough_workers = _processes(demand.runs_per_s * of.worker_run, BUSY - worker_standing)
        if enough <= schedulers and enough_workers <= workers:
            break
        schedulers, workers = max(schedulers, enough), max(workers, enough_workers)
    cassandra_cores = REPLICAS * (
        demand.runs_per_s * of.store_run
        + demand.created_per_s * of.store_job
        + schedulers * of.store_scheduler
    )
    cassandra_bytes = REPLICAS * (
        (demand.jobs + demand.created_per_s * demand.kept_days * DAY_S)
        * (of.job_bytes + demand.payload_bytes)
        + demand.runs_per_s * demand.kept_days * DAY_S * of.run_bytes
    )
    broker_cores = REPLICAS * demand.runs_per_s * of.broker_run
    return Need(
        segments=segments,
        schedulers=schedulers,
        workers=workers,
        apis=_processes(demand.created_per_s * of.api_job, BUSY),
        cassandra_nodes=max(
            REPLICAS,
            math.ceil(cassandra_cores / BUSY / NODE_CORES),
            math.ceil(cassandra_bytes / NODE_BYTES),
        ),
        brokers=max(REPLICAS, math.ceil(broker_cores / BUSY / BROKER_CORES)),
        cassandra_cores=cassandra_cores,
        cassandra_bytes=cassandra_bytes,
        broker_cores=broker_cores,
        broker_bytes_per_s=REPLICAS * demand.runs_per_s * (demand.payload_bytes + RECORD_BYTES),
        scheduler_standing=standing,
    )


def fewest_clusters(demand: Demand, of: Coefficients) -> tuple[int, Need]:
    """The smallest number of equal clusters, a power of two, that suffices, and what each needs.

    A cluster has a limit: with each scheduler more, every worker has a stream more, and the other
    way round. Users can be split among clusters, since no job has to do with another user's.

    Raises:
        ValueError: no number does.
    """
    for clusters in (1, 2, 4, 8):
        share = replace(
            demand,
            jobs=demand.jobs / clusters,
            runs_per_s=demand.runs_per_s / clusters,
            created_per_s=demand.created_per_s / clusters,
        )
        try:
            return clusters, need(share, of)
        except ValueError as error:
            too_much = error
    raise too_much


def scheduler_standing(schedulers: int, workers: int, segments: int, of: Coefficients) -> float:
    """Part of a core that one scheduler spends while nothing is due."""
    return (
        of.scheduler_base
        + of.owned_segment * segments / schedulers
        + of.any_segment * segments
        + of.scheduler_stream * workers
    )


def _processes(cores: float, each: float) -> int:
    return max(1, math.ceil(round(cores / each, 6)))


def _segments(schedulers: int) -> int:
    """A power of two, at least 64 (the default)."""
    wanted = max(64, 1 << (schedulers * SEGMENTS_EACH - 1).bit_length())
    if wanted <= MAX_SEGMENTS:
        return wanted
    if schedulers <= MAX_SEGMENTS // 2:
        return MAX_SEGMENTS
    raise ValueError(f"{schedulers} schedulers need more than {MAX_SEGMENTS} segments")
