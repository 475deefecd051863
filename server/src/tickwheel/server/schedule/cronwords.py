"""A cron expression in words."""

import re

from tickwheel.server.schedule.cron import CronFields
from tickwheel.server.schedule.instants import format_clock
from tickwheel.server.schedule.phrases import (
    MONTH_NAMES,
    WEEKDAY_NAMES,
    counted,
    listed,
    ordinal,
    runs,
)

#: So many times of day are still listed one by one.
_FEW = 6
_ON_THE_MINUTE = frozenset({0})


def cron_words(fields: CronFields) -> str:
    """Such as "at 02:30 on Monday to Friday in March"."""
    return f"{_times(fields)}{_days(fields)}{_months(fields)}"


def _times(fields: CronFields) -> str:
    second, minute, hour, *_ = fields.texts
    if _is_listed(fields):
        clock = (
            hour * 3600 + minute * 60 + second
            for hour in sorted(fields.hours)
            for minute in sorted(fields.minutes)
            for second in sorted(fields.seconds)
        )
        return f"at {listed(format_clock(time) for time in clock)}"
    parts: list[str] = []
    if fields.seconds != _ON_THE_MINUTE:
        parts.append(_unit("second", second, fields.seconds, 60))
    if fields.seconds == _ON_THE_MINUTE or len(fields.minutes) < 60:
        parts.append(_unit("minute", minute, fields.minutes, 60))
    elif len(fields.seconds) < 60 and not _even_step(second, 60):
        parts.append("every minute")
    if len(fields.hours) < 24:
        parts.append(_unit("hour", hour, fields.hours, 24))
    elif len(fields.minutes) < 60 and not _even_step(minute, 60):
        parts.append("every hour")
    return " of ".join(parts)


def _is_listed(fields: CronFields) -> bool:
    return len(fields.seconds) * len(fields.minutes) * len(fields.hours) <= _FEW


def _unit(name: str, text: str, values: frozenset[int], size: int) -> str:
    if len(values) == size:
        return f"every {name}"
    step = _even_step(text, size)
    if step:
        return f"every {counted(step, name)}"
    word = name if len(values) == 1 else f"{name}s"
    return f"{word} {listed(runs(values))}"


def _even_step(text: str, size: int) -> int:
    """The step of a field that goes on evenly from one round to the next; else 0."""
    match = re.fullmatch(r"(?:\*|0)/(\d+)", text)
    step = int(match[1]) if match else 0
    return step if step and size % step == 0 else 0


def _days(fields: CronFields) -> str:
    by_day = "" if fields.any_day else _month_days(fields)
    by_weekday = "" if fields.any_weekday else _weekdays(fields)
    if by_day and by_weekday:
        return f" on {by_day}, and on {by_weekday}"
    if by_day or by_weekday:
        return f" on {by_day or by_weekday}"
    by_the_hour = len(fields.hours) == 24 or _even_step(fields.texts[2], 24)
    if len(fields.months) < 12 or (by_the_hour and not _is_listed(fields)):
        return ""
    return " every day"


def _month_days(fields: CronFields) -> str:
    parts: list[str] = []
    if fields.days:
        days = runs(fields.days)
        word = "days" if len(fields.days) > 1 else "day"
        parts.append(f"{word} {listed(days)}")
    parts += [
        f"{counted(back, 'day')} before the last day" if back else "the last day"
        for back in sorted(fields.days_from_end)
    ]
    for day in sorted(fields.working_days):
        if day > 0:
            parts.append(f"the working day nearest to day {day}")
        elif day == 0:
            parts.append("the last working day")
        else:
            parts.append(f"the working day nearest to {counted(-day, 'day')} before the last")
    return f"{listed(parts)} of the month"


def _weekdays(fields: CronFields) -> str:
    # Monday to Sunday reads better than Sunday to Saturday.
    from_monday = {(day - 1) % 7 for day in fields.weekdays}
    parts = runs(from_monday, (*WEEKDAY_NAMES[1:], WEEKDAY_NAMES[0])) if from_monday else []
    for weekday, number in sorted(fields.nth_weekdays):
        parts.append(f"the {ordinal(number)} {WEEKDAY_NAMES[weekday]} of the month")
    for weekday in sorted(fields.last_weekdays):
        parts.append(f"the last {WEEKDAY_NAMES[weekday]} of the month")
    return listed(parts)


def _months(fields: CronFields) -> str:
    if len(fields.months) == 12:
        return ""
    names = ("", *MONTH_NAMES)
    # After both kinds of days a comma: the months are those of either.
    both = "" if fields.any_day or fields.any_weekday else ","
    return f"{both} in {listed(runs(fields.months, names))}"
