"""Reads a topic from Kafka, outside any consumer group. Needs the extra `kafka`."""

from collections.abc import AsyncGenerator
from typing import cast

from aiokafka import AIOKafkaConsumer, ConsumerRecord
from aiokafka.errors import KafkaError
from tickwheel.client.cli.output import note
from tickwheel.client.cli.session import CommandError
from tickwheel.v1 import executor_service_pb2


async def kafka_records(
    bootstrap: str, topic: str, from_beginning: bool
) -> AsyncGenerator[executor_service_pb2.Record, None]:
    """The records of a topic, from its beginning or from now on, without end.

    Args:
        bootstrap: `host:port` of some brokers, comma-separated.
        topic: has to exist.
        from_beginning: also what is on it already.

    Raises:
        CommandError: Kafka does not answer, or has no such topic.
    """
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, group_id=None)
    try:
        await consumer.start()
        if not consumer.assignment():
            raise CommandError(f"Kafka at {bootstrap} has no topic {topic}")
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
        raise CommandError(f"Kafka at {bootstrap} does not answer: {error}") from error
    finally:
        await consumer.stop()
