"""What is remarkable about a schedule in a stretch of time, in words."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tickwheel.server.schedule.excludes import Exclusion
from tickwheel.server.schedule.instants import (
    DAY_S,
    EARLIEST_S,
    HORIZON_S,
    format_clock,
    format_instant,
    format_wall,
)
from tickwheel.server.schedule.parts import Part, parts_of, wall_view
from tickwheel.server.schedule.phrases import counted
from tickwheel.server.schedule.schedule import Schedule
from tickwheel.server.schedule.series import Series, Union
from tickwheel.server.schedule.spec import DstGap, DstOverlap
from tickwheel.server.schedule.zone import Span, Zone

#: So many things of a kind are named; of changes of the clock without effect fewer.
_MOST = 20
_MOST_QUIET = 4
#: So many changes of the clock are looked at: those of a thousand years.
_MOST_CHANGES = 2000
#: Before everything that is searched.
_EVER_MS = -(2**60)


def remarks(schedule: Schedule, start_ms: int, end_ms: int, *, quiet: bool = True) -> list[str]:
    """Changes of the clock crossed and exclusions hit in [start_ms, end_ms).

    Without `quiet` changes that affect no occurrence are not mentioned.
    """
    start_ms = max(start_ms, EARLIEST_S * 1000)
    end_ms = min(end_ms, HORIZON_S * 1000)
    found = _changes(list(parts_of(schedule, start_ms, end_ms)), quiet=quiet)
    found += _few(_left_out(schedule, start_ms, end_ms), "exclusions")
    return list(dict.fromkeys(found))


def why_nothing(schedule: Schedule, after_ms: int) -> str:
    """Why a schedule has no occurrence after an instant."""
    at_ms = schedule.spec.at_ms
    if schedule.next_after(_EVER_MS) is not None:
        if at_ms is not None:
            return (
                f"{format_instant(at_ms)} is not after {format_instant(after_ms)}; "
                "a job created then would be due at once"
            )
        return f"there is no occurrence any more after {format_instant(after_ms)}"
    if schedule.series.next_after(_EVER_MS) is None:
        what = "no date matches" if schedule.spec.cron is not None else "nothing matches"
        return f"never fires: {what}"
    return "never fires: startTime, endTime and excludes leave no occurrence"


def dead_members(schedule: Schedule, path: str = "") -> Iterator[str]:
    """The members of a union that never fire."""
    if not isinstance(schedule.series, Union):
        return
    for index, member in enumerate(schedule.series.members):
        if isinstance(member, Schedule):
            inner = f"{path}anyOf.schedules[{index}]"
            if member.next_after(_EVER_MS) is None:
                yield f"{inner} never fires"
            else:
                yield from dead_members(member, f"{inner}.")


def _changes(parts: list[Part], *, quiet: bool) -> list[str]:
    loud: list[str] = []
    still: list[str] = []
    unnamed = 0
    for number, (zone, span, effects) in enumerate(_crossed(parts)):
        if number == _MOST_CHANGES or len(loud) == _MOST:
            loud.append("more changes of the clock follow")
            break
        happening = [effect.text for effect in effects if effect.affects]
        if happening:
            loud.append(f"{change_in_words(zone, span)}; {'; '.join(dict.fromkeys(happening))}")
        elif len(still) < _MOST_QUIET:
            still.append(f"{change_in_words(zone, span)}; {effects[0].text}")
        else:
            unnamed += 1
    if not quiet:
        return loud
    if unnamed:
        changes = counted(unnamed, "more change")
        verb = "affects" if unnamed == 1 else "affect"
        still.append(f"{changes} of the clock {verb} no occurrence")
    return loud + still


def _crossed(parts: list[Part]) -> Iterator[tuple[Zone, Span, list["_Effect"]]]:
    """Every change of the clock that some part lives through, with what it does to each."""
    zones: dict[str, list[Part]] = {}
    for part in parts:
        zones.setdefault(part.zone.name, []).append(part)
    for concerned in zones.values():
        zone = concerned[0].zone
        low = min(part.start_ms for part in concerned)
        high = max(part.end_ms for part in concerned)
        # -(-a // b) rounds up: a change belongs to the range that its instant is in.
        for span in zone.spans_between(-(-low // 1000), -(-high // 1000)):
            effects = [
                _effect(part, span)
                for part in concerned
                if part.start_ms <= span.start_s * 1000 < part.end_ms
            ]
            if effects:
                yield zone, span, effects


def change_in_words(zone: Zone, span: Span) -> str:
    """A change of the clock: what it is, where, when and between which times."""
    before = span.start_s + span.previous_s
    after = span.start_s + span.offset_s
    what, way = ("gap", "forward") if after > before else ("overlap", "back")
    if before // DAY_S == after // DAY_S:
        day = format_wall(before)[:10]
        move = f"on {day} the clocks go {way} from {_clock(before)} to {_clock(after)}"
    else:
        move = f"the clocks go {way} from {format_wall(before)} to {format_wall(after)}"
    return f"DST {what} in {zone.name}: {move}"


@dataclass(frozen=True, slots=True)
class _Effect:
    """What a change does to a series."""

    affects: bool
    text: str


def _effect(part: Part, span: Span) -> _Effect:
    view = wall_view(part.series)
    if view is None:
        return _Effect(False, "the occurrences keep their distance in elapsed time")
    clock, times, elapsed = view
    if elapsed:
        return _Effect(False, "the schedule follows elapsed time")
    before = span.start_s + span.previous_s
    after = span.start_s + span.offset_s
    low, high = min(before, after), max(before, after)
    wall = part.first_wall(times, low, span.previous_s)
    if wall >= high:
        return _Effect(False, "no occurrence is affected")
    other = times.at_or_after(wall + 1, span.previous_s)
    several = other is not None and other < high
    name = f"{_clock(wall)} and others" if several else _clock(wall)
    if after < before:
        which = {
            DstOverlap.FIRST: "the first is taken",
            DstOverlap.SECOND: "the second is taken",
            DstOverlap.BOTH: "both are taken",
        }
        come = "come" if several else "comes"
        return _Effect(True, f"{name} {come} twice and {which[clock.overlap]}")
    do, are = ("do", "are") if several else ("does", "is")
    missing = f"{name} {do} not exist and"
    match clock.gap:
        case DstGap.SKIP:
            return _Effect(True, f"{missing} {are} skipped")
        case DstGap.NEXT_VALID:
            moved = other_day(before, after)
            return _Effect(True, f"{missing} {'move' if several else 'moves'} to {moved}")
        case DstGap.SAME_OFFSET:
            moved = other_day(wall, wall + after - before)
            happens = "happen" if several else "happens"
            return _Effect(
                True,
                f"{missing} {happens} by the offset before, {'from' if several else 'at'} {moved}",
            )


def _clock(wall_s: int) -> str:
    return format_clock(wall_s % DAY_S)


def other_day(from_s: int, wall_s: int) -> str:
    """A wall-clock time, with its date where that is another one than before."""
    return _clock(wall_s) if wall_s // DAY_S == from_s // DAY_S else format_wall(wall_s)


def _left_out(schedule: Schedule, start_ms: int, end_ms: int) -> Iterator[str]:
    spec = schedule.spec
    start_ms = start_ms if spec.start_ms is None else max(start_ms, spec.start_ms)
    end_ms = end_ms if spec.end_ms is None else min(end_ms, spec.end_ms)
    for exclusion in schedule.exclusions:
        hits = list(_hits(schedule.series, exclusion, start_ms, end_ms))
        if hits:
            more = " and more" if len(hits) > 1 else ""
            yield f"{exclusion.text} is excluded: {format_instant(hits[0])}{more} is left out"
    if isinstance(schedule.series, Union):
        for member in schedule.series.members:
            if isinstance(member, Schedule):
                yield from _left_out(member, start_ms, end_ms)


def _hits(series: Series, exclusion: Exclusion, start_ms: int, end_ms: int) -> Iterator[int]:
    """The first two occurrences that an exclusion takes away."""
    found = 0
    for low, high in exclusion.stretches:
        at: int | None = max(low, start_ms) - 1
        while found < 2:
            at = series.next_after(at)
            if at is None or at >= min(high, end_ms):
                break
            found += 1
            yield at


def _few(notes: Iterable[str], what: str) -> list[str]:
    kept: list[str] = []
    for note in notes:
        if len(kept) == _MOST:
            kept.append(f"more {what} follow")
            break
        kept.append(note)
    return kept
