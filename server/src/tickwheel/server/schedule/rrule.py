"""Reading recurrence rules (RFC 5545, section 3.3.10), with lines of DTSTART, RDATE and EXDATE.

EXRULE, a second RRULE and RSCALE are refused: `anyOf` and `excludes` say the same.
"""

import difflib
import enum
import re
from dataclasses import dataclass
from typing import NoReturn

from tickwheel.server.schedule.cronkinds import MONTH
from tickwheel.server.schedule.errors import ScheduleError, ScheduleErrorReason
from tickwheel.server.schedule.instants import Moment, parse_moment, shorten, stray_character
from tickwheel.server.schedule.otherforms import other_form

_LONGEST = 8192
#: Weekdays as the calendar module numbers them.
WEEKDAYS = ("SU", "MO", "TU", "WE", "TH", "FR", "SA")


class Frequency(enum.IntEnum):
    """How often a rule's period begins, the longest first."""

    YEARLY = 0
    MONTHLY = 1
    WEEKLY = 2
    DAILY = 3
    HOURLY = 4
    MINUTELY = 5
    SECONDLY = 6


@dataclass(frozen=True, slots=True)
class RecurrenceRule:
    """What an RRULE says. An empty tuple is a part that is not given."""

    frequency: Frequency
    interval: int = 1
    count: int | None = None
    until: Moment | None = None
    week_start: int = 1
    months: tuple[int, ...] = ()
    week_numbers: tuple[int, ...] = ()
    year_days: tuple[int, ...] = ()
    month_days: tuple[int, ...] = ()
    #: (Which one in the month or year, 0 for all; weekday, 0 is Sunday).
    weekdays: tuple[tuple[int, int], ...] = ()
    hours: tuple[int, ...] = ()
    minutes: tuple[int, ...] = ()
    seconds: tuple[int, ...] = ()
    positions: tuple[int, ...] = ()

    @property
    def narrowed(self) -> bool:
        """Some BY part is given."""
        return bool(
            self.months
            or self.week_numbers
            or self.year_days
            or self.month_days
            or self.weekdays
            or self.hours
            or self.minutes
            or self.seconds
        )


@dataclass(frozen=True, slots=True)
class RecurrenceText:
    """A whole rrule field: the rule, where it starts, and what is added and left out."""

    rule: RecurrenceRule
    start: Moment | None
    added: tuple[Moment, ...]
    excluded: tuple[Moment, ...]
    #: The TZID of its lines, if one is given.
    zone_name: str | None


def refuse(message: str) -> NoReturn:
    """Refuses the rule."""
    raise ScheduleError(ScheduleErrorReason.RRULE_INVALID, "rrule", message)


def parse_rrule(text: str) -> RecurrenceText:
    """Reads `FREQ=…`, or lines (parted by any white space) of DTSTART, RRULE, RDATE and EXDATE.

    Raises:
        ScheduleError: RRULE_INVALID on "rrule"; says which part, why, and what was meant.
    """
    if len(text) > _LONGEST:
        refuse(f"the rule has {len(text)} characters; {_LONGEST} are the most")
    stray = stray_character(text)
    if stray:
        refuse(stray)
    other = other_form(text, "rrule")
    if other is not None:
        refuse(f"{shorten(text)} is not a recurrence rule: {other}")
    spaced = re.match(r"(?:RRULE:)?FREQ *= *", text, re.IGNORECASE)
    if spaced and " " in spaced[0]:
        refuse("a rule has no spaces inside: FREQ=DAILY;INTERVAL=2")
    rule: RecurrenceRule | None = None
    start: Moment | None = None
    dates: dict[str, list[Moment]] = {"RDATE": [], "EXDATE": []}
    zones: set[str] = set()
    # Lines are folded by a line break and one space (section 3.1).
    for line in re.sub(r"\r?\n[ \t]", "", text).split():
        head, colon, value = line.partition(":")
        if line.upper() == "RRULE":
            refuse("a colon follows RRULE, and then the rule: RRULE:FREQ=DAILY")
        if not colon or re.match(r"[A-Za-z]+=", line):
            if rule is not None:
                refuse(f"{shorten(line)} stands apart; a rule has no spaces inside")
            head, value = ("RRULE", line) if "=" in line else (line, "")
        name, *parameters = head.upper().split(";")
        if name == "RRULE" and not parameters:
            if rule is not None:
                refuse("there are two RRULEs; use anyOf for several")
            rule = _rule(value)
        elif name == "DTSTART":
            if start is not None:
                refuse("there are two DTSTARTs")
            start = _moment(value, "DTSTART")
            zones.update(_zone(head, [start]))
        elif name in dates:
            found = [_moment(one, name) for one in value.split(",")]
            dates[name] += found
            zones.update(_zone(head, found))
        else:
            refuse(_unknown_line(name))
    if rule is None:
        refuse("there is no rule; it begins with FREQ=, such as FREQ=WEEKLY;BYDAY=MO")
    if len(zones) > 1:
        refuse(f"the lines name several time zones, {' and '.join(sorted(zones))}")
    return RecurrenceText(
        rule, start, tuple(dates["RDATE"]), tuple(dates["EXDATE"]), next(iter(zones), None)
    )


