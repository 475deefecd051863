"""WatchRuns."""

from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from dataclasses import dataclass

from tickwheel.server.api.filter import RunFilter
from tickwheel.server.api.segments import Segments
from tickwheel.server.api.watch.hub import SETTLE_MS, RunHub
from tickwheel.server.api.watch.position import Position, Trail, digest
from tickwheel.server.domain.clock import Clock
from tickwheel.server.domain.names import WILDCARD, JobName
from tickwheel.server.domain.run import Run
from tickwheel.server.store.port import Store

#: A position older than this is refused: the log would have to be read from too far back, in ms.
OLDEST_MS = 86_400_000 + SETTLE_MS
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
        watch = await self.hub.open(await view.segments(), view.shows)
        try:
            since_ms = self.hub.safe_ms
            if resume is not None:
                # A clock that was set back meanwhile must not hide what was recorded since.
                since_ms = min(resume.since_ms, self.clock.now_ms() - SETTLE_MS)
            yield Seen(None, view.trail.position(since_ms))
            if resume is not None:
                async for seen in view.catch_up(watch.segments, since_ms):
                    yield seen
            opened_ms = renewed_ms = self.clock.steady_ms()
            while True:
                news = await watch.next()
                if news.run is not None:
                    if view.is_new(news.run):
                        yield view.show(news.run, news.safe_ms)
                    continue
                if news.safe_steady_ms > opened_ms:
                    view.settle()
                further = await view.segments() - watch.segments
                if further:
                    await self.hub.widen(watch, further)
                    async for seen in view.catch_up(further, news.safe_ms):
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
        #: Latest states shown out of the log while the hub was reading as well, by their order.
        self._caught_up: dict[tuple[str, str], tuple[int, int]] = {}

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

    async def catch_up(self, segments: Iterable[int], since_ms: int) -> AsyncIterator[Seen]:
        """What was recorded since an instant, segment by segment so that memory is bounded."""
        for segment in sorted(segments):
            for run in await self._command.store.runs.read_log([segment], since_ms):
                if self.shows(run) and self.is_new(run) and digest(run) not in self._known:
                    self._caught_up[run.job_uid, run.run_id] = run.order
                    yield self.show(run, since_ms)

    def is_new(self, run: Run) -> bool:
        """Whether this state was not shown by catching up."""
        shown = self._caught_up.get((run.job_uid, run.run_id))
        return shown is None or shown < run.order

    def show(self, run: Run, safe_ms: int) -> Seen:
        """The item for a state."""
        self.trail.add(run)
        return Seen(run, self.trail.position(safe_ms))

    def settle(self) -> None:
        """All that was read twice at the beginning has come."""
        self._caught_up.clear()
        self._known = frozenset()
        self.trail.forget_inherited()
