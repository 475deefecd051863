"""A topic on a real Kafka, made and read with another client library than the worker's."""

import asyncio
import time
import uuid
from collections.abc import Sequence
from typing import Any, cast

from confluent_kafka import Consumer, Message, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic  # pyright: ignore[reportPrivateImportUsage]

from tickwheel.worker.clock import Clock, SystemClock
from tickwheel.worker.publisher.kafka import KafkaPublisher
from tickwheel.worker.publisher.kafka_lane import KafkaOptions
from tickwheel.worker.publisher.port import Record, Result, RunId


def new_name() -> str:
    return f"test-{uuid.uuid4().hex[:12]}"


def create_topic(
    bootstrap: str, name: str, partitions: int = 4, config: dict[str, str] | None = None
) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap})
    topic = NewTopic(name, num_partitions=partitions, replication_factor=1, config=config or {})
    futures = cast("dict[str, Any]", admin.create_topics([topic]))  # pyright: ignore[reportUnknownMemberType]
    futures[name].result(20)


def read_topic(bootstrap: str, name: str) -> list[Message]:
    """Everything that is on the topic now, by partition and offset."""
    consumer = Consumer(
        {"bootstrap.servers": bootstrap, "group.id": new_name(), "enable.auto.commit": False}
    )
    try:
        metadata = consumer.list_topics(name, timeout=20)
        partitions = [TopicPartition(name, number) for number in metadata.topics[name].partitions]
        expected = 0
        for partition in partitions:
            low, high = cast("tuple[int, int]", consumer.get_watermark_offsets(partition, 20))  # pyright: ignore[reportUnnecessaryCast]
            partition.offset = low
            expected += high - low
        consumer.assign(partitions)
        messages: list[Message] = []
        deadline = time.monotonic() + 20
        while len(messages) < expected and time.monotonic() < deadline:
            messages.extend(consumer.consume(num_messages=1_000, timeout=1))
        assert len(messages) == expected
        return sorted(messages, key=lambda m: (m.partition() or 0, m.offset() or 0))
    finally:
        consumer.close()


class Results:
    """What a publisher has reported."""

    def __init__(self) -> None:
        self.by_run: dict[RunId, Result] = {}
        self._wake = asyncio.Event()

    def report(self, records: Sequence[Record], results: Sequence[Result]) -> None:
        for record, result in zip(records, results, strict=True):
            assert record.run not in self.by_run, "reported twice"
            self.by_run[record.run] = result
        self._wake.set()

    async def of(self, records: Sequence[Record], longest_s: float = 30) -> list[Result]:
        """The results of all these, in order."""
        async with asyncio.timeout(longest_s):
            while not all(record.run in self.by_run for record in records):
                self._wake.clear()
                await self._wake.wait()
        return [self.by_run.pop(record.run) for record in records]


def make_publisher(
    bootstrap: str, *, unknown_topic_ms: int = 5_000, clock: Clock | None = None
) -> KafkaPublisher:
    options = KafkaOptions(
        bootstrap=bootstrap,
        client_id=new_name(),
        unknown_topic_ms=unknown_topic_ms,
        probe_ms=200,
    )
    return KafkaPublisher(options, clock or SystemClock())


async def until_ready(publisher: KafkaPublisher) -> None:
    async with asyncio.timeout(30):
        while not publisher.ready:
            await asyncio.sleep(0.02)
