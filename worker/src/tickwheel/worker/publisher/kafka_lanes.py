"""Keeps one working lane to Kafka, and replaces it when need be."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from tickwheel.worker.clock import Clock
from tickwheel.worker.publisher.kafka_lane import CONNECT_ERRORS, KafkaOptions, Lane, Partition

_log = structlog.get_logger(__name__)

_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 2.0

Spawn = Callable[[Coroutine[Any, Any, None]], None]


class Lanes:
    """The present lane, if Kafka has been reached.

    A lane that is spoilt for a partition goes on serving the others while the next one connects.
    """

    def __init__(self, options: KafkaOptions, clock: Clock, spawn: Spawn) -> None:
        self._options = options
        self._clock = clock
        self._spawn = spawn
        self._current: Lane | None = None
        self._ready = False
        self._said_away = False
        self._wanted = asyncio.Event()
        self._changed = asyncio.Event()
        self._connecting: Lane | None = None
        #: Replaced, with something outstanding.
        self._retiring: set[Lane] = set()

    @property
    def current(self) -> Lane | None:
        """None until Kafka has been reached for the first time."""
        return self._current

    @property
    def ready(self) -> bool:
        """Whether Kafka could be reached when it was last tried."""
        return self._ready

    def usable_for(self, partition: Partition) -> Lane | None:
        """A lane for a partition's batches; where there is none, one is asked for."""
        lane = self._current
        if lane is not None and lane.usable_for(partition):
            return lane
        self._wanted.set()
        return None

    async def changed(self, longest_s: float) -> None:
        """Waits until there is another lane, at most for this many seconds."""
        try:
            async with asyncio.timeout(longest_s):
                await self._changed.wait()
        except TimeoutError:
            return

    async def keep(self) -> None:
        """Connects, watches, replaces; runs until it is cancelled."""
        await self._replace()
        while True:
            if await self._wanted_within(self._options.probe_ms / 1000):
                await self._replace()
            else:
                await self._probe()

    async def close(self) -> None:
        """Closes the present lane after what is outstanding; `keep` has been cancelled before."""
        if self._connecting is not None:
            await self._connecting.abort()
        if self._current is not None:
            await self._current.retire()

    async def abort(self) -> None:
        """Throws all lanes away; `keep` has been cancelled before."""
        self._ready = False
        lanes = (self._connecting, self._current, *self._retiring)
        await asyncio.gather(*(lane.abort() for lane in lanes if lane is not None))

    async def _replace(self, attempts: int | None = None) -> bool:
        """Connects a new lane, in as many attempts as it takes or as are given."""
        pause_s = _FIRST_PAUSE_S
        while attempts is None or attempts > 0:
            self._wanted.clear()
            lane = self._connecting = Lane(self._options, self._clock)
            try:
                await lane.start()
            except CONNECT_ERRORS as error:
                self._connecting = None
                await lane.abort()
                self._say_away(str(error) or type(error).__name__)
            else:
                self._connecting = None
                self._install(lane)
                return True
            attempts = attempts and attempts - 1
            await self._clock.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
        return False

    def _install(self, lane: Lane) -> None:
        former, self._current = self._current, lane
        if former is not None:
            # An unreachable cluster's answers are not waited for: what is outstanding there fails
            # and goes over the new lane.
            self._spawn(self._retire(former) if self._ready else former.abort())
        self._say_back()
        self._changed.set()
        self._changed = asyncio.Event()

    async def _retire(self, lane: Lane) -> None:
        self._retiring.add(lane)
        try:
            await lane.retire()
        finally:
            self._retiring.discard(lane)

    async def _wanted_within(self, longest_s: float) -> bool:
        try:
            async with asyncio.timeout(longest_s):
                await self._wanted.wait()
        except TimeoutError:
            return False
        return True

    async def _probe(self) -> None:
        """Looks whether Kafka can be reached; if it cannot for long, begins from the addresses."""
        lane = self._current
        if lane is None or await lane.reachable():
            self._say_back()
            return
        away_ms = self._clock.steady_ms()
        self._say_away("no broker can be reached")
        while not await lane.reachable():
            if self._clock.steady_ms() - away_ms > self._options.rebootstrap_ms:
                if await self._replace(attempts=1):
                    return
                away_ms = self._clock.steady_ms()
            if await self._wanted_within(self._options.probe_ms / 4000):
                await self._replace()
                return
        self._say_back()

    def _say_away(self, reason: str) -> None:
        self._ready = False
        if not self._said_away:
            self._said_away = True
            _log.warning(
                "Kafka cannot be reached; what is due waits for it",
                bootstrap=self._options.bootstrap,
                reason=reason,
            )

    def _say_back(self) -> None:
        if not self._ready:
            _log.info("Kafka is reached", bootstrap=self._options.bootstrap)
        self._ready = True
        self._said_away = False
