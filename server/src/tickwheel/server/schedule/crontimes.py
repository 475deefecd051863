"""The wall-clock times that a cron expression names."""

from functools import lru_cache, partial

from tickwheel.server.schedule.calendar import (
    Days,
    january,
    month_start,
    weekday_of,
)
from tickwheel.server.schedule.clockface import TimesOfDay
from tickwheel.server.schedule.counting import skip_times
from tickwheel.server.schedule.cron import CronFields, parse_cron
from tickwheel.server.schedule.instants import DAY_S

#: More than there are.
_ALL = 1 << 60


class CronTimes:
    """The expression as a set of wall-clock times. Immutable but for what it remembers."""

    __slots__ = ("_days", "_every_day", "_times", "fields")

    def __init__(self, fields: CronFields) -> None:
        self.fields = fields
        self._times = TimesOfDay(fields.hours, fields.minutes, fields.seconds)
        self._every_day = fields.any_day and fields.any_weekday and len(fields.months) == 12
        self._days = Days(partial(_year_mask, fields))

    def at_or_after(self, wall_s: int, offset_s: int) -> int | None:
        """The first of the times not before `wall_s`; the offset is of no account."""
        day, time = divmod(wall_s, DAY_S)
        found = day if self._every_day else self._days.at_or_after(day)
        if found == day:
            time = self._times.at_or_after(time)
            if time >= 0:
                return day * DAY_S + time
            found = day + 1 if self._every_day else self._days.at_or_after(day + 1)
        return None if found is None else found * DAY_S + self._times.first

    def count(self, low_s: int, high_s: int) -> int:
        """How many of the times are in [low_s, high_s)."""
        return skip_times(self._days, self._times, low_s, high_s, _ALL)[0]

    def smallest_gap_s(self) -> int:
        """No two of the times are closer than this, on a clock without changes."""
        within = self._times.smallest_gap()
        days = 1 if self._every_day else self._days.smallest_gap()
        across = days * DAY_S - self._times.last + self._times.first
        return across if within is None else min(within, across)


@lru_cache(maxsize=4096)
def cron_times(expression: str) -> CronTimes:
    """The times of an expression. Many jobs share a few expressions, and these are never changed.

    Raises:
        ScheduleError: CRON_INVALID.
    """
    return CronTimes(parse_cron(expression))


def _year_mask(fields: CronFields, year: int) -> int:
    mask = 0
    first = january(year)
    for month in fields.months:
        start = month_start(year, month)
        length = month_start(year, month + 1) - start
        mask |= _month_mask(fields, length, weekday_of(first + start)) << start
    return mask


def _month_mask(fields: CronFields, length: int, first_weekday: int) -> int:
    """The wanted days of a month, bit 0 being the 1st."""
    whole = (1 << length) - 1
    by_weekday = whole if fields.any_weekday else _weekday_bits(fields, length, first_weekday)
    if fields.any_day:
        return by_weekday & whole
    by_day = _day_bits(fields, length, first_weekday)
    if fields.any_weekday:
        return by_day & whole
    return (by_day | by_weekday) & whole


def _day_bits(fields: CronFields, length: int, first_weekday: int) -> int:
    mask = 0
    for day in fields.days:
        mask |= 1 << (day - 1)
    for back in fields.days_from_end:
        if back < length:
            mask |= 1 << (length - 1 - back)
    for number in fields.working_days:
        day = number if number > 0 else length + number
        if 1 <= day <= length:
            mask |= 1 << (_nearest_working_day(day, length, first_weekday) - 1)
    return mask


def _nearest_working_day(day: int, length: int, first_weekday: int) -> int:
    """Monday to Friday, without leaving the month (Quartz' rule for W)."""
    weekday = (first_weekday + day - 1) % 7
    if weekday == 6:
        return day - 1 if day > 1 else 3
    if weekday == 0:
        return day + 1 if day < length else day - 2
    return day


def _weekday_bits(fields: CronFields, length: int, first_weekday: int) -> int:
    mask = 0
    for day in range(1, length + 1):
        weekday = (first_weekday + day - 1) % 7
        if (
            weekday in fields.weekdays
            or (weekday, (day + 6) // 7) in fields.nth_weekdays
            or (day + 7 > length and weekday in fields.last_weekdays)
        ):
            mask |= 1 << (day - 1)
    return mask
