"""A process's connection to the store, on which requests are slow, get lost, or are done late."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from typing_extensions import override

from simulator.chance import Chance
from simulator.loop import SimLoop
from simulator.process import SimProcess
from simulator.store.link import Kind, WritingLink
from tickwheel.server.domain.errors import OutcomeUnknown, StoreUnavailable

T = TypeVar("T")

#: The client gives up on a request after this long.
TIMEOUT_US = 4_000_000
#: Of rows whose writing is cut short, so many are there all the same.
SOME = 0.7


@dataclass(slots=True)
class StoreWeather:
    """What is wrong with the store, for one process or for all."""

    #: No request gets an answer; those sent meanwhile are not done.
    down_until_us: int = 0
    #: Requests fail, each with this probability, in one of three ways: not done, done but not
    #: answered, or done later than answered.
    shaky_until_us: int = 0
    failure: float = 0.0
    #: How much later a late write may be done.
    late_us: int = 0
    #: Every request takes up to so much longer.
    slow_until_us: int = 0
    slow_us: int = 0


class StoreLink(WritingLink):
    """Carries requests of one process."""

    def __init__(
        self, loop: SimLoop, process: SimProcess, chance: Chance, weathers: list[StoreWeather]
    ) -> None:
        """Makes one.

        Args:
            loop: the time.
            process: whose connection it is.
            chance: the seed.
            weathers: what is wrong, all that apply to this process.
        """
        self._loop = loop
        self._process = process
        self._chance = chance.stream(f"store/{process}")
        self._weathers = weathers
        #: Requests that have failed, for the report.
        self.failures = 0

    @override
    async def call(self, kind: Kind, work: Callable[[], T]) -> T:
        return await self._send(kind, work, work)

    @override
    async def write(self, rows: Sequence[Callable[[], None]]) -> None:
        def all_of_them() -> None:
            for row in rows:
                row()

        def some_of_them() -> None:
            for row in rows:
                if self._chance.random() < SOME:
                    row()

        await self._send(Kind.WRITE, all_of_them, some_of_them)

    async def _send(self, kind: Kind, work: Callable[[], T], cut: Callable[[], object]) -> T:
        """Has work done, or what of it is done where the process or the store fails meanwhile."""
        done: asyncio.Future[T] = self._loop.create_future()
        pick = self._chance.random()
        there_us = 100 + int(pick * 500)
        now_us = self._loop.now_us
        down_until_us = slow_us = 0
        for weather in self._weathers:
            down_until_us = max(down_until_us, weather.down_until_us)
            if weather.slow_until_us > now_us:
                slow_us += int(self._chance.random() * weather.slow_us)
            if weather.shaky_until_us > now_us and self._chance.random() < weather.failure:
                return await self._fail(kind, cut, weather, done)
        if down_until_us > now_us:
            self.failures += 1
            self._process.call_in_us(there_us, _refuse, done)
        else:
            self._loop.call_in_us(
                there_us + slow_us,
                self._do,
                kind,
                work,
                cut,
                done,
                slow_us,
                context=self._loop.world,
            )
        return await done

    def _do(
        self,
        kind: Kind,
        work: Callable[[], Any],
        cut: Callable[[], object],
        done: "asyncio.Future[Any]",
        slow_us: int,
    ) -> None:
        """At the store."""
        if not self._process.alive:
            _as_far_as_possible(cut)
            return
        if slow_us > TIMEOUT_US:
            # The client has given up by now, though the store has not.
            if kind is not Kind.READ:
                _as_far_as_possible(work)
            self._process.call_in_us(0, _lose, done, kind)
            return
        back_us = 600 if kind is Kind.CONDITIONAL else 200
        try:
            value = work()
        except StoreUnavailable:
            # One of its partitions is away; what is to be written of others may be there.
            self.failures += 1
            self._process.call_in_us(back_us, _lose, done, kind)
            return
        self._process.call_in_us(back_us, _settle, done, value)

    async def _fail(
        self,
        kind: Kind,
        cut: Callable[[], object],
        weather: StoreWeather,
        done: "asyncio.Future[T]",
    ) -> T:
        self.failures += 1
        way = self._chance.random()
        wait_us = 1_000 + int(self._chance.random() * TIMEOUT_US)
        late_us = int(self._chance.random() * weather.late_us)
        if kind is not Kind.READ and way > 0.4:
            at_us = 300 if way > 0.7 else wait_us + late_us
            self._loop.call_in_us(at_us, _as_far_as_possible, cut, context=self._loop.world)
        if kind is not Kind.READ and way < 0.2:
            self._process.call_in_us(wait_us, _refuse, done)
        else:
            self._process.call_in_us(wait_us, _lose, done, kind)
        return await done


def _as_far_as_possible(work: Callable[[], object]) -> None:
    """Has work done of which nobody hears whether it was."""
    with suppress(StoreUnavailable):
        work()


def _settle(done: "asyncio.Future[Any]", value: Any) -> None:
    if not done.done():
        done.set_result(value)


def _refuse(done: "asyncio.Future[Any]") -> None:
    if not done.done():
        done.set_exception(StoreUnavailable("no replica answers"))


def _lose(done: "asyncio.Future[Any]", kind: Kind) -> None:
    if not done.done():
        error = StoreUnavailable if kind is Kind.READ else OutcomeUnknown
        done.set_exception(error("timed out"))
