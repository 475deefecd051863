"""The engine for Kafka: aiokafka, idempotent, acks=all, batches made by hand."""

import asyncio
import re
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog
from typing_extensions import override

from tickwheel.worker.clock import Clock
from tickwheel.worker.publisher.kafka_lane import KafkaOptions, Lane, Partition
from tickwheel.worker.publisher.kafka_lanes import Lanes
from tickwheel.worker.publisher.kafka_queue import PartitionQueue
from tickwheel.worker.publisher.partitioner import key_hash
from tickwheel.worker.publisher.port import (
    Publisher,
    Record,
    Refused,
    Report,
    Result,
    Unavailable,
)

_log = structlog.get_logger(__name__)

#: org.apache.kafka.common.internals.Topic.
_TOPIC_NAME = re.compile(r"(?!\.{1,2}$)[a-zA-Z0-9._-]{1,249}")
#: How often a topic that is not yet known is asked for, in seconds.
_ASK_S = 0.05
_LONGEST_ASK_S = 0.5
_LAST_WORDS_S = 0.2


@dataclass(slots=True, eq=False)
class _Lookup:
    """A topic whose partitions are not known yet, and the records that wait for it."""

    waiting: list[Record] = field(default_factory=list[Record])


class KafkaPublisher(Publisher):
    """Publishes to Kafka.

    Refused for good: sizes, rights, invalid names, and topics that Kafka neither knows nor creates
    on demand. Everything else is retried until the record expires.
    """

    def __init__(self, options: KafkaOptions, clock: Clock) -> None:
        self._options = options
        self._clock = clock
        self._lanes = Lanes(options, clock, self._spawn)
        self._queues: dict[Partition, PartitionQueue] = {}
        self._lookups: dict[str, _Lookup] = {}
        self._report: Report = _not_started
        self._tasks: set[asyncio.Task[None]] = set()
        self._keeper: asyncio.Task[None] | None = None
        self._idle = asyncio.Event()
        self._defect: BaseException | None = None
        self._next_keyless = 0

    @override
    async def start(self, report: Report) -> None:
        self._report = report
        self._keeper = asyncio.create_task(self._lanes.keep(), name="kafka lanes")
        self._keeper.add_done_callback(self._ended)

    @property
    @override
    def ready(self) -> bool:
        return self._lanes.ready and self._defect is None

    @override
    def expect(self, records: Sequence[Record]) -> None:
        lane = self._lanes.current
        for topic in {record.topic for record in records}:
            if lane is None or not lane.partition_count(topic):
                self._look_up(topic, ())
        for record in records:
            if record.key is not None:
                key_hash(record.key)

    @override
    async def publish(self, records: Sequence[Record]) -> None:
        """As the port says.

        Raises:
            RuntimeError: a defect has ended an inner loop; the process had better end, too.
        """
        if self._defect is not None:
            raise RuntimeError("the publisher has failed") from self._defect
        self._route(records)

    @override
    async def close(self) -> None:
        while self._lookups or any(not queue.empty for queue in self._queues.values()):
            self._idle.clear()
            await self._idle.wait()
        await self._end_keeper()
        await self._lanes.close()
        await asyncio.gather(*self._tasks)

    @override
    async def abort(self) -> None:
        lost = [record for queue in self._queues.values() for record in queue.take_all()]
        for lookup in self._lookups.values():
            lost.extend(lookup.waiting)
            lookup.waiting.clear()
        if lost:
            reason: Result = Unavailable("thrown away before Kafka acknowledged it")
            self._report(lost, [reason] * len(lost))
        await self._end_keeper()
        await self._lanes.abort()
        if self._tasks:
            # Most of them end by themselves now, as what they wait for has failed.
            _, pending = await asyncio.wait(set(self._tasks), timeout=_LAST_WORDS_S)
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)

    def _route(self, records: Sequence[Record]) -> None:
        """Puts records into their partitions' queues, or lets them wait for their topic."""
        lane = self._lanes.current
        counts: dict[str, int] = {}
        groups: dict[Partition, list[Record]] = {}
        waiting: dict[str, list[Record]] = {}
        for record in records:
            topic = record.topic
            count = counts.get(topic)
            if count is None:
                count = counts[topic] = lane.partition_count(topic) if lane is not None else 0
            if not count:
                waiting.setdefault(topic, []).append(record)
                continue
            key = record.key
            number = (key_hash(key) if key is not None else self._next_keyless) % count
            groups.setdefault((topic, number), []).append(record)
        self._next_keyless += 1
        for topic, group in waiting.items():
            self._look_up(topic, group)
        if lane is not None:
            for partition, group in groups.items():
                self._queue(partition).put(group, lane)

    def _queue(self, partition: Partition) -> PartitionQueue:
        queue = self._queues.get(partition)
        if queue is None:
            queue = self._queues[partition] = PartitionQueue(
                partition,
                self._lanes,
                self._clock,
                report=self._report,
                reroute=self._route,
                spawn=self._spawn,
            )
        return queue

    # -- topics ------------------------------------------------------------------------------

    def _look_up(self, topic: str, records: Sequence[Record]) -> None:
        if not _TOPIC_NAME.fullmatch(topic):
            self._refuse(records, f"{topic!r} is not a valid name of a topic")
            return
        lookup = self._lookups.get(topic)
        if lookup is None:
            lookup = self._lookups[topic] = _Lookup()
            self._spawn(self._find_topic(topic, lookup))
        lookup.waiting.extend(records)

    async def _find_topic(self, topic: str, lookup: _Lookup) -> None:
        refusal = await self._ask_for(topic, lookup)
        del self._lookups[topic]
        if refusal is not None:
            self._refuse(lookup.waiting, f"topic {topic!r}: {refusal}")
        elif lookup.waiting:
            self._route(lookup.waiting)
        self._idle.set()

    async def _ask_for(self, topic: str, lookup: _Lookup) -> str | None:
        """Asks until the topic is known; the reason if it is refused."""
        pause_s = _ASK_S
        unknown_since_ms: int | None = None
        while True:
            lane = self._lanes.current
            if lane is not None:
                answered = await lane.learn(topic)
                if lane.partition_count(topic) and lane is self._lanes.current:
                    return None
                if answered:
                    refusal = self._refusal(topic, lane)
                    now_ms = self._clock.steady_ms()
                    unknown_since_ms = unknown_since_ms or now_ms
                    if now_ms - unknown_since_ms > self._options.unknown_topic_ms:
                        refusal = refusal or "Kafka does not know it and does not create it"
                    if refusal is not None:
                        lane.forget(topic)
                        return refusal
                else:
                    # Brokers that come back may not know all topics at first.
                    unknown_since_ms = None
            self._sift(lookup)
            if lane is None:
                await self._lanes.changed(pause_s)
            else:
                await self._clock.sleep(pause_s)
            pause_s = min(1.5 * pause_s, _LONGEST_ASK_S)

    def _refusal(self, topic: str, lane: Lane) -> str | None:
        return "no right to write to the topic" if lane.is_unauthorized(topic) else None

    def _sift(self, lookup: _Lookup) -> None:
        """Reports what has waited too long for its topic."""
        steady_ms = self._clock.steady_ms()
        lapsed = [
            record
            for record in lookup.waiting
            if steady_ms >= record.expire_ms or not record.permit.holds(steady_ms)
        ]
        if lapsed:
            gone = {record.run for record in lapsed}
            lookup.waiting = [record for record in lookup.waiting if record.run not in gone]
            reason: Result = Unavailable("permission or time ran out before Kafka was reached")
            self._report(lapsed, [reason] * len(lapsed))

    def _refuse(self, records: Sequence[Record], message: str) -> None:
        if records:
            refused: Result = Refused(message)
            self._report(records, [refused] * len(records))

    # -- tasks -------------------------------------------------------------------------------

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        self._idle.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.critical("defect in the publisher", exc_info=error)
            self._defect = error

    async def _end_keeper(self) -> None:
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)


def _not_started(_records: Sequence[Record], _results: Sequence[Result]) -> None:
    raise RuntimeError("the publisher was not started")
