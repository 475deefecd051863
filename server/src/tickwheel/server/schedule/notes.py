"""What is remarkable about a schedule in a range of time, in words."""

from collections.abc import Iterable, Sequence
from typing import Protocol, runtime_checkable

from tickwheel.server.schedule.excludes import Exclusion
from tickwheel.server.schedule.instants import (
    EARLIEST_S,
    HORIZON_S,
    format_clock,
    format_duration,
    format_instant,
    format_wall,
)
from tickwheel.server.schedule.interval import CalendarSteps
from tickwheel.server.schedule.rules import RuleSeries
from tickwheel.server.schedule.series import Once, OnTheClock, Series, Union
from tickwheel.server.schedule.spec import DstGap, DstOverlap, ScheduleSpec
from tickwheel.server.schedule.wallclock import WallClock, WallTimes
from tickwheel.server.schedule.zone import Span, Zone

#: More of one kind than this are only counted in words.
_MOST = 20
#: Before everything that is searched.
_EVER_MS = -(2**60)


@runtime_checkable
class Remarked(Protocol):
    """A member of a union that is a schedule of its own."""

    def remarks(self, start_ms: int, end_ms: int) -> list[str]:
        """What is remarkable about its occurrences in [start_ms, end_ms)."""
        ...


def emptiness(schedule: Series, series: Series, start_ms: int, end_ms: int) -> list[str]:
    """Whether a schedule has no occurrence in [start_ms, end_ms), and why.

    `series` is what the schedule has before its bounds and excludes.
    """
    following = schedule.next_after(start_ms - 1)
    if following is None:
        if schedule.next_after(_EVER_MS) is not None:
            return [f"there is no occurrence any more from {format_instant(start_ms)} on"]
        if series.next_after(_EVER_MS) is None:
            return ["never fires: no date matches"]
        return ["never fires: startTime, endTime and excludes leave no occurrence"]
    if following >= end_ms:
        return [f"no occurrence in this range; the next is {format_instant(following)}"]
    return []


def remarks(
    spec: ScheduleSpec,
    series: Series,
    zone: Zone,
    exclusions: Sequence[Exclusion],
    start_ms: int,
    end_ms: int,
) -> list[str]:
    """Changes of the clock crossed and exclusions hit in [start_ms, end_ms)."""
    start_ms = max(start_ms, EARLIEST_S * 1000)
    end_ms = min(end_ms, HORIZON_S * 1000)
    if spec.start_ms is not None:
        start_ms = max(start_ms, spec.start_ms)
    if spec.end_ms is not None:
        end_ms = min(end_ms, spec.end_ms)
    if start_ms >= end_ms:
        return []
    found = _few(_changes(series, zone, start_ms, end_ms), "changes of the clock")
    found += _few(_left_out(series, exclusions, start_ms, end_ms), "exclusions")
    # Members of a union cross the same changes; each thing is said once.
    return list(dict.fromkeys(found))


def _few(notes: Iterable[str], what: str) -> list[str]:
    kept: list[str] = []
    for note in notes:
        if len(kept) == _MOST:
            kept.append(f"more {what} follow")
            break
        kept.append(note)
    return kept


def _changes(series: Series, zone: Zone, start_ms: int, end_ms: int) -> Iterable[str]:
    if isinstance(series, Union):
        for index, member in enumerate(series.members):
            if member.next_after(_EVER_MS) is None:
                yield f"anyOf.schedules[{index}] never fires"
            if isinstance(member, Remarked):
                yield from member.remarks(start_ms, end_ms)
        return
    if isinstance(series, Once):
        return
    # -(-a // b) rounds up: a change belongs to the range that its instant is in.
    for span in zone.spans_between(-(-start_ms // 1000), -(-end_ms // 1000)):
        yield _change(zone, span) + _effect(series, span)


def _change(zone: Zone, span: Span) -> str:
    before = span.start_s + span.previous_s
    after = span.start_s + span.offset_s
    way = "forward" if after > before else "back"
    length = format_duration(abs(after - before) * 1000)
    return (
        f"{format_wall(before)}: the clocks of {zone.name} go {way} {length}, "
        f"to {format_wall(after)}; "
    )


def _effect(series: Series, span: Span) -> str:
    view = _wall_view(series)
    if view is None:
        return "the occurrences keep their distance"
    clock, times, elapsed = view
    if elapsed:
        return "the schedule follows elapsed time"
    before = span.start_s + span.previous_s
    after = span.start_s + span.offset_s
    low, high = min(before, after), max(before, after)
    wall = times.at_or_after(low, span.previous_s)
    if wall is None or wall >= high:
        return "no occurrence is affected"
    other = times.at_or_after(wall + 1, span.previous_s)
    more = " and what follows it" if other is not None and other < high else ""
    name = format_clock(wall % 86_400) + more
    if after > before:
        match clock.gap:
            case DstGap.SKIP:
                return f"{name} does not exist and is skipped"
            case DstGap.NEXT_VALID:
                return f"{name} does not exist and moves to {format_wall(after)}"
            case DstGap.SAME_OFFSET:
                moved = format_wall(wall + after - before)
                return f"{name} does not exist and happens by the offset before, at {moved}"
    which = {
        DstOverlap.FIRST: "the first is taken",
        DstOverlap.SECOND: "the second is taken",
        DstOverlap.BOTH: "both are taken",
    }
    return f"{name} comes twice and {which[clock.overlap]}"


def _wall_view(series: Series) -> tuple[WallClock, WallTimes, bool] | None:
    """The clock and times that a series goes by; None for those that count exact time."""
    if isinstance(series, OnTheClock):
        return series.clock, series.times, series.elapsed
    if isinstance(series, RuleSeries):
        return series.clock, series.times, series.elapsed
    if isinstance(series, CalendarSteps):
        return series.clock, series, False
    return None


def _left_out(
    series: Series, exclusions: Sequence[Exclusion], start_ms: int, end_ms: int
) -> Iterable[str]:
    for exclusion in exclusions:
        for low, high in exclusion.stretches:
            hit = series.next_after(max(low, start_ms) - 1)
            if hit is not None and hit < min(high, end_ms):
                yield f"{exclusion.text} is left out: {format_instant(hit)} would have been on it"
                break
