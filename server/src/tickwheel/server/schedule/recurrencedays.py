"""The dates that the BY parts of a recurrence rule leave of a year."""

from collections.abc import Iterator
from datetime import date
from math import gcd

from tickwheel.server.schedule.calendar import january, month_start, weekday_of
from tickwheel.server.schedule.rrule import Frequency, RecurrenceRule


def year_mask(rule: RecurrenceRule, start: date, year: int) -> int:
    """The wanted dates of a year, bit 0 being 1 January; what the rule leaves open `start` fills.

    RFC 5545 has BY parts expand or limit, depending on the frequency; over a year both come to the
    same: a date is wanted when every part that is given wants it.
    """
    first = january(year)
    length = january(year + 1) - first
    mask = (1 << length) - 1
    months, month_days = _months(rule, start), rule.month_days
    weekdays = rule.weekdays
    if not (rule.week_numbers or rule.year_days or month_days or weekdays):
        if rule.frequency in (Frequency.YEARLY, Frequency.MONTHLY):
            month_days = (start.day,)
        elif rule.frequency is Frequency.WEEKLY:
            weekdays = ((0, start.isoweekday() % 7),)
    elif rule.week_numbers and not (rule.year_days or month_days or weekdays):
        # "Information … necessary to determine the … dates are derived from" DTSTART.
        weekdays = ((0, start.isoweekday() % 7),)
    if len(months) < 12:
        mask &= _ranges(
            (month_start(year, month), month_start(year, month + 1)) for month in months
        )
    if month_days:
        mask &= _month_day_bits(year, month_days)
    if rule.year_days:
        mask &= _year_day_bits(length, rule.year_days)
    if rule.week_numbers:
        mask &= _week_bits(rule, year, first, length)
    if weekdays:
        mask &= _weekday_bits(rule, weekdays, year)
    if rule.frequency is Frequency.DAILY and rule.interval % 7 == 0:
        # Said here so that a rule which always falls on another weekday is seen to be empty.
        mask &= _every_week(length, first, start.isoweekday() % 7)
    return mask


def _months(rule: RecurrenceRule, start: date) -> list[int]:
    months = list(rule.months or range(1, 13))
    if rule.frequency is Frequency.YEARLY and not (
        rule.months or rule.week_numbers or rule.year_days or rule.month_days or rule.weekdays
    ):
        return [start.month]
    if rule.frequency is Frequency.MONTHLY:
        # Of every other month, say, only six can ever come: others would be looked for in vain.
        step = gcd(rule.interval, 12)
        return [month for month in months if (month - start.month) % step == 0]
    return months


def _ranges(ranges: Iterator[tuple[int, int]]) -> int:
    mask = 0
    for begin, end in ranges:
        mask |= (1 << end) - (1 << begin)
    return mask


def _month_day_bits(year: int, month_days: tuple[int, ...]) -> int:
    mask = 0
    for month in range(1, 13):
        begin = month_start(year, month)
        length = month_start(year, month + 1) - begin
        for number in month_days:
            day = number - 1 if number > 0 else length + number
            if 0 <= day < length:
                mask |= 1 << (begin + day)
    return mask


def _year_day_bits(length: int, year_days: tuple[int, ...]) -> int:
    mask = 0
    for number in year_days:
        day = number - 1 if number > 0 else length + number
        if 0 <= day < length:
            mask |= 1 << day
    return mask


def _week_bits(rule: RecurrenceRule, year: int, first: int, length: int) -> int:
    """Days in the wanted weeks; a week is numbered by the year that has most of it."""
    mask = 0
    for week_year in (year - 1, year, year + 1):
        begin = _first_week(week_year, rule.week_start)
        weeks = (_first_week(week_year + 1, rule.week_start) - begin) // 7
        for number in rule.week_numbers:
            week = number if number > 0 else weeks + 1 + number
            if 1 <= week <= weeks:
                place = begin + (week - 1) * 7 - first
                mask |= 0b1111111 << place if place >= 0 else 0b1111111 >> -place
    return mask & ((1 << length) - 1)


def _first_week(year: int, week_start: int) -> int:
    """The day on which week 1 begins: the first week with at least four days in the year."""
    first = january(year)
    back = (weekday_of(first) - week_start) % 7
    return first - back if back <= 3 else first - back + 7


def _weekday_bits(rule: RecurrenceRule, weekdays: tuple[tuple[int, int], ...], year: int) -> int:
    first = january(year)
    length = january(year + 1) - first
    in_months = rule.frequency is Frequency.MONTHLY or bool(rule.months)
    mask = 0
    for number, weekday in weekdays:
        if not number:
            mask |= _every_week(length, first, weekday)
        elif in_months:
            for month in range(1, 13):
                mask |= _nth(
                    first, month_start(year, month), month_start(year, month + 1), number, weekday
                )
        else:
            mask |= _nth(first, 0, length, number, weekday)
    return mask


def _every_week(length: int, first: int, weekday: int) -> int:
    mask = 0
    for day in range((weekday - weekday_of(first)) % 7, length, 7):
        mask |= 1 << day
    return mask


def _nth(first: int, begin: int, end: int, number: int, weekday: int) -> int:
    """The bit of the number-th weekday in the days [begin, end) of the year; none may be there."""
    if number > 0:
        day = begin + (weekday - weekday_of(first + begin)) % 7 + 7 * (number - 1)
    else:
        day = end - 1 - (weekday_of(first + end - 1) - weekday) % 7 + 7 * (number + 1)
    return 1 << day if begin <= day < end else 0
