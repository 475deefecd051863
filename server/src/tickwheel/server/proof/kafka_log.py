"""Kafka as an audited log. aiokafka comes with the worker."""

import contextlib
from collections.abc import AsyncGenerator, Generator, Sequence
from typing import Any, cast

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError
from aiokafka.structs import OffsetAndTimestamp
from typing_extensions import override

from tickwheel.server.proof.log import NONE_KEPT_MS, AuditedLog, LogError, Partition, Seen, seen

# aiokafka's own types are partial.
# pyright: reportUnknownMemberType=false

_Offsets = dict[TopicPartition, int]
_Times = dict[TopicPartition, OffsetAndTimestamp | None]

_BATCH = 2_000
_WAIT_MS = 1_000
#: How often in a row nothing may come until that is an error.
_PATIENCE = 60


class KafkaLog(AuditedLog):
    """The topics of a Kafka cluster."""

    def __init__(self, bootstrap: str) -> None:
        self.name = f"Kafka at {bootstrap}"
        self._bootstrap = bootstrap
        self._admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
        self._consumer: AIOKafkaConsumer | None = None

    async def open(self) -> None:
        """Connects.

        Raises:
            LogError: no broker answers.
        """
        with self._errors():
            await self._admin.start()
            self._consumer = AIOKafkaConsumer(
                bootstrap_servers=self._bootstrap, group_id=None, auto_offset_reset="earliest"
            )
            await self._consumer.start()

    @override
    async def partitions(self, topic: str, since_ms: int) -> Sequence[Partition]:
        with self._errors():
            # Asking for topics by name would make those that do not exist.
            described = cast("list[dict[str, Any]]", await self._admin.describe_topics())
            places = [
                TopicPartition(topic, each["partition"])
                for one in described
                if one["topic"] == topic
                for each in one["partitions"]
            ]
            if not places:
                return []
            consumer = self._ready()
            kept = cast("_Offsets", await consumer.beginning_offsets(places))
            ends = cast("_Offsets", await consumer.end_offsets(places))
            times = dict.fromkeys(places, since_ms)
            begins = cast("_Times", await consumer.offsets_for_times(times))
            dropped = [place for place in places if kept[place]]
            firsts = cast(
                "_Times",
                await consumer.offsets_for_times(dict.fromkeys(dropped, 0)) if dropped else {},
            )
        return [
            Partition(
                topic,
                place.partition,
                kept[place],
                # No record is that young where there is none.
                ends[place] if (first := begins[place]) is None else first.offset,
                ends[place],
                _kept_ms(firsts[place]) if place in firsts else 0,
            )
            for place in sorted(places)
        ]

    @override
    async def read(self, partitions: Sequence[Partition]) -> AsyncGenerator[Sequence[Seen], None]:
        wanted = {
            TopicPartition(each.topic, each.number): each
            for each in partitions
            if each.begin < each.end
        }
        if not wanted:
            return
        consumer = self._ready()
        with self._errors():
            consumer.assign(list(wanted))
            for place, partition in wanted.items():
                # A seek is overtaken by the reset that a new assignment begins with.
                await consumer.position(place)
                consumer.seek(place, partition.begin)
        idle = 0
        while wanted:
            with self._errors():
                found = cast(
                    "dict[TopicPartition, list[ConsumerRecord[bytes, bytes]]]",
                    await consumer.getmany(*wanted, timeout_ms=_WAIT_MS, max_records=_BATCH),
                )
            batch = [
                _seen(message)
                for place, messages in found.items()
                for message in messages
                if message.offset < wanted[place].end
            ]
            if batch:
                yield batch
            with self._errors():
                # A transaction's marker at the end is an offset that no record has.
                for place in list(wanted):
                    if await consumer.position(place) >= wanted[place].end:
                        del wanted[place]
            idle = 0 if found else idle + 1
            if idle > _PATIENCE:
                raise LogError(f"{self.name} gives no more records, and the end is not reached")

    @override
    async def has_own_stamps(self, topic: str) -> bool:
        with self._errors():
            answers = await self._admin.describe_configs(
                [
                    ConfigResource(
                        ConfigResourceType.TOPIC, topic, configs={"message.timestamp.type": None}
                    )
                ]
            )
        entries = [
            (entry[0], entry[1])
            for answer in answers
            for resource in cast("Any", answer).resources
            for entry in resource[4]
        ]
        return ("message.timestamp.type", "LogAppendTime") in entries

    @override
    async def close(self) -> None:
        if self._consumer is not None:
            await self._consumer.stop()
        await self._admin.close()

    def _ready(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            raise RuntimeError("the log was not opened")
        return self._consumer

    @contextlib.contextmanager
    def _errors(self) -> Generator[None]:
        try:
            yield
        except (KafkaError, OSError) as error:
            raise LogError(f"{self.name} cannot be read: {error}") from error


def _kept_ms(first: OffsetAndTimestamp | None) -> int:
    """As `Partition.kept_ms`, of a partition of which something was dropped."""
    # Brokers of long ago do not say when: nothing can be proven by it.
    return NONE_KEPT_MS if first is None or first.timestamp is None else first.timestamp


def _seen(message: "ConsumerRecord[bytes, bytes]") -> Seen:
    return seen(
        message.topic,
        message.partition,
        message.offset,
        message.timestamp,
        message.key or b"",
        message.value or b"",
        [(name, value or b"") for name, value in message.headers],
    )
