"""The Kafka publisher against a real broker, read back with another client library."""

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

import pytest
from aiokafka.client import AIOKafkaClient
from confluent_kafka import Message
from engines_fixtures import KafkaServer
from typing_extensions import override

from tickwheel.worker.clock import SystemClock
from tickwheel.worker.publisher.kafka import KafkaPublisher
from tickwheel.worker.publisher.kafka_lane import KafkaOptions, Lane
from tickwheel.worker.publisher.partitioner import key_hash
from tickwheel.worker.publisher.port import Ack, Permit, Refused, Unavailable
from worker.kafka_log import (
    Results,
    create_topic,
    make_publisher,
    new_name,
    read_topic,
    until_ready,
)
from worker.making import FOREVER, record


@asynccontextmanager
async def publishing(
    bootstrap: str, *, unknown_topic_ms: int = 5_000
) -> AsyncGenerator[tuple[KafkaPublisher, Results]]:
    publisher, results = make_publisher(bootstrap, unknown_topic_ms=unknown_topic_ms), Results()
    await publisher.start(results.report)
    try:
        yield publisher, results
    finally:
        await publisher.abort()


def headers_of(message: Message) -> dict[str, bytes]:
    return {name: value or b"" for name, value in message.headers() or []}  # pyright: ignore[reportReturnType]


async def test_another_client_reads_what_was_published(kafka_server: KafkaServer) -> None:
    topic = new_name()
    create_topic(kafka_server.bootstrap, topic, config={"message.timestamp.type": "LogAppendTime"})
    one = record("nightly", topic=topic, payload=b'{"a":1}', headers={"x-team": "billing"})
    async with publishing(kafka_server.bootstrap) as (publisher, results):
        publisher.expect([one])
        await publisher.publish([one])
        (result,) = await results.of([one])
        await publisher.close()
    (message,) = read_topic(kafka_server.bootstrap, topic)
    assert message.key() == b"users/7/jobs/nightly"
    assert message.value() == b'{"a":1}'
    assert message.headers() == one.headers
    assert headers_of(message)["ce_id"] == b"uid-nightly/nightly/1"
    assert headers_of(message)["x-team"] == b"billing"
    assert isinstance(result, Ack)
    # Partition, offset and instant are the broker's own.
    assert (result.partition, result.offset) == (message.partition(), message.offset())
    assert result.publish_ms == message.timestamp()[1]
    assert result.partition == key_hash(b"users/7/jobs/nightly") % 4


async def test_a_burst_over_two_topics_keeps_the_order_of_each_key(
    kafka_server: KafkaServer,
) -> None:
    topics = [new_name(), new_name()]
    # The second is created by Kafka when it is first asked for.
    create_topic(kafka_server.bootstrap, topics[0])
    records = [
        record(
            str(number), topic=topics[number % 2], payload=b"x" * 900, key_text=f"k{number % 31}"
        )
        for number in range(4_000)
    ]
    async with publishing(kafka_server.bootstrap) as (publisher, results):
        for first in range(0, len(records), 500):
            await publisher.publish(records[first : first + 500])
        acks = await results.of(records)
    messages = {
        (topic, message.partition(), message.offset()): message
        for topic in topics
        for message in read_topic(kafka_server.bootstrap, topic)
    }
    assert len(messages) == len(records)
    last: dict[bytes, int] = {}
    for one, ack in zip(records, acks, strict=True):
        assert isinstance(ack, Ack)
        message = messages[one.topic, ack.partition, ack.offset]
        assert headers_of(message)["ce_id"] == dict(one.headers)["ce_id"]
        assert one.key is not None
        place = one.topic.encode() + one.key
        assert ack.offset > last.get(place, -1)
        last[place] = ack.offset


async def test_what_is_too_large_is_refused_and_nothing_else(kafka_server: KafkaServer) -> None:
    topic = new_name()
    create_topic(kafka_server.bootstrap, topic, partitions=1, config={"max.message.bytes": "20000"})
    records = [
        record(str(number), topic=topic, payload=b"x" * (30_000 if number in (3, 40) else 1_000))
        for number in range(60)
    ]
    async with publishing(kafka_server.bootstrap) as (publisher, results):
        await publisher.publish(records)
        got = await results.of(records)
        # A refusal leaves no gap behind: the partition goes on.
        after = record("after", topic=topic)
        await publisher.publish([after])
        (last,) = await results.of([after])
    refused = [number for number, result in enumerate(got) if isinstance(result, Refused)]
    assert refused == [3, 40]
    assert isinstance(last, Ack)
    assert "larger" in str(got[3])
    ids = [headers_of(message)["ce_id"] for message in read_topic(kafka_server.bootstrap, topic)]
    assert len(ids) == len(set(ids)) == 59


@pytest.mark.parametrize("topic", ["", "..", "a b", "ä", "x" * 250])
async def test_a_topic_that_cannot_be_is_refused_at_once(
    kafka_server: KafkaServer, topic: str
) -> None:
    one = record("a", topic=topic)
    async with publishing(kafka_server.bootstrap) as (publisher, results):
        await publisher.publish([one])
        (result,) = await results.of([one], 5)
    assert isinstance(result, Refused)


