"""A plain consumer of one topic, in a thread of its own."""

import threading
import uuid
from datetime import datetime
from typing import Any, Self

from confluent_kafka import Consumer

from drills.targets import Seen


class Watch:
    """Reads a topic from its beginning on, as a context manager; another library than ours."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": uuid.uuid4().hex,
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                "topic.metadata.refresh.interval.ms": 500,
                "log_level": 0,
            }
        )
        self._topic = topic
        self._lock = threading.Lock()
        self._seen: list[Seen] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._read, name="watch", daemon=True)

    def __enter__(self) -> Self:
        self._consumer.subscribe([self._topic])
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self._thread.join()
        self._consumer.close()

    def seen(self) -> list[Seen]:
        """All records so far."""
        with self._lock:
            return list(self._seen)

    def _read(self) -> None:
        while not self._ended.is_set():
            batch = [
                seen_of(_headers(message), message.timestamp()[1])
                for message in self._consumer.consume(5_000, 0.2)
                if message.error() is None
            ]
            with self._lock:
                self._seen.extend(batch)


def seen_of(headers: dict[str, str], append_ms: int) -> Seen:
    """A record by its headers."""
    nominal = datetime.fromisoformat(headers["ce_scheduletime"])
    return Seen(headers["ce_id"], round(nominal.timestamp() * 1000), append_ms)


def _headers(message: Any) -> dict[str, str]:
    """The client's types do not say that a header's value is bytes."""
    pairs: list[tuple[str, Any]] = message.headers() or []
    return {name: bytes(value or b"").decode() for name, value in pairs}
