"""Records of Kafka, as a member of a consumer group. Needs the extra `kafka`."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Any, cast

from aiokafka import (
    AIOKafkaConsumer,
    ConsumerRebalanceListener,
    ConsumerRecord,
    OffsetAndMetadata,
    TopicPartition,
)
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.errors import IllegalStateError, KafkaConnectionError, KafkaError

from tickwheel.client.executor.errors import ExecutorError
from tickwheel.client.executor.kafka_committed import fetch_committed
from tickwheel.client.executor.offsets import (
    WINDOW,
    Committed,
    PartitionOffsets,
    finished_offsets,
)
from tickwheel.client.executor.port import Delivery, Taker
from tickwheel.client.executor.together import together

_log = logging.getLogger(__name__)

#: How long one wait for records lasts; between two of them it is seen that others are wanted.
POLL_MS = 200
#: Finished records are committed so much later, at most; after a crash those of
#: COMPLETION_PUBLISHED jobs among them are executed again.
COMMIT_S = 0.25
#: Kafka tells nobody of a new topic or partition: it has to be asked.
METADATA_MS = 5_000
#: Beyond the hand-over, for the members' joining itself.
_JOINING_S = 15.0
_CONNECT_AGAIN_S = 1.0
_COMMIT_TIMEOUT_S = 5.0
#: Who asks for the records of a partition that nobody has is told the group's errors, and no more.
_NOBODYS = TopicPartition("", 0)
_LEAVE_TIMEOUT_S = 5.0
# aiokafka would leave the group when nothing was polled for so long, as it is while all handlers
# are busy. That the event loop lives is what its heartbeats prove.
_NEVER_MS = 2**31 - 1


class KafkaSource:
    """A consumer that commits only what is finished.

    When the group is shared out anew, the handlers that are at work may end first, for
    `handover_timeout`; what is still unfinished then, and goes to another member, is handed over.
    Partitions mostly stay where they are (sticky assignment).

    Args:
        bootstrap: `host:port` of some brokers, comma-separated.
        group: the consumer group's id.
        topics: those that do not exist yet are waited for.
        session_timeout: seconds of silence after which the group counts this member out.
        handover_timeout: seconds.
        security: arguments of AIOKafkaConsumer and AIOKafkaAdminClient that say how to log in.
    """

    system = "kafka"

    def __init__(
        self,
        bootstrap: str,
        group: str,
        topics: Sequence[str],
        *,
        session_timeout: float,
        handover_timeout: float,
        security: Mapping[str, Any],
    ) -> None:
        self._bootstrap = bootstrap
        self._group = group
        self._topics = topics
        self._session_timeout = session_timeout
        self._handover_timeout = handover_timeout
        self._security = security
        self._consumer: AIOKafkaConsumer | None = None
        self._taker: Taker | None = None
        self._partitions: dict[TopicPartition, PartitionOffsets] = {}
        #: How often each was found to go back; see Delivery.reading.
        self._readings: Counter[TopicPartition] = Counter()
        #: What was committed last, by this consumer or the one before it.
        self._committed: dict[TopicPartition, Committed] = {}
        #: Counts how often the group was shared out.
        self._generation = 0
        self._settled = asyncio.Event()
        #: Why a share could not be taken over.
        self._defect: Exception | None = None
        self._stopped = asyncio.Event()
        self._commit_wanted = asyncio.Event()
        self._committing = asyncio.Lock()
        self._committer: asyncio.Task[None] | None = None

    def describe(self) -> str:
        """Which log it is, for people."""
        return f"Kafka at {self._bootstrap}"

    async def run(self, taker: Taker) -> None:
        """Takes records; see the port."""
        self._taker = taker
        try:
            consumer = await self._connect()
            if consumer is None:
                return
            self._committer = asyncio.create_task(self._commit_now_and_then())
            consumer.subscribe(  # pyright: ignore[reportUnknownMemberType]
                list(self._topics), listener=_Listener(self._revoked, self._assigned)
            )
            polls = (self._poll(consumer, topic, taker) for topic in self._topics)
            await together([*polls, self._watch(consumer)])
        except KafkaError as error:
            raise ExecutorError(f"Kafka at {self._bootstrap} refuses: {error!r}") from error
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            # aiokafka has cancelled itself: nobody would be told, and nothing polled any more.
            raise ExecutorError("the Kafka client has ended by itself") from error

    def finished(self, delivery: Delivery) -> None:
        """Commits a record before long."""
        place = TopicPartition(delivery.topic, delivery.partition)
        partition = self._partitions.get(place)
        # It may be another member's by now, which finds out by itself that the run is over.
        if partition is not None and delivery.reading == self._readings[place]:
            partition.finish(delivery.offset)
            self._commit_wanted.set()

    def unfinished(self, delivery: Delivery) -> None:
        """Has a record worked on again, where it has come back to this consumer meanwhile."""
        place = TopicPartition(delivery.topic, delivery.partition)
        if place in self._partitions and self._taker is not None and not self._stopped.is_set():
            self._taker.put(delivery)

    def stop(self) -> None:
        """Takes no more records."""
        self._stopped.set()

    async def close(self) -> None:
        """Commits what is finished, and leaves the group."""
        self._stopped.set()
        if self._committer is not None:
            self._committer.cancel()
            await asyncio.gather(self._committer, return_exceptions=True)
        if self._consumer is not None:
            try:
                await self._commit()
            # Whatever it is: what has ended the work already is to be told instead.
            except Exception as error:
                _log.warning("what group %s has finished is not committed: %r", self._group, error)
            await self._leave(self._consumer)

    async def _leave(self, consumer: AIOKafkaConsumer) -> None:
        # In a task of its own: where Kafka is away aiokafka lets a cancellation of its own escape.
        leaving = asyncio.create_task(consumer.stop())
        try:
            await asyncio.wait((leaving,), timeout=_LEAVE_TIMEOUT_S)
        finally:
            leaving.cancel()
        if not leaving.done() or leaving.cancelled() or leaving.exception() is not None:
            _log.warning("the group %s could not be left in order", self._group)

    # -- taking ------------------------------------------------------------------------------

    async def _connect(self) -> AIOKafkaConsumer | None:
        """A consumer that is connected; None where it was stopped before."""
        while not self._stopped.is_set():
            consumer = AIOKafkaConsumer(
                bootstrap_servers=self._bootstrap,
                group_id=self._group,
                enable_auto_commit=False,
                # A group that was never seen must not miss what is there already.
                auto_offset_reset="earliest",
                session_timeout_ms=_ms(self._session_timeout),
                heartbeat_interval_ms=_ms(self._session_timeout / 5),
                rebalance_timeout_ms=_ms(self._handover_timeout + _JOINING_S),
                max_poll_interval_ms=_NEVER_MS,
                metadata_max_age_ms=METADATA_MS,
                # A class of its own, because it keeps what was assigned in the class.
                partition_assignment_strategy=(type("Sticky", (StickyPartitionAssignor,), {}),),
                **self._security,
            )
            try:
                await consumer.start()
            except KafkaConnectionError as error:
                await consumer.stop()
                _log.warning("Kafka at %s is not reached: %r", self._bootstrap, error)
                await self._pause(_CONNECT_AGAIN_S)
            except BaseException:
                await consumer.stop()
                raise
            else:
                self._consumer = consumer
                return consumer
        return None

    async def _poll(self, consumer: AIOKafkaConsumer, topic: str, taker: Taker) -> None:
        while not self._stopped.is_set():
            wanted = [
                partition
                for partition, offsets in self._partitions.items()
                if partition.topic == topic and offsets.span < WINDOW
            ]
            if not (wanted and self._settled.is_set()):
                await self._pause(POLL_MS / 1000)
                continue
            if not taker.room(topic):
                await self._pause(POLL_MS / 1000, taker.wait_for_room(topic))
                continue
            try:
                # Awaited here, not in a task of its own: what is returned was current a moment ago.
                batches = cast(
                    "dict[TopicPartition, list[ConsumerRecord[bytes, bytes]]]",
                    await consumer.getmany(  # pyright: ignore[reportUnknownMemberType]
                        *wanted, timeout_ms=POLL_MS, max_records=taker.room(topic)
                    ),
                )
            except KafkaError as error:
                await self._wait_after(error, topic)
                continue
            generation = self._generation
            # Records of a new share may come before it is known how far each partition is.
            await self._settled.wait()
            # Those of an earlier one are handed out again.
            if generation == self._generation and not self._stopped.is_set():
                for partition, records in batches.items():
                    self._take(partition, records, taker)

    async def _watch(self, consumer: AIOKafkaConsumer) -> None:
        """Raises what would stay unheard: errors while nobody polls, and of what goes on beside it.

        aiokafka tells the group's errors to who asks for records, which nobody does while the group
        is being shared out, and writes those of a listener to its log alone.
        """
        assert self._committer is not None
        while not self._stopped.is_set():
            if self._defect is not None:
                raise ExecutorError(
                    f"a share of group {self._group} could not be taken over: {self._defect!r}"
                ) from self._defect
            if self._committer.done():
                error = self._committer.exception()
                raise ExecutorError(
                    f"nothing of group {self._group} is committed any more: {error!r}"
                ) from error
            if not self._settled.is_set():
                await self._ask_for_errors(consumer)
            await self._pause(POLL_MS / 1000)

    async def _ask_for_errors(self, consumer: AIOKafkaConsumer) -> None:
        try:
            async with asyncio.timeout(POLL_MS / 1000):
                await consumer.getmany(_NOBODYS)  # pyright: ignore[reportUnknownMemberType]
        except TimeoutError:
            # It is still being shared out.
            return
        except KafkaError as error:
            await self._wait_after(error, f"group {self._group}")

    async def _wait_after(self, error: KafkaError, what: str) -> None:
        """Waits until it makes sense to poll again.

        Raises:
            KafkaError: the error, where it never does.
        """
        if not getattr(error, "retriable", False):
            raise error
        _log.warning("%s is polled again: %r", what, error)
        await self._pause(_CONNECT_AGAIN_S)

    def _take(
        self,
        partition: TopicPartition,
        records: "Iterable[ConsumerRecord[bytes, bytes]]",
        taker: Taker,
    ) -> None:
        offsets = self._partitions[partition]
        for record in records:
            if record.offset < offsets.end:
                offsets = self._read_anew(partition, record.offset)
            if offsets.begin(record.offset):
                taker.put(
                    Delivery(
                        record.topic,
                        record.partition,
                        record.offset,
                        record.key or b"",
                        record.value or b"",
                        [(name, value or b"") for name, value in record.headers],
                        self._readings[partition],
                    )
                )

    def _read_anew(self, partition: TopicPartition, offset: int) -> PartitionOffsets:
        """The log goes back: its topic was made anew, or it has lost its end in an election.

        There may be other records by now where some were finished, so none is taken for finished
        because of its offset. Those that came before are known by their `ce_id`.
        """
        _log.warning(
            "%s/%d goes back from offset %d to %d: the topic was made anew, or has lost its end; "
            "all from there on is looked at",
            partition.topic,
            partition.partition,
            self._partitions[partition].end,
            offset,
        )
        self._readings[partition] += 1
        self._partitions[partition] = offsets = PartitionOffsets(offset)
        self._commit_wanted.set()
        return offsets

    async def _pause(self, seconds: float, work: Coroutine[Any, Any, None] | None = None) -> None:
        """Until it is stopped, for so long, or until `work` is done."""
        waits: list[asyncio.Task[Any]] = [asyncio.create_task(self._stopped.wait())]
        if work is not None:
            waits.append(asyncio.create_task(work))
        try:
            await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    # -- the group ---------------------------------------------------------------------------

    async def _revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """The group is about to be shared out anew; nothing is polled until that is done."""
        self._generation += 1
        self._settled.clear()
        assert self._taker is not None
        if list(revoked):
            await self._taker.let_go(self._handover_timeout)
            await self._commit()

    async def _assigned(self, assigned: Iterable[TopicPartition]) -> None:
        try:
            await self._take_over(list(assigned))
        except Exception as error:
            self._defect = error
            raise

    async def _take_over(self, mine: Sequence[TopicPartition]) -> None:
        assert self._taker is not None
        # While this is waited for, aiokafka sends no heartbeats.
        stored = await fetch_committed(
            self._bootstrap, self._group, mine, self._security, self._session_timeout / 2
        )
        in_work: dict[TopicPartition, list[int]] = {}
        for delivery in self._taker.in_work():
            place = TopicPartition(delivery.topic, delivery.partition)
            if delivery.reading == self._readings[place]:
                in_work.setdefault(place, []).append(delivery.offset)
        self._partitions = {}
        for partition in mine:
            committed = stored.get(partition, Committed(0, ""))
            # What this consumer has finished and could not commit comes again, and is known then.
            self._partitions[partition] = PartitionOffsets(
                committed.offset, finished_offsets(committed), in_work.get(partition, ())
            )
        self._committed = stored
        mine_now = set(mine)
        self._taker.hand_over(
            lambda delivery: TopicPartition(delivery.topic, delivery.partition) not in mine_now
        )
        _log.info("group %s: %d partitions are this executor's", self._group, len(mine))
        self._settled.set()

    async def _commit_now_and_then(self) -> None:
        while True:
            await self._commit_wanted.wait()
            # Amid a sharing out it might come between the two readings of what is committed: what
            # lies before would seem to have come back.
            await self._settled.wait()
            self._commit_wanted.clear()
            await self._commit()
            await asyncio.sleep(COMMIT_S)

    async def _commit(self) -> None:
        """Commits what has changed; what fails is tried again with the next."""
        assert self._consumer is not None
        async with self._committing:
            changed = {
                partition: committed
                for partition, offsets in self._partitions.items()
                if (committed := offsets.committed()) != self._stored(partition)
            }
            if not changed:
                return
            try:
                async with asyncio.timeout(_COMMIT_TIMEOUT_S):
                    await self._consumer.commit(  # pyright: ignore[reportUnknownMemberType]
                        {
                            partition: OffsetAndMetadata(committed.offset, committed.text)
                            for partition, committed in changed.items()
                        }
                    )
            except (KafkaError, IllegalStateError, TimeoutError) as error:
                # Of partitions that are another member's by now, most likely.
                _log.info("group %s: a commit failed: %r", self._group, error)
                self._commit_wanted.set()
            else:
                self._committed.update(changed)

    def _stored(self, partition: TopicPartition) -> Committed:
        return self._committed.get(partition, Committed(0, ""))


class _Listener(ConsumerRebalanceListener):
    """What aiokafka calls, and waits for."""

    def __init__(
        self,
        revoked: Callable[[Iterable[TopicPartition]], Any],
        assigned: Callable[[Iterable[TopicPartition]], Any],
    ) -> None:
        self._revoked = revoked
        self._assigned = assigned

    async def on_partitions_revoked(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, revoked: Iterable[TopicPartition]
    ) -> None:
        await self._revoked(revoked)

    async def on_partitions_assigned(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, assigned: Iterable[TopicPartition]
    ) -> None:
        await self._assigned(assigned)


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
