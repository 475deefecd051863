"""What is on a topic, read with another client library than Tickwheel's own."""

import time
import uuid
from dataclasses import dataclass
from typing import Any

from confluent_kafka import Consumer


@dataclass(frozen=True, slots=True)
class Seen:
    """One record as a plain consumer sees it."""

    headers: dict[str, str]
    key: str
    value: bytes
    #: The broker's own stamp (LogAppendTime), Unix milliseconds.
    append_ms: int


def read_until(bootstrap: str, topic: str, ids: set[str], timeout_s: float) -> list[Seen]:
    """Reads a topic from its beginning until it has a record of each job uid, or time runs out.

    Args:
        bootstrap: brokers.
        topic: the topic.
        ids: the `uid` of each job that is to have a record.
        timeout_s: how long to wait for all of them.
    """
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": uuid.uuid4().hex,
            "auto.offset.reset": "earliest",
            "topic.metadata.refresh.interval.ms": 500,
        }
    )
    consumer.subscribe([topic])
    missing = set(ids)
    seen: list[Seen] = []
    deadline = time.monotonic() + timeout_s
    try:
        while missing and time.monotonic() < deadline:
            for message in consumer.consume(10_000, 0.2):
                if message.error() is not None:
                    continue
                raw: Any = message
                record = Seen(
                    _headers(raw.headers() or []),
                    bytes(raw.key() or b"").decode(),
                    bytes(raw.value() or b""),
                    message.timestamp()[1],
                )
                seen.append(record)
                missing.discard(record.headers["ce_id"].partition("/")[0])
    finally:
        consumer.close()
    return seen


def _headers(pairs: Any) -> dict[str, str]:
    """The client's types do not say that a header's value is bytes."""
    return {name: bytes(value or b"").decode() for name, value in pairs}
