"""Follows a topic: asks the api for its embedded log, and reads Kafka where it has none."""

import uuid
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import timedelta

from tickwheel.client.cli.output import note
from tickwheel.client.cli.session import CommandError
from tickwheel.client.client import Client
from tickwheel.client.errors import ApiError
from tickwheel.v1 import executor_service_pb2

POLL_WAIT = timedelta(seconds=20)


async def records(
    client: Client, topic: str, kafka_bootstrap: str, *, from_beginning: bool
) -> AsyncGenerator[executor_service_pb2.Record, None]:
    """The records of a topic, from its beginning or from now on, without end.

    Says on standard error which log it reads, once nothing that comes can be missed.

    Raises:
        CommandError: the log is Kafka, and it cannot be read from here.
    """
    try:
        async with aclosing(_embedded(client, topic, from_beginning)) as found:
            async for record in found:
                yield record
    except ApiError as error:
        if error.reason != "ENGINE_UNSUPPORTED":
            raise
    if not kafka_bootstrap:
        raise CommandError(
            "the log is Kafka: name its brokers by --kafka-bootstrap or TICKWHEEL_KAFKA_BOOTSTRAP"
        )
    try:
        from tickwheel.client.cli.kafka_tail import kafka_records
    except ModuleNotFoundError as error:
        if error.name != "aiokafka":
            raise
        raise CommandError(
            "the log is Kafka: install the client with its extra, tickwheel-client[kafka]"
        ) from None
    async with aclosing(kafka_records(kafka_bootstrap, topic, from_beginning)) as found:
        async for record in found:
            yield record


async def _embedded(
    client: Client, topic: str, from_beginning: bool
) -> AsyncGenerator[executor_service_pb2.Record, None]:
    # A group of its own takes nothing from anyone. Without a consumer's name, records of an
    # answer that was lost on its way are handed out again.
    request = executor_service_pb2.PullRecordsRequest(
        topic=topic, group=f"tail-{uuid.uuid4()}", start_at_end=not from_beginning
    )
    # Answered at once, so that it is known where the group stands before anyone is told.
    pulled = await client.pull_records(request)
    note(f"tailing {topic} on the embedded log")
    request.wait.FromTimedelta(POLL_WAIT)
    while True:
        for record in pulled:
            yield record
        if pulled:
            await client.ack_records(topic, request.group, pulled)
        pulled = await client.pull_records(request)
