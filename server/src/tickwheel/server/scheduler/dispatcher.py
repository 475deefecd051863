"""Hands to the workers what the owners have ready: at the topics' rates, within limits, fairly."""

from collections.abc import Iterable

from tickwheel.server.domain.clock import Clock
from tickwheel.server.scheduler.fairqueue import FairQueue
from tickwheel.server.scheduler.fleet import Fleet
from tickwheel.server.scheduler.holding import Holdings
from tickwheel.server.scheduler.live import LiveRun
from tickwheel.server.scheduler.runs import fire_then_priority
from tickwheel.server.scheduler.terms import expire_ms
from tickwheel.server.scheduler.throttle import DispatchLimits, Throttle
from tickwheel.server.store.port import LOOK_AHEAD_MS

#: Runs handed out between two turns of the event loop: some 20 ms of work.
SLICE = 500


class Dispatcher:
    """What is between being ready and being with a worker."""

    def __init__(
        self, clock: Clock, limits: DispatchLimits, fleet: Fleet, holdings: Holdings
    ) -> None:
        """Makes it; `holdings` are shared, and changed by others."""
        self._clock = clock
        self._fleet = fleet
        self._holdings = holdings
        self._throttle = Throttle(limits)
        #: What the limits allow, by segment, as there room is or is not.
        self._waiting = FairQueue(lambda run: run.job.segment)

    def hand_out(self) -> bool:
        """Hands out a slice of what is ready; whether there may be more."""
        ready: list[LiveRun] = []
        for holding in self._holdings.values():
            if holding.ready and not holding.leaving:
                ready.extend(holding.owner.take_ready())
        now_ms = self._clock.now_ms()
        for run in self._throttle.admit(self._paced(ready, now_ms), now_ms):
            # Kept when a run is handed out again: its time is not to begin anew.
            run.expire_ms = run.expire_ms or expire_ms(run.job.spec, run.fire_ms, now_ms)
            self._waiting.add(run)
        if not self._waiting:
            return False
        return len(self._fleet.assign(self._waiting, SLICE, now_ms)) == SLICE

    def _paced(self, ready: Iterable[LiveRun], now_ms: int) -> list[LiveRun]:
        """Those whose topic's rate lets them go inside the look-ahead."""
        near: list[LiveRun] = []
        for run in sorted(ready, key=fire_then_priority):
            self._throttle.pace(run)
            if run.fire_ms <= now_ms + LOOK_AHEAD_MS:
                near.append(run)
            else:
                self._holdings[run.job.segment].owner.runs.postpone(run, now_ms)
        return near

    def next_ms(self) -> int | None:
        """When a run that a limit keeps comes due; None where only an end makes room."""
        return self._throttle.next_ms()

    def set_share(self, owned: int, segments: int) -> None:
        """How many of all segments are ours."""
        self._throttle.set_share(owned, segments)

    def resume(self, run: LiveRun) -> None:
        """A run that a former owner has handed out counts as well."""
        self._throttle.resume(run)

    def ended(self, run: LiveRun) -> None:
        """A run has ended: another may take its place."""
        self._throttle.ended(run)

    def forget(self, segments: Iterable[int]) -> None:
        """These segments are not ours any more."""
        lost = set(segments)
        self._throttle.forget(lost)
        self._waiting.forget(lost)