async def test_a_topic_that_kafka_does_not_create_is_refused_alone(
    kafka_server: KafkaServer,
) -> None:
    name = new_name()
    create_topic(kafka_server.bootstrap, f"{name}.x")
    # Kafka does not create a topic whose name differs from another's only in `.` and `_`.
    stuck, fine = record("stuck", topic=f"{name}_x"), record("fine", topic=f"{name}.x")
    async with publishing(kafka_server.bootstrap, unknown_topic_ms=700) as (publisher, results):
        await publisher.publish([stuck, fine])
        (quick,) = await results.of([fine], 5)
        assert not results.by_run
        (late,) = await results.of([stuck], 10)
        await publisher.close()
    assert isinstance(quick, Ack)
    assert isinstance(late, Refused)


class ClockAhead(SystemClock):
    """The machine's clock, that can be put ahead."""

    def __init__(self) -> None:
        self.ahead_ms = 0

    @override
    def steady_ms(self) -> int:
        return super().steady_ms() + self.ahead_ms


async def test_a_topic_is_not_unknown_while_kafka_is_away(
    kafka_server: KafkaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = new_name()
    create_topic(kafka_server.bootstrap, f"{name}.x")
    stuck, clock = record("stuck", topic=f"{name}_x"), ClockAhead()
    ask, is_away = Lane.learn, False
    answers = {True: 0, False: 0}

    async def learn(lane: Lane, topic: str) -> bool:
        answered = not is_away and await ask(lane, topic)
        answers[answered] += 1
        return answered

    async def one_more(answered: bool) -> None:
        async with asyncio.timeout(20):
            seen = answers[answered]
            while answers[answered] == seen:
                await asyncio.sleep(0.01)

    monkeypatch.setattr(Lane, "learn", learn)
    publisher, results = make_publisher(kafka_server.bootstrap, clock=clock), Results()
    await publisher.start(results.report)
    try:
        await publisher.publish([stuck])
        await one_more(True)
        is_away = True
        await one_more(False)
        clock.ahead_ms += 60_000
        is_away = False
        await one_more(True)
        await one_more(True)
        assert not results.by_run
        clock.ahead_ms += 6_000
        (refused,) = await results.of([stuck], 20)
    finally:
        await publisher.abort()
    assert isinstance(refused, Refused)


async def test_nothing_is_sent_without_permission_or_after_its_time(
    kafka_server: KafkaServer,
) -> None:
    topic = new_name()
    create_topic(kafka_server.bootstrap, topic, partitions=1)
    records = [
        record("fine", topic=topic),
        record("lapsed", topic=topic, permit=Permit(0)),
        record("expired", topic=topic, expire_ms=1),
    ]
    async with publishing(kafka_server.bootstrap) as (publisher, results):
        await until_ready(publisher)
        await publisher.publish(records)
        got = await results.of(records)
    assert [type(result) for result in got] == [Ack, Unavailable, Unavailable]
    assert len(read_topic(kafka_server.bootstrap, topic)) == 1


class LapsingPermit(Permit):
    """Holds when it is first looked at, and is over by the time the request is to be written."""

    __slots__ = ("looks",)

    def __init__(self) -> None:
        super().__init__()
        self.looks = 0

    @override
    def holds(self, steady_ms: int) -> bool:
        self.looks += 1
        return self.looks <= 1


async def test_permission_that_ends_inside_the_client_still_stops_it(
    kafka_server: KafkaServer,
) -> None:
    topic = new_name()
    create_topic(kafka_server.bootstrap, topic, partitions=1)
    permit = LapsingPermit()
    records = [record("stopped", topic=topic, permit=permit), record("fine", topic=topic)]
    warm_up = record("warm-up", topic=topic)
    async with publishing(kafka_server.bootstrap) as (publisher, results):
        await publisher.publish([warm_up])
        await results.of([warm_up])
        await publisher.publish(records)
        stopped, fine = await results.of(records)
    assert permit.looks >= 2
    assert isinstance(stopped, Unavailable)
    # What shared its batch goes over the next producer.
    assert isinstance(fine, Ack)
    ids = [headers_of(message)["ce_id"] for message in read_topic(kafka_server.bootstrap, topic)]
    assert ids == [dict(one.headers)["ce_id"] for one in (warm_up, records[1])]


class Connections:
    """Of aiokafka: who asks for one, and whether it is given."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clients: list[Any] = []
        #: These reach nobody any more.
        self.cut_off: list[Any] = []
        #: The next one is refused, and while the one after it is made this permit ends.
        self.ends: Permit | None = None
        self.refused = False
        client_class: Any = AIOKafkaClient
        connect = client_class._get_conn

        async def get_conn(client: Any, node_id: Any, **more: Any) -> Any:
            if client not in self.clients:
                self.clients.append(client)
            if client in self.cut_off:
                # Nobody answers there: it is not refused, it takes its time.
                await asyncio.sleep(0.5)
                client.force_metadata_update()
                return None
            if self.ends is not None and not self.refused:
                self.refused = True
                return None
            if self.ends is not None:
                self.ends.until_ms = 0
            return await connect(client, node_id, **more)

        monkeypatch.setattr(client_class, "_get_conn", get_conn)


async def test_permission_that_ends_while_a_second_connection_is_made_still_stops_it(
    kafka_server: KafkaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first one was refused, as by a broker that was just beginning."""
    topic = new_name()
    create_topic(kafka_server.bootstrap, topic, partitions=1)
    permit = Permit(FOREVER.until_ms)
    warm_up, stopped = record("warm-up", topic=topic), record("stopped", topic=topic, permit=permit)
    connections = Connections(monkeypatch)
    async with publishing(kafka_server.bootstrap) as (publisher, results):
        await publisher.publish([warm_up])
        await results.of([warm_up])
        connections.ends = permit
        await publisher.publish([stopped])
        (result,) = await results.of([stopped])
    assert connections.refused
    assert isinstance(result, Unavailable)
    assert len(read_topic(kafka_server.bootstrap, topic)) == 1


async def test_what_is_under_way_when_kafka_is_found_elsewhere_goes_there(
    kafka_server: KafkaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = new_name()
    create_topic(kafka_server.bootstrap, topic, partitions=1)
    warm_up, under_way = record("warm-up", topic=topic), record("under way", topic=topic)
    connections = Connections(monkeypatch)
    options = KafkaOptions(
        bootstrap=kafka_server.bootstrap, client_id=new_name(), probe_ms=200, rebootstrap_ms=400
    )
    publisher, results = KafkaPublisher(options, SystemClock()), Results()
    await publisher.start(results.report)
    try:
        await publisher.publish([warm_up])
        await results.of([warm_up])
        connections.cut_off = list(connections.clients)
        await publisher.publish([under_way])
        (result,) = await results.of([under_way], 15)
    finally:
        await publisher.abort()
    assert isinstance(result, Ack)
    assert len(read_topic(kafka_server.bootstrap, topic)) == 2


async def test_an_abort_reports_everything_and_sends_nothing_more(
    kafka_server: KafkaServer,
) -> None:
    topic = new_name()
    create_topic(kafka_server.bootstrap, topic)
    records = [record(str(number), topic=topic, payload=b"x" * 1_000) for number in range(3_000)]
    async with publishing(kafka_server.bootstrap) as (publisher, results):
        await until_ready(publisher)
        publisher.expect(records)
        await asyncio.sleep(0.3)
        await publisher.publish(records)
        async with asyncio.timeout(3):
            await publisher.abort()
        got = await results.of(records, 0.1)
    acked = sum(isinstance(result, Ack) for result in got)
    assert acked < len(records)
    landed = len(read_topic(kafka_server.bootstrap, topic))
    assert acked <= landed
    await asyncio.sleep(0.5)
    assert len(read_topic(kafka_server.bootstrap, topic)) == landed


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@asynccontextmanager
async def forwarding(port: int, target: str) -> AsyncGenerator[None]:
    """A listener that passes everything on to the target."""
    host, _, target_port = target.partition(":")

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection(host, int(target_port))
        await asyncio.gather(pump(reader, there_writer), pump(there_reader, writer))

    server = await asyncio.start_server(accept, "127.0.0.1", port)
    try:
        yield
    finally:
        server.close()


async def test_a_kafka_that_is_not_there_yet_is_waited_for(kafka_server: KafkaServer) -> None:
    topic = new_name()
    create_topic(kafka_server.bootstrap, topic)
    port = free_port()
    short = Permit(FOREVER.until_ms)
    waits, gives_up = record("waits", topic=topic), record("gives up", topic=topic, permit=short)
    async with publishing(f"127.0.0.1:{port}") as (publisher, results):
        publisher.expect([waits])
        await publisher.publish([waits, gives_up])
        await asyncio.sleep(0.3)
        assert not publisher.ready
        assert not results.by_run
        short.until_ms = 0
        (gone,) = await results.of([gives_up], 5)
        assert isinstance(gone, Unavailable)
        async with forwarding(port, kafka_server.bootstrap.split(",")[0]):
            (result,) = await results.of([waits])
            assert isinstance(result, Ack)
            assert publisher.ready
            await publisher.close()
    assert len(read_topic(kafka_server.bootstrap, topic)) == 1


async def test_a_record_without_a_key_goes_anywhere(kafka_server: KafkaServer) -> None:
    topic = new_name()
    create_topic(kafka_server.bootstrap, topic)
    records = [replace(record(str(number), topic=topic), key=None) for number in range(8)]
    async with publishing(kafka_server.bootstrap) as (publisher, results):
        await publisher.publish(records[:1])
        await results.of(records[:1])
        for one in records[1:]:
            await publisher.publish([one])
        got = await results.of(records[1:])
    assert {result.partition for result in got if isinstance(result, Ack)} == {0, 1, 2, 3}
    assert all(message.key() is None for message in read_topic(kafka_server.bootstrap, topic))