def _unknown_line(name: str) -> str:
    if name == "EXRULE":
        return "EXRULE is not read (RFC 5545 has dropped it); use excludes for the dates"
    near = difflib.get_close_matches(name, ("RRULE", "DTSTART", "EXDATE", "RDATE"), 1)
    if near:
        return f"{shorten(name)} is not known; did you mean {near[0]}?"
    return f"{shorten(name)} is not known; a rule has lines of DTSTART, RRULE, RDATE and EXDATE"


def _zone(head: str, moments: list[Moment]) -> set[str]:
    """The TZID among a line's parameters, which keeps its case."""
    zones: set[str] = set()
    line, *parameters = head.split(";")
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        kind = value.upper() if name.upper() == "VALUE" else None
        if name.upper() == "TZID" and value:
            if any(moment.offset_s is not None for moment in moments):
                refuse(f"{line.upper()} has a TZID and an offset from UTC; only one can hold")
            zones.add(value)
        elif kind not in ("DATE", "DATE-TIME"):
            refuse(f"{shorten(parameter)} is not understood; TZID= and VALUE=DATE are")
        elif any(moment.is_date != (kind == "DATE") for moment in moments):
            refuse(f"{line.upper()} says VALUE={kind}, but what follows is not one")
    return zones


def _moment(text: str, name: str) -> Moment:
    try:
        moment = parse_moment(text)
    except ValueError as error:
        refuse(f"{name}: {error}")
    if moment.nanos:
        refuse(f"{name}: {shorten(text)} is finer than a second, which RFC 5545 does not know")
    return moment


def _rule(text: str) -> RecurrenceRule:
    parts: dict[str, str] = {}
    for part in text.removesuffix(";").split(";"):
        name, equals, value = part.partition("=")
        name = name.upper()
        if not equals or not value:
            refuse(f"{shorten(part)} is not of the form NAME=value")
        if name in parts:
            refuse(f"{name} is given twice")
        if name not in _PARTS:
            refuse(_unknown_part(name))
        parts[name] = value.upper()
    if "FREQ" not in parts:
        refuse(f"FREQ is missing; it is one of {', '.join(Frequency.__members__)}")
    frequency = _frequency(parts["FREQ"])
    rule = RecurrenceRule(
        frequency,
        interval=_positive(parts, "INTERVAL") or 1,
        count=_positive(parts, "COUNT"),
        until=_moment(parts["UNTIL"], "UNTIL") if "UNTIL" in parts else None,
        week_start=_week_start(parts.get("WKST", "MO")),
        months=_numbers(parts, "BYMONTH", 1, 12),
        week_numbers=_numbers(parts, "BYWEEKNO", 1, 53, negative=True),
        year_days=_numbers(parts, "BYYEARDAY", 1, 366, negative=True),
        month_days=_numbers(parts, "BYMONTHDAY", 1, 31, negative=True),
        weekdays=_weekdays(parts.get("BYDAY", "")),
        hours=_numbers(parts, "BYHOUR", 0, 23),
        minutes=_numbers(parts, "BYMINUTE", 0, 59),
        seconds=_numbers(parts, "BYSECOND", 0, 59),
        positions=_numbers(parts, "BYSETPOS", 1, 366, negative=True),
    )
    _check_together(rule)
    return rule


def _check_together(rule: RecurrenceRule) -> None:
    """What section 3.3.10 does not allow side by side."""
    frequency = rule.frequency
    if rule.count is not None and rule.until is not None:
        refuse("COUNT and UNTIL are both given; only one may be")
    if rule.week_numbers and frequency is not Frequency.YEARLY:
        refuse(f"BYWEEKNO goes with FREQ=YEARLY, not with {frequency.name}")
    if rule.year_days and frequency in (Frequency.MONTHLY, Frequency.WEEKLY, Frequency.DAILY):
        refuse(f"BYYEARDAY does not go with FREQ={frequency.name}; use BYMONTH and BYMONTHDAY")
    if rule.month_days and frequency is Frequency.WEEKLY:
        refuse("BYMONTHDAY does not go with FREQ=WEEKLY; use FREQ=MONTHLY")
    if any(number for number, _ in rule.weekdays):
        if frequency not in (Frequency.YEARLY, Frequency.MONTHLY):
            refuse(
                f"BYDAY with a number goes with FREQ=MONTHLY or YEARLY, not with {frequency.name}"
            )
        if rule.week_numbers:
            refuse("BYDAY with a number does not go with BYWEEKNO")
        in_month = frequency is Frequency.MONTHLY or bool(rule.months)
        worst = max(abs(number) for number, _ in rule.weekdays)
        if in_month and worst > 5:
            refuse(f"BYDAY: no month has a weekday {worst} times; 5 is the most")
    if rule.positions and not rule.narrowed:
        refuse("BYSETPOS chooses among what the other BY parts give, and there is none")


