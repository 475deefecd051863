"""What a cluster costs while nothing is due: by segments, schedulers and streams. Pure.

Four settings are enough to tell apart what a scheduler spends on being there, on a segment that it
owns, on one that anybody owns (it reads all leases each second), and on a worker's stream.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A cluster without a job."""

    schedulers: int
    workers: int
    segments: int


#: In this order `slopes` takes them.
SETTINGS = (
    Setting(schedulers=1, workers=1, segments=64),
    Setting(schedulers=1, workers=7, segments=64),
    Setting(schedulers=1, workers=1, segments=1_024),
    Setting(schedulers=3, workers=1, segments=1_024),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Idle:
    """What one scheduler, one worker and Cassandra spend a second, in CPU milliseconds."""

    schedulers: int
    workers: int
    segments: int
    scheduler_ms: float
    worker_ms: float
    store_ms: float
    #: Requests to Cassandra a second, of the whole cluster.
    statements: float
    load_average: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Slopes:
    """CPU milliseconds a second."""

    #: Of one scheduler.
    base: float
    owned_segment: float
    any_segment: float
    stream: float
    #: Of one worker.
    worker_base: float
    worker_stream: float
    #: Of Cassandra, for each scheduler.
    store: float


def slopes(found: Sequence[Idle]) -> Slopes:
    """From one `Idle` of each of SETTINGS, in their order."""
    few, streams, segments, shared = found
    stream = (streams.scheduler_ms - few.scheduler_ms) / (streams.workers - few.workers)
    both = (segments.scheduler_ms - few.scheduler_ms) / (segments.segments - few.segments)
    owned = (segments.scheduler_ms - shared.scheduler_ms) / (
        segments.segments - shared.segments / shared.schedulers
    )
    worker_stream = (shared.worker_ms - segments.worker_ms) / (
        shared.schedulers - segments.schedulers
    )
    return Slopes(
        base=few.scheduler_ms - both * few.segments - stream * few.workers,
        owned_segment=owned,
        any_segment=both - owned,
        stream=stream,
        worker_base=few.worker_ms - worker_stream * few.schedulers,
        worker_stream=worker_stream,
        store=(shared.store_ms - segments.store_ms) / (shared.schedulers - segments.schedulers),
    )
