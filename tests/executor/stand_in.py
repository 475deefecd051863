"""The server's side of executors: states of attempts in memory, records on a real embedded log.

It keeps the contract of the three report methods (executor_service.proto) and fails when told to.
"""

import asyncio
import time
from collections import Counter, defaultdict, deque
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf import any_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from executor.records import attempt_record
from tickwheel.server.domain.clock import SystemClock
from tickwheel.server.records.log import RecordLog
from tickwheel.server.records.service import RecordService
from tickwheel.v1 import executor_service_pb2 as pb
from tickwheel.v1 import executor_service_pb2_grpc, run_pb2
from tickwheel.worker.publisher.port import Record

Context = grpc.aio.ServicerContext[Any, Any]
Key = tuple[str, int]


def status(
    code: grpc.StatusCode,
    reason: str,
    *,
    retry_delay_ms: int | None = None,
    metadata: Mapping[str, str] | None = None,
) -> status_pb2.Status:
    """What the api answers when it refuses (AIP-193)."""
    details: list[Message] = [
        error_details_pb2.ErrorInfo(reason=reason, domain="tickwheel.dev", metadata=metadata)
    ]
    if retry_delay_ms is not None:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromMilliseconds(retry_delay_ms)
        details.append(retry)
    packed: list[any_pb2.Any] = []
    for detail in details:
        packed.append(any_pb2.Any())
        packed[-1].Pack(detail)
    return status_pb2.Status(code=code.value[0], message="no", details=packed)


UNOWNED = status(grpc.StatusCode.UNAVAILABLE, "SEGMENT_UNOWNED", retry_delay_ms=10)
STALE = status(grpc.StatusCode.FAILED_PRECONDITION, "STALE_FENCE")
UNSUPPORTED = status(grpc.StatusCode.UNIMPLEMENTED, "ENGINE_UNSUPPORTED")


@dataclass(slots=True)
class Attempt:
    """One attempt as the server knows it."""

    name: str
    number: int
    fence: int = 1
    state: run_pb2.RunState = run_pb2.RUN_STATE_PUBLISHED
    completion: str = "COMPLETION_REPORTED"
    cancel_requested: bool = False
    #: Seconds from its publication.
    timeout: float = 60.0
    published: float = field(default_factory=time.time)
    finish: pb.FinishRun | None = None
    progress: run_pb2.Progress | None = None
    starts: int = 0
    executors: list[str] = field(default_factory=list[str])

    @property
    def is_over(self) -> bool:
        return self.state not in (run_pb2.RUN_STATE_PUBLISHED, run_pb2.RUN_STATE_RUNNING)


