"""Reads the run log as long as anybody watches, and hands what is new to all who watch."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import structlog

from tickwheel.server.api.errors import ServerStopping
from tickwheel.server.api.limits import ApiLimits
from tickwheel.server.domain.clock import Clock
from tickwheel.server.domain.errors import Overloaded, StoreUnavailable
from tickwheel.server.domain.run import Run
from tickwheel.server.store.port import INBOX_HORIZON_MS, LOOK_AHEAD_MS, RunStore

#: Until a state can be read for certain after the instant that it bears: the longest time a write
#: may take plus the clock bound, in ms.
SETTLE_MS = INBOX_HORIZON_MS - LOOK_AHEAD_MS
#: Nearly all are there much sooner, so most reads go back only this far, in ms.
_OVERLAP_MS = 1_000
#: How often a read goes back all the way, in ms.
_WIDE_EVERY_MS = 5_000
#: How often a watch without news is told where it stands, in ms.
_MARK_EVERY_MS = 2_000

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class News:
    """A state of a run, or none; all that was recorded before `safe_ms` came before this."""

    run: Run | None
    safe_ms: int
    #: The same instant by the clock that is never set; only where there is no run.
    safe_steady_ms: int = 0


class Watch:
    """One who watches."""

    def __init__(self, wants: Callable[[Run], bool], limits: ApiLimits) -> None:
        self.segments: frozenset[int] = frozenset()
        #: News are kept for it.
        self.listens = False
        self._wants = wants
        self._news: asyncio.Queue[News | Exception] = asyncio.Queue()
        self._limits = limits
        self._bytes = 0
        self._error: Exception | None = None

    def offer(self, news: News) -> None:
        """Puts news into the queue; a watch that does not keep up is ended."""
        if self._error is not None or not self.listens:
            return
        if news.run is not None and not self._wants(news.run):
            return
        if not self._has_room(news):
            if news.run is not None:
                self.end(
                    Overloaded("the watch is read too slowly; go on with the last resume token")
                )
            return
        self._bytes += _size(news.run)
        self._news.put_nowait(news)

    def _has_room(self, news: News) -> bool:
        most, waiting = self._limits.watch_queue_bytes, self._news.qsize()
        return waiting < self._limits.watch_queue and (
            not waiting or self._bytes + _size(news.run) <= most
        )

    def end(self, error: Exception) -> None:
        """Ends the watch; what it has not read yet is dropped."""
        if self._error is None:
            self._error = error
            while not self._news.empty():
                self._news.get_nowait()
            self._news.put_nowait(error)

    def check(self) -> None:
        """Raises what ended the watch, if it was ended, for who does something else than waiting.

        Raises:
            Overloaded: the watch was read too slowly.
            ServerStopping: the server ends.
        """
        if self._error is not None:
            raise self._error

    async def next(self) -> News:
        """Waits for news.

        Raises:
            Overloaded: the watch was read too slowly.
            ServerStopping: the server ends.
        """
        news = await self._news.get()
        if isinstance(news, Exception):
            raise news
        self._bytes -= _size(news.run)
        return news


def _size(run: Run | None) -> int:
    """About how many bytes a run takes, and no fewer than what clients put into it."""
    if run is None:
        return 0
    past = sum(len(one.error) + len(one.error_details) + 256 for one in run.past_attempts)
    own = len(run.error) + len(run.error_details) + len(run.result) + len(run.detail)
    return 1_024 + own + past


class RunHub:
    """The one reader of the run log; it rests while nobody watches."""

    def __init__(self, runs: RunStore, clock: Clock, limits: ApiLimits) -> None:
        self._runs = runs
        self._clock = clock
        self._limits = limits
        self._watches: set[Watch] = set()
        self._seen = _Seen()
        self._segments: frozenset[int] = frozenset()
        #: When the log was read last, and when all the way back: by the wall clock, as what is in
        #: it, and by the one that is never set.
        self._read_to_ms = 0
        self._read_steady_ms = 0
        self._wide_ms = 0
        self._wide_steady_ms = 0
        self._mark_steady_ms = 0
        # Reading and beginning to watch must not overlap: what is read meanwhile would be lost.
        self._reading = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._stopping = False

    async def open(self, wants: Callable[[Run], bool]) -> Watch:
        """Takes in a watch, which is given nothing until it is let see segments.

        Raises:
            Overloaded: there are too many watches.
            ServerStopping: the server ends.
        """
        self._check_room()
        watch = Watch(wants, self._limits)
        async with self._reading:
            # Others may have begun while the log was being read.
            self._check_room()
            await self._take_in(watch, frozenset())
        return watch

    def _check_room(self) -> None:
        if len(self._watches) >= self._limits.max_watches:
            raise Overloaded(f"there are {len(self._watches)} watches already")

    async def widen(self, watch: Watch, segments: Iterable[int]) -> None:
        """Lets a watch see segments: it is given all that can be read of them from now on.

        And some from just before. Of news without a run it is given those from now on.

        Raises:
            ServerStopping: the server ends.
            StoreUnavailable: the run log cannot be read.
        """
        async with self._reading:
            await self._take_in(watch, frozenset(segments))
            watch.listens = True

    async def _take_in(self, watch: Watch, segments: frozenset[int]) -> None:
        if self._stopping:
            raise ServerStopping("this server is stopping")
        await self._learn(segments - self._segments)
        watch.segments |= segments
        self._watches.add(watch)
        self._segments |= segments
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="run-hub")

    def leave(self, watch: Watch) -> None:
        """Ends a watch that nobody reads any more."""
        self._watches.discard(watch)
        self._segments = frozenset[int]().union(*(one.segments for one in self._watches))

    async def close(self) -> None:
        """Ends all watches with ServerStopping, and the reading."""
        self._stopping = True
        for watch in tuple(self._watches):
            watch.end(ServerStopping("this server is stopping; go on with the last resume token"))
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    @property
    def safe_ms(self) -> int:
        """All that was recorded before this instant has been handed out."""
        return self._wide_ms - SETTLE_MS

    async def _learn(self, segments: frozenset[int]) -> None:
        """Takes what is in segments that were not read so far as seen."""
        if not self._watches:
            self._seen = _Seen()
            self._read_to_ms = self._wide_ms = self._clock.now_ms()
            self._read_steady_ms = self._clock.steady_ms()
            self._wide_steady_ms = self._mark_steady_ms = self._read_steady_ms
        if segments:
            for run in await self._runs.read_log(sorted(segments), self.safe_ms):
                self._seen.add(run)

    async def _run(self) -> None:
        pause_ms = self._limits.watch_interval_ms
        outage = False
        while self._watches:
            await self._clock.sleep(pause_ms / 1000)
            began_ms = self._clock.steady_ms()
            try:
                async with self._reading:
                    await self._read()
                outage = False
            except StoreUnavailable as error:
                if not outage:
                    _log.warning("the run log cannot be read; watches wait", error=error.message)
                outage = True
            except Exception as error:
                # Each watch tells its caller, and the log.
                for watch in tuple(self._watches):
                    watch.end(error)
                return
            # Under heavy load reading must not take all the time there is.
            took_ms = self._clock.steady_ms() - began_ms
            pause_ms = max(self._limits.watch_interval_ms, 3 * took_ms)

    async def _read(self) -> None:
        now_ms, steady_ms = self._clock.now_ms(), self._clock.steady_ms()
        if now_ms < self._read_to_ms - _OVERLAP_MS:
            await self._begin_again(now_ms, now_ms - (steady_ms - self._read_steady_ms))
        is_wide = steady_ms - self._wide_steady_ms >= _WIDE_EVERY_MS
        # What can be read only since the last wide read bears an instant of after its safe_ms.
        safe_ms = self.safe_ms
        since_ms = safe_ms if is_wide else self._read_to_ms - _OVERLAP_MS
        if self._segments:
            for run in await self._runs.read_log(sorted(self._segments), since_ms):
                if self._seen.add(run):
                    self._tell(News(run, safe_ms))
        self._read_to_ms = max(now_ms, self._read_to_ms)
        self._read_steady_ms = steady_ms
        if is_wide:
            self._wide_ms, self._wide_steady_ms = now_ms, steady_ms
            self._seen.forget_before(self.safe_ms)
        if steady_ms - self._mark_steady_ms >= _MARK_EVERY_MS:
            self._mark_steady_ms = steady_ms
            self._tell(News(None, self.safe_ms, self._wide_steady_ms - SETTLE_MS))

    async def _begin_again(self, now_ms: int, set_ms: int) -> None:
        """The wall clock was set back: what is recorded now bears instants that lie behind.

        What the log has from there on is read once more. New of it is what bears an instant from
        `set_ms` (no later than that to which the clock was set) to now, and what had not been
        handed out for certain before; the rest was told when these instants were passed first.
        """
        safe_ms, since_ms = self.safe_ms, now_ms - SETTLE_MS
        low_ms, high_ms = set_ms - _OVERLAP_MS, now_ms + _OVERLAP_MS
        if self._segments:
            for run in await self._runs.read_log(sorted(self._segments), since_ms):
                may_be_new = low_ms <= run.update_ms <= high_ms or run.update_ms >= safe_ms
                if self._seen.add(run) and may_be_new:
                    self._tell(News(run, since_ms))
        self._read_to_ms = self._wide_ms = now_ms

    def _tell(self, news: News) -> None:
        for watch in self._watches:
            watch.offer(news)


#: Below the order of any state.
_BEFORE_ALL = (-1, -1)


class _Seen:
    """The states that were handed out and may be read again."""

    def __init__(self) -> None:
        #: The order of the latest state of a run, and up to when any of its states may be read.
        self._states: dict[tuple[str, str], tuple[tuple[int, int], int]] = {}

    def add(self, run: Run) -> bool:
        """Whether this state is new."""
        key = (run.job_uid, run.run_id)
        order, update_ms = self._states.get(key, (_BEFORE_ALL, 0))
        self._states[key] = (max(order, run.order), max(update_ms, run.update_ms))
        return order < run.order

    def forget_before(self, update_ms: int) -> None:
        """Forgets states that will not be read again."""
        self._states = {key: state for key, state in self._states.items() if state[1] >= update_ms}
