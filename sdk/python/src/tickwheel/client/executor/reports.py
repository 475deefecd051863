"""What the executor tells the server of attempts, and what it is told in return."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tickwheel.client.errors import ApiError
from tickwheel.client.executor.lane import Lane, Metadata
from tickwheel.client.executor.outcome import Outcome
from tickwheel.client.executor.record import RunRecord
from tickwheel.client.retry import RetryPolicy
from tickwheel.v1 import executor_service_pb2 as pb
from tickwheel.v1 import run_pb2

if TYPE_CHECKING:
    from tickwheel.v1.executor_service_pb2_grpc import ExecutorServiceAsyncStub

#: Where the server names no interval.
DEFAULT_HEARTBEAT_S = 10.0


@dataclass(frozen=True, slots=True)
class Started:
    """The attempt is this executor's."""

    deadline: datetime | None
    """When its time runs out, by the server's clock; None where it says nothing of the kind."""
    heartbeat_s: float
    """Seconds between two heartbeats."""
    cancel_requested: bool


@dataclass(frozen=True, slots=True)
class Unreported:
    """The run has succeeded already, by its publication (COMPLETION_PUBLISHED).

    Its handler is called, and nobody waits for what comes of it.
    """


@dataclass(frozen=True, slots=True)
class NotToExecute:
    """The attempt has ended, or is superseded, or there is no such run."""

    why: ApiError


class Reports:
    """The three report methods, for any number of attempts at once.

    Args:
        stub: of ExecutorService.
        executor: which executor this is, for people; at most 128 characters.
        retry: how long to wait between two tries.
    """

    def __init__(self, stub: "ExecutorServiceAsyncStub", executor: str, retry: RetryPolicy) -> None:
        self._stub = stub
        self._executor = executor
        self._starts = Lane("StartRuns", self._start_runs, retry)
        self._heartbeats = Lane("HeartbeatRuns", self._heartbeat_runs, retry)
        self._finishes = Lane("FinishRuns", self._finish_runs, retry)

    async def start(self, record: RunRecord) -> Started | Unreported | NotToExecute:
        """Reports that an attempt is about to be executed; repeats that without end."""
        try:
            answer = await self._starts.send(
                pb.StartRun(attempt=record.key()), traceparent=_traceparent(record)
            )
        except ApiError as error:
            # A published run is no executor's to start. Its record may come before its owner has
            # heard of the publication, so its state says nothing.
            if error.metadata.get("completion") == "COMPLETION_PUBLISHED":
                return Unreported()
            return NotToExecute(error)
        deadline = None
        if answer.HasField("timeout_time"):
            deadline = answer.timeout_time.ToDatetime(UTC)
        interval = answer.heartbeat_interval.ToTimedelta().total_seconds()
        return Started(deadline, interval or DEFAULT_HEARTBEAT_S, answer.cancel_requested)

    async def heartbeat(self, record: RunRecord, progress: run_pb2.Progress | None) -> bool:
        """Says that an attempt is still at work; tried once.

        Returns:
            Whether its cancellation was asked for.

        Raises:
            ApiError: refused, or nobody has answered.
        """
        answer = await self._heartbeats.send(
            pb.HeartbeatRun(attempt=record.key(), progress=progress),
            traceparent=_traceparent(record),
            until=0.0,
        )
        return answer.cancel_requested

    async def finish(
        self, record: RunRecord, outcome: Outcome, progress: run_pb2.Progress | None, until: float
    ) -> None:
        """Reports how an attempt has ended.

        Args:
            record: of the attempt.
            outcome: how it ended.
            progress: how far it had come.
            until: when to give up, by the loop's clock.

        Raises:
            ApiError: refused, or nobody has answered until then.
        """
        report = pb.FinishRun(
            attempt=record.key(),
            state=outcome.state,
            retryable=outcome.retryable,
            result=outcome.result,
            error=outcome.error,
            progress=progress,
        )
        await self._finishes.send(report, traceparent=_traceparent(record), until=until)

    async def close(self) -> None:
        """Cuts off what is under way."""
        for lane in (self._starts, self._heartbeats, self._finishes):
            await lane.close()

    async def _start_runs(
        self, runs: Sequence[pb.StartRun], metadata: Metadata, timeout: float
    ) -> Sequence[pb.StartRunResult]:
        request = pb.StartRunsRequest(runs=runs, executor=self._executor)
        response = await self._stub.StartRuns(request, metadata=metadata, timeout=timeout)
        return response.results

    async def _heartbeat_runs(
        self, runs: Sequence[pb.HeartbeatRun], metadata: Metadata, timeout: float
    ) -> Sequence[pb.HeartbeatRunResult]:
        request = pb.HeartbeatRunsRequest(runs=runs, executor=self._executor)
        response = await self._stub.HeartbeatRuns(request, metadata=metadata, timeout=timeout)
        return response.results

    async def _finish_runs(
        self, runs: Sequence[pb.FinishRun], metadata: Metadata, timeout: float
    ) -> Sequence[pb.FinishRunResult]:
        request = pb.FinishRunsRequest(runs=runs, executor=self._executor)
        response = await self._stub.FinishRuns(request, metadata=metadata, timeout=timeout)
        return response.results


def _traceparent(record: RunRecord) -> str | None:
    return record.headers.get("traceparent")
