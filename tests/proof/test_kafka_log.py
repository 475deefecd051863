"""Kafka tells from when on it keeps records, once some were dropped."""

import time
from typing import Any, cast

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from engines_fixtures import KafkaServer
from worker.kafka_log import create_topic, new_name

from tickwheel.server.proof.kafka_log import KafkaLog
from tickwheel.server.proof.log import NONE_KEPT_MS

#: When each record was appended, as its producer says.
STEP_MS = 1_000
COUNT = 5


@pytest.mark.parametrize(("dropped", "number"), [(0, 0), (3, 3), (COUNT, None)])
async def test_from_when_on_records_are_kept(
    kafka_server: KafkaServer, dropped: int, number: int | None
) -> None:
    topic, begun_ms = new_name(), round(time.time() * 1000) - COUNT * STEP_MS
    bootstrap = kafka_server.bootstrap
    create_topic(bootstrap, topic, partitions=2, config={"message.timestamp.type": "CreateTime"})
    producer = Producer({"bootstrap.servers": bootstrap})
    for each in range(COUNT):
        producer.produce(topic, b"", partition=0, timestamp=begun_ms + each * STEP_MS)
    assert producer.flush(20) == 0
    if dropped:
        admin = AdminClient({"bootstrap.servers": bootstrap})
        place = TopicPartition(topic, 0, dropped)
        futures = cast("dict[Any, Any]", admin.delete_records([place]))  # pyright: ignore[reportUnknownMemberType]
        futures[place].result(20)
    log = KafkaLog(bootstrap)
    try:
        await log.open()
        first, untouched = await log.partitions(topic, begun_ms)
    finally:
        await log.close()
    assert (first.kept_from, first.end) == (dropped, COUNT)
    kept_ms = NONE_KEPT_MS if number is None else begun_ms + number * STEP_MS
    assert first.kept_ms == (kept_ms if dropped else 0)
    assert (untouched.kept_from, untouched.kept_ms) == (0, 0)
