"""The part of aiokafka that is used, typed: the library itself ships no types."""

import asyncio
from collections.abc import Callable, Collection, Coroutine, Iterable
from typing import Any, Protocol, cast

from aiokafka import AIOKafkaProducer


class Metadata(Protocol):
    """Where a batch has landed."""

    offset: int
    timestamp: int
    #: 0: the producer's stamp, which is then not known here; 1: the log's.
    timestamp_type: int


class Builder(Protocol):
    """A batch of records for one partition, being filled."""

    def append(
        self, *, timestamp: int, key: bytes | None, value: bytes, headers: list[tuple[str, bytes]]
    ) -> object | None:
        """None when it is full."""
        ...

    def size(self) -> int:
        """In bytes."""
        ...


class Broker(Protocol):
    """A node of the cluster."""

    nodeId: int


class Cluster(Protocol):
    """What is known of the cluster."""

    unauthorized_topics: set[str]

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        """None for an unknown topic."""
        ...

    def brokers(self) -> Collection[Broker]:
        """All nodes."""
        ...


class Client(Protocol):
    """The connections of a producer."""

    cluster: Cluster
    send: Callable[..., Coroutine[Any, Any, object]]

    def add_topic(self, topic: str) -> "asyncio.Future[bool]":
        """Adds to the topics whose metadata is fetched."""
        ...

    def set_topics(self, topics: Iterable[str]) -> "asyncio.Future[bool]":
        """Replaces the topics whose metadata is fetched."""
        ...

    def force_metadata_update(self) -> "asyncio.Future[bool]":
        """True once the cluster has answered, False when nobody has."""
        ...

    async def ready(self, node_id: int) -> bool:
        """Connects if need be; False when the node cannot be reached."""
        ...

    async def close(self) -> None:
        """Closes all connections."""
        ...


class Producer(Protocol):
    """An AIOKafkaProducer."""

    client: Client

    async def start(self) -> None:
        """Connects."""
        ...

    async def stop(self) -> None:
        """Flushes and closes."""
        ...

    def create_batch(self) -> Builder:
        """An empty batch."""
        ...

    async def send_batch(
        self, batch: Builder, topic: str, *, partition: int
    ) -> "asyncio.Future[Metadata]":
        """Queues a batch."""
        ...


def make_producer(
    *,
    bootstrap: str,
    client_id: str,
    batch_bytes: int,
    request_timeout_ms: int,
    retry_backoff_ms: int,
) -> Producer:
    """An idempotent producer that waits for all replicas and lingers for nothing."""
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        client_id=client_id,
        acks="all",
        enable_idempotence=True,
        linger_ms=0,
        max_batch_size=batch_bytes,
        request_timeout_ms=request_timeout_ms,
        retry_backoff_ms=retry_backoff_ms,
    )
    return cast("Producer", producer)
