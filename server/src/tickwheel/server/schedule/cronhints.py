"""What is said of a cron expression that cannot be read: why, and what was probably meant."""

import difflib
import re

from tickwheel.server.schedule.cronkinds import DAY, HOUR, MONTH, WEEKDAY, FieldKind
from tickwheel.server.schedule.instants import shorten
from tickwheel.server.schedule.otherforms import other_form

_TAKES = "cron takes 5 (minute hour day-of-month month day-of-week), or 6 with seconds first"


def wrong_count(expression: str, parts: list[str]) -> str:
    """For an expression that has not 5 or 6 fields."""
    if not parts[0]:
        return "the expression is empty; it takes 5 fields, such as '30 2 * * *' for daily at 02:30"
    other = other_form(expression, "cron")
    if other is not None:
        return f"{shorten(expression)} is not a cron expression: {other}"
    line = command_line(parts)
    if line:
        return f"{shorten(expression)}: {line}"
    has = f"{shorten(expression)} has {len(parts)} field{'' if len(parts) == 1 else 's'}; {_TAKES}"
    remark = re.search(r"[ \t]+#.*$", expression)
    if remark:
        without = expression[: remark.start()]
        return f"{has}: a remark is not part of it; did you mean {shorten(without)}?"
    if len(parts) == 7 and re.fullmatch(r"[0-9*?,/-]+", parts[6]):
        without = shorten(" ".join(parts[:-1]))
        return (
            f"{has}: a year is not one of them, use startTime and endTime; did you mean {without}?"
        )
    if len(parts) == 4:
        return f"{has}; did you mean {shorten(' '.join([*parts, '*']))}?"
    if not re.search(r"[0-9*]", expression):
        return f"{has}; daily at midnight is '0 0 * * *'"
    return has


def command_line(parts: list[str]) -> str:
    """For a line of a crontab, which has a command behind the expression, and perhaps a user."""
    times, rest = parts[:5], parts[5:]
    if not rest or any(not re.fullmatch(r"[0-9A-Za-z*?,/#-]+", field) for field in times):
        return ""
    is_name = rest[0][:3].upper() in WEEKDAY.names
    if is_name or not re.search(r"[a-z_]{4}|[/.~][a-z]|[$=\"'|&;<>]", rest[0], re.IGNORECASE):
        return ""
    command = shorten(" ".join(rest))
    return (
        f"{command} is no part of the expression, what a job does is its target; "
        f"did you mean {shorten(' '.join(times))}?"
    )


def range_hint(kind: FieldKind, number: int) -> str:
    """For a number that the field does not take."""
    if kind is HOUR:
        return "; hours go up to 23, midnight is 0"
    if number == 60:
        return "; the next full one is 0"
    if kind is WEEKDAY and 1900 <= number <= 9999:
        return "; a year is not one of the fields, use startTime and endTime"
    if kind is DAY and number == 0:
        return "; the last day is L"
    return ""


def not_a_value(kind: FieldKind, text: str) -> str:
    """For what is neither a number nor a name of the field."""
    if not text:
        return "a value is missing"
    if re.fullmatch(r"-[0-9]+", text):
        last = "; the month's last day is L, the one before it L-1" if kind is DAY else ""
        return f"{shorten(text)} is negative; it takes {kind.takes}{last}"
    if "*" in text:
        return f"{shorten(text)}: '*' means all of {kind.takes} and stands alone or before a step"
    if re.fullmatch(r"[LW#]|[0-9]+[LW#][0-9]*", text) and kind is not DAY and kind is not WEEKDAY:
        return f"{shorten(text)}: 'L', 'W' and '#' are for day-of-month and day-of-week"
    for other in (MONTH, WEEKDAY):
        if other is not kind and text[:3] in other.names and text[:3] not in kind.names:
            return f"{shorten(text)} is for {other.name}; this field takes {kind.takes}"
    if kind.names:
        near = [name for name in kind.names if text.startswith(name)]
        near = near or difflib.get_close_matches(text, kind.names, 1, 0.5)
        if near:
            what = "month" if kind is MONTH else "weekday"
            return f"{shorten(text)} is not the name of a {what}; did you mean {near[0]}?"
        return f"{shorten(text)} is neither a number nor a name; it takes {kind.takes}"
    what = f"{shorten(text)} is not a number"
    clock = re.fullmatch(r"([0-9]{1,2}):([0-9]{2})(?::[0-9]{2})?", text)
    if clock:
        minute, hour = int(clock[2]), int(clock[1])
        return f"{what}; a time of day is minute and hour, here '{minute} {hour} * * *'"
    if re.fullmatch(r"[0-9]{1,2}[AP]M", text):
        return f"{what}; hours go from 0 to 23"
    if re.fullmatch(r"[0-9]+[.][0-9]+", text):
        return f"{what}; fractions are not for cron, a smaller field or every is"
    if text == "H" or text.startswith("H("):
        return f"{what}; what H spreads elsewhere jitter does here"
    return f"{what}; it takes {kind.takes}"


def day_hint(item: str) -> str:
    """For an item of the day of the month with an L or a W that is not understood."""
    what = shorten(item)
    if re.fullmatch(r"W[0-9]{1,2}", item):
        return f"{what}: the number comes first; did you mean {item[1:]}W?"
    if item in ("W", "WL"):
        return f"{what}: the last working day of the month is LW, that nearest to the 15th 15W"
    if item == "L-":
        return f"{what}: the number is missing; the last day is L, the one before it L-1"
    if re.fullmatch(r"L[0-9]{1,2}|[0-9]{1,2}L", item):
        number = item.strip("L")
        return f"{what}: {number} days before the last day is L-{number}"
    if "/" in item or re.search(r"[0-9]-[0-9]+W", item):
        return f"{what}: 'L' and 'W' go with one day, not with a range or a step"
    return (
        f"{what} is not understood; 'L' is the last day, 'L-3' three days before it, "
        "'15W' the working day nearest the 15th, 'LW' the last working day"
    )
