"""Heartbeats of all attempts that are being executed."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from tickwheel.client.errors import ApiError
from tickwheel.client.executor.lane import FINAL
from tickwheel.client.executor.record import RunRecord
from tickwheel.client.executor.reports import Reports
from tickwheel.v1 import run_pb2

_log = logging.getLogger(__name__)

#: Progress is told at once, but not more often than this.
PROGRESS_S = 1.0
#: After one that nobody answered.
_AGAIN_S = 1.0
#: An attempt whose time is over is asked about this much later, rather than at the next interval.
_PAST_DEADLINE_S = 0.1


@dataclass(slots=True, eq=False)
class Pulse:
    """The heartbeats of one attempt."""

    record: RunRecord
    interval: float
    """Seconds."""
    deadline: float | None
    """When the attempt's time is over, by the loop's clock."""
    on_cancel: Callable[[], None]
    """The cancellation was asked for."""
    on_refused: Callable[[ApiError], None]
    """The attempt is no longer this executor's."""
    progress: run_pb2.Progress | None = None
    due: float = 0.0
    sent: float = 0.0
    is_busy: bool = False
    """One is under way."""

    def is_nearly_due(self, now: float) -> bool:
        """Whether it may go with others that are: a tenth too early is better than by itself."""
        return now >= self.sent + 0.9 * self.interval


class Heart:
    """Sends them when they are due, those of many attempts together."""

    def __init__(self, reports: Reports) -> None:
        self._reports = reports
        self._pulses: set[Pulse] = set()
        self._beats: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()

    def start(self, pulse: Pulse) -> None:
        """Begins; the first one is due after an interval."""
        now = asyncio.get_running_loop().time()
        pulse.sent = now
        self._plan(pulse, now + pulse.interval)
        self._pulses.add(pulse)

    def stop(self, pulse: Pulse) -> None:
        """Ends; what is under way has no consequences any more."""
        self._pulses.discard(pulse)

    def progressed(self, pulse: Pulse, progress: run_pb2.Progress) -> None:
        """Notes how far an attempt has come."""
        pulse.progress = progress
        self._plan(pulse, min(pulse.due, pulse.sent + PROGRESS_S))

    async def run(self) -> None:
        """Beats until it is cancelled."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                self._changed.clear()
                now = loop.time()
                for pulse in self._pulses:
                    if not pulse.is_busy and (pulse.due <= now or pulse.is_nearly_due(now)):
                        self._beat(pulse, now)
                next_due = min(
                    (pulse.due for pulse in self._pulses if not pulse.is_busy), default=None
                )
                try:
                    async with asyncio.timeout_at(next_due):
                        await self._changed.wait()
                except TimeoutError:
                    pass
        finally:
            for beat in self._beats:
                beat.cancel()
            await asyncio.gather(*self._beats, return_exceptions=True)

    def _plan(self, pulse: Pulse, due: float) -> None:
        if pulse.deadline is not None and pulse.sent < pulse.deadline:
            due = min(due, pulse.deadline + _PAST_DEADLINE_S)
        pulse.due = due
        self._changed.set()

    def _beat(self, pulse: Pulse, now: float) -> None:
        pulse.is_busy = True
        pulse.sent = now
        task = asyncio.create_task(self._send(pulse), name=f"heartbeat {pulse.record.name}")
        self._beats.add(task)
        task.add_done_callback(self._beats.discard)

    async def _send(self, pulse: Pulse) -> None:
        wait = pulse.interval
        cancel = False
        refused: ApiError | None = None
        told = pulse.progress
        try:
            cancel = await self._reports.heartbeat(pulse.record, told)
        except ApiError as error:
            if error.code in FINAL:
                refused = error
            else:
                record = pulse.record
                _log.warning(
                    "the heartbeat of %s failed: %s", record.told, error, extra=record.log_fields
                )
                wait = min(wait, _AGAIN_S)
        except Exception:
            # A defect, and none of the handler's, which goes on.
            record = pulse.record
            _log.exception("the heartbeat of %s failed", record.told, extra=record.log_fields)
        pulse.is_busy = False
        due = pulse.sent + wait
        if pulse.progress is not told:
            due = min(due, pulse.sent + PROGRESS_S)
        self._plan(pulse, due)
        if pulse in self._pulses and refused is not None:
            self.stop(pulse)
            pulse.on_refused(refused)
        elif pulse in self._pulses and cancel:
            pulse.on_cancel()
