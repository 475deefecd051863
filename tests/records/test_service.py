"""PullRecords and AckRecords; requests as the contract's rules let them pass."""

import asyncio

import pytest

from records.clock import HandClock
from records.making import numbered, record, values
from tickwheel.server.domain.errors import InvalidInput
from tickwheel.server.records.log import RecordLog
from tickwheel.server.records.record import NewRecord
from tickwheel.server.records.service import RecordService
from tickwheel.v1 import executor_service_pb2 as pb


def request(most: int | None = None) -> pb.PullRecordsRequest:
    return pb.PullRecordsRequest(topic="t", group="g", max=most)


async def test_pull_and_acknowledge(log: RecordLog, clock: HandClock) -> None:
    service = RecordService(log)
    await log.append([NewRecord("t", b"key", [("ce_id", b"1")], b"v")])

    response = await service.pull(request())

    (found,) = response.records
    expected = pb.Record(topic="t", partition=found.partition, key=b"key", value=b"v")
    expected.headers.add(key="ce_id", value=b"1")
    expected.append_time.FromMilliseconds(clock.now_ms())
    assert found == expected
    ack = pb.AckRecordsRequest(topic="t", group="g")
    ack.records.add(partition=found.partition, offset=found.offset)
    assert await service.ack(ack) == pb.AckRecordsResponse()
    clock.advance(3_600_000)
    assert not (await service.pull(request())).records


async def test_defaults(log: RecordLog, clock: HandClock) -> None:
    service = RecordService(log)
    await log.append(numbered(150))

    assert len((await service.pull(request())).records) == 100
    assert not (await service.pull(request(0))).records
    assert len((await service.pull(request())).records) == 50
    clock.advance(29_999)
    assert not (await service.pull(request())).records
    clock.advance(1)
    assert len((await service.pull(request(1000))).records) == 150


async def test_what_the_request_asks_for(log: RecordLog, clock: HandClock) -> None:
    service = RecordService(log)
    await log.append(numbered(3))
    asked = pb.PullRecordsRequest(topic="t", group="end", start_at_end=True, consumer="c")
    asked.wait.FromMilliseconds(1_500)
    asked.session_timeout.seconds = 2

    task = asyncio.create_task(service.pull(asked))
    await clock.until_sleeping(1.5)
    await log.append([record(b"new")])
    assert values(await task) == [b"new"]
    other = pb.PullRecordsRequest(topic="t", group="end")
    clock.advance(1_999)
    assert values(await service.pull(other)) == []
    clock.advance(1)
    assert values(await service.pull(other)) == [b"new"]


async def test_stop_ends_waiting(log: RecordLog, clock: HandClock) -> None:
    service = RecordService(log)
    asked = request()
    asked.wait.seconds = 60
    task = asyncio.create_task(service.pull(asked))
    await clock.until_sleeping(60)

    service.stop()

    assert values(await task) == []
    assert values(await service.pull(asked)) == []


async def test_a_topic_that_kafka_would_not_take(log: RecordLog) -> None:
    service = RecordService(log)
    for call in (
        service.pull(pb.PullRecordsRequest(topic="..", group="g")),
        service.ack(pb.AckRecordsRequest(topic="..", group="g")),
    ):
        with pytest.raises(InvalidInput) as raised:
            await call
        assert [violation.field for violation in raised.value.violations] == ["topic"]
