"""PullRecords and AckRecords: on the embedded log, and not on Kafka."""

import asyncio

from typing_extensions import override

from api.harness import ApiUnderTest, HandClock, refused, serving
from tickwheel.server.api.limits import ApiLimits
from tickwheel.server.records.log import RecordLog
from tickwheel.server.records.record import NewRecord
from tickwheel.server.records.service import RecordService
from tickwheel.server.store.port import Store
from tickwheel.v1 import executor_service_pb2, executor_service_pb2_grpc


def stub(api: ApiUnderTest) -> "executor_service_pb2_grpc.ExecutorServiceAsyncStub":
    return executor_service_pb2_grpc.ExecutorServiceStub(api.channel)


def pull(topic: str = "t", wait_s: int = 0) -> executor_service_pb2.PullRecordsRequest:
    request = executor_service_pb2.PullRecordsRequest(topic=topic, group="g")
    request.wait.seconds = wait_s
    return request


async def test_where_the_log_is_kafka_there_are_none(api: ApiUnderTest) -> None:
    ack = executor_service_pb2.AckRecordsRequest(topic="t", group="g")

    for call in (stub(api).PullRecords(pull()), stub(api).AckRecords(ack)):
        assert (await refused(call)).summary == ("UNIMPLEMENTED", "ENGINE_UNSUPPORTED", [])


async def test_records_are_pulled_and_acknowledged(store: Store, clock: HandClock) -> None:
    log = await RecordLog.open(None, clock)
    async with serving(store, clock, ApiLimits(), RecordService(log)) as api:
        await log.append([NewRecord("t", b"k", (), b"hello")])

        (record,) = (await stub(api).PullRecords(pull())).records
        assert (record.key, record.value) == (b"k", b"hello")
        ack = executor_service_pb2.AckRecordsRequest(topic="t", group="g")
        ack.records.add(partition=record.partition, offset=record.offset)
        await stub(api).AckRecords(ack)

        assert not (await stub(api).PullRecords(pull())).records
    await log.close()


async def test_wrong_requests_are_refused(store: Store, clock: HandClock) -> None:
    log = await RecordLog.open(None, clock)
    async with serving(store, clock, ApiLimits(), RecordService(log)) as api:
        nameless = executor_service_pb2.PullRecordsRequest(topic="t")
        wrong = ((pull("no blanks"), "topic"), (pull(".."), "topic"), (nameless, "group"))
        for request, field in wrong:
            refusal = await refused(stub(api).PullRecords(request))
            assert refusal.summary[0] == "INVALID_ARGUMENT"
            assert refusal.fields == [field]
    await log.close()


class Noticed(RecordService):
    """Tells when it is asked for records."""

    def __init__(self, log: RecordLog) -> None:
        super().__init__(log)
        self.asked = asyncio.Event()

    @override
    async def pull(
        self, request: executor_service_pb2.PullRecordsRequest
    ) -> executor_service_pb2.PullRecordsResponse:
        self.asked.set()
        return await super().pull(request)


async def test_a_waiting_pull_does_not_keep_the_server(store: Store, clock: HandClock) -> None:
    log = await RecordLog.open(None, clock)
    records = Noticed(log)
    async with serving(store, clock, ApiLimits(), records) as api:
        waiting = asyncio.ensure_future(stub(api).PullRecords(pull(wait_s=60)))
        await records.asked.wait()

        async with asyncio.timeout(2):
            await api.server.stop(5, api.api.end_streams)
            assert not (await waiting).records
    await log.close()
