"""Records of the embedded log, over gRPC (PullRecords, AckRecords)."""

import asyncio
import logging
import secrets
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import grpc
from google.protobuf import duration_pb2

from tickwheel.client.errors import ApiError
from tickwheel.client.executor.errors import ExecutorError
from tickwheel.client.executor.lane import FINAL
from tickwheel.client.executor.port import Delivery, Taker
from tickwheel.client.executor.together import together
from tickwheel.client.retry import RetryPolicy
from tickwheel.v1 import executor_service_pb2 as pb

if TYPE_CHECKING:
    from tickwheel.v1.executor_service_pb2_grpc import ExecutorServiceAsyncStub

_log = logging.getLogger(__name__)

T = TypeVar("T")

PULL_WAIT_S = 20.0
#: Beyond what a call may take by itself.
CALL_TIMEOUT_S = 15.0
#: In one AckRecords.
MAX_ACKS = 10_000
#: The shortest time-out there is: what a consumer that has left holds is handed out after it.
_LEAVING_S = 1.0
_CLOSE_S = 3.0


class _Place(NamedTuple):
    partition: int
    offset: int


@dataclass(slots=True, eq=False)
class _Member:
    """A consumer's name, and what was handed to it and is not acknowledged."""

    name: str
    held: set[_Place] = field(default_factory=set[_Place])


class LogSource:
    """A member of a group on the embedded log, with a name of its own for each topic.

    What a pull was answered with is held by the name it was made under as long as that goes on
    pulling. So when an answer may be lost, a new name is taken; the old one is kept alive until
    what has arrived under it is acknowledged, and then falls silent.
    """

    system = "tickwheel"

    def __init__(
        self,
        stub: "ExecutorServiceAsyncStub",
        group: str,
        topics: Sequence[str],
        session_timeout: float,
        retry: RetryPolicy,
    ) -> None:
        self._consumers = {
            topic: _TopicConsumer(stub, group, topic, session_timeout, retry) for topic in topics
        }

    def describe(self) -> str:
        """Which log it is, for people."""
        return "the embedded log"

    async def run(self, taker: Taker) -> None:
        """Takes records; see the port."""
        await together(consumer.run(taker) for consumer in self._consumers.values())

    def finished(self, delivery: Delivery) -> None:
        """Acknowledges a record before long."""
        self._consumers[delivery.topic].finished(delivery)

    def unfinished(self, delivery: Delivery) -> None:
        """It stays held until this leaves: only then is work given up."""

    def stop(self) -> None:
        """Takes no more records."""
        for consumer in self._consumers.values():
            consumer.stop()

    async def close(self) -> None:
        """Acknowledges what is finished, and leaves."""
        await asyncio.gather(*(consumer.close() for consumer in self._consumers.values()))