class Ledger(executor_service_pb2_grpc.ExecutorServiceServicer):
    """What a test prepares before, and looks at after."""

    def __init__(self) -> None:
        self.attempts: dict[Key, Attempt] = {}
        self.log: RecordLog | None = None
        """The embedded log; None where the log is Kafka."""
        self.heartbeat_ms = 10_000
        self.behind_s = 0.0
        """How far the server's clock is behind the executor's."""
        self.calls: defaultdict[str, list[Any]] = defaultdict(list)
        self.metadata: defaultdict[str, list[dict[str, str]]] = defaultdict(list)
        self.refusals: defaultdict[str, deque[status_pb2.Status]] = defaultdict(deque)
        """Answered to a whole call of that name, before it is carried out."""
        self.lost_answers: Counter[str] = Counter()
        """So many calls are carried out and then answered UNAVAILABLE."""
        self.item_refusals: defaultdict[str, deque[status_pb2.Status]] = defaultdict(deque)
        """Answered to one item of a call of that name, instead of carrying it out."""
        self.poison: str | None = None
        """A call that has this run in it fails as a whole."""
        self.changed = asyncio.Condition()

    # -- what tests do -----------------------------------------------------------------------

    def add(self, number: int, **attributes: Any) -> tuple[Attempt, Record]:
        """An attempt that has been published, and its record."""
        publish_keys = {
            "topic",
            "payload",
            "content_type",
            "headers",
            "key",
            "traceparent",
            "dead_letter",
        }
        record_attributes = {k: v for k, v in attributes.items() if k in publish_keys}
        rest = {k: v for k, v in attributes.items() if k not in publish_keys}
        attempt_number = rest.pop("attempt", 1)
        record, name = attempt_record(
            number, attempt=attempt_number, fence=rest.get("fence", 1), **record_attributes
        )
        attempt = Attempt(name, attempt_number, **rest)
        self.attempts[name, attempt_number] = attempt
        return attempt, record

    async def publish(self, number: int, **attributes: Any) -> Attempt:
        """The same, with the record on the embedded log."""
        attempt, record = self.add(number, **attributes)
        await self.append([record])
        return attempt

    async def append(self, records: list[Record]) -> None:
        assert self.log is not None
        await self.log.append(records)

    async def until(self, condition: Any, timeout: float = 20.0) -> None:
        """Waits until a condition holds, which is looked at after each call."""
        async with asyncio.timeout(timeout), self.changed:
            await self.changed.wait_for(condition)

    async def ended(self, *attempts: Attempt, timeout: float = 20.0) -> None:
        await self.until(lambda: all(attempt.is_over for attempt in attempts), timeout)

    # -- the contract ------------------------------------------------------------------------

    async def StartRuns(self, request: pb.StartRunsRequest, context: Context) -> Any:
        await self._begin("StartRuns", request, request.runs, context)
        response = pb.StartRunsResponse()
        for item in request.runs:
            response.results.append(self._start(item, request.executor))
        return await self._end("StartRuns", response, context)

    def _start(self, item: pb.StartRun, executor: str) -> pb.StartRunResult:
        found = self._find("StartRuns", item.attempt)
        if isinstance(found, status_pb2.Status):
            return pb.StartRunResult(error=found)
        found.starts += 1
        found.executors.append(executor)
        found.state = run_pb2.RUN_STATE_RUNNING
        result = pb.StartRunResult(cancel_requested=found.cancel_requested)
        timeout_s = found.published + found.timeout - self.behind_s
        result.timeout_time.FromMilliseconds(round(timeout_s * 1000))
        result.heartbeat_interval.FromMilliseconds(self.heartbeat_ms)
        return result

    async def HeartbeatRuns(self, request: pb.HeartbeatRunsRequest, context: Context) -> Any:
        await self._begin("HeartbeatRuns", request, request.runs, context)
        response = pb.HeartbeatRunsResponse()
        for item in request.runs:
            found = self._find("HeartbeatRuns", item.attempt)
            if isinstance(found, status_pb2.Status):
                response.results.add(error=found)
                continue
            if item.HasField("progress"):
                found.progress = item.progress
            response.results.add(cancel_requested=found.cancel_requested)
        return await self._end("HeartbeatRuns", response, context)

    async def FinishRuns(self, request: pb.FinishRunsRequest, context: Context) -> Any:
        await self._begin("FinishRuns", request, request.runs, context)
        response = pb.FinishRunsResponse()
        for item in request.runs:
            found = self._find("FinishRuns", item.attempt, item)
            if isinstance(found, status_pb2.Status):
                response.results.add(error=found)
                continue
            found.finish = item
            found.state = item.state
            if item.HasField("progress"):
                found.progress = item.progress
            response.results.add()
        return await self._end("FinishRuns", response, context)

    async def PullRecords(self, request: pb.PullRecordsRequest, context: Context) -> Any:
        if self.log is None:
            await refuse(context, UNSUPPORTED)
            raise AssertionError
        await self._begin("PullRecords", request, (), context)
        response = await RecordService(self.log).pull(request)
        return await self._end("PullRecords", response, context)

    async def AckRecords(self, request: pb.AckRecordsRequest, context: Context) -> Any:
        assert self.log is not None
        await self._begin("AckRecords", request, (), context)
        response = await RecordService(self.log).ack(request)
        return await self._end("AckRecords", response, context)

    def _find(
        self, method: str, key: pb.RunAttempt, finish: pb.FinishRun | None = None
    ) -> Attempt | status_pb2.Status:
        if self.item_refusals[method]:
            return self.item_refusals[method].popleft()
        found = self.attempts.get((key.run, key.attempt))
        if found is None:
            return status(grpc.StatusCode.NOT_FOUND, "RUN_NOT_FOUND")
        if found.completion == "COMPLETION_REPORTED" and found.fence != key.fence:
            return STALE
        # The same report again is accepted again.
        again = finish is not None and found.finish == finish
        out_of_time = time.time() > found.published + found.timeout
        if (
            (found.is_over and not again)
            or out_of_time
            or found.completion != ("COMPLETION_REPORTED")
        ):
            return status(
                grpc.StatusCode.FAILED_PRECONDITION,
                "RUN_STATE_WRONG",
                metadata={
                    "state": run_pb2.RunState.Name(found.state),
                    "completion": found.completion,
                },
            )
        return found

    async def _begin(
        self, method: str, request: Message, items: Iterable[Any], context: Context
    ) -> None:
        self.calls[method].append(request)
        self.metadata[method].append(
            {key: str(value) for key, value in context.invocation_metadata() or ()}
        )
        if self.refusals[method]:
            await refuse(context, self.refusals[method].popleft())
        if any(item.attempt.run == self.poison for item in items):
            await refuse(context, status(grpc.StatusCode.INTERNAL, "INTERNAL_DEFECT"))

    async def _end(self, method: str, response: Any, context: Context) -> Any:
        async with self.changed:
            self.changed.notify_all()
        if self.lost_answers[method]:
            self.lost_answers[method] -= 1
            await refuse(context, status(grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE"))
        return response

    @asynccontextmanager
    async def serve(self, port: int = 0) -> AsyncGenerator[str]:
        """Serve on loopback, as `host:port`; leaving it cuts every call off."""
        server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        executor_service_pb2_grpc.add_ExecutorServiceServicer_to_server(self, server)
        bound = server.add_insecure_port(f"127.0.0.1:{port}")
        await server.start()
        try:
            yield f"127.0.0.1:{bound}"
        finally:
            await server.stop(None)


@asynccontextmanager
async def embedded_log(path: Any = None) -> AsyncGenerator[RecordLog]:
    log = await RecordLog.open(path, SystemClock())
    try:
        yield log
    finally:
        await log.close()


async def refuse(context: Context, refusal: status_pb2.Status) -> None:
    await context.abort_with_status(
        rpc_status.to_status(refusal)  # pyright: ignore[reportUnknownMemberType]
    )
