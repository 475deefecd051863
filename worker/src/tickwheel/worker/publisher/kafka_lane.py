"""One idempotent producer, with a gate in front of its socket."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from aiokafka.errors import KafkaError, NodeNotReadyError
from aiokafka.protocol.produce import ProduceRequest

from tickwheel.worker.clock import Clock
from tickwheel.worker.publisher.aiokafka_types import Builder, Metadata, make_producer
from tickwheel.worker.publisher.kafka_errors import NotPermittedError
from tickwheel.worker.publisher.port import Permit, Record

Partition = tuple[str, int]

#: How long aiokafka may take to see that all is lost, in seconds.
_ABORT_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaOptions:
    """How Kafka is reached and used."""

    #: `host:port` of some brokers, comma-separated.
    bootstrap: str
    client_id: str
    #: A batch is closed at this size. aiokafka puts one batch for each partition into a request; a
    #: broker takes 100 MiB at once, which the worker's window in bytes stays below.
    batch_bytes: int = 512 * 1024
    #: How long a broker may take for an answer.
    request_timeout_ms: int = 10_000
    retry_backoff_ms: int = 50
    #: A topic that Kafka does not know is waited for this long, because it may just be in creation.
    unknown_topic_ms: int = 5_000
    #: How often it is tried whether brokers can be reached.
    probe_ms: int = 2_000
    #: When none could be reached for this long, the addresses are looked up anew.
    rebootstrap_ms: int = 30_000


@dataclass(slots=True, eq=False)
class Batch:
    """Records for one partition, built as they come and handed over together."""

    partition: Partition
    builder: Builder
    records: list[Record] = field(default_factory=list[Record])
    permits: set[Permit] = field(default_factory=set[Permit])
    expire_ms: int = 1 << 62

    def add(self, record: Record, timestamp_ms: int) -> bool:
        """False when it is full; the first record always fits.

        Args:
            record: goes to this partition.
            timestamp_ms: what the record bears where the topic keeps producers' stamps.
        """
        added = self.builder.append(
            timestamp=timestamp_ms, key=record.key, value=record.value, headers=record.headers
        )
        if added is None:
            return False
        self.records.append(record)
        self.permits.add(record.permit)
        self.expire_ms = min(self.expire_ms, record.expire_ms)
        return True

    def permitted(self, clock: Clock) -> bool:
        """Whether all of it may be given to Kafka at this moment."""
        steady_ms = clock.steady_ms()
        return steady_ms < self.expire_ms and all(
            permit.holds(steady_ms) for permit in self.permits
        )


class Lane:
    """An aiokafka producer that sends nothing without permission.

    aiokafka repeats a batch for as long as it takes, which is what keeps a change of leader from
    losing or doubling anything. But a batch may also lie there while this process is stopped or
    cut off, and its permission ends. So every produce request, the first and each repetition,
    passes a gate immediately before it is written; there a batch that may no longer be sent fails
    for good.

    A batch that failed leaves a gap in the sequence numbers of its partition, after which the
    broker refuses what follows. So its partition is spoilt for this lane, and goes on in the next.
    """

    def __init__(self, options: KafkaOptions, clock: Clock) -> None:
        self._options = options
        self._clock = clock
        self._producer = make_producer(
            bootstrap=options.bootstrap,
            client_id=options.client_id,
            batch_bytes=options.batch_bytes,
            request_timeout_ms=options.request_timeout_ms,
            retry_backoff_ms=options.retry_backoff_ms,
        )
        self._client = self._producer.client
        self._send_request: Callable[..., Coroutine[Any, Any, object]] = self._client.send
        self._client.send = self._gate
        self._outstanding: dict[Partition, Batch] = {}
        self._spoilt: set[Partition] = set()
        self._topics: set[str] = set()
        self._aborted = False
        #: Nothing more is heard of what is outstanding.
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def start(self) -> None:
        """Connects.

        Raises:
            KafkaError, OSError, TimeoutError: no broker could be reached.
        """
        async with asyncio.timeout(self._options.request_timeout_ms / 1000):
            await self._producer.start()

    def usable_for(self, partition: Partition) -> bool:
        """Whether batches for the partition may go this way."""
        return not self._aborted and partition not in self._spoilt

    def partition_count(self, topic: str) -> int:
        """How many partitions a topic has; 0 while that is not known."""
        partitions = self._client.cluster.partitions_for_topic(topic)
        return len(partitions) if partitions else 0

    def is_unauthorized(self, topic: str) -> bool:
        """Whether Kafka has said that we have no rights on the topic."""
        return topic in self._client.cluster.unauthorized_topics

    async def learn(self, topic: str) -> bool:
        """Asks for a topic's partitions, which creates it where Kafka does so; False: no answer."""
        self._topics.add(topic)
        self._client.add_topic(topic)
        try:
            async with asyncio.timeout(self._options.request_timeout_ms / 1000):
                return await self._client.force_metadata_update()
        except TimeoutError:
            return False

    def forget(self, topic: str) -> None:
        """No longer asks for this topic."""
        self._topics.discard(topic)
        if self._topics:
            self._client.set_topics(self._topics)

    async def reachable(self) -> bool:
        """Whether any broker can be reached."""
        for broker in list(self._client.cluster.brokers()):
            if await self._client.ready(broker.nodeId):
                return True
        return False

    def new_batch(self, partition: Partition) -> Batch:
        """An empty batch, which may go over any lane."""
        return Batch(partition, self._producer.create_batch())

    async def send(self, batch: Batch) -> Metadata:
        """Hands a batch over at once, then waits until Kafka has it.

        The topic's partitions must be known and no other batch of the partition be outstanding:
        then aiokafka takes it without waiting.

        Raises:
            KafkaError: it was not taken, or it is not known. The lane is spoilt for the partition.
        """
        partition = batch.partition
        self._outstanding[partition] = batch
        handed: asyncio.Future[Metadata] | None = None
        try:
            handed = await self._producer.send_batch(
                batch.builder, partition[0], partition=partition[1]
            )
            await asyncio.wait((handed, self._over), return_when=asyncio.FIRST_COMPLETED)
            if not handed.done():
                raise NotPermittedError
            return handed.result()
        except BaseException:
            self._spoilt.add(partition)
            if handed is not None:
                handed.cancel()
            raise
        finally:
            del self._outstanding[partition]

    async def retire(self) -> None:
        """Closes once everything outstanding is answered."""
        await self._producer.stop()

    async def abort(self) -> None:
        """Sends nothing more, from now on, and closes; what is outstanding fails."""
        self._aborted = True
        try:
            async with asyncio.timeout(_ABORT_S):
                await self._client.close()
                await self._producer.stop()
        except TimeoutError:
            # Once its client is closed, aiokafka waits for ever for news of the cluster.
            with suppress(TimeoutError):
                async with asyncio.timeout(_ABORT_S):
                    await self._client.close()
        finally:
            if not self._over.done():
                self._over.set_result(None)

    async def _gate(self, node_id: int, request: object, **group: Any) -> object:
        if isinstance(request, ProduceRequest):
            self._check()
            # Connecting takes time; what follows does not wait again before it writes, unless it
            # has to connect once more.
            if not await self._client.ready(node_id):
                raise NodeNotReadyError(f"node {node_id} cannot be reached")
            self._check()
        return await self._send_request(node_id, request, **group)

    def _check(self) -> None:
        if self._aborted or not all(b.permitted(self._clock) for b in self._outstanding.values()):
            raise NotPermittedError


#: What connecting may end with.
CONNECT_ERRORS = (KafkaError, OSError, TimeoutError)
