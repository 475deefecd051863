"""The records on their way to one partition."""

from collections import deque
from collections.abc import Callable, Sequence

from aiokafka.errors import KafkaError

from tickwheel.worker.clock import Clock
from tickwheel.worker.publisher.aiokafka_types import Metadata
from tickwheel.worker.publisher.kafka_errors import (
    TOO_LARGE,
    NotPermittedError,
    Verdict,
    in_words,
    judge,
)
from tickwheel.worker.publisher.kafka_lane import Batch, Lane, Partition
from tickwheel.worker.publisher.kafka_lanes import Lanes, Spawn
from tickwheel.worker.publisher.port import Ack, Record, Refused, Report, Unavailable

#: After trouble the next try waits this long, in seconds.
_PAUSE_S = 0.05
#: Batches are not made smaller than this because a topic refused a larger one, in bytes.
_SMALLEST_BATCH = 4_096
#: How long the size of a record that the topic refused is remembered, in milliseconds.
_REMEMBER_SIZE_MS = 10_000


class PartitionQueue:
    """One batch at a time is with Kafka; what comes meanwhile is built into the next.

    So the batches are as small as the broker is quick, and as large as the load needs.
    """

    def __init__(
        self,
        partition: Partition,
        lanes: Lanes,
        clock: Clock,
        *,
        report: Report,
        reroute: Callable[[Sequence[Record]], None],
        spawn: Spawn,
    ) -> None:
        """Makes an empty queue.

        Args:
            partition: where its records go.
            lanes: gives the producer.
            clock: for permits and stamps.
            report: is told each record's result.
            reroute: takes records back when the topic has changed.
            spawn: runs the queue's loop while there is something to send.
        """
        self.partition = partition
        self._lanes = lanes
        self._clock = clock
        self._report = report
        self._reroute = reroute
        self._spawn = spawn
        self._batches: deque[Batch] = deque()
        self._sending: Batch | None = None
        self._running = False
        # Both are learned from refusals. The first is for good: a smaller batch is no loss.
        self._batch_bytes: int | None = None
        self._refused_bytes: int | None = None
        self._refused_until_ms = 0

    @property
    def empty(self) -> bool:
        """Whether nothing is outstanding."""
        return not self._running

    def put(self, records: Sequence[Record], lane: Lane) -> None:
        """Takes records; they are on their way once the running callback has returned."""
        self._build(records, lane, self._batches)
        if not self._running and self._batches:
            self._running = True
            self._spawn(self._run())

    def take_all(self) -> list[Record]:
        """Gives back everything outstanding; used by an abort."""
        batches = [self._sending] if self._sending is not None else []
        batches.extend(self._batches)
        self._sending = None
        self._batches.clear()
        return [record for batch in batches for record in batch.records]

    def _build(self, records: Sequence[Record], lane: Lane, into: "deque[Batch]") -> None:
        now_ms = self._clock.now_ms()
        batch = into[-1] if into else None
        for record in records:
            full = batch is not None and self._is_full(batch, record)
            if batch is None or full or not batch.add(record, now_ms):
                batch = lane.new_batch(self.partition)
                into.append(batch)
                batch.add(record, now_ms)

    def _is_full(self, batch: Batch, record: Record) -> bool:
        limit = self._batch_bytes
        return limit is not None and batch.builder.size() + record.size > limit

    async def _run(self) -> None:
        while self._batches:
            await self._deliver(self._batches.popleft())
        self._running = False

    async def _deliver(self, batch: Batch) -> None:
        self._sending = batch
        lane = await self._lane_for(batch)
        if lane is None:
            return
        try:
            metadata = await lane.send(batch)
        except KafkaError as error:
            if self._sending is batch:
                await self._failed(batch, lane, error)
        else:
            if self._sending is batch:
                self._sending = None
                self._acknowledged(batch, metadata)

    async def _lane_for(self, batch: Batch) -> Lane | None:
        """A lane over which the batch may go at this moment; None if it need not go any more."""
        while self._sending is batch:
            lane = self._lanes.usable_for(self.partition)
            if lane is None:
                if not batch.permitted(self._clock):
                    self._sift(batch, self._lanes.current)
                    return None
                await self._lanes.changed(_PAUSE_S)
            elif lane.partition_count(self.partition[0]) <= self.partition[1]:
                # The topic is gone, or this lane has not asked for it yet.
                self._sending = None
                self._reroute(batch.records)
                return None
            elif not batch.permitted(self._clock) or self._knows_too_large(batch):
                self._sift(batch, lane)
                return None
            else:
                return lane
        return None

    def _acknowledged(self, batch: Batch, metadata: Metadata) -> None:
        stamped = metadata.timestamp_type == 1 and metadata.timestamp >= 0
        publish_ms = metadata.timestamp if stamped else self._clock.now_ms()
        partition, base, count = self.partition[1], metadata.offset, len(batch.records)
        if base < 0:
            self._report(batch.records, [Ack(partition, -1, publish_ms)] * count)
        else:
            acks = [Ack(partition, offset, publish_ms) for offset in range(base, base + count)]
            self._report(batch.records, acks)

    async def _failed(self, batch: Batch, lane: Lane, error: KafkaError) -> None:
        self._sending = None
        records = batch.records
        match judge(error):
            case Verdict.ALL_REFUSED:
                self._refuse(records, error)
            case Verdict.SOME_REFUSED if len(records) == 1:
                if isinstance(error, TOO_LARGE):
                    self._refused_bytes = records[0].size
                    self._refused_until_ms = self._clock.steady_ms() + _REMEMBER_SIZE_MS
                self._refuse(records, error)
            case Verdict.SOME_REFUSED:
                half = (len(records) + 1) // 2
                if isinstance(error, TOO_LARGE):
                    self._batch_bytes = max(batch.builder.size() // 2, _SMALLEST_BATCH)
                self._put_first([records[:half], records[half:]], lane)
            case Verdict.AGAIN:
                self._put_first([records], lane)
                if not isinstance(error, NotPermittedError):
                    await self._clock.sleep(_PAUSE_S)

    def _sift(self, batch: Batch, lane: Lane | None) -> None:
        """Reports what may not be sent, or is known to be refused; the rest is sent first."""
        self._sending = None
        steady_ms = self._clock.steady_ms()
        too_large = self._too_large_bytes()
        rest: list[Record] = []
        lapsed: list[Record] = []
        refused: list[Record] = []
        for record in batch.records:
            if steady_ms >= record.expire_ms or not record.permit.holds(steady_ms):
                lapsed.append(record)
            elif too_large is not None and record.size >= too_large:
                refused.append(record)
            elif lane is None:
                lapsed.append(record)
            else:
                rest.append(record)
        if rest and lane is not None:
            self._put_first([rest], lane)
        if refused:
            self._refuse(refused, TOO_LARGE[0]())
        if lapsed:
            reason = Unavailable("permission or time ran out before Kafka had it")
            self._report(lapsed, [reason] * len(lapsed))

    def _too_large_bytes(self) -> int | None:
        if self._clock.steady_ms() >= self._refused_until_ms:
            return None
        return self._refused_bytes

    def _knows_too_large(self, batch: Batch) -> bool:
        limit = self._too_large_bytes()
        return limit is not None and any(record.size >= limit for record in batch.records)

    def _put_first(self, groups: Sequence[Sequence[Record]], lane: Lane) -> None:
        """Builds batches anew, one or more of each group, ahead of what waits."""
        ahead: deque[Batch] = deque()
        for group in groups:
            built: deque[Batch] = deque()
            self._build(group, lane, built)
            ahead.extend(built)
        self._batches.extendleft(reversed(ahead))

    def _refuse(self, records: Sequence[Record], error: Exception) -> None:
        refused = Refused(in_words(error, self.partition[0]))
        self._report(records, [refused] * len(records))
