"""GetCluster."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tickwheel.server.convert.instants import timestamp
from tickwheel.server.domain.lease import SESSION_LEASE_MS, SchedulerSession
from tickwheel.server.owner.schedulers import Overview, Schedulers
from tickwheel.v1 import cluster_service_pb2 as pb


@dataclass(frozen=True, slots=True)
class GetCluster:
    """Puts together what all schedulers tell."""

    schedulers: Schedulers
    #: `embedded` or `cassandra-kafka`.
    engine: str
    version: str

    async def run(self) -> pb.Cluster:
        """The servers, now."""
        overview = await self.schedulers.overview()
        cluster = pb.Cluster(
            name="cluster",
            engine=self.engine,
            version=self.version,
            read_time=timestamp(overview.read_ms),
            segment_count=len(overview.leases),
            unowned_segments=overview.unowned(),
            schedulers=[
                _scheduler(session, overview)
                for session in sorted(overview.sessions, key=lambda one: one.session_id)
            ],
            workers=merge_workers(
                worker for told in overview.told.values() for worker in told.workers
            ),
        )
        lags = (one.lag.ToMilliseconds() for one in cluster.schedulers)
        cluster.lag.FromMilliseconds(max(lags, default=0))
        return cluster


def _scheduler(session: SchedulerSession, overview: Overview) -> pb.Scheduler:
    told = overview.told.get(session.session_id)
    if told is not None:
        return told.scheduler
    scheduler = pb.Scheduler(
        name=f"cluster/schedulers/{session.session_id}",
        address=session.address,
        version=session.version,
        segments=[
            pb.OwnedSegment(segment=lease.segment, epoch=lease.epoch)
            for lease in overview.leases
            if lease.session_id == session.session_id
        ],
    )
    renewed_ms = session.lease_until_ms - SESSION_LEASE_MS
    scheduler.heartbeat_age.FromMilliseconds(max(0, overview.read_ms - renewed_ms))
    return scheduler


def merge_workers(seen: Iterable[pb.Worker]) -> list[pb.Worker]:
    """One of each worker, from what several schedulers see of it."""
    by_name: dict[str, list[pb.Worker]] = {}
    for worker in seen:
        by_name.setdefault(worker.name, []).append(worker)
    return [_merged(views) for _, views in sorted(by_name.items())]


def _merged(views: Sequence[pb.Worker]) -> pb.Worker:
    worker = pb.Worker()
    worker.CopyFrom(views[0])
    worker.connect_time.CopyFrom(
        min((view.connect_time for view in views), key=lambda time: time.ToNanoseconds())
    )
    worker.heartbeat_age.CopyFrom(
        max((view.heartbeat_age for view in views), key=lambda age: age.ToNanoseconds())
    )
    worker.clock_offset.CopyFrom(
        max((view.clock_offset for view in views), key=lambda apart: abs(apart.ToNanoseconds()))
    )
    worker.segments[:] = sorted({segment for view in views for segment in view.segments})
    worker.held_count = sum(view.held_count for view in views)
    worker.held_bytes = sum(view.held_bytes for view in views)
    worker.draining = any(view.draining for view in views)
    return worker
