"""WatchRuns."""

from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from dataclasses import dataclass

from tickwheel.server.api.filter import RunFilter
from tickwheel.server.api.segments import Segments
from tickwheel.server.api.watch.hub import SETTLE_MS, RunHub, Watch
from tickwheel.server.api.watch.past import Past, Shown
from tickwheel.server.api.watch.position import Position, Trail, digest
from tickwheel.server.domain.clock import Clock
from tickwheel.server.domain.names import WILDCARD, JobName
from tickwheel.server.domain.run import Run
from tickwheel.server.store.port import Store

#: A position older than this is refused: the log would have to be read from too far back, in ms.
OLDEST_MS = 86_400_000 + SETTLE_MS
#: Runs of which is remembered what was shown out of the log; of more at once some may come twice.
MOST_SHOWN = 10_000
#: How often a token is renewed, in ms.
_RENEW_MS = 30_000


@dataclass(frozen=True, slots=True)
class Seen:
    """A state of a run, or none, and where the watch stands with it."""

    run: Run | None
    position: Position


@dataclass(frozen=True, slots=True)
class WatchRuns:
    """Follows runs as they are made and as they change."""

    store: Store
    clock: Clock
    hub: RunHub
    segments: Segments

    async def run(
        self, parent: JobName, wanted: RunFilter, resume: Position | None
    ) -> AsyncGenerator[Seen]:
        """What changes from now on, or since a position; never ends by itself.

        The first item has no run: once it is there, nothing that is recorded will be missed.

        Raises:
            Overloaded: the caller is too slow, or there are too many watches.
            ServerStopping: the server ends.
            StoreUnavailable: the run log cannot be read at the beginning.
        """
        view = _View(self, parent, wanted, resume)
        watch = await self.hub.open(view.shows)
        try:
            if resume is None:
                await self.hub.widen(watch, await view.segments())
                yield Seen(None, view.trail.position(self.hub.safe_ms))
            else:
                async for seen in view.catch_up(watch, resume.since_ms):
                    yield seen
            opened_ms = renewed_ms = self.clock.steady_ms()
            while True:
                news = await watch.next()
                if news.run is not None:
                    if view.shown.is_new(news.run):
                        yield view.show(news.run, news.safe_ms)
                    continue
                if news.safe_steady_ms > opened_ms:
                    view.settle()
                further = await view.segments() - watch.segments
                if further:
                    await self.hub.widen(watch, further)
                    async for seen in view.recent(watch, further, news.safe_ms):
                        yield seen
                if self.clock.steady_ms() >= renewed_ms + _RENEW_MS:
                    renewed_ms = self.clock.steady_ms()
                    yield Seen(None, view.trail.position(news.safe_ms))
        finally:
            self.hub.leave(watch)


class _View:
    """What one watch looks at and has shown."""

    def __init__(
        self, command: WatchRuns, parent: JobName, wanted: RunFilter, resume: Position | None
    ) -> None:
        self._command = command
        self._parent = parent
        self._wanted = wanted
        self._known: frozenset[bytes] = resume.known if resume else frozenset()
        self.trail = Trail(self._known)
        #: What was shown out of the log, for what the hub reads as well.
        self.shown = Shown(MOST_SHOWN)

    async def segments(self) -> frozenset[int]:
        """Where its runs are; of a job, that may change when it is created again."""
        if WILDCARD in (self._parent.user, self._parent.job_id):
            return frozenset(range(await self._command.segments.count()))
        jobs = await self._command.store.jobs.find_all(self._parent.user, self._parent.job_id)
        return frozenset(job.segment for job in jobs)

    def shows(self, run: Run) -> bool:
        """Whether the run is asked for."""
        return (
            self._parent.user in (WILDCARD, run.user)
            and self._parent.job_id in (WILDCARD, run.job_id)
            and self._wanted.matches(run)
        )

    async def catch_up(self, watch: Watch, since_ms: int) -> AsyncIterator[Seen]:
        """What was recorded since an instant; afterwards the watch sees all segments."""
        command = self._command
        past = Past(command.store, command.clock, watch, self.shows)
        renewed_ms = command.clock.steady_ms() - _RENEW_MS
        async for since_ms, run in past.settled(self.segments, since_ms):  # noqa: B020
            if run is not None:
                if self._is_untold(run):
                    yield self.show(run, since_ms)
            elif command.clock.steady_ms() >= renewed_ms + _RENEW_MS:
                renewed_ms = command.clock.steady_ms()
                yield Seen(None, self.trail.position(since_ms))
        segments = await self.segments()
        await command.hub.widen(watch, segments)
        async for seen in self.recent(watch, segments, since_ms):
            yield seen

    async def recent(
        self, watch: Watch, segments: Iterable[int], since_ms: int
    ) -> AsyncIterator[Seen]:
        """What was recorded in segments since an instant; the watch sees them already."""
        past = Past(self._command.store, self._command.clock, watch, self.shows)
        async for run in past.recent(segments, since_ms):
            if self._is_untold(run):
                yield self.show(run, since_ms)

    def _is_untold(self, run: Run) -> bool:
        """Whether a state out of the log is to be shown."""
        return digest(run) not in self._known and self.shown.add(run)

    def show(self, run: Run, safe_ms: int) -> Seen:
        """The item for a state."""
        self.trail.add(run)
        return Seen(run, self.trail.position(safe_ms))

    def settle(self) -> None:
        """All that was read twice at the beginning has come."""
        self.shown.clear()
        self._known = frozenset()
        self.trail.forget_inherited()
