"""Finding a job's owner, and what counts as its confirmation."""

from dataclasses import replace

from api.harness import HandClock
from scheduler.making import make_job
from simulator.store.cells import Cells
from simulator.store.leases import SimLeaseStore
from simulator.store.link import DirectLink
from tickwheel.internal.v1 import owner_service_pb2 as pb
from tickwheel.server.domain.lease import SegmentLease
from tickwheel.server.owner.directory import OwnerDirectory
from tickwheel.server.owner.port import BackfillRequest
from tickwheel.server.owner.remote import RemoteEndpoint


class FakeEndpoint(RemoteEndpoint):
    def __init__(self) -> None:
        self.asked = 0
        self.backfills: list[pb.StartBackfillRequest] = []

    async def notify(self, request: pb.NotifyJobsRequest) -> pb.NotifyJobsResponse:
        self.asked += 1
        response = pb.NotifyJobsResponse()
        for _ in request.jobs:
            response.results.add()
        return response

    async def backfill(self, request: pb.StartBackfillRequest) -> None:
        self.backfills.append(request)


def make() -> tuple[OwnerDirectory, Cells, FakeEndpoint]:
    cells, endpoint = Cells(segments=1), FakeEndpoint()
    leases = SimLeaseStore(cells, DirectLink())
    return OwnerDirectory(leases, HandClock(), lambda _: endpoint), cells, endpoint


def take(cells: Cells, epoch: int, session: str = "s") -> None:
    address = "host:1" if session else ""
    cells.leases[0] = SegmentLease(segment=0, epoch=epoch, session_id=session, address=address)


async def test_a_segment_that_is_free_needs_no_confirmation() -> None:
    owners, cells, endpoint = make()
    take(cells, 1, session="")
    await owners.confirm(make_job(at_ms=1))
    assert endpoint.asked == 0


async def test_that_a_segment_is_free_is_not_believed_from_before_the_change() -> None:
    owners, cells, endpoint = make()
    take(cells, 1, session="")
    await owners.confirm(make_job(at_ms=1))
    take(cells, 2)
    await owners.confirm(make_job(at_ms=1))
    assert endpoint.asked == 1


async def test_the_owner_is_told_by_which_schedule_a_backfill_was_counted() -> None:
    owners, cells, endpoint = make()
    take(cells, 1)
    job = replace(make_job(at_ms=1), generation=3)
    request = BackfillRequest(job=job, backfill_id="b", first_ms=1, end_ms=2, generation=2)
    await owners.backfill(request)
    await owners.backfill(replace(request, generation=0))
    assert [asked.generation for asked in endpoint.backfills] == [2, 3]
    # For its logs and traces.
    assert {asked.job.job_id for asked in endpoint.backfills} == {job.job_id}
