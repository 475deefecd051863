"""Carries out what the core decides: streams, the timer, the publisher."""

import asyncio
import random
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import structlog

from tickwheel.v1 import scheduler_service_pb2 as pb
from tickwheel.worker.alarm import Alarm
from tickwheel.worker.clock import Clock, Moment
from tickwheel.worker.connector import Connector, StreamFailedError
from tickwheel.worker.core import WorkerCore
from tickwheel.worker.effects import (
    CloseStream,
    ConnectTo,
    Effect,
    Expect,
    HeartbeatEvery,
    Retire,
    Say,
    Send,
)
from tickwheel.worker.outstanding import Outstanding
from tickwheel.worker.publisher.port import Publisher, Record, Result, Unavailable
from tickwheel.worker.session import Session

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerOptions:
    """How the runtime goes about it; times in milliseconds."""

    #: Records handed to the publisher at once: some 5 ms of work, after which others have a turn.
    batch_count: int = 500
    #: After a round, the next one waits this long, so that a steady flow makes batches of a few
    #: instead of single records; a lone record does not wait.
    pace_ms: int = 5
    #: Outcomes are gathered this long or until there are so many.
    gather_ms: int = 10
    gather_count: int = 500
    #: Pauses between attempts to reach a scheduler; each is shortened at random by up to a half.
    first_pause_ms: int = 100
    longest_pause_ms: int = 5_000
    #: On a stop, what is due within this time is still published.
    grace_ms: int = 1_000
    #: On a stop, the longest wait for outcomes to be acknowledged, and then for the log.
    drain_ms: int = 2_500
    #: Likewise where an operator has asked for it, and nobody kills what takes its time.
    retire_ms: int = 60_000
    close_ms: int = 500


_TIDY_S = 1.0
#: Turns of the event loop that others have between two parts of a burst.
_TURNS = 4
#: A burst that waits for the log looks at least so often whether a topic has come to a standstill.
_LOOK_S = 0.1


