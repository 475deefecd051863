"""A schedule in words, for people who look at it."""

from collections.abc import Iterable
from dataclasses import replace

from tickwheel.server.schedule.cron import parse_cron
from tickwheel.server.schedule.cronwords import cron_words
from tickwheel.server.schedule.instants import (
    DAY_S,
    MS_NANOS,
    NANOS,
    Moment,
    format_clock,
    format_duration,
    format_instant,
    format_wall,
)
from tickwheel.server.schedule.interval import Period, parse_interval
from tickwheel.server.schedule.phrases import (
    MONTH_NAMES,
    WEEKDAY_NAMES,
    counted,
    listed,
    ordinal,
)
from tickwheel.server.schedule.rrule import RecurrenceRule, parse_rrule
from tickwheel.server.schedule.spec import ScheduleSpec


def describe_spec(spec: ScheduleSpec, *, beside_other_zones: bool = False) -> str:
    """The schedule in words; the spec is one that compiles.

    Args:
        spec: the schedule, or a member of one.
        beside_other_zones: UTC does not go without saying.
    """
    zones = {member.time_zone for member in spec.any_of or ()}
    if spec.any_of and zones - {"", spec.time_zone}:
        # Each says its own: a zone at the end would read as that of all, or of the last.
        words = "; or ".join(
            describe_spec(
                replace(one, time_zone=one.time_zone or spec.time_zone), beside_other_zones=True
            )
            for one in spec.any_of
        )
    else:
        words = _form(spec)
        goes_by_clock = spec.cron or spec.iso8601 or spec.rrule or spec.any_of
        is_said = spec.time_zone not in (("",) if beside_other_zones else ("", "UTC"))
        if goes_by_clock and is_said and not (spec.rrule and parse_rrule(spec.rrule).zone_name):
            words += f" ({spec.time_zone})"
    if spec.start_ms is not None:
        words += f", from {format_instant(spec.start_ms)}"
    if spec.end_ms is not None:
        words += f", before {format_instant(spec.end_ms)}"
    if spec.max_runs:
        words += f", at most {counted(spec.max_runs, 'run')}"
    if spec.jitter_ms:
        words += f", each up to {format_duration(spec.jitter_ms * MS_NANOS)} later"
    if spec.excludes:
        words += f", except {_few(spec.excludes)}"
    return words


def _few(texts: Iterable[str]) -> str:
    shown = list(texts)
    return listed(shown[:3]) + (f" and {len(shown) - 3} more" if len(shown) > 3 else "")


def _form(spec: ScheduleSpec) -> str:
    if spec.at_ms is not None:
        return f"once at {format_instant(spec.at_ms)}"
    if spec.every_ns is not None:
        counted_from = spec.anchor_ms if spec.anchor_ms is not None else spec.start_ms
        words = f"every {_each(_exact(spec.every_ns))}"
        return (
            words
            if counted_from is None
            else (f"{words}, counted from {format_instant(counted_from)}")
        )
    if spec.cron is not None:
        return cron_words(parse_cron(spec.cron))
    if spec.iso8601 is not None:
        return _interval(spec.iso8601)
    if spec.rrule is not None:
        text = parse_rrule(spec.rrule)
        words = _rule(text.rule)
        if text.start is not None:
            words += f", from {_moment(text.start)}"
        for what, moments in (("also on", text.added), ("not on", text.excluded)):
            if moments:
                words += f", {what} {_few(_moment(moment) for moment in moments)}"
        return f"{words}, in {text.zone_name}" if text.zone_name else words
    return "; or ".join(describe_spec(member) for member in spec.any_of or ())


def _each(duration: str) -> str:
    """`1 hour` after "every" is `hour`."""
    return duration.removeprefix("1 ")


def _interval(text: str) -> str:
    interval = parse_interval(text)
    words = f"every {_each(_period(interval.period))}"
    if interval.start is not None:
        words += f" from {_moment(interval.start)}"
    if interval.end is not None:
        words += f" up to {_moment(interval.end)}"
    return words if interval.count is None else f"{words}, {counted(interval.count, 'time')} in all"


def _period(period: Period) -> str:
    parts: list[str] = []
    years, months = divmod(period.months, 12)
    weeks, days = divmod(period.days, 7) if period.days % 7 == 0 else (0, period.days)
    for number, word in ((years, "year"), (months, "month"), (weeks, "week"), (days, "day")):
        if number:
            parts.append(counted(number, word))
    if period.nanos:
        parts.append(_exact(period.nanos))
    return listed(parts)


def _exact(nanos: int) -> str:
    """A distance in elapsed time: a day of the calendar may have 23 or 25 hours."""
    days, rest = divmod(nanos, DAY_S * NANOS)
    if rest or not days:
        return format_duration(nanos)
    return "24 hours" if days == 1 else f"{days} days of 24 hours"


def _moment(moment: Moment) -> str:
    if moment.offset_s is not None:
        return format_instant(moment.instant_ms)
    text = format_wall(moment.wall_s)
    return text[:10] if moment.is_date else text


_UNITS = ("year", "month", "week", "day", "hour", "minute", "second")


def _rule(rule: RecurrenceRule) -> str:
    words = f"every {_each(counted(rule.interval, _UNITS[rule.frequency]))}"
    if rule.months:
        words += f" in {listed(MONTH_NAMES[month - 1] for month in rule.months)}"
    if rule.week_numbers:
        words += f" in week {_places(rule.week_numbers)}"
    if rule.year_days:
        words += f" on day {_places(rule.year_days)} of the year"
    if rule.month_days:
        words += f" on day {_places(rule.month_days)} of the month"
    if rule.weekdays:
        words += f" on {listed(_weekday(*day) for day in rule.weekdays)}"
    words += _times(rule)
    if rule.positions:
        words += f", of these the {listed(ordinal(place) for place in rule.positions)}"
    if rule.count is not None:
        words += f", {counted(rule.count, 'time')} in all"
    if rule.until is not None:
        words += f", until {_moment(rule.until)}"
    return words


def _times(rule: RecurrenceRule) -> str:
    if rule.hours and len(rule.minutes) == 1 and not rule.seconds:
        at = listed(format_clock(hour * 3600 + rule.minutes[0] * 60) for hour in rule.hours)
        return f" at {at}"
    words = ""
    for name, values in (("hour", rule.hours), ("minute", rule.minutes), ("second", rule.seconds)):
        if values:
            words += f" at {name} {listed(map(str, values))}"
    return words


def _places(numbers: Iterable[int]) -> str:
    return listed(str(one) if one > 0 else f"{-one} from the end" for one in numbers)


def _weekday(number: int, weekday: int) -> str:
    name = WEEKDAY_NAMES[weekday]
    return f"the {ordinal(number)} {name}" if number else name
