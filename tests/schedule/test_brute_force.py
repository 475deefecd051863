"""Agreement with brute force, which looks at every minute through the standard library's zones."""

from collections.abc import Iterator
from random import Random

import pytest

from schedule.oracle import Minutes, compare, ms, random_expression, transitions
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


def test_on_some_days_of_some_zones() -> None:
    random = Random(6)
    for _ in range(60):
        zone = random.choice(ZONES.names())
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
            day = random.randrange(ms("2000-01-01T00:00:00Z"), ms("2100-01-01T00:00:00Z")) // 1000
            minutes = Minutes.around(zone, day, day + 24 * 3600)
            compare(minutes, zone, random_expression(random), policies=1)
