"""The topic that a workload publishes to: made, counted and read, on Kafka or the embedded log."""

import asyncio
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, cast

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from tickwheel.client import Client
from tickwheel.server.bench.cluster import Addresses
from tickwheel.server.bench.verdict import Seen
from tickwheel.v1 import executor_service_pb2

# aiokafka's own types are partial.
# pyright: reportUnknownMemberType=false

PARTITIONS = 4
_COUNT_EVERY_S = 0.1
_PULL_WAIT = timedelta(milliseconds=500)
_PULL_MAX = 1_000


class Topic(ABC):
    """One topic, new and empty."""

    name: str

    @abstractmethod
    async def arrived(self, count: int, patience_s: float) -> None:
        """Waits until so many records are there, or none has come for so long.

        Costs the log next to nothing, so that it may be done while something is measured.
        """

    @abstractmethod
    async def read(self, count: int) -> list[Seen]:
        """All records, waiting a little while there are fewer than so many."""


@asynccontextmanager
async def new_topic(addresses: Addresses) -> AsyncGenerator[Topic]:
    """A topic of its own on the cluster's log, with the log's own stamps."""
    name = f"tickwheel-bench-{uuid.uuid4().hex[:12]}"
    if addresses.kafka is None:
        async with Client(addresses.grpc) as client:
            yield _EmbeddedTopic(name, client)
        return
    admin = AIOKafkaAdminClient(bootstrap_servers=addresses.kafka)
    await admin.start()
    try:
        brokers = cast("dict[str, list[object]]", await admin.describe_cluster())["brokers"]
        settings = {"message.timestamp.type": "LogAppendTime"}
        replicas = min(len(brokers), 3)
        await admin.create_topics([NewTopic(name, PARTITIONS, replicas, topic_configs=settings)])
        consumer = AIOKafkaConsumer(
            bootstrap_servers=addresses.kafka, group_id=None, auto_offset_reset="earliest"
        )
        await consumer.start()
        try:
            yield _KafkaTopic(name, consumer)
        finally:
            await consumer.stop()
    finally:
        await admin.close()


class _KafkaTopic(Topic):
    def __init__(self, name: str, consumer: AIOKafkaConsumer) -> None:
        self.name = name
        self._consumer = consumer
        self._places = [TopicPartition(name, number) for number in range(PARTITIONS)]

    async def arrived(self, count: int, patience_s: float) -> None:
        await come(self._count, count, patience_s)

    async def _count(self) -> int:
        ends = cast("dict[TopicPartition, int]", await self._consumer.end_offsets(self._places))
        return sum(ends.values())

    async def read(self, count: int) -> list[Seen]:
        self._consumer.assign(self._places)
        seen: list[Seen] = []
        total = await self._count()
        while len(seen) < total:
            found = cast("dict[Any, list[Any]]", await self._consumer.getmany(timeout_ms=1_000))
            seen.extend(
                Seen(_ce_id(message.headers), message.timestamp)
                for messages in found.values()
                for message in messages
            )
        return seen


class _EmbeddedTopic(Topic):
    def __init__(self, name: str, client: Client) -> None:
        self.name = name
        self._client = client

    async def arrived(self, count: int, patience_s: float) -> None:
        # The embedded log cannot be counted without being read, by the process that is measured.
        return

    async def read(self, count: int) -> list[Seen]:
        request = executor_service_pb2.PullRecordsRequest(
            topic=self.name, group=f"bench-{uuid.uuid4().hex}", max=_PULL_MAX
        )
        seen: list[Seen] = []
        empty = 0
        while empty < (2 if len(seen) >= count else 20):
            request.wait.FromTimedelta(_PULL_WAIT)
            pulled = await self._client.pull_records(request)
            empty = 0 if pulled else empty + 1
            seen.extend(
                Seen(
                    _ce_id((header.key, header.value) for header in record.headers),
                    record.append_time.ToMilliseconds(),
                )
                for record in pulled
            )
            if pulled:
                await self._client.ack_records(self.name, request.group, pulled)
        return seen


async def come(counted: Callable[[], Awaitable[int]], count: int, patience_s: float) -> None:
    """Waits until so many are counted, or for so long no more than before: nobody tells of them."""
    there, since_s = 0, time.monotonic()
    while there < count and time.monotonic() < since_s + patience_s:
        await asyncio.sleep(_COUNT_EVERY_S)
        if (found := await counted()) > there:
            there, since_s = found, time.monotonic()


def _ce_id(headers: Iterable[tuple[str, bytes]]) -> str:
    return next(value.decode() for name, value in headers if name == "ce_id")
