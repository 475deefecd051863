"""`tickwheel records tail`, on the embedded log and on Kafka."""

import asyncio
import json
import uuid
from asyncio.subprocess import Process

from aiokafka import AIOKafkaProducer
from engines_fixtures import KafkaServer

from cli.conftest import Run, Start
from client.stand_in import StandIn
from tickwheel.v1 import executor_service_pb2


def record(offset: int, value: bytes = b'{"report": 1}') -> executor_service_pb2.Record:
    made = executor_service_pb2.Record(topic="billing", offset=offset, key=b"k", value=value)
    made.append_time.FromJsonString("2026-11-23T12:00:00Z")
    made.headers.add(key="ce_id", value=b"uid/run/1")
    return made


async def send(producer: AIOKafkaProducer, topic: str, value: bytes) -> None:
    await producer.send_and_wait(  # pyright: ignore[reportUnknownMemberType]
        topic, value, key=b"k", partition=0, headers=[("ce_id", b"1")]
    )


async def said(process: Process, beginning: bytes) -> bytes:
    """The next line on standard error that begins so."""
    assert process.stderr
    while line := await process.stderr.readline():
        if line.startswith(beginning):
            return line
    raise AssertionError(beginning)


async def test_the_embedded_log_from_now_on(api: StandIn, start: Start) -> None:
    api.records = [record(0)]
    tailing = await start("records", "tail", "billing", "--count", "2", "--headers")
    assert await said(tailing, b"tailing") == b"tailing billing on the embedded log\n"
    await api.append(record(1), record(2, b"\xff\n"))
    out, _ = await tailing.communicate()
    assert tailing.returncode == 0
    assert [line.split() for line in out.decode().splitlines()] == [
        ["2026-11-23T12:00:00.000Z", "billing/0@1", "k", '{"report":', "1}"],
        ["ce_id:", "uid/run/1"],
        ["2026-11-23T12:00:00.000Z", "billing/0@2", "k", "\\xff\\n"],
        ["ce_id:", "uid/run/1"],
    ]


async def test_the_embedded_log_from_its_beginning(api: StandIn, tickwheel: Run) -> None:
    api.records = [record(0), record(1)]
    ended = await tickwheel(
        *("records", "tail", "billing", "--from-beginning", "--count", "2", "-o", "json")
    )
    assert ended.code == 0, ended.err
    assert [json.loads(line)["offset"] for line in ended.lines] == ["0", "1"]


async def test_what_was_shown_is_acknowledged(api: StandIn, start: Start) -> None:
    api.records = []
    tailing = await start("records", "tail", "billing", "--count", "2")
    await said(tailing, b"tailing")
    assert tailing.stdout
    await api.append(record(5))
    await tailing.stdout.readline()
    await api.append(record(6))
    await tailing.communicate()
    groups = {(call.topic, call.group) for call in api.calls["PullRecords"]}
    (ack,) = api.calls["AckRecords"]
    assert groups == {(ack.topic, ack.group)}
    assert [each.offset for each in ack.records] == [5]


async def test_kafka_has_to_be_named(tickwheel: Run) -> None:
    ended = await tickwheel("records", "tail", "billing")
    assert ended.code == 1
    assert "error: the log is Kafka: name its brokers by --kafka-bootstrap" in ended.err


async def test_kafka_that_does_not_answer(tickwheel: Run) -> None:
    ended = await tickwheel("records", "tail", "billing", "--kafka-bootstrap", "127.0.0.1:1")
    assert ended.code == 1
    assert "error: Kafka at 127.0.0.1:1 cannot be read" in ended.err


async def test_records_on_kafka(start: Start, kafka_server: KafkaServer) -> None:
    topic = f"tail-{uuid.uuid4()}"
    async with AIOKafkaProducer(bootstrap_servers=kafka_server.bootstrap) as producer:
        await send(producer, topic, b"before")
        arguments = ("records", "tail", topic, "--count")
        named = {"TICKWHEEL_KAFKA_BOOTSTRAP": kafka_server.bootstrap}
        tailing = await start(*arguments, "1", **named)
        assert (await said(tailing, b"tailing")).startswith(f"tailing {topic} on Kafka at".encode())
        await send(producer, topic, b"after")
        all_of_it = await start(*arguments, "2", "--from-beginning", "-o", "json", **named)
        async with asyncio.timeout(20):
            out, _ = await tailing.communicate()
            everything, _ = await all_of_it.communicate()
    assert out.split()[1:] == [f"{topic}/0@1".encode(), b"k", b"after"]
    first, last = map(json.loads, everything.splitlines())
    assert first["value"] == "YmVmb3Jl"
    assert last["headers"] == [{"key": "ce_id", "value": "MQ=="}]
    assert last["appendTime"].startswith("20")


async def test_a_topic_that_kafka_has_not_yet(start: Start, kafka_server: KafkaServer) -> None:
    topic = f"tail-{uuid.uuid4()}"
    tailing = await start(
        *("records", "tail", topic, "--count", "1", "--kafka-bootstrap", kafka_server.bootstrap)
    )
    await said(tailing, b"waiting for topic")
    async with AIOKafkaProducer(bootstrap_servers=kafka_server.bootstrap) as producer:
        await send(producer, topic, b"first")
    async with asyncio.timeout(20):
        out, _ = await tailing.communicate()
    assert out.split()[-1] == b"first"
