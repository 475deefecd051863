"""One attempt: start, handler, heartbeats, outcome."""

import asyncio
import functools
import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any

import grpc

from tickwheel.client.errors import ApiError
from tickwheel.client.executor.cancellation import Cancellation, CancelReason
from tickwheel.client.executor.context import RunContext
from tickwheel.client.executor.handler import Handler
from tickwheel.client.executor.heart import Heart, Pulse
from tickwheel.client.executor.outcome import Outcome, cancelled, failed, raised
from tickwheel.client.executor.record import RunRecord
from tickwheel.client.executor.reports import NotToExecute, Reports, Started, Unreported
from tickwheel.client.executor.threads import HandlerThreads
from tickwheel.client.executor.tracing import Spans
from tickwheel.v1 import run_pb2

_log = logging.getLogger(__name__)

#: An outcome is reported for so many seconds at least, and after the attempt's time is over by this
#: machine's clock, which may be wrong; the server decides by its own.
_LATE_S = 30.0


class End(Enum):
    """What becomes of the record."""

    EXECUTED = "executed"
    """The handler has ended, and whoever wants to know does."""
    REFUSED = "refused"
    """The attempt is not to be executed under this record."""
    UNFINISHED = "unfinished"
    """It is to be handed out again."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all attempts share."""

    reports: Reports
    heart: Heart
    threads: HandlerThreads
    spans: Spans
    cancel_grace: float | None
    """Seconds from the wish that a handler stops to the cancellation of an async one's task."""


class Attempt:
    """Executes one attempt. Belongs to the event loop; `run` is called once."""

    def __init__(self, record: RunRecord, handler: Handler, shared: Surroundings) -> None:
        self._record = record
        self._handler = handler
        self._shared = shared
        self._cancellation = Cancellation()
        #: What may simply be cut off, as long as the handler is not called.
        self._starting: asyncio.Task[Any] | None = None
        self._working: asyncio.Task[Outcome] | None = None
        self._is_given_up = False
        self._refused: ApiError | None = None
        self._pulse: Pulse | None = None

    async def run(self) -> End:
        """Does it all; whatever the handler does, this ends by what comes of it.

        Raises:
            CancelledError: it was given up before the handler was called.
        """
        if self._record.needs_no_report:
            return await self._run_unreported()
        self._starting = asyncio.current_task()
        begun = await self._shared.reports.start(self._record)
        self._starting = None
        if isinstance(begun, NotToExecute):
            self._log(logging.INFO, "%s is not executed: %s", begun.why)
            return End.REFUSED
        if isinstance(begun, Unreported):
            return await self._run_unreported()
        deadline = _loop_time(begun.deadline)
        outcome = None
        if begun.cancel_requested:
            self._cancel(CancelReason.REQUESTED)
        else:
            outcome = await self._execute_with_heartbeats(begun, deadline)
        if self._refused is not None:
            self._log(logging.WARNING, "%s was lost while executed: %s", self._refused)
            return End.EXECUTED
        if self._cancellation.reason is CancelReason.REQUESTED:
            outcome = cancelled(outcome)
        elif self._is_given_up and not _succeeded(outcome):
            return End.UNFINISHED
        assert outcome is not None
        await self._report(outcome, deadline)
        return End.EXECUTED

    def give_up(self, reason: CancelReason) -> None:
        """Others will execute the attempt: asks the handler to stop.

        What it does successfully all the same is reported.
        """
        self._is_given_up = True
        if self._starting is not None:
            self._starting.cancel()
        self._cancel(reason)

    async def _run_unreported(self) -> End:
        context = RunContext(self._record, self._cancellation, None, lambda progress: None)
        outcome = await self._execute(context)
        if _succeeded(outcome):
            return End.EXECUTED
        if self._is_given_up:
            return End.UNFINISHED
        error = outcome.error
        assert error is not None
        self._log(
            logging.ERROR,
            "the handler of %s failed, which nobody waits to hear of:\n%s",
            error.details or error.message,
        )
        return End.EXECUTED

    async def _execute_with_heartbeats(self, begun: Started, deadline: float | None) -> Outcome:
        heart = self._shared.heart
        loop = asyncio.get_running_loop()
        pulse = Pulse(
            self._record,
            begun.heartbeat_s,
            deadline,
            on_cancel=lambda: self._cancel(CancelReason.REQUESTED),
            on_refused=self._lose,
        )
        self._pulse = pulse

        def progressed(progress: run_pb2.Progress) -> None:
            # The handler may be in a thread, and may outlive the loop.
            if not loop.is_closed():
                loop.call_soon_threadsafe(heart.progressed, pulse, progress)

        heart.start(pulse)
        try:
            return await self._execute(
                RunContext(self._record, self._cancellation, begun.deadline, progressed)
            )
        finally:
            heart.stop(pulse)

    async def _execute(self, context: RunContext) -> Outcome:
        shared = self._shared
        self._working = asyncio.create_task(
            self._handler.call(
                context, shared.threads, functools.partial(shared.spans, self._record)
            ),
            name=self._record.event_id,
        )
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        # asyncio.wait costs as much as a small handler does.
        self._working.add_done_callback(lambda _: ended.done() or ended.set_result(None))
        try:
            await ended
        finally:
            # Where this is cut off, an async handler is so too.
            self._working.cancel()
        if self._working.cancelled():
            # Before its first step, else what it raised would have been caught.
            return raised(asyncio.CancelledError())
        return self._working.result()

    def _cancel(self, reason: CancelReason) -> None:
        is_first = not self._cancellation
        self._cancellation.set(reason)
        grace = self._shared.cancel_grace
        if is_first and grace is not None:
            asyncio.get_running_loop().call_later(grace, self._cancel_task)

    def _cancel_task(self) -> None:
        # A thread cannot be cancelled: to stop waiting for it would be to execute more at once
        # than was asked for.
        if self._working is not None and self._handler.is_async:
            self._working.cancel()

    def _lose(self, why: ApiError) -> None:
        self._refused = why
        self._cancel(CancelReason.LOST)

    async def _report(self, outcome: Outcome, deadline: float | None) -> None:
        now = asyncio.get_running_loop().time()
        until = float("inf") if deadline is None else max(deadline, now) + _LATE_S
        progress = self._pulse.progress if self._pulse is not None else None
        reports = self._shared.reports
        try:
            try:
                await reports.finish(self._record, outcome, progress, until)
            except ApiError as error:
                if error.code is not grpc.StatusCode.INVALID_ARGUMENT:
                    raise
                # The server counts a result's bytes by itself. The handler has done its work.
                kind = error.reason.lower().replace("_", "-") or "report-refused"
                refusal = failed(kind, str(error), retryable=False)
                await reports.finish(self._record, refusal, None, until)
        except ApiError as error:
            self._log(
                logging.WARNING,
                "the outcome of %s (%s) was not taken: %s",
                run_pb2.RunState.Name(outcome.state),
                error,
            )

    def _log(self, level: int, text: str, *more: object) -> None:
        _log.log(level, text, self._record.told, *more, extra=self._record.log_fields)


def _succeeded(outcome: Outcome | None) -> bool:
    return outcome is not None and outcome.state == run_pb2.RUN_STATE_SUCCEEDED


def _loop_time(instant: datetime | None) -> float | None:
    """An instant by the loop's clock."""
    if instant is None:
        return None
    left = (instant - datetime.now(UTC)).total_seconds()
    return asyncio.get_running_loop().time() + left
