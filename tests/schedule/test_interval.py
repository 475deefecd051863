"""ISO 8601 intervals with calendar units against a slow reading of what they mean."""

import calendar
from datetime import UTC, datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

from schedule.oracle import effort, iso, ms
from tickwheel.server.schedule import DstGap, DstOverlap, ScheduleSpec, compile_schedule
from tickwheel.server.schedule.zone import ZONES

_FIRST, _LAST = ms("2000-01-01T00:00:00Z") // 1000, ms("2035-01-01T00:00:00Z") // 1000
_DAY_MS = 86_400_000


def later(wall: datetime, months: int, days: int) -> datetime:
    """Months first, cut to the end of the month, then days."""
    year, month = divmod(wall.year * 12 + wall.month - 1 + months, 12)
    day = min(wall.day, calendar.monthrange(year, month + 1)[1])
    return wall.replace(year=year, month=month + 1, day=day) + timedelta(days=days)


def after_the_gap(zone: ZoneInfo, low: int, high: int) -> int:
    """The second at which the offset changes, between two that are on either side of a gap."""
    before = datetime.fromtimestamp(low, zone).utcoffset()
    while high - low > 1:
        middle = (low + high) // 2
        if datetime.fromtimestamp(middle, zone).utcoffset() == before:
            low = middle
        else:
            high = middle
    return high


def instants(wall: datetime, zone: ZoneInfo, gap: DstGap, overlap: DstOverlap) -> list[int]:
    """The Unix seconds that a wall-clock time means."""
    first = int(wall.replace(tzinfo=zone, fold=0).timestamp())
    second = int(wall.replace(tzinfo=zone, fold=1).timestamp())
    if first <= second:
        both = {DstOverlap.FIRST: [first], DstOverlap.SECOND: [second]}
        return both.get(overlap, [first] if first == second else [first, second])
    match gap:
        case DstGap.SKIP:
            return []
        case DstGap.SAME_OFFSET:
            return [first]
        case DstGap.NEXT_VALID:
            return [after_the_gap(zone, second, first)]


def random_start(random: Random, zone: str) -> int:
    spans = list(ZONES.zone(zone).spans_between(_FIRST, _LAST))
    if spans and random.random() < 0.6:
        return random.choice(spans).start_s + random.randrange(-90_000, 90_000)
    return random.randrange(_FIRST, _LAST)


def test_calendar_units() -> None:
    random = Random(5)
    names = ZONES.names()
    for _ in range(effort(700)):
        name = random.choice((*random.sample(names, 4), "Pacific/Apia", "Australia/Lord_Howe"))
        zone = ZoneInfo(name)
        start = datetime.fromtimestamp(random_start(random, name), UTC)
        months, days = random.choice(((0, 1), (0, 7), (1, 0), (12, 0), (1, 1), (2, 14), (0, 2)))
        hours, count = random.choice((0, 0, 1, 12, 36)), random.choice((1, 3, 40))
        forward, floating = random.random() < 0.7, random.random() < 0.5
        fraction, fraction_ms = random.choice((("", 0), (".5", 500), (".9999999", 1000)))
        text = f"{start:%Y-%m-%dT%H:%M:%S}{fraction}{'' if floating else 'Z'}"
        period = f"P{months}M{days}D" + (f"T{hours}H" if hours else "")
        interval = f"R{count}/" + (f"{text}/{period}" if forward else f"{period}/{text}")
        gap, overlap = random.choice(list(DstGap)), random.choice(list(DstOverlap))

        base = start + timedelta(milliseconds=fraction_ms)
        wall = (base if floating else base.astimezone(zone)).replace(tzinfo=None)
        expected: set[int] = set()
        for step in range(count):
            k = step if forward else -step
            if not step and not floating:
                # A start that is an instant needs no policy.
                expected.add(round(base.timestamp() * 1000))
                continue
            at = later(wall.replace(microsecond=0), k * months, k * days)
            for second in instants(at, zone, gap, overlap):
                expected.add(second * 1000 + wall.microsecond // 1000 + k * hours * 3_600_000)

        spec = ScheduleSpec(iso8601=interval, time_zone=name, dst_gap=gap, dst_overlap=overlap)
        schedule = compile_schedule(spec, anchor_ms=0)
        span = 45 * (months * 31 + days + 3) * _DAY_MS
        around = schedule.between(round(base.timestamp() * 1000) - span, _LAST * 1000 + span)
        assert list(around) == sorted(expected), (interval, name, gap, overlap)


def test_a_start_and_an_end_by_the_wall_clock() -> None:
    """The day of the change has 23 hours: so long is the distance."""
    spec = ScheduleSpec(
        iso8601="R4/2026-03-29T00:00:00/2026-03-30T00:00:00", time_zone="Europe/Berlin"
    )
    found = list(compile_schedule(spec, anchor_ms=0).between(0, _LAST * 1000))
    assert found == [ms("2026-03-28T23:00:00Z") + k * 23 * 3_600_000 for k in range(4)]


def test_what_was_accepted_does_not_depend_on_the_data_of_the_zone() -> None:
    # Both in the gap: the distance on the clock is what is left.
    spec = ScheduleSpec(
        iso8601="R3/2026-03-29T02:10:00/2026-03-29T02:40:00", time_zone="Europe/Berlin"
    )
    found = list(compile_schedule(spec, anchor_ms=0).between(0, _LAST * 1000))
    assert found == [ms("2026-03-29T01:00:00Z") + k * 1_800_000 for k in range(3)]


def test_a_start_in_a_gap_that_is_rounded_up_to_a_whole_second() -> None:
    spec = ScheduleSpec(iso8601="R3/2026-03-29T02:30:00.9999999/P1M", time_zone="Europe/Berlin")
    found = [iso(at) for at in compile_schedule(spec, anchor_ms=0).between(0, _LAST * 1000)]
    assert found == ["2026-03-29T01:00:00Z", "2026-04-29T00:30:01Z", "2026-05-29T00:30:01Z"]