class Worker:
    """One worker process."""

    def __init__(
        self,
        core: WorkerCore,
        clock: Clock,
        connector: Connector,
        publisher: Publisher,
        options: WorkerOptions,
        chance: random.Random,
    ) -> None:
        self._core = core
        self._clock = clock
        self._connector = connector
        self._publisher = publisher
        self._options = options
        self._chance = chance
        self._sessions: dict[int, Session] = {}
        self._connections: dict[str, asyncio.Task[None]] = {}
        self._tasks: asyncio.TaskGroup | None = None
        self._alarm = Alarm(clock)
        self._progress = Alarm(clock)
        self._delivered = Alarm(clock)
        self._outstanding = Outstanding()
        self._outcomes = asyncio.Event()
        self._in_burst = False
        self._reports: deque[tuple[Sequence[Record], Sequence[Result]]] = deque()
        self._stopping = asyncio.Event()
        self._hurried_ms: int | None = None

    @property
    def ready(self) -> bool:
        """Whether it takes work: a scheduler has welcomed it, the log answers, it does not stop."""
        return self._core.connected and self._publisher.ready and not self._stopping.is_set()

    @property
    def quiet_ms(self) -> int | None:
        """For how long nothing is due that is held so far; None for ever."""
        return self._core.wake_in_ms(Moment.of(self._clock))

    @property
    def held_count(self) -> int:
        """Assignments that it holds."""
        return self._core.held_count

    @property
    def unacknowledged(self) -> int:
        """Outcomes that no scheduler has acknowledged yet."""
        return self._core.unacknowledged

    def stop(self) -> None:
        """Begins a clean stop in haste: who asks for it kills what takes long. `run` returns."""
        if self._hurried_ms is None:
            self._hurried_ms = self._clock.steady_ms()
        self._stopping.set()
        self._progress.ring()

    def retire(self) -> None:
        """Begins a clean stop that takes the time it needs; `stop` may still follow."""
        self._stopping.set()

    async def run(self) -> None:
        """Runs until it is to end, then publishes what is due soon, and hands in the outcomes."""
        await self._publisher.start(self._report)
        if not self._publisher.ready:
            self._core.await_log()
        closed = False
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                fire = tasks.create_task(self._fire(), name="fire")
                loops = [
                    fire,
                    tasks.create_task(self._gather(), name="gather outcomes"),
                    tasks.create_task(self._tidy(), name="tidy"),
                ]
                self._connect(self._core.targets)
                await self._stopping.wait()
                await self._drain()
                fire.cancel()
                self._in_burst = False
                self._outcomes.set()
                closed = await self._close_publisher()
                self._apply(self._core.flush())
                end_ms = self._clock.steady_ms() + self._options.close_ms
                await self._until_drained(0, lambda: end_ms)
                for task in (*loops, *self._connections.values()):
                    task.cancel()
        finally:
            if not closed:
                await self._publisher.abort()

    # -- the timer ---------------------------------------------------------------------------

    async def _fire(self) -> None:
        """Hands over what is due, when it is due, and sleeps in between."""
        while True:
            now = Moment.of(self._clock)
            records = self._core.take_due(now, self._options.batch_count)
            if records:
                self._outstanding.given(records, now.steady_ms)
                await self._publisher.publish(records)
            self._apply(self._core.settle(now))
            if len(records) == self._options.batch_count:
                # The publisher's own steps take several turns until the first bytes are written.
                self._in_burst = True
                for _ in range(_TURNS):
                    await asyncio.sleep(0)
                while self._outstanding.is_full(self._clock.steady_ms()):
                    await self._delivered.wait(_LOOK_S)
                    self._apply(self._core.settle(Moment.of(self._clock)))
                continue
            self._in_burst = False
            if self._core.queued or self._reports:
                self._outcomes.set()
            if records:
                await self._clock.sleep(self._options.pace_ms / 1000)
            else:
                await self._sleep()

    async def _sleep(self) -> None:
        wait_ms = self._core.wake_in_ms(Moment.of(self._clock))
        if wait_ms != 0:
            # Each answered heartbeat wakes it, too: a wall clock that was stepped is soon noticed.
            await self._alarm.wait(None if wait_ms is None else wait_ms / 1000)

    # -- the log -----------------------------------------------------------------------------

    def _report(self, records: Sequence[Record], results: Sequence[Result]) -> None:
        """What became of records. In a burst that waits: what is due goes first."""
        self._outstanding.reported(records, self._clock.steady_ms())
        self._delivered.ring()
        if self._in_burst:
            self._reports.append((records, results))
        else:
            self._take_report(records, results)

    def _take_report(self, records: Sequence[Record], results: Sequence[Result]) -> None:
        self._apply(self._core.delivered(records, results, Moment.of(self._clock)))
        if self._core.queued >= self._options.gather_count:
            self._apply(self._core.flush())
        elif self._core.queued:
            self._outcomes.set()
        if any(isinstance(result, Unavailable) for result in results):
            self._alarm.ring()
        self._progress.ring()

    async def _gather(self) -> None:
        """Sends outcomes a few milliseconds after the first of them came about."""
        while True:
            await self._outcomes.wait()
            await self._clock.sleep(self._options.gather_ms / 1000)
            self._outcomes.clear()
            while self._reports and not self._in_burst:
                self._take_report(*self._reports.popleft())
                await asyncio.sleep(0)
            self._apply(self._core.flush())

    # -- streams -----------------------------------------------------------------------------

    def _connect(self, addresses: Iterable[str]) -> None:
        """Begins to keep a stream to each address; those no longer wanted end by themselves."""
        if self._tasks is None or self._stopping.is_set():
            return
        for address in addresses:
            if address not in self._connections:
                task = self._tasks.create_task(self._stay_connected(address), name=address)
                self._connections[address] = task

    async def _stay_connected(self, address: str) -> None:
        pause_ms = self._options.first_pause_ms
        while address in self._core.targets:
            if await self._converse(address):
                pause_ms = self._options.first_pause_ms
            await self._clock.sleep(pause_ms * (1 - self._chance.random() / 2) / 1000)
            pause_ms = min(2 * pause_ms, self._options.longest_pause_ms)
        del self._connections[address]

    async def _converse(self, address: str) -> bool:
        """One stream from its beginning to its end; whether the scheduler welcomed us."""
        session: Session | None = None
        try:
            async with self._connector.connect(address) as duplex:
                number, hello = self._core.open_stream(address, Moment.of(self._clock))
                session = self._sessions[number] = Session(number, duplex, self._clock)
                session.send(hello)
                try:
                    await session.run(
                        lambda message: self._receive(number, message), lambda: self._beat(number)
                    )
                finally:
                    del self._sessions[number]
                    self._apply(self._core.close_stream(number, Moment.of(self._clock)))
            _log.info("scheduler has ended the stream", address=address)
        except StreamFailedError as error:
            _log.warning("no stream to scheduler", address=address, reason=str(error))
        return session is not None and session.welcomed

    def _receive(self, number: int, message: pb.ConnectResponse) -> None:
        self._apply(self._core.receive(number, message, Moment.of(self._clock)))
        if not message.HasField("outcome_acks"):
            self._alarm.ring()
        self._progress.ring()

    def _beat(self, number: int) -> None:
        if self._publisher.ready:
            self._core.reach_log()
        self._apply(self._core.heartbeat(number, Moment.of(self._clock)))

    def _apply(self, effects: Iterable[Effect]) -> None:
        for effect in effects:
            match effect:
                case Send(stream, message):
                    if session := self._sessions.get(stream):
                        session.send(message)
                case CloseStream(stream, reason):
                    if session := self._sessions.get(stream):
                        session.close(reason)
                case HeartbeatEvery(stream, interval_ms):
                    if session := self._sessions.get(stream):
                        session.beat_every(interval_ms)
                case ConnectTo(addresses):
                    self._connect(addresses)
                case Expect(records):
                    self._publisher.expect(records)
                case Say(level, event, fields):
                    _log.log(level, event, **fields)
                case Retire():
                    self.retire()

    # -- the end -----------------------------------------------------------------------------

    async def _drain(self) -> None:
        _log.info("stopping", held=self._core.held_count)
        self._apply(self._core.drain(Moment.of(self._clock)))
        begun_ms = self._clock.steady_ms()
        await self._until_drained(self._options.grace_ms, lambda: self._drain_end_ms(begun_ms))

    def _drain_end_ms(self, begun_ms: int) -> int:
        """Until when it may take; `stop` may come while it does."""
        end_ms = begun_ms + self._options.retire_ms
        if self._hurried_ms is None:
            return end_ms
        return min(end_ms, self._hurried_ms + self._options.drain_ms)

    async def _until_drained(self, grace_ms: int, end_ms: Callable[[], int]) -> None:
        """Waits until nothing more is expected, at most until an instant of the steady clock."""
        begun_ms = self._clock.steady_ms()
        while (left_ms := end_ms() - self._clock.steady_ms()) > 0:
            now = Moment.of(self._clock)
            if self._core.drained(now, max(0, begun_ms + grace_ms - now.steady_ms)):
                return
            await self._progress.wait(left_ms / 1000)
        _log.warning(
            "stopped before all was told",
            held=self._core.held_count,
            unacknowledged=self._core.unacknowledged,
        )

    async def _close_publisher(self) -> bool:
        """Closes it when the log answers in time; whether it is closed."""
        closing = asyncio.ensure_future(self._publisher.close())
        waiting = asyncio.ensure_future(self._clock.sleep(self._options.close_ms / 1000))
        await asyncio.wait((closing, waiting), return_when=asyncio.FIRST_COMPLETED)
        closed = closing.done()
        if closed:
            closing.result()
        for task in (closing, waiting):
            task.cancel()
        await asyncio.gather(closing, waiting, return_exceptions=True)
        return closed

    async def _tidy(self) -> None:
        while True:
            await self._clock.sleep(_TIDY_S)
            self._core.drop_abandoned(Moment.of(self._clock))
