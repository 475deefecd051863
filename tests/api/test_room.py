"""What lists answer with has room until it is sent, and no more of it than there is."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import grpc
import grpc.aio
import pytest

from api.harness import PARENT, ApiUnderTest, HandClock, Refusal, refused, serving
from tickwheel.server.api.limits import ApiLimits
from tickwheel.server.api.room import Held, Room
from tickwheel.server.domain.errors import Overloaded
from tickwheel.server.store.port import Store
from tickwheel.v1 import job_service_pb2, job_service_pb2_grpc

#: Beyond what a connection's buffers hold.
PAYLOAD_BYTES = 250_000
JOBS = 48
LIMITS = ApiLimits(max_pages_bytes=15_000_000)
OPTIONS = (("grpc.max_receive_message_length", 16 << 20),)
#: Less than a client is sent before it has to take some of it.
STALLED_BYTES = 10_000


@asynccontextmanager
async def stalled(
    api: ApiUnderTest, begun: asyncio.Event, go_on: asyncio.Event
) -> AsyncGenerator[str]:
    """An address at which a client is given the beginning of what it is answered, and no more.

    Args:
        api: who answers.
        begun: is set when it is so far.
        go_on: until then.
    """

    async def pass_on(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter, most: int
    ) -> None:
        passed = 0
        while data := await reader.read(4_096):
            passed += len(data)
            if passed > most:
                begun.set()
                await go_on.wait()
            writer.write(data)
            await writer.drain()

    connections: set[asyncio.Task[None]] = set()
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections.add(task)
        back, forth = await asyncio.open_connection("127.0.0.1", api.server.port)
        writers.extend((writer, forth))
        ways = (pass_on(reader, forth, 1 << 40), pass_on(back, writer, STALLED_BYTES))
        await asyncio.gather(*ways, return_exceptions=True)

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        try:
            yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        finally:
            go_on.set()
            for writer in writers:
                writer.close()
            await asyncio.gather(*connections)


async def create_large(api: ApiUnderTest) -> None:
    for number in range(JOBS):
        job = api.at()
        job.target.payload.data = bytes(PAYLOAD_BYTES)
        await api.create(job, f"large-{number}")


def listing() -> job_service_pb2.ListJobsRequest:
    return job_service_pb2.ListJobsRequest(parent=PARENT)


async def until_answered(api: ApiUnderTest) -> job_service_pb2.ListJobsResponse:
    while True:
        try:
            return await api.jobs.ListJobs(listing())
        except grpc.aio.AioRpcError as error:
            if Refusal.of(error).reason != "OVERLOADED":
                raise


async def test_a_page_that_is_not_taken_keeps_room(store: Store, clock: HandClock) -> None:
    """A second page has none, until the first one is taken; whoever reads nothing goes on."""
    begun, go_on = asyncio.Event(), asyncio.Event()
    async with serving(store, clock, LIMITS) as api:
        await create_large(api)
        async with (
            stalled(api, begun, go_on) as address,
            grpc.aio.insecure_channel(address, options=OPTIONS) as channel,
            asyncio.timeout(20),
        ):
            slow = job_service_pb2_grpc.JobServiceStub(channel).ListJobs(listing())
            await begun.wait()
            refusal = await refused(api.jobs.ListJobs(listing()))
            assert refusal.summary == ("RESOURCE_EXHAUSTED", "OVERLOADED", [])
            assert refusal.retry.retry_delay.ToMilliseconds() > 0
            await api.create(api.at(), "small")

            go_on.set()
            assert len((await slow).jobs) == JOBS
            assert len((await until_answered(api)).jobs) == JOBS + 1


async def test_a_page_whose_client_is_gone_gives_its_room_back(
    store: Store, clock: HandClock
) -> None:
    begun = asyncio.Event()
    async with serving(store, clock, LIMITS) as api, asyncio.timeout(20):
        await create_large(api)
        async with (
            stalled(api, begun, asyncio.Event()) as address,
            grpc.aio.insecure_channel(address, options=OPTIONS) as channel,
        ):
            slow = job_service_pb2_grpc.JobServiceStub(channel).ListJobs(listing())
            await begun.wait()
            assert (await refused(api.jobs.ListJobs(listing()))).reason == "OVERLOADED"
            slow.cancel()
        assert len((await until_answered(api)).jobs) == JOBS


async def test_one_page_is_taken_whatever_its_size() -> None:
    room = Room(100)
    first, second = Held(room), Held(room)
    first.take(90)
    first.take(90)
    with pytest.raises(Overloaded):
        second.take(1)
    first.give_back()
    second.take(1)