class _TopicConsumer:
    """Pulls and acknowledges the records of one topic."""

    def __init__(
        self,
        stub: "ExecutorServiceAsyncStub",
        group: str,
        topic: str,
        session_timeout: float,
        retry: RetryPolicy,
    ) -> None:
        self._stub = stub
        self._group = group
        self._topic = topic
        self._session_timeout = session_timeout
        self._retry = retry
        self._member = _new_member()
        self._retired: list[_Member] = []
        #: Finished, and not acknowledged yet.
        self._to_ack: dict[_Place, None] = {}
        self._stopped = asyncio.Event()
        self._closing = asyncio.Event()
        self._acks_wanted = asyncio.Event()
        self._background: list[asyncio.Task[None]] = []

    async def run(self, taker: Taker) -> None:
        self._background = [
            asyncio.create_task(self._keep_alive()),
            asyncio.create_task(self._acknowledge()),
        ]
        failures = 0
        while not self._stopped.is_set():
            if not taker.room(self._topic):
                await self._unless_stopped(taker.wait_for_room(self._topic))
                continue
            try:
                records = await self._unless_stopped(
                    self._pull(self._member, taker.room(self._topic), PULL_WAIT_S)
                )
            except ApiError as error:
                if error.code in FINAL:
                    raise ExecutorError(f"{self._topic} cannot be pulled: {error}") from error
                failures += 1
                await self._pause(error, failures)
                continue
            failures = 0
            for record in records or ():
                self._take(record, taker)

    def finished(self, delivery: Delivery) -> None:
        self._to_ack[_Place(delivery.partition, delivery.offset)] = None
        self._acks_wanted.set()

    def stop(self) -> None:
        self._stopped.set()

    async def close(self) -> None:
        self._stopped.set()
        self._closing.set()
        self._acks_wanted.set()
        try:
            async with asyncio.timeout(_CLOSE_S):
                await asyncio.gather(*self._background)
                for member in (self._member, *self._retired):
                    await self._pull(member, 0, 0.0, session_timeout=_LEAVING_S)
        except (TimeoutError, ApiError) as error:
            # They are handed out again when the session times out.
            _log.warning("%s could not be left in order: %r", self._topic, error)
        finally:
            for task in self._background:
                task.cancel()

    def _take(self, record: pb.Record, taker: Taker) -> None:
        place = _Place(record.partition, record.offset)
        if any(place in member.held for member in (self._member, *self._retired)):
            # The server was started anew, or took this for silent; it is in work all the same.
            return
        self._member.held.add(place)
        taker.put(
            Delivery(
                record.topic,
                record.partition,
                record.offset,
                record.key,
                record.value,
                [(header.key, header.value) for header in record.headers],
            )
        )

    async def _pause(self, error: ApiError, failures: int) -> None:
        """What was answered may be lost: it must be handed out again, which takes a new name."""
        wait = self._retry.wait(failures, error.retry_delay)
        _log.warning("%s is pulled again in %.1f s: %s", self._topic, wait, error)
        if self._member.held:
            self._retired.append(self._member)
        self._member = _new_member()
        await self._unless_stopped(asyncio.sleep(wait))

    async def _keep_alive(self) -> None:
        """What is held stays held while its handlers are at work."""
        while not await self._closes_within(self._session_timeout / 3):
            self._retired = [member for member in self._retired if member.held]
            for member in (self._member, *self._retired):
                if member.held:
                    try:
                        await self._pull(member, 0, 0.0)
                    except ApiError as error:
                        _log.warning("%s could not be kept: %s", self._topic, error)

    async def _acknowledge(self) -> None:
        failures = 0
        while True:
            await self._acks_wanted.wait()
            self._acks_wanted.clear()
            while self._to_ack:
                places = list(self._to_ack)[:MAX_ACKS]
                try:
                    await self._ack(places)
                except ApiError as error:
                    failures += 1
                    wait = self._retry.wait(failures, error.retry_delay)
                    _log.warning("%s is acknowledged again in %.1f s: %s", self._topic, wait, error)
                    await asyncio.sleep(wait)
                    continue
                failures = 0
                for place in places:
                    del self._to_ack[place]
                for member in (self._member, *self._retired):
                    member.held.difference_update(places)
            if self._closing.is_set():
                return

    async def _pull(
        self, member: _Member, limit: int, wait: float, session_timeout: float | None = None
    ) -> Sequence[pb.Record]:
        request = pb.PullRecordsRequest(
            topic=self._topic,
            group=self._group,
            max=min(limit, 1_000),
            wait=_duration(wait),
            consumer=member.name,
            session_timeout=_duration(session_timeout or self._session_timeout),
        )
        try:
            response = await self._stub.PullRecords(request, timeout=wait + CALL_TIMEOUT_S)
        except grpc.aio.AioRpcError as error:
            raise ApiError.from_rpc_error(error) from error
        return response.records

    async def _ack(self, places: Sequence[_Place]) -> None:
        request = pb.AckRecordsRequest(
            topic=self._topic,
            group=self._group,
            records=(
                pb.RecordPosition(partition=place.partition, offset=place.offset)
                for place in places
            ),
        )
        try:
            await self._stub.AckRecords(request, timeout=CALL_TIMEOUT_S)
        except grpc.aio.AioRpcError as error:
            raise ApiError.from_rpc_error(error) from error

    async def _unless_stopped(self, work: Coroutine[Any, Any, T]) -> T | None:
        """What `work` returns; None where it is cut off because no more is to be taken."""
        task = asyncio.ensure_future(work)
        stopped = asyncio.ensure_future(self._stopped.wait())
        try:
            await asyncio.wait((task, stopped), return_when=asyncio.FIRST_COMPLETED)
            return task.result() if task.done() else None
        finally:
            stopped.cancel()
            task.cancel()

    async def _closes_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._closing.wait()
        except TimeoutError:
            return False
        return True


def _new_member() -> _Member:
    return _Member(f"executor-{secrets.token_hex(8)}")


def _duration(seconds: float) -> duration_pb2.Duration:
    duration = duration_pb2.Duration()
    duration.FromTimedelta(timedelta(seconds=seconds))
    return duration
