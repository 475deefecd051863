"""ExplainJob, as far as it depends on who is there; what it says of what is recorded is e2e's."""

import struct

import pytest
from google.protobuf.duration_pb2 import Duration
from typing_extensions import override

from api.harness import ApiUnderTest, Silent, refused
from tickwheel.internal.v1 import owner_service_pb2
from tickwheel.server.api.page_token import TokenScope
from tickwheel.server.domain.names import instant_id
from tickwheel.server.domain.run import RunState
from tickwheel.v1 import cluster_service_pb2, job_service_pb2

NAME = "users/7/jobs/a"


async def told(api: ApiUnderTest) -> str:
    """Of the job's latest occurrence that is due."""
    now_ms = api.clock.now_ms()
    request = job_service_pb2.ExplainJobRequest(name=NAME)
    request.start_time.FromMilliseconds(now_ms - 90_000)
    request.end_time.FromMilliseconds(now_ms - 30_000)
    (one,) = (await api.jobs.ExplainJob(request)).occurrences
    assert one.reason == job_service_pb2.OCCURRENCE_REASON_OUTAGE
    return one.text


async def test_whose_scheduler_is_gone_is_owned_by_nobody(api: ApiUnderTest) -> None:
    job = api.at()
    job.schedule.Clear()
    job.schedule.every.CopyFrom(Duration(seconds=60))
    await api.create(job, "a")
    stored = await api.stored(NAME)
    api.clock.advance(180_000)
    assert "no scheduler owns the job's segment" in await told(api)
    await api.owners.stamp(stored.segment)
    assert "has not come to it yet" in await told(api)
    # Its process was killed: it gave nothing back, and its lease has run out.
    api.clock.advance(2 * 86_400_000)
    assert "no scheduler owns the job's segment" in await told(api)


class _Owner(Silent):
    """A scheduler that owns one segment."""

    def __init__(self, segment: int) -> None:
        self._owned = cluster_service_pb2.OwnedSegment(segment=segment)

    def give(self, worker: str) -> None:
        self._owned.worker = worker

    @override
    async def describe(self) -> owner_service_pb2.DescribeSchedulerResponse:
        scheduler = cluster_service_pb2.Scheduler(segments=[self._owned])
        return owner_service_pb2.DescribeSchedulerResponse(scheduler=scheduler)


async def test_that_no_worker_serves_it_is_why_a_run_waits(api: ApiUnderTest) -> None:
    await api.create(api.at(), "a")
    job = await api.stored(NAME)
    due_ms = job.spec.schedule.at.ToMilliseconds()
    api.clock.advance(3_660_000)
    run = api.owners.run_of(job, due_ms, run_id=instant_id(due_ms), state=RunState.PENDING)
    await api.owners.record([run])
    owner = api.owners.endpoints["local"] = _Owner(job.segment)
    late = "Late by 1 minute already, and not published yet"

    async def text() -> str:
        request = job_service_pb2.ExplainJobRequest(name=NAME)
        (one,) = (await api.jobs.ExplainJob(request)).occurrences
        return one.text

    assert await text() == f"{late}: no worker serves the job's segment."
    owner.give("cluster/workers/w1")
    assert await text() == f"{late}."
    # Who owns it does not answer: nothing is known of workers.
    del api.owners.endpoints["local"]
    assert await text() == f"{late}."


@pytest.mark.parametrize(
    "cursor",
    [
        b"7",
        struct.pack(">qq", 1 << 62, (1 << 62) + 1),
        struct.pack(">qq", -(1 << 62), 0),
        struct.pack(">qq", 0, (1 << 63) - 1),
        struct.pack(">qq", -(1 << 63), (1 << 63) - 1),
        struct.pack(">qq", 2_000, 1_000),
        struct.pack(">qq", 1_000, 1_000),
    ],
)
async def test_a_forged_token_is_refused(api: ApiUnderTest, cursor: bytes) -> None:
    await api.create(api.at(), "a")
    token = TokenScope("explain", NAME, "None-None").encode(cursor)
    call = api.jobs.ExplainJob(job_service_pb2.ExplainJobRequest(name=NAME, page_token=token))
    assert (await refused(call)).summary == (
        "INVALID_ARGUMENT",
        "PAGE_TOKEN_INVALID",
        ["pageToken"],
    )


async def test_pages_at_the_end_of_time(api: ApiUnderTest) -> None:
    """Where the range ends by default no instant could be asked for."""
    job = api.at()
    job.schedule.Clear()
    job.schedule.every.CopyFrom(Duration(seconds=60))
    await api.create(job, "a")
    request = job_service_pb2.ExplainJobRequest(name=NAME, page_size=2)
    request.start_time.FromJsonString("9999-12-31T12:00:00Z")
    request.page_token = (await api.jobs.ExplainJob(request)).next_page_token
    assert request.page_token
    assert (await api.jobs.ExplainJob(request)).occurrences
