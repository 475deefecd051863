"""Reading cron expressions: five fields, six with seconds first, or an @macro.

The grammar is Vixie cron's, with ranges that wrap and Quartz' `L`, `W`, `#` and `?`. What one field
may hold is data (`FieldKind`), so that a refusal can say what the field takes; what is guessed of
the rest is in `cronhints`.
"""

import difflib
import re
from dataclasses import dataclass
from typing import NoReturn

from tickwheel.server.schedule.cronhints import (
    command_line,
    day_hint,
    not_a_value,
    range_hint,
    wrong_count,
)
from tickwheel.server.schedule.cronkinds import DAY, HOUR, MINUTE, MONTH, SECOND, WEEKDAY, FieldKind
from tickwheel.server.schedule.errors import ScheduleError, ScheduleErrorReason
from tickwheel.server.schedule.instants import shorten, stray_character

#: Longer than any expression that a person would write; keeps refusals quick.
_LONGEST = 512

_MACROS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}


@dataclass(frozen=True, slots=True)
class CronFields:
    """A cron expression that has been read. Weekdays are 0 (Sunday) to 6."""

    #: The fields as written (macros spelt out, `?` as `*`), seconds first.
    texts: tuple[str, str, str, str, str, str]
    seconds: frozenset[int]
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    #: Days counted back from the month's last, which is 0.
    days_from_end: frozenset[int] = frozenset()
    #: Days (1-31, or 0 and below: counted back from the last) moved to the nearest working day.
    working_days: frozenset[int] = frozenset()
    #: (Weekday, which one in the month).
    nth_weekdays: frozenset[tuple[int, int]] = frozenset()
    #: Weekdays of which the month's last one is meant.
    last_weekdays: frozenset[int] = frozenset()

    @property
    def any_day(self) -> bool:
        """The day-of-month field is exactly `*`."""
        return self.texts[3] == "*"

    @property
    def any_weekday(self) -> bool:
        """The day-of-week field is exactly `*`."""
        return self.texts[5] == "*"

    @property
    def wild_hour(self) -> bool:
        """The hour begins with `*`: it follows elapsed time through a change of the clock."""
        return self.texts[2].startswith("*")


def parse_cron(expression: str) -> CronFields:
    """Reads a cron expression.

    Raises:
        ScheduleError: CRON_INVALID on "cron"; says which field, why, and what was probably meant.
    """
    if len(expression) > _LONGEST:
        _refuse(f"the expression has {len(expression)} characters; {_LONGEST} are the most")
    stray = stray_character(expression)
    if stray:
        _refuse(stray)
    expression = expression.strip(" \t")
    broken = re.search(r"[\r\n]", expression)
    if broken:
        place = broken.start() + 1
        _refuse(f"character {place} ends the line; an expression is one line, without its end")
    parts = re.split(r"[ \t]+", expression)
    if re.match(r"(CRON_)?TZ=", parts[0], re.IGNORECASE):
        _refuse(f"{shorten(parts[0])} does not belong here; set the field timeZone instead")
    if parts[0].startswith("@"):
        parts = _macro(parts).split()
    if len(parts) == 6:
        line = command_line(parts)
        if line:
            _refuse(f"{shorten(expression)}: {line}")
    if len(parts) not in (5, 6):
        _refuse(wrong_count(expression, parts))
    total = len(parts)
    if total == 5:
        parts = ["0", *parts]
    second, minute, hour, day, month, weekday = (part.upper() for part in parts)

    def field(kind: FieldKind, place: int, text: str) -> "_Field":
        return _Field(kind, f"{kind.name} {shorten(text)} (field {place + total - 5} of {total})")

    seconds = field(SECOND, 0, second).values(second)
    minutes = field(MINUTE, 1, minute).values(minute)
    hours = field(HOUR, 2, hour).values(hour)
    months = field(MONTH, 4, month).values(month)
    days = _DayField(field(DAY, 3, day))
    days.read(day)
    weekdays = _WeekdayField(field(WEEKDAY, 5, weekday))
    weekdays.read(weekday)
    # `?` is as good as `*`.
    second, minute, hour, day, month, weekday = (
        text.replace("?", "*") for text in (second, minute, hour, day, month, weekday)
    )
    return CronFields(
        (second, minute, hour, day, month, weekday),
        frozenset(seconds),
        frozenset(minutes),
        frozenset(hours),
        frozenset(days.plain),
        frozenset(months),
        frozenset(weekdays.plain),
        frozenset(days.from_end),
        frozenset(days.working),
        frozenset(weekdays.nth),
        frozenset(weekdays.last),
    )


def _refuse(message: str) -> NoReturn:
    raise ScheduleError(ScheduleErrorReason.CRON_INVALID, "cron", message)


def _macro(parts: list[str]) -> str:
    name = parts[0].lower()
    if name == "@every":
        length = shorten(" ".join(parts[1:])) if len(parts) > 1 else "the duration"
        _refuse(f"@every is not a cron expression here; set the field every to {length} instead")
    if name == "@reboot":
        _refuse("@reboot names no time; give a time, or run the job by hand")
    if name not in _MACROS:
        near = difflib.get_close_matches(name, [*_MACROS, "@every"], 1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(_MACROS)}"
        _refuse(f"{shorten(parts[0])} is not known; {hint}")
    if len(parts) > 1:
        _refuse(f"nothing may follow {name}, but {shorten(' '.join(parts[1:]))} does")
    return _MACROS[name]


