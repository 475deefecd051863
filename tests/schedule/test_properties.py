"""What holds for every schedule in every zone, by Hypothesis."""

from dataclasses import replace
from datetime import datetime
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schedule.oracle import effort, ms
from tickwheel.server.schedule import (
    DstGap,
    DstOverlap,
    Schedule,
    ScheduleError,
    ScheduleSpec,
    compile_schedule,
    preview,
)
from tickwheel.server.schedule.cron import parse_cron
from tickwheel.server.schedule.zone import ZONES

_FIRST, _LAST = ms("2000-01-01T00:00:00Z"), ms("2100-01-01T00:00:00Z")
SECOND = 1_000_000_000

thorough = settings(
    max_examples=effort(150),
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)


@st.composite
def places(draw: st.DrawFn) -> tuple[str, int]:
    """A zone, and an instant in it that is near a change of its clock as often as not."""
    name = draw(st.sampled_from(ZONES.names()))
    instant = draw(st.integers(_FIRST, _LAST))
    spans = list(ZONES.zone(name).spans_between(_FIRST // 1000, _LAST // 1000))
    if spans and draw(st.booleans()):
        instant = draw(st.sampled_from(spans)).start_s * 1000
        instant += draw(st.integers(-90_000_000, 90_000_000))
    return name, instant


def listed(low: int, high: int, most: int = 4) -> st.SearchStrategy[str]:
    numbers = st.integers(low, high).map(str)
    ranges = st.tuples(numbers, numbers).map("-".join)
    steps = st.tuples(
        st.one_of(st.just("*"), numbers, ranges), st.integers(1, high - low).map(str)
    ).map("/".join)
    items = st.one_of(numbers, numbers, ranges, steps)
    return st.one_of(st.just("*"), st.lists(items, min_size=1, max_size=most).map(",".join))


days = st.one_of(
    st.just("*"),
    listed(1, 31),
    st.sampled_from(["L", "LW", "L-3", "15W", "1W", "31W", "L,1", "?"]),
)
weekdays = st.one_of(
    st.just("*"),
    listed(0, 7),
    st.sampled_from(["MON-FRI", "FRI-MON", "5L", "2#1", "SUN#5", "SAT,TUE#2", "?"]),
)
months = st.one_of(st.just("*"), st.just("*"), listed(1, 12), st.just("NOV-FEB"))
crons = st.tuples(listed(0, 59), listed(0, 23), days, months, weekdays).map(" ".join)
crons_with_seconds = st.tuples(listed(0, 59), crons).map(" ".join)

durations = st.sampled_from(
    [
        "PT1S",
        "PT90M",
        "PT36H",
        "P1D",
        "P1W",
        "P1M",
        "P1Y",
        "P1M1D",
        "P1DT6H",
        "P2MT1.5S",
        "P1Y2M3DT4H",
    ]
)


@st.composite
def intervals(draw: st.DrawFn, near_ms: int) -> str:
    base = datetime.fromtimestamp(
        near_ms // 1000 + draw(st.integers(-40 * 86_400, 40 * 86_400)), ZoneInfo("UTC")
    )
    start = base.strftime("%Y-%m-%dT%H:%M:%S") + draw(st.sampled_from(["", "Z", ".25", "+05:45"]))
    count = draw(st.sampled_from(["", "1", "3", "100"]))
    period = draw(durations)
    form = draw(st.integers(0, 3))
    if form == 0:
        return f"R{count}/{period}"
    return f"R{count}/{start}/{period}" if form < 3 else f"R{count}/{period}/{start}"


@st.composite
def rules(draw: st.DrawFn, near_ms: int) -> str:
    parts = {"FREQ": draw(st.sampled_from(["YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY"]))}
    if draw(st.booleans()):
        parts["INTERVAL"] = str(draw(st.integers(2, 9)))
    if draw(st.booleans()):
        parts["BYHOUR"] = draw(st.sampled_from(["1", "2", "0,1,2,3", "23,0"]))
    if draw(st.booleans()):
        parts["BYMINUTE"] = draw(st.sampled_from(["0", "30", "0,15,45"]))
    if draw(st.booleans()):
        parts["BYDAY"] = draw(st.sampled_from(["MO", "SA,SU", "MO,TU,WE,TH,FR"]))
        if draw(st.booleans()):
            parts["BYSETPOS"] = draw(st.sampled_from(["1", "-1", "2,-2"]))
    end = draw(st.integers(0, 2))
    if end == 1:
        parts["COUNT"] = str(draw(st.integers(1, 40)))
    start = datetime.fromtimestamp(near_ms // 1000, ZoneInfo("UTC"))
    if end == 2:
        parts["UNTIL"] = f"{start.year + 2}0301T013000Z"
    rule = ";".join(f"{name}={value}" for name, value in parts.items())
    local = draw(st.sampled_from(["", "Z"]))
    return f"DTSTART:{start:%Y%m%dT%H%M%S}{local}\nRRULE:{rule}"


@st.composite
def simple(draw: st.DrawFn, zone: str, near_ms: int) -> ScheduleSpec:
    """One of the forms but anyOf, with policies."""
    spec = ScheduleSpec(
        time_zone=zone,
        dst_gap=draw(st.sampled_from(list(DstGap))),
        dst_overlap=draw(st.sampled_from(list(DstOverlap))),
    )
    match draw(st.integers(0, 5)):
        case 0 | 1:
            return replace(spec, cron=draw(st.one_of(crons, crons_with_seconds)))
        case 2:
            every = draw(st.integers(SECOND, 40 * 86_400 * SECOND))
            return replace(spec, every_ns=every, anchor_ms=near_ms + draw(st.integers(-9999, 9999)))
        case 3:
            return replace(spec, iso8601=draw(intervals(near_ms)))
        case 4:
            return replace(spec, rrule=draw(rules(near_ms)))
        case _:
            return replace(spec, at_ms=near_ms + draw(st.integers(-10_000_000, 100_000_000)))


@st.composite
def cases(draw: st.DrawFn) -> tuple[ScheduleSpec, int]:
    """A schedule of any form, bounded or not, and an instant to look from."""
    zone, near_ms = draw(places())
    if draw(st.integers(0, 4)):
        spec = draw(simple(zone, near_ms))
    else:
        members = draw(st.lists(simple(zone, near_ms), min_size=1, max_size=4))
        spec = ScheduleSpec(any_of=tuple(members), time_zone=zone)
    if draw(st.booleans()):
        spec = replace(spec, start_ms=near_ms + draw(st.integers(-(10**8), 10**8)))
    if draw(st.booleans()):
        end_ms = (near_ms if spec.start_ms is None else spec.start_ms) + draw(st.integers(1, 10**9))
        spec = replace(spec, end_ms=end_ms)
    if draw(st.booleans()):
        day = datetime.fromtimestamp(near_ms // 1000, ZoneInfo("UTC"))
        spec = replace(spec, excludes=(f"{day:%Y-%m-%d}",))
    return spec, near_ms - draw(st.integers(0, 10**8))


def some(schedule: Schedule, after_ms: int, count: int = 25) -> list[int]:
    return list(islice(schedule.between(after_ms + 1, _LAST * 9), count))


@thorough
@given(cases())
def test_occurrences(case: tuple[ScheduleSpec, int]) -> None:
    spec, after_ms = case
    schedule = compile_schedule(spec, anchor_ms=after_ms)
    found = some(schedule, after_ms)
    # Strictly increasing, after what was asked, within the bounds.
    assert all(sooner < later for sooner, later in pairwise([after_ms, *found]))
    if spec.start_ms is not None:
        assert all(instant >= spec.start_ms for instant in found)
    if spec.end_ms is not None:
        assert all(instant < spec.end_ms for instant in found)
    # Each is found from the millisecond before it, and from anywhere since the one before.
    fresh = compile_schedule(spec, anchor_ms=after_ms)
    for sooner, later in reversed(list(pairwise([after_ms, *found]))):
        assert fresh.next_after(later - 1) == later
        assert fresh.next_after(sooner) == later
        assert fresh.next_after((sooner + later) // 2 if later - sooner > 1 else sooner) == later
    # Nothing is on a date that is left out.
    zone = ZoneInfo(spec.time_zone)
    for text in spec.excludes:
        assert all(f"{datetime.fromtimestamp(at / 1000, zone):%Y-%m-%d}" != text for at in found)
    # It can be described and looked ahead at.
    assert schedule.describe()
    seen = preview(schedule, after_ms, 25)
    assert list(seen.times_ms) == found
    assert seen.notes or found


@thorough
@given(cases(), st.integers(0, 5 * 86_400_000))
def test_jitter_keeps_the_order(case: tuple[ScheduleSpec, int], jitter_ms: int) -> None:
    spec, after_ms = case
    gap = compile_schedule(spec, anchor_ms=after_ms).smallest_gap_ms()
    jitter_ms = jitter_ms if gap is None else min(jitter_ms, gap - 1)
    try:
        schedule = compile_schedule(replace(spec, jitter_ms=jitter_ms), anchor_ms=after_ms)
    except ScheduleError:
        if spec.any_of is None:
            raise
        # Members of a union may come close.
        return
    found = some(schedule, after_ms)
    due = [schedule.due(instant, salt="job") for instant in found]
    assert all(0 <= at - nominal <= jitter_ms for nominal, at in zip(found, due, strict=True))
    assert all(sooner < later for sooner, later in pairwise(due))


@thorough
@given(cases())
def test_no_two_are_closer_than_said(case: tuple[ScheduleSpec, int]) -> None:
    """On a clock without changes, and for one form: members of a union may come close."""
    spec, after_ms = case
    if spec.any_of is not None:
        return
    schedule = compile_schedule(
        replace(spec, time_zone="UTC", dst_gap=DstGap.NEXT_VALID), anchor_ms=after_ms
    )
    gap = schedule.smallest_gap_ms()
    found = some(schedule, after_ms)
    if gap is None:
        assert len(found) <= 1
    else:
        assert all(later - sooner >= gap for sooner, later in pairwise(found))


@thorough
@given(places(), st.data())
def test_a_union_is_all_its_members(place: tuple[str, int], data: st.DataObject) -> None:
    zone, near_ms = place
    members = data.draw(st.lists(simple(zone, near_ms), min_size=1, max_size=4))
    end_ms = near_ms + data.draw(st.integers(1, 10**9))
    union = compile_schedule(ScheduleSpec(any_of=tuple(members), end_ms=end_ms), anchor_ms=near_ms)
    expected: set[int] = set()
    for member in members:
        one = compile_schedule(member, anchor_ms=near_ms)
        expected.update(islice(one.between(near_ms, end_ms), 60))
    found = list(islice(union.between(near_ms, end_ms), 60))
    assert found == sorted(expected)[: len(found)]
    assert len(found) == min(60, len(expected)) or len(found) == len(sorted(expected)[:60])


@thorough
@given(places(), crons, st.sampled_from(list(DstGap)), st.sampled_from(list(DstOverlap)))
def test_one_for_each_wall_clock_match(
    place: tuple[str, int], cron: str, gap: DstGap, overlap: DstOverlap
) -> None:
    name, after_ms = place
    spec = ScheduleSpec(cron=cron, time_zone=name, dst_gap=gap, dst_overlap=overlap)
    found = some(compile_schedule(spec, anchor_ms=0), after_ms, 60)
    fields = parse_cron(cron)
    zone = ZoneInfo(name)
    seen: set[datetime] = set()
    for instant in found:
        wall = datetime.fromtimestamp(instant / 1000, zone)
        first, second = wall.replace(fold=0).utcoffset(), wall.replace(fold=1).utcoffset()
        naive = wall.replace(tzinfo=None, fold=0)
        twice = first != second
        if not twice:
            # At most one outside of overlaps.
            assert naive not in seen
        elif not fields.wild_hour and overlap is not DstOverlap.BOTH:
            assert naive not in seen
            if wall.minute in fields.minutes and wall.hour in fields.hours:
                assert wall.fold == (overlap is DstOverlap.SECOND)
        seen.add(naive)
        matches = wall.minute in fields.minutes and wall.hour in fields.hours
        matches = matches and wall.month in fields.months and not wall.second
        if not matches:
            # Only a gap explains it: the time that was meant is left out.
            assert not fields.wild_hour
            assert gap is not DstGap.SKIP
            span = ZONES.zone(name).span_at(instant // 1000)
            assert span.previous_s < span.offset_s
            late = instant // 1000 - span.start_s
            limit = 0 if gap is DstGap.NEXT_VALID else span.offset_s - span.previous_s
            assert 0 <= late <= limit


@thorough
@given(places(), st.lists(st.integers(0, 23), min_size=1, max_size=4), st.integers(0, 59))
def test_a_daily_rule_is_a_cron_expression(
    place: tuple[str, int], hours: list[int], minute: int
) -> None:
    name, after_ms = place
    listed_hours = ",".join(map(str, sorted(set(hours))))
    for gap in DstGap:
        for overlap in DstOverlap:
            policies = ScheduleSpec(time_zone=name, dst_gap=gap, dst_overlap=overlap)
            cron = replace(policies, cron=f"{minute} {listed_hours} * * *")
            rule = f"FREQ=DAILY;BYHOUR={listed_hours};BYMINUTE={minute};BYSECOND=0"
            rrule = replace(policies, rrule=f"DTSTART:19991225T000000\nRRULE:{rule}")
            expected = some(compile_schedule(cron, anchor_ms=0), after_ms)
            assert some(compile_schedule(rrule, anchor_ms=0), after_ms) == expected


@thorough
@given(places(), st.data())
def test_count_takes_the_first_of_a_rule(place: tuple[str, int], data: st.DataObject) -> None:
    zone, near_ms = place
    spec = data.draw(simple(zone, near_ms))
    rule = data.draw(rules(near_ms)).replace("UNTIL", "WKST=SU;X-UNTIL")
    rule = ";".join(part for part in rule.split(";") if not part.startswith(("COUNT", "X-")))
    count = data.draw(st.integers(1, 60))
    settings_of = replace(spec, cron=None, every_ns=None, iso8601=None, at_ms=None, anchor_ms=None)
    endless = compile_schedule(replace(settings_of, rrule=rule), anchor_ms=0)
    counted = compile_schedule(replace(settings_of, rrule=f"{rule};COUNT={count}"), anchor_ms=0)
    expected = some(endless, -(10**13), count)
    assert some(counted, -(10**13), count + 5) == expected
    # Also from the middle, by a schedule that has not been asked before.
    again = compile_schedule(replace(settings_of, rrule=f"{rule};COUNT={count}"), anchor_ms=0)
    if expected:
        assert again.next_after(expected[-1] - 1) == expected[-1]
        assert again.next_after(expected[-1]) is None


#: As often as each hour: what goes on through a change of the clock.
frequent_crons = st.tuples(listed(0, 59), listed(0, 59), st.just("*"), days, months, weekdays)


@st.composite
def counted(draw: st.DrawFn) -> tuple[ScheduleSpec, int]:
    """A schedule that can be counted without going through it, as often as not."""
    spec, after_ms = draw(cases())
    if draw(st.booleans()):
        form = ScheduleSpec(time_zone=spec.time_zone, dst_overlap=spec.dst_overlap)
        form = replace(form, start_ms=spec.start_ms, end_ms=spec.end_ms)
        spec = replace(form, cron=" ".join(draw(frequent_crons)))
    return spec, after_ms


@thorough
@given(counted(), st.integers(1, 2_000), st.integers(0, 1_000))
def test_counting_is_going_through(
    case: tuple[ScheduleSpec, int], number: int, before_ms: int
) -> None:
    spec, after_ms = case
    schedule = compile_schedule(spec, anchor_ms=after_ms)
    found = some(schedule, after_ms, number)
    last_ms = found[-1] if found else after_ms + before_ms
    assert schedule.count(after_ms + 1, last_ms + 1, 3_000) == len(found)
    assert schedule.count(after_ms + 1, last_ms, 3_000) == max(0, len(found) - 1)
    assert schedule.count(after_ms + 1, last_ms + 1, 7) == min(7, len(found))
    if found:
        rest = schedule.count(found[len(found) // 2], last_ms + 1, 3_000)
        assert rest == len(found) - len(found) // 2
