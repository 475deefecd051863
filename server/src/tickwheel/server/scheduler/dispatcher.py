"""Hands to the workers what the owners have ready: at the topics' rates, within limits, fairly."""

import sys
from collections.abc import Iterable

from tickwheel.server.domain.clock import Clock
from tickwheel.server.scheduler.assignment import topic_of
from tickwheel.server.scheduler.fairqueue import FairQueue
from tickwheel.server.scheduler.fleet import Fleet
from tickwheel.server.scheduler.holding import Holdings
from tickwheel.server.scheduler.live import LiveRun
from tickwheel.server.scheduler.options import SchedulerOptions
from tickwheel.server.scheduler.throttle import Throttle

#: Slots of a topic's rate are given so long ahead: enough to be on time, and no more, as whoever
#: comes next has the next one, however many wait.
PACE_AHEAD_MS = 1_000


class Dispatcher:
    """What is between being ready and being with a worker."""

    def __init__(
        self, clock: Clock, options: SchedulerOptions, fleet: Fleet, holdings: Holdings
    ) -> None:
        """Makes it; `holdings` are shared, and changed by others."""
        self._clock = clock
        self._slice = options.slice
        self._fleet = fleet
        self._holdings = holdings
        self._throttle = Throttle(options.limits)
        #: How many there are, whoever owns them.
        self._segments = 1
        #: What has no slot yet of those that its topic's rate allows.
        self._unpaced = FairQueue(lambda run: run.job.spec.target.topic)
        #: What the limits allow, by segment, as there room is or is not, and by topic, of which one
        #: that cannot be written to may have no more room.
        self._waiting = FairQueue(lambda run: (run.job.segment, topic_of(run)))

    def hand_out(self) -> bool:
        """Hands out a slice of what is ready; whether there may be more."""
        now_ms = self._clock.now_ms()
        # Segments are taken in between; a share of before would hold for all that is handed out.
        self._throttle.set_share(len(self._holdings), self._segments, now_ms)
        ready: list[LiveRun] = []
        for holding in self._holdings.values():
            # First: one that is computed again has the same name.
            for run in holding.owner.take_dropped():
                self._throttle.dropped(run, now_ms)
            if holding.ready and not holding.leaving:
                ready.extend(holding.owner.take_ready())
        for run in self._throttle.admit(self._paced(ready, now_ms), now_ms):
            self._waiting.add(run)
        if not self._waiting:
            return False
        return len(self._fleet.assign(self._waiting, self._slice, now_ms)) == self._slice

    def _paced(self, ready: Iterable[LiveRun], now_ms: int) -> list[LiveRun]:
        """Those that their topics' rates let go soon; users take turns at the slots."""
        free: list[LiveRun] = []
        for run in ready:
            if self._throttle.is_paced(run):
                run.gate = self._throttle
                self._unpaced.add(run)
            else:
                free.append(run)

        def admit(run: LiveRun) -> bool:
            if self._throttle.slot_ms(run, now_ms) > now_ms + PACE_AHEAD_MS:
                return False
            self._throttle.pace(run, now_ms)
            return True

        return free + self._unpaced.take(sys.maxsize, now_ms, admit) if self._unpaced else free

    def next_ms(self) -> int | None:
        """When a run that a limit keeps may go; None where only an end makes room."""
        now_ms = self._clock.now_ms()
        slots = [
            self._throttle.slot_ms(run, now_ms) - PACE_AHEAD_MS for run in self._unpaced.heads()
        ]
        kept_ms = self._throttle.next_ms()
        return min(slots if kept_ms is None else [*slots, kept_ms], default=None)

    def set_segments(self, segments: int) -> None:
        """How many segments there are; our share of all limits is that of those we own."""
        self._segments = segments

    def resume(self, run: LiveRun) -> None:
        """A run that a former owner has handed out counts as well."""
        self._throttle.resume(run)

    def ended(self, run: LiveRun) -> None:
        """A run has ended: another may take its place."""
        self._throttle.ended(run, self._clock.now_ms())

    def forget(self, segments: Iterable[int]) -> None:
        """These segments are not ours any more."""
        lost = set(segments)
        self._throttle.forget(lost, self._clock.now_ms())
        self._unpaced.forget(lost)
        self._waiting.forget(lost)