class _Field:
    """Reads what all fields have in common: lists of values, names, ranges and steps."""

    def __init__(self, kind: FieldKind, label: str) -> None:
        self.kind = kind
        self.label = label

    def refuse(self, why: str) -> NoReturn:
        _refuse(f"{self.label}: {why}")

    def items(self, text: str) -> list[str]:
        items = text.split(",")
        if "" in items:
            self.refuse(
                "there is nothing on one side of a comma; a list is written 1,2 without blanks"
            )
        return items

    def values(self, text: str) -> set[int]:
        found: set[int] = set()
        for item in self.items(text):
            found.update(self.item(item))
        return found

    def item(self, item: str) -> list[int]:
        """One item of the list: `*`, a value or a range, each perhaps with a step."""
        base, slash, step_text = item.partition("/")
        if slash and not base:
            self.refuse(f"nothing stands before {item}; did you mean *{item}?")
        step = self._step(step_text) if slash else 1
        low, high = self.kind.low, self.kind.high
        if base in ("*", "?"):
            first, last = low, high
        elif "-" in base.lstrip("-"):
            ends = base.split("-")
            if len(ends) != 2 or not ends[1]:
                self.refuse(f"{shorten(base)} is not a range; a range is written low-high")
            first, last = self.value(ends[0]), self.value(ends[1])
        else:
            first = self.value(base)
            last = high if slash else first
        first, last = self._in_week(first, last)
        if last < first:
            last += self.kind.size
        return [low + (value - low) % self.kind.size for value in range(first, last + 1, step)]

    def _in_week(self, first: int, last: int) -> tuple[int, int]:
        """Sunday is 7 only as the end of a range that began before it."""
        if self.kind is not WEEKDAY:
            return first, last
        if first == 7:
            return 0, last % 7
        return first, last

    def _step(self, text: str) -> int:
        if not text:
            self.refuse("there is no step after '/'; it is a whole number, such as */5")
        if not re.fullmatch(r"[0-9]{1,4}", text):
            self.refuse(f"the step {shorten(text)} after '/' is not a whole number")
        step = int(text)
        if step == 0:
            self.refuse("a step of 0 goes nowhere")
        if step > self.kind.size:
            self.refuse(
                f"the step {step} is more than the {self.kind.size} values there are; "
                "for a longer distance set the field every instead of cron"
            )
        return step

    def value(self, text: str) -> int:
        if re.fullmatch(r"[0-9]{1,4}", text):
            number = int(text)
            top = 7 if self.kind is WEEKDAY else self.kind.high
            if not self.kind.low <= number <= top:
                hint = range_hint(self.kind, number)
                self.refuse(f"{number} is out of range; it takes {self.kind.takes}{hint}")
            return number
        if text in self.kind.names:
            return self.kind.low + self.kind.names.index(text)
        self.refuse(not_a_value(self.kind, text))


class _DayField:
    """Day of month: besides the common forms `L`, `L-n`, `LW`, `nW`."""

    def __init__(self, field: _Field) -> None:
        self._field = field
        self.plain: set[int] = set()
        self.from_end: set[int] = set()
        self.working: set[int] = set()

    def read(self, text: str) -> None:
        for item in self._field.items(text):
            if "L" in item or "W" in item:
                self._special(item)
            else:
                self.plain.update(self._field.item(item))

    def _special(self, item: str) -> None:
        refuse = self._field.refuse
        match = re.fullmatch(r"(?:(L)(?:-([0-9]{1,2}))?|([0-9]{1,2}))(W?)", item)
        if match is None:
            if re.search(r"[A-Z]{3}", item):
                self._field.item(item)
            refuse(day_hint(item))
        last, back, day, working = match.groups()
        if last:
            number = -int(back or 0)
            if number < -30:
                refuse(f"L{number}: no month has a day so long before its last; L-30 is the most")
        else:
            number = self._field.value(day)
        if working:
            self.working.add(number)
        else:
            self.from_end.add(-number)


class _WeekdayField:
    """Day of week: besides the common forms `n#k`, `nL`."""

    def __init__(self, field: _Field) -> None:
        self._field = field
        self.plain: set[int] = set()
        self.nth: set[tuple[int, int]] = set()
        self.last: set[int] = set()

    def read(self, text: str) -> None:
        for item in self._field.items(text):
            if "#" in item:
                self._nth(item)
            elif item.endswith("L"):
                self._last(item)
            else:
                self.plain.update(self._field.item(item))

    def _nth(self, item: str) -> None:
        refuse = self._field.refuse
        day, _, number = item.partition("#")
        if number == "L":
            refuse(f"{shorten(item)}: the last one in the month is written {day}L")
        if "-" in day or "/" in item or "*" in day:
            refuse(f"{shorten(item)}: '#' goes with one weekday, not with a range or a step")
        if not re.fullmatch(r"[1-5]", number):
            refuse(
                f"{shorten(item)}: after '#' comes 1 to 5, which one in the month; "
                "the last one is written with L, such as FRIL"
            )
        self.nth.add((self._field.value(day) % 7, int(number)))

    def _last(self, item: str) -> None:
        refuse = self._field.refuse
        day = item[:-1]
        if not day:
            refuse("'L' alone is ambiguous; 6 is Saturday, 6L the month's last Saturday")
        if "-" in day or "/" in day or "*" in day:
            refuse(f"{shorten(item)}: 'L' goes with one weekday, not with a range or a step")
        self.last.add(self._field.value(day) % 7)
