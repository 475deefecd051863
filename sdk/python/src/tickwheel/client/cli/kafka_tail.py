"""Reads a topic from Kafka, outside any consumer group. Needs the extra `kafka`."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any, cast

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from tickwheel.client.cli.output import note
from tickwheel.client.cli.session import CommandError
from tickwheel.v1 import executor_service_pb2

TOPIC_POLL_S = 0.5
"""Kafka tells nobody of a new topic: it has to be asked."""


async def kafka_records(
    bootstrap: str, topic: str, from_beginning: bool
) -> AsyncGenerator[executor_service_pb2.Record, None]:
    """The records of a topic, from its beginning or from now on, without end.

    Args:
        bootstrap: `host:port` of some brokers, comma-separated.
        topic: where there is none yet, it is waited for. Partitions that are added later are
            not seen.
        from_beginning: also what is on it already.

    Raises:
        CommandError: Kafka does not answer, or refuses.
    """
    try:
        partitions = await _partitions(topic, bootstrap)
        if not partitions:
            note(f"waiting for topic {topic} on Kafka at {bootstrap}")
            # Of a topic that is made meanwhile, nothing was there before.
            from_beginning = True
        while not partitions:
            await asyncio.sleep(TOPIC_POLL_S)
            partitions = await _partitions(topic, bootstrap)
        # The place to start from is the consumer's own setting, and the partitions are assigned:
        # aiokafka lets a seek be overtaken by the reset that a new assignment begins with, and a
        # subscription loses its place when the topic's metadata change.
        async with AIOKafkaConsumer(
            bootstrap_servers=bootstrap,
            group_id=None,
            auto_offset_reset="earliest" if from_beginning else "latest",
        ) as consumer:
            consumer.assign(partitions)  # pyright: ignore[reportUnknownMemberType]
            for partition in partitions:
                await consumer.position(partition)  # pyright: ignore[reportUnknownMemberType]
            note(f"tailing {topic} on Kafka at {bootstrap}")
            while True:
                yield _record(
                    cast(
                        "ConsumerRecord[bytes, bytes]",
                        await consumer.getone(),  # pyright: ignore[reportUnknownMemberType]
                    )
                )
    except KafkaError as error:
        raise CommandError(f"Kafka at {bootstrap} cannot be read: {error}") from error


async def _partitions(topic: str, bootstrap: str) -> list[TopicPartition]:
    """The topic's partitions; none where there is no such topic, which is not made by this."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        await admin.start()
        for described in cast("list[dict[str, Any]]", await admin.describe_topics()):
            if described["topic"] == topic:
                numbers = sorted(each["partition"] for each in described["partitions"])
                return [TopicPartition(topic, number) for number in numbers]
    finally:
        await admin.close()
    return []


def _record(message: "ConsumerRecord[bytes, bytes]") -> executor_service_pb2.Record:
    record = executor_service_pb2.Record(
        topic=message.topic,
        partition=message.partition,
        offset=message.offset,
        key=message.key or b"",
        value=message.value or b"",
        headers=(
            executor_service_pb2.RecordHeader(key=key, value=value or b"")
            for key, value in message.headers
        ),
    )
    record.append_time.FromMilliseconds(message.timestamp)
    return record
