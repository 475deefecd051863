"""A schedule taken apart: the series it is made of, and what bounds each of them."""

from collections.abc import Iterator
from dataclasses import dataclass

from tickwheel.server.schedule.instants import HORIZON_S
from tickwheel.server.schedule.intervalsteps import CalendarSteps
from tickwheel.server.schedule.rules import RuleSeries
from tickwheel.server.schedule.schedule import Schedule
from tickwheel.server.schedule.series import Listed, Once, OnTheClock, Series, Union
from tickwheel.server.schedule.wallclock import WallClock, WallTimes
from tickwheel.server.schedule.zone import Zone


@dataclass(slots=True)
class Part:
    """A series without inner parts, and where it stands."""

    series: Series
    zone: Zone
    #: What its schedule and those around it allow, Unix milliseconds, the end exclusive.
    start_ms: int
    end_ms: int
    #: The first wall-clock time from `_asked_s` on, so that a sparse series is seldom asked.
    _asked_s: int = HORIZON_S
    _found_s: int = HORIZON_S

    def first_wall(self, times: WallTimes, wall_s: int, offset_s: int) -> int:
        """The first of the times from one on; later than all others where there is none."""
        if not self._asked_s <= wall_s <= self._found_s:
            found = times.at_or_after(wall_s, offset_s)
            self._asked_s, self._found_s = wall_s, HORIZON_S if found is None else found
        return self._found_s


def parts_of(schedule: Schedule, start_ms: int, end_ms: int) -> Iterator[Part]:
    """The parts of a schedule that go on and on, each with its bounds inside [start_ms, end_ms)."""
    spec = schedule.spec
    start_ms = start_ms if spec.start_ms is None else max(start_ms, spec.start_ms)
    end_ms = end_ms if spec.end_ms is None else min(end_ms, spec.end_ms)
    if start_ms >= end_ms:
        return
    series = schedule.series
    for member in series.members if isinstance(series, Union) else (series,):
        if isinstance(member, Schedule):
            yield from parts_of(member, start_ms, end_ms)
        elif isinstance(member, RuleSeries):
            low, high = member.start_s * 1000, member.until_s * 1000 + 1
            yield Part(member, schedule.zone, max(start_ms, low), min(end_ms, high))
        elif not isinstance(member, Once | Listed):
            yield Part(member, schedule.zone, start_ms, end_ms)


def wall_view(series: Series) -> tuple[WallClock, WallTimes, bool] | None:
    """The clock and times that a series goes by; None for those that count exact time."""
    if isinstance(series, OnTheClock | RuleSeries):
        return series.clock, series.times, series.elapsed
    if isinstance(series, CalendarSteps):
        return series.clock, series, False
    return None
