"""Where a schedule has no occurrence although one might be expected, and why.

A preview's notes draw such things together; here each instant stands for itself, so that "why did
my job not run at that time?" has an answer.
"""

import enum
import heapq
from collections.abc import Iterator
from dataclasses import dataclass

from tickwheel.server.schedule.excludes import Exclusion
from tickwheel.server.schedule.instants import (
    DAY_S,
    EARLIEST_S,
    HORIZON_S,
    format_instant,
    format_wall,
)
from tickwheel.server.schedule.notes import change_in_words, other_day
from tickwheel.server.schedule.parts import Part, parts_of, wall_view
from tickwheel.server.schedule.schedule import Schedule
from tickwheel.server.schedule.series import Series, Union
from tickwheel.server.schedule.spec import DstGap, DstOverlap
from tickwheel.server.schedule.wallclock import WallClock, WallTimes
from tickwheel.server.schedule.zone import Span


class Why(enum.Enum):
    """Why there is no occurrence, or why it is at another time."""

    #: The wall-clock time did not exist that day.
    GAP = enum.auto()
    #: The wall-clock time existed twice, and this is the one that is not meant.
    OVERLAP = enum.auto()
    #: Not an absence: there is an occurrence here for a wall-clock time that did not exist.
    MOVED = enum.auto()
    EXCLUDED = enum.auto()
    BEFORE_START = enum.auto()
    AFTER_END = enum.auto()


@dataclass(frozen=True, slots=True, order=True)
class Absence:
    """One instant (Unix milliseconds), and in words why nothing, or something moved, is there."""

    at_ms: int
    text: str
    why: Why


def absences(schedule: Schedule, start_ms: int, end_ms: int) -> Iterator[Absence]:
    """Those in [start_ms, end_ms), in order, lazily.

    A union may have an occurrence where one of its members has none: whoever asks looks at the
    occurrences first.
    """
    start_ms = max(start_ms, EARLIEST_S * 1000)
    end_ms = min(end_ms, HORIZON_S * 1000)
    return heapq.merge(
        *(_at_changes(part) for part in parts_of(schedule, start_ms, end_ms)),
        *_left_out(schedule, start_ms, end_ms),
    )


def _at_changes(part: Part) -> Iterator[Absence]:
    view = wall_view(part.series)
    if view is None or view[2]:
        return
    clock, times, _ = view
    # The two instants of a time that comes twice lie on either side of the change.
    low, high = part.start_ms // 1000 - DAY_S, -(-part.end_ms // 1000) + DAY_S
    for span in part.zone.spans_between(low, high):
        found = _gap(part, clock, times, span) if _is_gap(span) else _overlap(clock, times, span)
        for absence in sorted(found):
            if part.start_ms <= absence.at_ms < part.end_ms:
                yield absence


def _is_gap(span: Span) -> bool:
    return span.offset_s > span.previous_s


def _walls(times: WallTimes, low: int, high: int, offset_s: int) -> Iterator[int]:
    wall = times.at_or_after(low, offset_s)
    while wall is not None and wall < high:
        yield wall
        wall = times.at_or_after(wall + 1, offset_s)


def _gap(part: Part, clock: WallClock, times: WallTimes, span: Span) -> Iterator[Absence]:
    before, after = span.start_s + span.previous_s, span.start_s + span.offset_s
    # A sparse series is seldom asked: most changes of the clock lie far from its next time.
    if part.first_wall(times, before, span.previous_s) >= after:
        return
    for wall in _walls(times, before, after, span.previous_s):
        at_s = wall - span.previous_s
        text = f"{format_wall(wall)} does not exist ({change_in_words(clock.zone, span)})"
        match clock.gap:
            case DstGap.SKIP:
                yield Absence(at_s * 1000, f"{text} and dstGap leaves it out", Why.GAP)
            case DstGap.NEXT_VALID:
                moved = f"{text} and has moved to {other_day(before, after)}"
                yield Absence(span.start_s * 1000, moved, Why.MOVED)
            case DstGap.SAME_OFFSET:
                shown = other_day(wall, at_s + span.offset_s)
                moved = f"{text} and happens by the offset before it, at {shown}"
                yield Absence(at_s * 1000, moved, Why.MOVED)


def _overlap(clock: WallClock, times: WallTimes, span: Span) -> Iterator[Absence]:
    if clock.overlap is DstOverlap.BOTH:
        return
    before, after = span.start_s + span.previous_s, span.start_s + span.offset_s
    is_first = clock.overlap is DstOverlap.FIRST
    for wall in _walls(times, after, before, span.previous_s):
        first, second = wall - span.previous_s, wall - span.offset_s
        absent, taken = (second, first) if is_first else (first, second)
        text = (
            f"{format_wall(wall)} comes twice ({change_in_words(clock.zone, span)}) and dstOverlap "
            f"takes the {'first' if is_first else 'second'}, {format_instant(taken * 1000)}"
        )
        yield Absence(absent * 1000, text, Why.OVERLAP)


def _left_out(schedule: Schedule, start_ms: int, end_ms: int) -> Iterator[Iterator[Absence]]:
    spec = schedule.spec
    if spec.start_ms is not None and start_ms < spec.start_ms:
        text = f"it is before the schedule's startTime, {format_instant(spec.start_ms)}"
        before_ms = min(spec.start_ms, end_ms)
        yield _plain(schedule.series, start_ms, before_ms, text, Why.BEFORE_START)
        start_ms = spec.start_ms
    if spec.end_ms is not None and end_ms > spec.end_ms:
        text = f"the schedule ends at its endTime, {format_instant(spec.end_ms)}"
        after_ms = max(spec.end_ms, start_ms)
        yield _plain(schedule.series, after_ms, end_ms, text, Why.AFTER_END)
        end_ms = spec.end_ms
    for exclusion in schedule.exclusions:
        yield _excluded(schedule.series, exclusion, start_ms, end_ms)
    if isinstance(schedule.series, Union):
        for member in schedule.series.members:
            if isinstance(member, Schedule):
                yield from _left_out(member, start_ms, end_ms)


def _plain(series: Series, start_ms: int, end_ms: int, text: str, why: Why) -> Iterator[Absence]:
    at = series.next_after(start_ms - 1)
    while at is not None and at < end_ms:
        yield Absence(at, text, why)
        at = series.next_after(at)


def _excluded(
    series: Series, exclusion: Exclusion, start_ms: int, end_ms: int
) -> Iterator[Absence]:
    text = f"{exclusion.text} is named by the schedule's excludes"
    for low, high in exclusion.stretches:
        yield from _plain(series, max(low, start_ms), min(high, end_ms), text, Why.EXCLUDED)
