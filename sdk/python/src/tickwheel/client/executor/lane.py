"""Reports of many attempts in few calls, repeated until they are answered."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import grpc
from google.protobuf.message import Message
from google.rpc import status_pb2

from tickwheel.client.errors import ApiError
from tickwheel.client.retry import RetryPolicy

_log = logging.getLogger(__name__)

#: How long the first report waits for others to go with it.
GATHER_S = 0.003
MAX_ITEMS = 1_000
#: Of one call. Small enough that one large result does not hold up many small reports for long.
MAX_BYTES = 2 * 1024 * 1024
CALL_TIMEOUT_S = 15.0

#: What another try cannot change.
FINAL = frozenset(
    {
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.ALREADY_EXISTS,
        grpc.StatusCode.OUT_OF_RANGE,
    }
)
#: The whole call has not reached its end, whatever is in it.
_TRANSPORT = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
    }
)


class Answer(Protocol):
    """Of one item."""

    @property
    def error(self) -> status_pb2.Status:
        """Why it was refused."""
        ...

    def HasField(self, field_name: str, /) -> bool:
        """Whether `error` is set."""
        ...


I = TypeVar("I", bound=Message)  # noqa: E741
A = TypeVar("A", bound=Answer)

Metadata = tuple[tuple[str, str], ...]
#: One call: its items, its metadata, its time-out in seconds; the answers in the same order.
Call = Callable[[Sequence[I], Metadata, float], Awaitable[Sequence[A]]]


@dataclass(slots=True, eq=False)
class _Entry(Generic[I, A]):
    item: I
    answer: "asyncio.Future[A]"
    traceparent: str | None
    #: By the loop's clock.
    until: float
    tries: int = 0


class Lane(Generic[I, A]):
    """One method of ExecutorService.

    Reports that come within a few milliseconds go in one call. What fails is repeated, with
    growing waits or when the server says so, until its time is over. Where a call as a whole is
    refused, its items are tried in two halves, so that none suffers for another.

    Args:
        name: the method, for the log.
        call: makes a call; raises AioRpcError.
        retry: how long to wait between two tries.
    """

    def __init__(self, name: str, call: Call[I, A], retry: RetryPolicy) -> None:
        self._name = name
        self._call = call
        self._retry = retry
        self._waiting: list[_Entry[I, A]] = []
        self._calls: set[asyncio.Task[None]] = set()

    async def send(
        self, item: I, *, traceparent: str | None = None, until: float = float("inf")
    ) -> A:
        """Sends a report and returns its answer.

        Args:
            item: the report.
            traceparent: the run's trace. It goes as metadata of a call that has one trace only.
            until: when to give up, by the loop's clock; it is tried once at least.

        Raises:
            ApiError: it was refused, or `until` has passed and this is how the last try failed.
        """
        answer: asyncio.Future[A] = asyncio.get_running_loop().create_future()
        self._enqueue([_Entry(item, answer, traceparent, until)])
        return await answer

    async def close(self) -> None:
        """Cuts off the calls that are under way; nobody may wait for them any more."""
        for call in self._calls:
            call.cancel()
        await asyncio.gather(*self._calls, return_exceptions=True)

    def _enqueue(self, entries: list[_Entry[I, A]]) -> None:
        if not self._waiting:
            asyncio.get_running_loop().call_later(GATHER_S, self._flush)
        self._waiting += entries

    def _flush(self) -> None:
        batch: list[_Entry[I, A]] = []
        size = 0
        for entry in self._waiting:
            # Nobody waits any more for what is done: it was cancelled.
            if entry.answer.done():
                continue
            added = entry.item.ByteSize()
            if batch and (len(batch) == MAX_ITEMS or size + added > MAX_BYTES):
                self._start(batch)
                batch, size = [], 0
            batch.append(entry)
            size += added
        self._waiting = []
        if batch:
            self._start(batch)

    def _start(self, batch: list[_Entry[I, A]]) -> None:
        task = asyncio.create_task(self._send(batch), name=f"{self._name} of {len(batch)}")
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)

    async def _send(self, batch: list[_Entry[I, A]]) -> None:
        try:
            await self._try(batch)
        except Exception as defect:
            for entry in batch:
                if not entry.answer.done():
                    entry.answer.set_exception(defect)

    async def _try(self, batch: list[_Entry[I, A]]) -> None:
        traces = {entry.traceparent for entry in batch}
        trace = traces.pop() if len(traces) == 1 else None
        metadata = (("traceparent", trace),) if trace else ()
        try:
            answers = await self._call([entry.item for entry in batch], metadata, CALL_TIMEOUT_S)
        except grpc.aio.AioRpcError as error:
            failure = ApiError.from_rpc_error(error)
            if len(batch) > 1 and failure.code not in _TRANSPORT:
                middle = len(batch) // 2
                self._start(batch[:middle])
                self._start(batch[middle:])
            else:
                self._fail([(entry, failure) for entry in batch])
            return
        failures: list[tuple[_Entry[I, A], ApiError]] = []
        for entry, answer in zip(batch, answers, strict=True):
            if answer.HasField("error"):
                failures.append((entry, ApiError.from_status(answer.error)))
            elif not entry.answer.done():
                entry.answer.set_result(answer)
        if failures:
            self._fail(failures)

    def _fail(self, failures: Sequence[tuple[_Entry[I, A], ApiError]]) -> None:
        """Gives up what is to be given up, and repeats the rest together."""
        loop = asyncio.get_running_loop()
        tries = max(entry.tries for entry, _ in failures) + 1
        asked = [failure.retry_delay for _, failure in failures if failure.retry_delay is not None]
        wait = self._retry.wait(tries, max(asked, default=None))
        again: list[_Entry[I, A]] = []
        for entry, failure in failures:
            entry.tries += 1
            if failure.code not in FINAL and loop.time() + wait <= entry.until:
                again.append(entry)
            elif not entry.answer.done():
                entry.answer.set_exception(failure)
        if again:
            _, failure = failures[-1]
            _log.warning(
                "%s of %d runs is repeated in %.1f s: %s", self._name, len(again), wait, failure
            )
            loop.call_later(wait, self._enqueue, again)
