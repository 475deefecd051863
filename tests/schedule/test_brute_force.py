"""Agreement with brute force, which looks at every minute through the standard library's zones."""

from calendar import monthrange
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from functools import cache
from random import Random

import pytest

from schedule.oracle import Minutes, compare, iso, ms, random_expression, transitions
from tickwheel.server.schedule import ScheduleSpec, compile_schedule
from tickwheel.server.schedule.zone import ZONES

#: Chosen for what is odd about them: half-hour changes, changes at midnight, offsets that are no
#: whole hours, changes to a side of the date line, negative daylight saving, Ramadan.
SAMPLE = (
    "Africa/Cairo",
    "Africa/Casablanca",
    "America/Caracas",
    "America/Havana",
    "America/New_York",
    "America/Nuuk",
    "America/Sao_Paulo",
    "Antarctica/Troll",
    "Asia/Kathmandu",
    "Asia/Pyongyang",
    "Australia/Lord_Howe",
    "Europe/Berlin",
    "Europe/Dublin",
    "Pacific/Apia",
    "Pacific/Chatham",
)


@pytest.mark.parametrize("zone", SAMPLE)
def test_around_some_changes(zone: str) -> None:
    random = Random(zone)
    all_changes = transitions(zone, "2000-01-01T00:00:00Z", "2100-01-01T00:00:00Z")
    for instant in random.sample(all_changes, min(4, len(all_changes))):
        minutes = Minutes.around(zone, instant - 24 * 3600, instant + 24 * 3600)
        for _ in range(4):
            compare(minutes, zone, random_expression(random))


def test_the_sample_has_changes() -> None:
    with_changes = [
        zone for zone in SAMPLE if transitions(zone, "2000-01-01T00:00:00Z", "2100-01-01T00:00:00Z")
    ]
    assert len(with_changes) >= len(SAMPLE) - 1


def test_a_change_and_a_day_of_every_zone() -> None:
    for zone in _distinct_zones():
        random = Random(zone)
        changes = transitions(zone, "2000-01-01T00:00:00Z", "2100-01-01T00:00:00Z")
        if changes:
            instant = random.choice(changes)
            minutes = Minutes.around(zone, instant - 24 * 3600, instant + 24 * 3600)
            compare(minutes, zone, random_expression(random))
        _random_day(zone, random)


def _random_day(zone: str, random: Random) -> None:
    day = random.randrange(ms("2000-01-01T00:00:00Z"), ms("2100-01-01T00:00:00Z")) // 1000
    minutes = Minutes.around(zone, day, day + 24 * 3600)
    compare(minutes, zone, random_expression(random), policies=1)


def _distinct_zones() -> Iterator[str]:
    """One name for each history: links and twins have nothing to add."""
    seen: set[tuple[tuple[int, int, int], ...]] = set()
    for name in ZONES.names():
        zone = ZONES.zone(name)
        spans = tuple(
            (span.start_s, span.offset_s, span.previous_s)
            for span in zone.spans_between(
                ms("1999-12-01T00:00:00Z") // 1000, ms("2101-01-01T00:00:00Z") // 1000
            )
        )
        key = (*spans, (0, zone.span_at(0).offset_s, 0))
        if key not in seen:
            seen.add(key)
            yield name


@pytest.mark.exhaustive
@pytest.mark.timeout(14_400)
def test_around_every_change_of_every_zone() -> None:
    for zone in _distinct_zones():
        random = Random(zone)
        for instant in transitions(zone, "2000-01-01T00:00:00Z", "2101-01-01T00:00:00Z"):
            minutes = Minutes.around(zone, instant - 24 * 3600, instant + 24 * 3600)
            compare(minutes, zone, random_expression(random))


@pytest.mark.exhaustive
@pytest.mark.timeout(14_400)
def test_on_200_days_of_every_zone() -> None:
    for zone in _distinct_zones():
        random = Random(zone)
        for _ in range(200):
            _random_day(zone, random)


def _last_day(day: date) -> int:
    return monthrange(day.year, day.month)[1]


@cache
def _nearest_working_day(year: int, month: int, number: int) -> date:
    """The Monday to Friday of the month that is nearest; Friday before Monday."""
    days = [date(year, month, one) for one in range(1, monthrange(year, month)[1] + 1)]
    working = [day for day in days if day.isoweekday() <= 5]
    return min(working, key=lambda day: (abs(day.day - number), day))


def _is_nearest(day: date, number: int) -> bool:
    if not 1 <= number <= _last_day(day):
        return False
    return _nearest_working_day(day.year, day.month, number) == day


DAY_FORMS: dict[str, Callable[[date], bool]] = {
    "L * *": lambda day: day.day == _last_day(day),
    "LW * *": lambda day: _is_nearest(day, _last_day(day)),
    "* * FRIL": lambda day: day.isoweekday() == 5 and day.day > _last_day(day) - 7,
    "* * 0L,TUE#2": lambda day: (
        (day.isoweekday() == 7 and day.day > _last_day(day) - 7)
        or (day.isoweekday() == 2 and 8 <= day.day <= 14)
    ),
    "13,L * FRI#2": lambda day: (
        day.day in (13, _last_day(day)) or (day.isoweekday() == 5 and 8 <= day.day <= 14)
    ),
    "*/10 FEB-APR *": lambda day: day.month in (2, 3, 4) and day.day in (1, 11, 21, 31),
    "28-3/2 * *": lambda day: day.day in (28, 30, 1, 3),
    "29 2 7": lambda day: day.month == 2 and (day.day == 29 or day.isoweekday() == 7),
    **{
        f"L-{back} * *": lambda day, back=back: day.day == _last_day(day) - back
        for back in range(1, 31)
    },
    **{f"{number}W * *": lambda day, n=number: _is_nearest(day, n) for number in range(1, 32)},
    **{
        f"L-{back}W * *": lambda day, back=back: _is_nearest(day, _last_day(day) - back)
        for back in (1, 2, 5, 27, 28, 30)
    },
    **{
        f"* * {weekday}#{number}": lambda day, w=weekday, n=number: (
            day.isoweekday() % 7 == w % 7 and (day.day + 6) // 7 == n
        )
        for weekday in range(8)
        for number in range(1, 6)
    },
}


@pytest.mark.parametrize("form", DAY_FORMS)
def test_day_forms_on_every_day_of_12_years_and_around_a_century(form: str) -> None:
    schedule = compile_schedule(ScheduleSpec(cron=f"0 0 {form}"), anchor_ms=0)
    for first, last in ((2001, 2013), (2096, 2105)):
        days = [date(first, 1, 1) + timedelta(days=n) for n in range((last - first) * 365)]
        begin, end = ms(f"{days[0]}T00:00:00Z"), ms(f"{days[-1]}T00:00:01Z")
        found = [iso(instant)[:10] for instant in schedule.between(begin, end)]
        assert found == [str(day) for day in days if DAY_FORMS[form](day)]