def _unknown_part(name: str) -> str:
    if name in ("RSCALE", "SKIP"):
        return f"{name} (RFC 7529) is not read; the calendar is the Gregorian one"
    if name in ("DTSTART", "RDATE", "EXDATE"):
        return f"{name} is a line of its own: DTSTART:20261123T120000Z, then RRULE:FREQ=…"
    near = difflib.get_close_matches(name, _PARTS, 1, 0.5)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(_PARTS)}"
    return f"{shorten(name)} is not a part of a rule; {hint}"


def _frequency(text: str) -> Frequency:
    if text not in Frequency.__members__:
        names = list(Frequency.__members__)
        near = difflib.get_close_matches(text, names, 1, 0.6)
        hint = f"did you mean {near[0]}?" if near else f"it is one of {', '.join(names)}"
        refuse(f"FREQ: {shorten(text)} is not known; {hint}")
    return Frequency[text]


def _positive(parts: dict[str, str], name: str) -> int | None:
    text = parts.get(name)
    if text is None:
        return None
    if re.fullmatch(r"[0-9]{10,}", text):
        refuse(f"{name}: {shorten(text)} is too great; 999999999 is the most")
    if not re.fullmatch(r"[0-9]{1,9}", text) or int(text) == 0:
        refuse(f"{name}: {shorten(text)} is not a whole number from 1 on")
    return int(text)


def _week_start(text: str) -> int:
    if text not in WEEKDAYS:
        refuse(f"WKST: {shorten(text)} is not a weekday; it is one of {', '.join(WEEKDAYS)}")
    return WEEKDAYS.index(text)


def _numbers(
    parts: dict[str, str], name: str, low: int, high: int, *, negative: bool = False
) -> tuple[int, ...]:
    text = parts.get(name)
    if text is None:
        return ()
    found: set[int] = set()
    for item in text.split(","):
        number = int(item) if re.fullmatch(r"[+-]?[0-9]{1,4}", item) else None
        size = abs(number) if number is not None and negative else number
        if number is None or size is None or not low <= size <= high:
            both = f" or -{high} to -{low}" if negative else ""
            if name == "BYMONTH" and item[:3] in MONTH.names:
                both = f"; did you mean {MONTH.names.index(item[:3]) + 1}?"
            leap = "; there are no leap seconds in Unix time" if item == "60" else ""
            refuse(f"{name}: {shorten(item)} is not a number from {low} to {high}{both}{leap}")
        found.add(number)
    return tuple(sorted(found))


def _weekdays(text: str) -> tuple[tuple[int, int], ...]:
    found: set[tuple[int, int]] = set()
    for item in text.split(",") if text else ():
        match = re.fullmatch(r"([+-]?[0-9]{1,2})?([A-Z]{2})", item)
        if match is None or match[2] not in WEEKDAYS:
            near = [day for day in WEEKDAYS if re.search(rf"(?:^|[0-9]){day}[A-Z]+$", item)]
            number = re.match(r"[+-]?[0-9]*", item)
            hint = (
                f"did you mean {number[0] if number else ''}{near[0]}?"
                if near
                else f"it is one of {', '.join(WEEKDAYS)}, perhaps after a number, such as -1FR"
            )
            refuse(f"BYDAY: {shorten(item)} is not a weekday; {hint}")
        number = int(match[1] or 0)
        if (match[1] and number == 0) or abs(number) > 53:
            refuse(f"BYDAY: {shorten(item)}: the number goes from 1 to 53 or from -53 to -1")
        found.add((number, WEEKDAYS.index(match[2])))
    return tuple(sorted(found))


_PARTS: tuple[str, ...] = (
    "FREQ",
    "INTERVAL",
    "COUNT",
    "UNTIL",
    "WKST",
    "BYMONTH",
    "BYWEEKNO",
    "BYYEARDAY",
    "BYMONTHDAY",
    "BYDAY",
    "BYHOUR",
    "BYMINUTE",
    "BYSECOND",
    "BYSETPOS",
)
