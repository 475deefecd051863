"""What a scheduler tells of itself and of its workers, for operators and for metrics."""

import os
import socket
from collections import Counter

from tickwheel.internal.v1 import owner_service_pb2 as internal_pb
from tickwheel.server.convert.instants import timestamp
from tickwheel.server.domain.names import WORKERS
from tickwheel.server.domain.run import Limit
from tickwheel.server.scheduler.context import SchedulerContext
from tickwheel.server.scheduler.link import WorkerLink
from tickwheel.server.store.port import LOOK_AHEAD_MS
from tickwheel.v1 import cluster_service_pb2 as pb


class Census:
    """Looks at what a scheduler holds; changes nothing but a worker it is told to stop."""

    def __init__(self, context: SchedulerContext) -> None:
        self._clock = context.clock
        self._keeper = context.keeper
        self._fleet = context.fleet
        self._holdings = context.holdings
        #: What was mended so far.
        self.repairs = context.repairs
        #: It is stopping.
        self.draining = False
        #: Segments whose lease was lost without having been given back.
        self.leases_lost = 0
        #: How often the session had run out, and held again with all that was owned.
        self.resumed = 0
        #: Segments that no living scheduler owned when it was last looked.
        self.unowned = 0

    @property
    def dispatched(self) -> int:
        """Assignments handed to workers so far."""
        return self._fleet.dispatched

    def lag_ms(self) -> int:
        """How long the oldest run that is due and not published has been due; 0 for none."""
        now_ms = self._clock.now_ms()
        first_ms = now_ms
        for holding in self._holdings.values():
            visit_ms = holding.owner.next_visit_ms()
            if holding.ready and visit_ms is not None:
                # Further occurrences have come inside the look-ahead than could be computed yet.
                first_ms = min(first_ms, visit_ms + LOOK_AHEAD_MS)
            # Rows that were read are still to be taken in.
            first_ms = min(first_ms, *holding.unloaded.values(), first_ms)
            waiting_ms = holding.owner.runs.first_unpublished_ms()
            if waiting_ms is not None:
                first_ms = min(first_ms, waiting_ms)
        return now_ms - first_ms

    def held(self) -> Counter[Limit]:
        """How many due runs each limit over many jobs holds back."""
        now_ms = self._clock.now_ms()
        held = Counter[Limit]()
        for holding in self._holdings.values():
            held += holding.owner.runs.held(now_ms)
        return held

    def owned(self) -> int:
        """How many segments it owns."""
        return len(self._holdings)

    def pending(self) -> int:
        """Runs inside the look-ahead that have not ended."""
        return sum(len(holding.owner.runs) for holding in self._holdings.values())

    def workers(self) -> int:
        """Connected workers."""
        return len(self._fleet.links())

    def describe(self) -> internal_pb.DescribeSchedulerResponse:
        """The scheduler and its workers, now."""
        identity = self._keeper.identity
        scheduler = pb.Scheduler(
            name=f"cluster/schedulers/{identity.session_id}",
            address=identity.address,
            version=identity.version,
            host=f"{socket.gethostname()} (pid {os.getpid()})",
            start_time=timestamp(self._keeper.opened_ms),
            segments=[
                pb.OwnedSegment(
                    segment=segment,
                    epoch=holding.epoch,
                    worker=_worker_name(self._fleet.worker_of(segment)),
                )
                for segment, holding in sorted(self._holdings.items())
            ],
            pending_count=self.pending(),
            draining=self.draining,
            answering=True,
        )
        scheduler.heartbeat_age.FromMilliseconds(self._age_ms(self._keeper.renewed_ms))
        scheduler.lag.FromMilliseconds(self.lag_ms())
        workers = [self._worker(link) for link in self._fleet.links()]
        return internal_pb.DescribeSchedulerResponse(scheduler=scheduler, workers=workers)

    def stop_worker(self, worker_id: str) -> internal_pb.StopWorkerResponse:
        """Tells a worker to stop, if it is here."""
        link = self._fleet.stop_worker(worker_id)
        response = internal_pb.StopWorkerResponse()
        if link is not None:
            response.worker.CopyFrom(self._worker(link))
        return response

    def _worker(self, link: WorkerLink) -> pb.Worker:
        worker = pb.Worker(
            name=_worker_name(link.worker_id),
            version=link.version,
            host=link.host,
            connect_time=timestamp(link.connect_ms),
            segments=sorted(link.segments),
            held_count=len(link.held),
            held_bytes=link.held_bytes,
            draining=link.draining,
        )
        worker.heartbeat_age.FromMilliseconds(self._fleet.silent_ms(link))
        worker.clock_offset.FromMilliseconds(link.clocks_apart_ms)
        return worker

    def _age_ms(self, steady_ms: int) -> int:
        return max(0, self._clock.steady_ms() - steady_ms)


def _worker_name(worker_id: str) -> str:
    return f"{WORKERS}{worker_id}" if worker_id else ""
