"""An event loop whose time is a number: it jumps to the next timer when nothing is left to run.

Many processes share it. Which process a callback belongs to is told by its context, so a process
can be stopped (its callbacks wait), or killed (they never run again, as after `kill -9`: not even
`finally` is reached) between any two steps of it.
"""

# That a loop is the running one is said by a function whose name begins with an underscore.
# pyright: reportPrivateUsage=false

import asyncio
import heapq
import itertools
from asyncio import events
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context, copy_context
from typing import Any, TypeVar, cast

from typing_extensions import override

from simulator.process import PROCESS

T = TypeVar("T")


_serials = itertools.count(1)


class SimTask(asyncio.Task[T]):
    """A task that sets hold in the order of their first sight, not of places in memory."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Tasks of killed processes are never finished, and nobody need be told.
        cast("Any", self)._log_destroy_pending = False

    @override
    def __hash__(self) -> int:
        try:
            return self._serial
        except AttributeError:
            self._serial = next(_serials)
            return self._serial


class SimFuture(asyncio.Future[T]):
    """The same for futures."""

    @override
    def __hash__(self) -> int:
        try:
            return self._serial
        except AttributeError:
            self._serial = next(_serials)
            return self._serial


class _Handle:
    """As asyncio.Handle, with nothing that is not needed here."""

    __slots__ = ("args", "asleep_us", "callback", "context", "is_cancelled", "when_us")

    def __init__(
        self, callback: Callable[..., Any], args: tuple[Any, ...], context: Context | None
    ) -> None:
        self.callback: Callable[..., Any] | None = callback
        self.args = args
        self.context = copy_context() if context is None else context
        self.is_cancelled = False
        self.when_us = 0
        self.asleep_us = 0

    def cancel(self) -> None:
        self.is_cancelled = True
        self.callback = None
        self.args = ()

    def cancelled(self) -> bool:
        return self.is_cancelled

    def when(self) -> float:
        return self.when_us / 1_000_000


class SimLoop(asyncio.AbstractEventLoop):
    """Runs callbacks in a deterministic order; time passes only between them."""

    def __init__(self) -> None:
        self.now_us = 0
        #: Callbacks run so far.
        self.steps = 0
        self._ready: deque[_Handle] = deque()
        self._timers: list[tuple[int, int, _Handle]] = []
        self._serial = itertools.count()
        #: In which the world around the processes goes on: network, store, log.
        self.world = Context()
        #: What went wrong in a callback or a task that nobody waits for.
        self.defects: list[BaseException | str] = []

    # -- running -----------------------------------------------------------------------------

    def run_to(self, until_us: int, stop: Callable[[], bool] | None = None) -> None:
        """Runs until an instant (microseconds since the beginning), or until `stop` says so.

        `stop` is asked whenever time is about to pass.
        """
        former = events._get_running_loop()
        events._set_running_loop(self)
        try:
            while True:
                self._run_ready()
                if self.defects or (stop is not None and stop()):
                    return
                if not self._timers or self._timers[0][0] > until_us:
                    self.now_us = until_us
                    return
                self._wake()
        finally:
            events._set_running_loop(former)

    def run_in(self, work: Callable[[], T]) -> T:
        """Runs a function as callbacks are run."""
        events._set_running_loop(self)
        try:
            return self.world.copy().run(work)
        finally:
            events._set_running_loop(None)

    def _run_ready(self) -> None:
        ready = self._ready
        while ready:
            handle = ready.popleft()
            if handle.is_cancelled:
                continue
            context = handle.context
            process = context.get(PROCESS)
            if process is not None and not process.may_run(handle):
                continue
            self.steps += 1
            try:
                context.run(handle.callback, *handle.args)  # pyright: ignore
            except Exception as error:
                self.defects.append(error)

    def _wake(self) -> None:
        """Goes on to the next timer, and has all of that instant run."""
        timers = self._timers
        now_us = self.now_us = max(self.now_us, timers[0][0])
        while timers and timers[0][0] <= now_us:
            handle = heapq.heappop(timers)[2]
            if handle.is_cancelled:
                continue
            process = handle.context.get(PROCESS)
            if process is not None and process.host.asleep_us != handle.asleep_us:
                # The machine was suspended: its timers stood still meanwhile.
                handle.when_us += process.host.asleep_us - handle.asleep_us
                handle.asleep_us = process.host.asleep_us
                heapq.heappush(timers, (handle.when_us, next(self._serial), handle))
            else:
                self._ready.append(handle)

    # -- what asyncio asks for ---------------------------------------------------------------

    @override
    def time(self) -> float:
        return self.now_us / 1_000_000

    @override
    def call_soon(
        self, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        handle = _Handle(callback, args, context)
        self._ready.append(handle)
        return cast("asyncio.Handle", handle)

    @override
    def call_later(
        self,
        delay: float,
        callback: Callable[..., Any],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        return self.call_in_us(int(delay * 1_000_000 + 0.999), callback, *args, context=context)

    @override
    def call_at(
        self,
        when: float,
        callback: Callable[..., Any],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        delay_us = int(when * 1_000_000 + 0.999) - self.now_us
        return self.call_in_us(delay_us, callback, *args, context=context)

    def call_in_us(
        self,
        delay_us: int,
        callback: Callable[..., Any],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Calls back after so many microseconds."""
        handle = _Handle(callback, args, context)
        handle.when_us = when_us = self.now_us + max(0, delay_us)
        process = handle.context.get(PROCESS)
        if process is not None:
            handle.asleep_us = process.host.asleep_us
        heapq.heappush(self._timers, (when_us, next(self._serial), handle))
        return cast("asyncio.TimerHandle", handle)

    def requeue(self, handles: list[Any]) -> None:
        """Runs callbacks that were held back while their process was stopped."""
        self._ready.extend(handles)

    @override
    def create_future(self) -> asyncio.Future[Any]:
        return SimFuture(loop=self)

    @override
    def create_task(
        self,
        coro: Coroutine[Any, Any, T] | Generator[Any, None, T],
        *,
        name: str | None = None,
        context: Context | None = None,
    ) -> asyncio.Task[T]:
        return SimTask(coro, loop=self, name=name, context=context)

    @override
    def get_debug(self) -> bool:
        return False

    @override
    def is_running(self) -> bool:
        return events._get_running_loop() is self

    @override
    def is_closed(self) -> bool:
        return False

    @override
    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self.defects.append(context.get("exception") or str(context.get("message")))
