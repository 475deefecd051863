"""Reads a topic from Kafka, outside any consumer group. Needs the extra `kafka`."""

import asyncio
from collections.abc import AsyncGenerator
from typing import cast

from aiokafka import AIOKafkaConsumer, ConsumerRecord
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
        topic: where there is none yet, it is waited for.
        from_beginning: also what is on it already.

    Raises:
        CommandError: Kafka does not answer, or refuses.
    """
    try:
        # Of a topic that is made while it is waited for, nothing was there before.
        from_beginning |= await _wait_for(topic, bootstrap)
        async with AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, group_id=None) as consumer:
            if from_beginning:
                await consumer.seek_to_beginning()  # pyright: ignore[reportUnknownMemberType]
            else:
                await consumer.seek_to_end()  # pyright: ignore[reportUnknownMemberType]
            note(f"tailing {topic} on Kafka at {bootstrap}")
            while True:
                message = cast(
                    "ConsumerRecord[bytes, bytes]",
                    await consumer.getone(),  # pyright: ignore[reportUnknownMemberType]
                )
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
                yield record
    except KafkaError as error:
        raise CommandError(f"Kafka at {bootstrap} cannot be read: {error}") from error


async def _wait_for(topic: str, bootstrap: str) -> bool:
    """Return once the topic is there: whether it had to be waited for."""
    # A consumer of the topic itself would ask Kafka to make it, or give up after 40 s.
    async with AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=None) as consumer:
        if topic in await consumer.topics():
            return False
        note(f"waiting for topic {topic} on Kafka at {bootstrap}")
        while topic not in await consumer.topics():  # noqa: ASYNC110 Kafka has no such event  # noqa: ASYNC110 - Kafka tells nobody
            await asyncio.sleep(TOPIC_POLL_S)
        return True
