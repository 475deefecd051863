"""Processes, and the machines they run on: what can be stopped and killed, and has clocks."""

import asyncio
import enum
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar, copy_context
from typing import TYPE_CHECKING, Any

from typing_extensions import override

if TYPE_CHECKING:
    from simulator.loop import SimLoop

#: The process that a callback belongs to; none for the world around: network, store, log, clients.
PROCESS: "ContextVar[SimProcess | None]" = ContextVar("process", default=None)


class State(enum.Enum):
    """Whether a process runs."""

    RUNNING = enum.auto()
    STOPPED = enum.auto()
    DEAD = enum.auto()


class Host:
    """A machine: its clocks outlive its processes."""

    def __init__(self, loop: "SimLoop", name: str, start_us: int, boot_us: int) -> None:
        self._loop = loop
        self._start_us = start_us
        self._boot_us = boot_us
        self.name = name
        #: How far its wall clock is ahead of the true time.
        self.skew_us = 0
        #: How much faster than the true time its steady clock runs, in parts per million.
        self.drift_ppm = 0
        #: How long it has been suspended in all.
        self.asleep_us = 0

    def wall_us(self) -> int:
        """Its wall clock."""
        return self._start_us + self._loop.now_us + self.skew_us

    def true_ms(self) -> int:
        """The true time: what a clock without fault would show, Unix milliseconds."""
        return (self._start_us + self._loop.now_us) // 1000

    def steady_us(self) -> int:
        """Its steady clock, which counts the time it was suspended (CLOCK_BOOTTIME)."""
        now_us = self._loop.now_us
        return self._boot_us + now_us + now_us * self.drift_ppm // 1_000_000


class SimClock:
    """The clock port of both server and worker, on one machine."""

    def __init__(self, loop: "SimLoop", host: Host) -> None:
        self._loop = loop
        self._host = host

    def now_ms(self) -> int:
        """As the port says."""
        return self._host.wall_us() // 1000

    def now_us(self) -> int:
        """As the port says."""
        return self._host.wall_us()

    def steady_ms(self) -> int:
        """As the port says."""
        return self._host.steady_us() // 1000

    async def sleep(self, seconds: float) -> None:
        """As the port says."""
        delay_us = int(seconds * 1_000_000 + 0.999)
        if self._host.drift_ppm:
            # In true time; one more, because its reading is cut to whole microseconds.
            delay_us = delay_us * 1_000_000 // (1_000_000 + self._host.drift_ppm) + 2
        future = self._loop.create_future()
        timer = self._loop.call_in_us(delay_us, _wake, future)
        try:
            await future
        finally:
            timer.cancel()


class SimProcess:
    """One life of a process: from its start to its end or its death."""

    def __init__(self, loop: "SimLoop", host: Host, name: str, life: int) -> None:
        self._loop = loop
        self._held: list[Any] = []
        self._fatal_steps: int | None = None
        self._on_death: dict[object, Callable[[], None]] = {}
        #: Kept until the end: were they collected, their `finally` blocks would run after all.
        self._graveyard: list[Any] = []
        self.host = host
        self.name = name
        #: Which life of the process of that name this is, from 1.
        self.life = life
        self.state = State.RUNNING
        self.clock = SimClock(loop, host)
        self.context: Context = copy_context()
        self.context.run(PROCESS.set, self)

    @override
    def __repr__(self) -> str:
        return f"{self.name}.{self.life}"

    @property
    def alive(self) -> bool:
        """Whether it has not ended; it may be stopped."""
        return self.state is not State.DEAD

    def spawn(self, coroutine: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        """Begins a task in this process."""
        return self._loop.create_task(coroutine, context=self.context.copy())

    def call_in_us(
        self, delay_us: int, callback: Callable[..., Any], *args: Any
    ) -> asyncio.TimerHandle:
        """Calls back in this process; never if it is dead by then, later if it is stopped."""
        return self._loop.call_in_us(delay_us, callback, *args, context=self.context)

    def may_run(self, handle: Any) -> bool:
        """Whether a callback of it may run now; keeps it for later while it is stopped."""
        if self.state is State.RUNNING:
            if self._fatal_steps is not None:
                self._fatal_steps -= 1
                if self._fatal_steps < 0:
                    self.kill()
                    self._graveyard.append(handle)
                    return False
            return True
        (self._held if self.state is State.STOPPED else self._graveyard).append(handle)
        return False

    def on_death(self, key: object, callback: Callable[[], None]) -> None:
        """Has the world told when it dies: what its operating system does then."""
        self._on_death[key] = callback

    def forget(self, key: object) -> None:
        """What was asked for under that key is not wanted any more."""
        self._on_death.pop(key, None)

    def kill(self) -> None:
        """Ends it at once: nothing of it runs any more."""
        if self.state is State.DEAD:
            return
        self.state = State.DEAD
        self._graveyard.extend(self._held)
        self._held.clear()
        callbacks = list(self._on_death.values())
        self._on_death.clear()
        for callback in callbacks:
            callback()

    def kill_in_steps(self, steps: int) -> None:
        """Ends it after so many further callbacks: at any await, not only when it sleeps."""
        self._fatal_steps = steps

    def stop(self) -> None:
        """As SIGSTOP."""
        if self.state is State.RUNNING:
            self.state = State.STOPPED

    def resume(self) -> None:
        """As SIGCONT."""
        if self.state is State.STOPPED:
            self.state = State.RUNNING
            held, self._held = self._held, []
            self._loop.requeue(held)


def _wake(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)


def calling_process() -> SimProcess:
    """The process whose code runs."""
    process = PROCESS.get()
    assert process is not None, "not called by a process"
    return process
