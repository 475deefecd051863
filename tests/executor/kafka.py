"""A topic on a real Kafka, and what a group has committed for it."""

import asyncio
import uuid
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from confluent_kafka import Producer

from tickwheel.worker.publisher.port import Record


@dataclass(frozen=True, slots=True)
class KafkaTopic:
    bootstrap: str
    name: str
    partitions: int
    group: str
    _producer: Producer
    _admin: AIOKafkaAdminClient

    async def publish(self, records: Iterable[Record]) -> None:
        for record in records:
            self._producer.produce(
                self.name, record.value, key=record.key, headers=list(record.headers)
            )
        await asyncio.to_thread(self._producer.flush)

    async def create(self) -> None:
        await self._admin.create_topics([NewTopic(self.name, self.partitions, 1)])

    async def committed(self) -> int:
        """How many records the group has behind it, of all partitions."""
        partitions = [TopicPartition(self.name, number) for number in range(self.partitions)]
        found = await self._admin.list_consumer_group_offsets(self.group, partitions=partitions)
        return sum(max(stored.offset, 0) for stored in found.values())


@asynccontextmanager
async def kafka_topic(
    bootstrap: str, partitions: int = 4, *, create: bool = True
) -> AsyncGenerator[KafkaTopic]:
    """A topic, and a group that nobody else uses."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    name = f"executor-{uuid.uuid4().hex[:12]}"
    producer = Producer({"bootstrap.servers": bootstrap, "acks": "all"})
    topic = KafkaTopic(bootstrap, name, partitions, f"group-{name}", producer, admin)
    try:
        if create:
            await topic.create()
        yield topic
    finally:
        await admin.close()
