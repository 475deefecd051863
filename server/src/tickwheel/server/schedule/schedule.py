"""Compiling a schedule, and the compiled schedule."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from hashlib import blake2b
from itertools import islice

from tickwheel.server.schedule.crontimes import cron_times
from tickwheel.server.schedule.errors import ScheduleError, ScheduleErrorReason
from tickwheel.server.schedule.excludes import Exclusion, Stretches, moment_instants
from tickwheel.server.schedule.instants import (
    LAST_S,
    NANOS,
    Moment,
    format_duration,
    format_wall,
    parse_moment,
)
from tickwheel.server.schedule.interval import parse_interval
from tickwheel.server.schedule.intervalsteps import interval_series
from tickwheel.server.schedule.rrule import RecurrenceText, parse_rrule
from tickwheel.server.schedule.rules import rule_series
from tickwheel.server.schedule.series import Every, Listed, Once, OnTheClock, Series, Union
from tickwheel.server.schedule.spec import DstGap, DstOverlap, ScheduleSpec
from tickwheel.server.schedule.wallclock import WallClock
from tickwheel.server.schedule.words import describe_spec
from tickwheel.server.schedule.zone import ZONES, Zone

#: Schedules within schedules; deeper nesting says nothing that a flat list does not.
_DEEPEST = 4
_MOST_MEMBERS = 32
#: … in all, those inside of others included.
_MOST_IN_ALL = 128
#: Around so many occurrences of a union it is looked at how close they come.
_WALKED = 400
#: Beyond it an instant has no year of four digits.
_LAST_MS = LAST_S * 1000 - 1


class Schedule:
    """A compiled schedule: immutable, safe to share among threads.

    All instants are Unix milliseconds, UTC. It holds the time-zone data it was compiled with.
    """

    __slots__ = ("_left_out", "exclusions", "is_recurring", "series", "spec", "zone")

    def __init__(
        self, spec: ScheduleSpec, series: Series, zone: Zone, exclusions: tuple[Exclusion, ...]
    ) -> None:
        self.spec = spec
        #: More than one occurrence is possible.
        self.is_recurring = not isinstance(series, Once) and not (
            isinstance(series, Union)
            and len(series.members) == 1
            and all(isinstance(one, Schedule) and not one.is_recurring for one in series.members)
        )
        #: The occurrences before bounds and excludes.
        self.series = series
        #: Where its wall-clock times and dates are read.
        self.zone = zone
        self.exclusions = exclusions
        self._left_out = (
            Stretches(stretch for one in exclusions for stretch in one.stretches)
            if exclusions
            else None
        )

    def occurs_at(self, at_ms: int) -> bool:
        """Whether an instant is a nominal occurrence; as for `next_after`."""
        return self.next_after(at_ms - 1) == at_ms

    def next_after(self, after_ms: int) -> int | None:
        """The first nominal occurrence strictly after `after_ms`; None when there is none any more.

        `max_runs` is not looked at: the caller counts. Nothing is searched before the year 1900 or
        after 9999.
        """
        start, end = self.spec.start_ms, self.spec.end_ms
        if start is not None and after_ms < start:
            after_ms = start - 1
        while True:
            found = self.series.next_after(after_ms)
            if found is None or found > _LAST_MS or (end is not None and found >= end):
                return None
            if self._left_out is None:
                return found
            stretch_end = self._left_out.end_of(found)
            if stretch_end is None:
                return found
            after_ms = stretch_end - 1

    def between(self, start_ms: int, end_ms: int) -> Iterator[int]:
        """The nominal occurrences from `start_ms` (inclusive) to `end_ms` (exclusive), lazily."""
        instant = self.next_after(start_ms - 1)
        while instant is not None and instant < end_ms:
            yield instant
            instant = self.next_after(instant)

    def count(self, start_ms: int, end_ms: int, most: int) -> int:
        """How many there are `between`, counted up to `most`.

        Periods of elapsed time, and cron expressions without given hours, are not gone through.
        """
        if self._left_out is None and isinstance(self.series, Every | OnTheClock):
            first, last = self.spec.start_ms, self.spec.end_ms
            begun_ms = start_ms if first is None else max(start_ms, first)
            ended_ms = min(end_ms, _LAST_MS + 1, end_ms if last is None else last)
            found = self.series.count(begun_ms, max(begun_ms, ended_ms))
            if found is not None:
                return min(found, most)
        return sum(1 for _ in islice(self.between(start_ms, end_ms), most))

    def due(self, nominal_ms: int, *, salt: str) -> int:
        """When an occurrence is due: its nominal instant and a delay of up to the jitter.

        The delay depends on the salt and the occurrence alone. Where a change of the clock or
        another member brings the next occurrence nearer than the jitter, it stays below that, so
        that what is due keeps the order of what is nominal.
        """
        limit = self.spec.jitter_ms
        if not limit:
            return nominal_ms
        following = self.next_after(nominal_ms)
        if following is not None:
            limit = min(limit, following - nominal_ms - 1)
        digest = blake2b(f"{salt}\0{nominal_ms}".encode(), digest_size=8).digest()
        return nominal_ms + int.from_bytes(digest, "big") % (limit + 1)

    def smallest_gap_ms(self) -> int | None:
        """No two occurrences are closer, changes of the clock apart; None: at most one of them."""
        return self.series.smallest_gap_ms()

    @property
    def is_current(self) -> bool:
        """Whether it was compiled with the time-zone data that are there now.

        If not, compile it again: what lies ahead may have changed.
        """
        members = self.series.members if isinstance(self.series, Union) else ()
        return ZONES.is_current(self.zone) and all(
            member.is_current for member in members if isinstance(member, Schedule)
        )

    def describe(self) -> str:
        """The schedule in words, such as "at 02:30 every day (Europe/Berlin)"."""
        return describe_spec(self.spec)


def compile_schedule(spec: ScheduleSpec, *, anchor_ms: int) -> Schedule:
    """Compiles a schedule.

    `anchor_ms` (the creation, or a preview's start) is what is counted from where the spec names
    neither an anchor nor a start.

    Raises:
        ScheduleError: the schedule cannot be used.
    """
    in_all = sum(1 for _ in islice(_members(spec), _MOST_IN_ALL + 1))
    if in_all > _MOST_IN_ALL:
        raise _invalid(
            "anyOf", f"there are more than {_MOST_IN_ALL} schedules in it, at all depths"
        )
    utc = WallClock(ZONES.zone("UTC"), DstGap.NEXT_VALID, DstOverlap.FIRST)
    return _compile(spec, _Outer(utc, anchor_ms, 0))


def _members(spec: ScheduleSpec) -> Iterator[ScheduleSpec]:
    """What is inside of a schedule, at all depths; those inside of another after it."""
    for member in spec.any_of or ():
        yield member
        yield from _members(member)


@dataclass(frozen=True, slots=True)
class _Outer:
    """What holds for a schedule where it says nothing itself."""

    clock: WallClock
    anchor_ms: int
    #: How many schedules this one is inside of.
    depth: int


def _compile(spec: ScheduleSpec, outer: _Outer) -> Schedule:
    form = _form(spec)
    _check_bounds(spec, form)
    rule = parse_rrule(spec.rrule) if spec.rrule is not None else None
    zone = ZONES.zone(spec.time_zone) if spec.time_zone else outer.clock.zone
    if rule is not None and rule.zone_name is not None:
        zone = _rule_zone(rule.zone_name, spec.time_zone)
    clock = WallClock(
        zone, spec.dst_gap or outer.clock.gap, spec.dst_overlap or outer.clock.overlap
    )
    anchor_ms = outer.anchor_ms
    for first in (spec.start_ms, spec.anchor_ms):
        anchor_ms = anchor_ms if first is None else first
    series = _series(spec, rule, _Outer(clock, anchor_ms, outer.depth))
    exclusions = tuple(_exclusion(index, text, clock) for index, text in enumerate(spec.excludes))
    if rule is not None:
        exclusions += tuple(
            Exclusion.of(f"EXDATE {_as_written(moment)}", moment, clock) for moment in rule.excluded
        )
    schedule = Schedule(spec, series, zone, exclusions)
    if spec.jitter_ms:
        _check_jitter(schedule, outer)
    return schedule


def _as_written(moment: Moment) -> str:
    return format_wall(moment.wall_s)[:10] if moment.is_date else format_wall(moment.wall_s)


def _series(spec: ScheduleSpec, rule: RecurrenceText | None, settings: _Outer) -> Series:
    clock, anchor_ms = settings.clock, settings.anchor_ms
    if spec.at_ms is not None:
        return Once(spec.at_ms)
    if spec.every_ns is not None:
        return Every(anchor_ms, spec.every_ns)
    if spec.cron is not None:
        times = cron_times(spec.cron)
        return OnTheClock(clock, times, times.fields.wild_hour)
    if spec.iso8601 is not None:
        interval = parse_interval(spec.iso8601)
        if not (interval.start or interval.end or interval.period.is_exact):
            _check_date(spec, clock, anchor_ms)
        if spec.anchor_ms is not None and (interval.start or interval.end):
            raise _conflict("anchor", "anchor and the start or end in iso8601 are both given")
        return interval_series(interval, clock, anchor_ms)
    if rule is not None:
        if spec.anchor_ms is not None and rule.start:
            raise _conflict("anchor", "anchor and the DTSTART in rrule are both given")
        if not rule.start:
            _check_date(spec, clock, anchor_ms)
        return _with_dates(rule_series(rule.rule, rule.start, clock, anchor_ms), rule, clock)
    return _union(spec.any_of or (), settings)


def _check_date(spec: ScheduleSpec, clock: WallClock, anchor_ms: int) -> None:
    """Refuses to count days from an instant that has none: where it is, the year is 10000."""
    if clock.zone.wall_s(anchor_ms // 1000) >= LAST_S:
        field = "startTime" if spec.anchor_ms is None else "anchor"
        raise _invalid(field, f"time ends with the year 9999 here, also in {clock.zone.name}")


def _with_dates(series: Series, rule: RecurrenceText, clock: WallClock) -> Series:
    if not rule.added:
        return series
    instants = {instant for moment in rule.added for instant in moment_instants(moment, clock)}
    return Union((series, Listed(tuple(sorted(instants)))))


def _union(members: tuple[ScheduleSpec, ...], settings: _Outer) -> Union:
    if not 1 <= len(members) <= _MOST_MEMBERS:
        raise _invalid(
            "anyOf.schedules", f"{len(members)} schedules; it takes from 1 to {_MOST_MEMBERS}"
        )
    if settings.depth == _DEEPEST:
        raise _invalid("anyOf", f"anyOf is nested more than {_DEEPEST} times; use one flat list")
    compiled: list[Schedule] = []
    inside = replace(settings, depth=settings.depth + 1)
    for index, member in enumerate(members):
        try:
            for field, given in (("maxRuns", member.max_runs), ("jitter", member.jitter_ms)):
                if given:
                    raise _invalid(field, f"{field} belongs to the whole schedule, beside anyOf")
            compiled.append(_compile(member, inside))
        except ScheduleError as error:
            raise error.inside(f"anyOf.schedules[{index}]") from error
    return Union(tuple(compiled))


def _form(spec: ScheduleSpec) -> str:
    forms: dict[str, object] = {
        "at": spec.at_ms,
        "cron": spec.cron,
        "every": spec.every_ns,
        "iso8601": spec.iso8601,
        "rrule": spec.rrule,
        "anyOf": spec.any_of,
    }
    given = [name for name, value in forms.items() if value is not None]
    if not given:
        raise ScheduleError(
            ScheduleErrorReason.SCHEDULE_MISSING,
            "",
            f"the schedule does not say when: set one of {', '.join(forms)}",
        )
    if len(given) > 1:
        raise _conflict(given[1], f"{' and '.join(given)} are set; exactly one form may be")
    return given[0]


def _check_bounds(spec: ScheduleSpec, form: str) -> None:
    if spec.every_ns is not None and spec.every_ns < NANOS:
        given = format_duration(spec.every_ns) if spec.every_ns >= 0 else "a negative duration"
        raise ScheduleError(
            ScheduleErrorReason.PERIOD_TOO_SHORT,
            "every",
            f"{given} is too short; the smallest period is 1 second",
        )
    if spec.anchor_ms is not None and form not in ("every", "iso8601", "rrule"):
        raise _conflict("anchor", f"anchor goes with every, iso8601 and rrule, not with {form}")
    if spec.start_ms is not None and spec.end_ms is not None and spec.end_ms <= spec.start_ms:
        raise _invalid("endTime", "endTime is not after startTime, so nothing could ever happen")
    if spec.max_runs < 0:
        raise _invalid("maxRuns", f"{spec.max_runs} is negative; 0 is without limit")
    if spec.jitter_ms < 0:
        raise _invalid("jitter", "the jitter is negative; an occurrence is never early")


def _check_jitter(schedule: Schedule, outer: _Outer) -> None:
    jitter = schedule.spec.jitter_ms
    gap = schedule.smallest_gap_ms()
    if schedule.spec.any_of is not None:
        gap = _gap_of_union(schedule.spec, outer)
    if gap is not None and jitter >= gap:
        raise ScheduleError(
            ScheduleErrorReason.JITTER_TOO_LARGE,
            "jitter",
            f"a jitter of {jitter} ms is not smaller than {gap} ms, which is as close as two "
            "occurrences can be",
        )


def _gap_of_union(spec: ScheduleSpec, outer: _Outer) -> int | None:
    """The smallest gap around the first occurrences of each member: they may come close.

    All are read in UTC: what is accepted must not depend on changes of the clock.
    """
    whole = _compile(replace(_in_utc(spec), jitter_ms=0), outer)
    if not isinstance(whole.series, Union):
        raise AssertionError("a schedule with any_of is a union")
    none = _LAST_MS
    gap = whole.smallest_gap_ms() or none
    for member in whole.series.members:
        at = member.next_after(outer.anchor_ms - 1)
        for _ in range(max(12, _WALKED // len(whole.series.members))):
            if at is None:
                break
            before = whole.next_after(at - gap)
            while before is not None and before < at:
                gap = at - before
                before = whole.next_after(at - gap)
            after = whole.next_after(at)
            gap = gap if after is None else min(gap, after - at)
            at = member.next_after(at)
    return None if gap == none else gap


def _in_utc(spec: ScheduleSpec) -> ScheduleSpec:
    return replace(
        spec,
        time_zone="UTC",
        rrule=None if spec.rrule is None else re.sub(r"(?i);TZID=[^:;]*", "", spec.rrule),
        any_of=None if spec.any_of is None else tuple(_in_utc(member) for member in spec.any_of),
    )


def _rule_zone(rule_zone: str, name: str) -> Zone:
    """TZID in the rule is as good as timeZone, but two different zones are one too many."""
    if name not in ("", "UTC", rule_zone):
        raise _conflict("timeZone", f"timeZone is {name}, but the TZID in rrule is {rule_zone}")
    try:
        return ZONES.zone(rule_zone)
    except ScheduleError as error:
        raise ScheduleError(error.reason, "rrule", f"TZID: {error.message}") from error


def _exclusion(index: int, text: str, clock: WallClock) -> Exclusion:
    field = f"excludes[{index}]"
    try:
        moment = parse_moment(text)
    except ValueError as error:
        raise _invalid(field, str(error)) from error
    if not moment.is_date and moment.offset_s is None:
        raise _invalid(
            field,
            f"{text!r} has no offset from UTC; did you mean {text + 'Z'!r}, or only the date?",
        )
    return Exclusion.of(text, moment, clock)


def _invalid(field: str, message: str) -> ScheduleError:
    return ScheduleError(ScheduleErrorReason.SCHEDULE_INVALID, field, message)


def _conflict(field: str, message: str) -> ScheduleError:
    return ScheduleError(ScheduleErrorReason.CONFLICTING_FIELDS, field, message)
