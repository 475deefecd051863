"""Where a schedule has nothing though one might think so, instant by instant."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickwheel.server.schedule import DstGap, DstOverlap, ScheduleSpec, compile_schedule
from tickwheel.server.schedule.absences import Why, absences


def _ms(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


def _found(spec: ScheduleSpec, start: str, end: str) -> list[tuple[str, Why]]:
    schedule = compile_schedule(spec, anchor_ms=0)
    return [
        (f"{datetime.fromtimestamp(one.at_ms / 1000, UTC):%FT%RZ}", one.why)
        for one in absences(schedule, _ms(start), _ms(end))
    ]


_BERLIN = ScheduleSpec(cron="*/20 2 * * *", time_zone="Europe/Berlin")
_SPRING = ("2027-03-27T12:00:00Z", "2027-03-28T12:00:00Z")
_AUTUMN = ("2027-10-30T12:00:00Z", "2027-10-31T12:00:00Z")


@pytest.mark.parametrize(
    ("gap", "expected"),
    [
        (DstGap.SKIP, [("01:00", Why.GAP), ("01:20", Why.GAP), ("01:40", Why.GAP)]),
        (DstGap.NEXT_VALID, [("01:00", Why.MOVED)] * 3),
        (DstGap.SAME_OFFSET, [("01:00", Why.MOVED), ("01:20", Why.MOVED), ("01:40", Why.MOVED)]),
    ],
)
def test_a_gap(gap: DstGap, expected: list[tuple[str, Why]]) -> None:
    spec = replace(_BERLIN, dst_gap=gap)
    assert _found(spec, *_SPRING) == [(f"2027-03-28T{at}Z", why) for at, why in expected]


@pytest.mark.parametrize(
    ("overlap", "expected"),
    [
        (DstOverlap.FIRST, ["01:00", "01:20", "01:40"]),
        (DstOverlap.SECOND, ["00:00", "00:20", "00:40"]),
        (DstOverlap.BOTH, []),
    ],
)
def test_an_overlap(overlap: DstOverlap, expected: list[str]) -> None:
    spec = replace(_BERLIN, dst_overlap=overlap)
    assert _found(spec, *_AUTUMN) == [(f"2027-10-31T{at}Z", Why.OVERLAP) for at in expected]


def test_what_follows_elapsed_time_loses_nothing() -> None:
    spec = ScheduleSpec(cron="30 * * * *", time_zone="Europe/Berlin", dst_gap=DstGap.SKIP)
    assert _found(spec, *_SPRING) == []


def test_excluded_and_out_of_bounds() -> None:
    spec = ScheduleSpec(
        cron="0 12 * * *",
        start_ms=_ms("2026-12-02T00:00:00Z"),
        end_ms=_ms("2026-12-05T00:00:00Z"),
        excludes=("2026-12-03", "2026-12-09"),
    )
    assert _found(spec, "2026-12-01T00:00:00Z", "2026-12-07T00:00:00Z") == [
        ("2026-12-01T12:00Z", Why.BEFORE_START),
        ("2026-12-03T12:00Z", Why.EXCLUDED),
        ("2026-12-05T12:00Z", Why.AFTER_END),
        ("2026-12-06T12:00Z", Why.AFTER_END),
    ]


def test_members_of_a_union_speak_for_themselves() -> None:
    members = (
        ScheduleSpec(cron="0 12 * * *", excludes=("2026-12-03",)),
        ScheduleSpec(cron="0 13 * * *", end_ms=_ms("2026-12-03T00:00:00Z")),
    )
    assert _found(ScheduleSpec(any_of=members), "2026-12-03T00:00:00Z", "2026-12-04T00:00:00Z") == [
        ("2026-12-03T12:00Z", Why.EXCLUDED),
        ("2026-12-03T13:00Z", Why.AFTER_END),
    ]


@given(
    minute=st.integers(0, 59),
    hour=st.integers(0, 23),
    gap=st.sampled_from(DstGap),
    overlap=st.sampled_from(DstOverlap),
    zone=st.sampled_from(
        ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Tehran", "UTC")
    ),
)
def test_absences_and_occurrences_are_all_there_could_be(
    minute: int, hour: int, gap: DstGap, overlap: DstOverlap, zone: str
) -> None:
    """A time of day comes or is missing on each date, and twice only where it comes twice."""
    spec = ScheduleSpec(
        cron=f"{minute} {hour} * * *", time_zone=zone, dst_gap=gap, dst_overlap=overlap
    )
    schedule = compile_schedule(spec, anchor_ms=0)
    low, high = _ms("2019-12-31T00:00:00Z"), _ms("2022-01-02T00:00:00Z")
    found = list(absences(schedule, low, high))
    real = list(schedule.between(low, high))
    assert found == sorted(found)
    for one in found:
        assert (one.at_ms in real) == (one.why is Why.MOVED)
    if overlap is DstOverlap.BOTH:
        return
    gaps = sum(one.why is Why.GAP for one in found)
    assert len(real) + gaps == pytest.approx(733, abs=1)
