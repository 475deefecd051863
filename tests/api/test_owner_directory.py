"""Finding a job's owner, and what counts as its confirmation."""

import asyncio
from dataclasses import replace
from typing import Any

import grpc
import grpc.aio
import pytest

from api.harness import HandClock
from scheduler.making import make_job
from simulator.store.cells import Cells
from simulator.store.leases import SimLeaseStore
from simulator.store.link import DirectLink
from tickwheel.internal.v1 import owner_service_pb2 as pb
from tickwheel.server.api.limits import ApiLimits
from tickwheel.server.domain.errors import SegmentUnowned
from tickwheel.server.domain.lease import SegmentLease
from tickwheel.server.owner import directory
from tickwheel.server.owner.directory import OwnerDirectory
from tickwheel.server.owner.port import BackfillRequest
from tickwheel.server.owner.remote import RemoteEndpoint, RemoteOwners

Context = grpc.aio.ServicerContext[Any, Any]


class FakeEndpoint(RemoteEndpoint):
    def __init__(self) -> None:
        self.asked = 0
        self.backfills: list[pb.StartBackfillRequest] = []
        self.reports: list[pb.ReportRunsRequest] = []
        self.reports_taken = 1_000

    async def notify(self, request: pb.NotifyJobsRequest) -> pb.NotifyJobsResponse:
        self.asked += 1
        response = pb.NotifyJobsResponse()
        for _ in request.jobs:
            response.results.add()
        return response

    async def backfill(self, request: pb.StartBackfillRequest) -> None:
        self.backfills.append(request)

    async def report(self, request: pb.ReportRunsRequest) -> pb.ReportRunsResponse:
        if len(self.reports) == self.reports_taken:
            raise SegmentUnowned("it has ended")
        self.reports.append(request)
        # Which report an answer is to, the time-out tells.
        return pb.ReportRunsResponse(
            results=[
                pb.RunReportResult(timeout_ms=report.finish.attempt.attempt)
                for report in request.reports
            ]
        )


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


async def test_what_is_told_to_an_owner_that_hangs_does_not_pile_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With the payloads of all that were created while it hung, and a call for each."""
    monkeypatch.setattr(directory, "MAX_ANNOUNCED", 10)
    owners, cells, endpoint = make()
    take(cells, 1)
    go_on = asyncio.Event()
    told: list[int] = []

    async def hangs(request: pb.NotifyJobsRequest) -> pb.NotifyJobsResponse:
        told.append(len(request.jobs))
        await go_on.wait()
        return pb.NotifyJobsResponse()

    monkeypatch.setattr(endpoint, "notify", hangs)
    for _ in range(20):
        owners.announce([make_job(at_ms=1)] * 4)
    async with asyncio.timeout(10):
        while len(told) < 3:
            await asyncio.sleep(0.001)
    go_on.set()
    async with asyncio.timeout(10):
        while len(told) < 4:
            owners.announce([make_job(at_ms=1)])
            await asyncio.sleep(0.001)
    assert told == [4, 4, 4, 1]


def large_reports(count: int) -> list[pb.RunReport]:
    """Each as large as may be; of the attempts from 1 on."""
    made: list[pb.RunReport] = []
    for number in range(1, count + 1):
        report = pb.RunReport(executor="e" * 128)
        report.finish.attempt.attempt = number
        report.finish.result.string_value = "x" * 65_534
        made.append(report)
    return made


async def test_reports_come_to_their_owner_in_calls_that_it_takes() -> None:
    """As much as an api takes at once was too much for an owner, with what the api adds to it."""
    owners, cells, endpoint = make()
    take(cells, 1)
    results = await owners.report(large_reports(255))
    assert [result.timeout_ms for result in results] == list(range(1, 256))
    assert max(call.ByteSize() for call in endpoint.reports) < ApiLimits().max_message_bytes / 2


async def test_of_reports_in_several_calls_those_that_were_taken_are_answered() -> None:
    owners, cells, endpoint = make()
    take(cells, 1)
    endpoint.reports_taken = 1
    results = await owners.report(large_reports(100))
    taken = len(endpoint.reports[0].reports)
    assert 0 < taken < 100
    assert [result.HasField("refusal") for result in results] == [
        number >= taken for number in range(100)
    ]


async def test_an_owner_that_takes_no_more_calls_is_asked_again() -> None:
    """Its answer was taken for a defect, and failed the reports to all other owners as well."""

    async def overloaded(_: pb.ReportRunsRequest, context: Context) -> pb.ReportRunsResponse:
        await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "come again")
        raise AssertionError

    handlers = {
        "ReportRuns": grpc.unary_unary_rpc_method_handler(
            overloaded,
            request_deserializer=pb.ReportRunsRequest.FromString,
            response_serializer=pb.ReportRunsResponse.SerializeToString,
        )
    }
    server = grpc.aio.server()
    server.add_generic_rpc_handlers(
        [grpc.method_handlers_generic_handler("tickwheel.internal.v1.OwnerService", handlers)]
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    remote = RemoteOwners(lambda _: [])
    try:
        with pytest.raises(SegmentUnowned, match="come again"):
            await remote.dial(f"127.0.0.1:{port}").report(pb.ReportRunsRequest())
    finally:
        await remote.close()
        await server.stop(None)
