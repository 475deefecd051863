"""What a preview says beside the occurrences."""

from itertools import pairwise

import pytest

from schedule.oracle import iso, ms
from tickwheel.server.schedule import (
    DstGap,
    DstOverlap,
    ScheduleSpec,
    compile_schedule,
    preview,
)

S = ScheduleSpec
BERLIN = "Europe/Berlin"


def look(spec: ScheduleSpec, after: str, count: int = 5) -> tuple[list[str], list[str]]:
    schedule = compile_schedule(spec, anchor_ms=ms(after))
    seen = preview(schedule, ms(after), count)
    return [iso(instant) for instant in seen.times_ms], list(seen.notes)


class TestTimes:
    def test_strictly_after_and_no_more_than_asked(self) -> None:
        times, notes = look(S(cron="0 0 * * *"), "2026-11-23T00:00:00Z", 2)
        assert times == ["2026-11-24T00:00:00Z", "2026-11-25T00:00:00Z"]
        assert notes == []
        times, _ = look(S(cron="0 0 * * *"), "2026-11-22T23:59:59.999Z", 1)
        assert times == ["2026-11-23T00:00:00Z"]

    def test_no_more_than_max_runs(self) -> None:
        assert len(look(S(cron="* * * * *", max_runs=3), "2026-11-23T00:00:00Z", 9)[0]) == 3
        assert len(look(S(cron="* * * * *", max_runs=3), "2026-11-23T00:00:00Z", 2)[0]) == 2

    def test_a_thousand(self) -> None:
        times, notes = look(S(cron="0 9 * * *", time_zone=BERLIN), "2026-11-23T00:00:00Z", 1000)
        assert len(times) == 1000
        assert all(sooner < later for sooner, later in pairwise(times))
        assert notes[-1] == "1 more change of the clock affects no occurrence"


class TestChangesOfTheClock:
    GAP = f"DST gap in {BERLIN}: on 2026-03-29 the clocks go forward from 02:00 to 03:00; "
    OVERLAP = f"DST overlap in {BERLIN}: on 2026-10-25 the clocks go back from 03:00 to 02:00; "

    @pytest.mark.parametrize(
        ("cron", "gap", "effect"),
        [
            ("30 2 * * *", DstGap.NEXT_VALID, "02:30 does not exist and moves to 03:00"),
            ("30 2 * * *", DstGap.SKIP, "02:30 does not exist and is skipped"),
            (
                "30 2 * * *",
                DstGap.SAME_OFFSET,
                "02:30 does not exist and happens by the offset before, at 03:30",
            ),
            (
                "*/15 2 * * *",
                DstGap.NEXT_VALID,
                "02:00 and others do not exist and move to 03:00",
            ),
            ("*/15 2 * * *", DstGap.SKIP, "02:00 and others do not exist and are skipped"),
            ("30 2 1 * *", DstGap.SKIP, "no occurrence is affected"),
            ("0 3 * * *", DstGap.SKIP, "no occurrence is affected"),
            ("30 * * * *", DstGap.SKIP, "the schedule follows elapsed time"),
        ],
    )
    def test_gap(self, cron: str, gap: DstGap, effect: str) -> None:
        spec = S(cron=cron, time_zone=BERLIN, dst_gap=gap, start_ms=ms("2026-03-28T22:00:00Z"))
        _, notes = look(spec, "2026-03-01T00:00:00Z", 9)
        assert notes[0] == self.GAP + effect

    @pytest.mark.parametrize(
        ("cron", "overlap", "effect"),
        [
            ("30 2 * * *", DstOverlap.FIRST, "02:30 comes twice and the first is taken"),
            ("30 2 * * *", DstOverlap.SECOND, "02:30 comes twice and the second is taken"),
            ("0,30 2 * * *", DstOverlap.BOTH, "02:00 and others come twice and both are taken"),
            ("0 1,3 * * *", DstOverlap.BOTH, "no occurrence is affected"),
        ],
    )
    def test_overlap(self, cron: str, overlap: DstOverlap, effect: str) -> None:
        spec = S(cron=cron, time_zone=BERLIN, dst_overlap=overlap)
        _, notes = look(spec, "2026-10-24T12:00:00Z", 4)
        assert notes == [self.OVERLAP + effect]

    def test_before_the_first_and_after_the_last_nothing_is_crossed(self) -> None:
        spec = S(cron="30 2 * * *", time_zone=BERLIN)
        assert look(spec, "2026-03-26T12:00:00Z", 2)[1] == []
        assert look(spec, "2026-03-29T01:00:00Z", 2)[1] == []
        assert len(look(spec, "2026-03-29T00:59:59.999Z", 1)[1]) == 1
        bounded = S(cron="30 2 * * *", time_zone=BERLIN, start_ms=ms("2026-03-30T00:00:00Z"))
        assert look(bounded, "2026-03-01T00:00:00Z", 2)[1] == []

    def test_what_keeps_its_distance(self) -> None:
        spec = S(every_ns=3600 * 10**9, time_zone=BERLIN)
        _, notes = look(spec, "2026-03-29T00:00:00Z", 2)
        assert notes == [self.GAP + "the occurrences keep their distance in elapsed time"]

    @pytest.mark.parametrize(
        "spec",
        [
            S(iso8601="R3/2026-03-28T02:30:00/P1D", time_zone=BERLIN),
            S(rrule="DTSTART:20260328T023000\nRRULE:FREQ=DAILY", time_zone=BERLIN),
            S(rrule="DTSTART;TZID=Europe/Berlin:20260328T023000\nRRULE:FREQ=DAILY"),
            S(
                rrule="DTSTART:20260328T023000\nRRULE:FREQ=DAILY\nRDATE:20260328T120000",
                time_zone=BERLIN,
            ),
        ],
    )
    def test_of_other_forms(self, spec: ScheduleSpec) -> None:
        _, notes = look(spec, "2026-03-28T00:00:00Z", 3)
        assert notes == [self.GAP + "02:30 does not exist and moves to 03:00"]

    def test_a_rule_is_not_affected_before_its_start_nor_after_its_end(self) -> None:
        text = "DTSTART:20260330T023000\nRRULE:FREQ=DAILY;UNTIL=20261024T120000Z"
        _, notes = look(S(rrule=text, time_zone=BERLIN), "2026-03-01T00:00:00Z", 1000)
        assert notes == []

    def test_one_note_for_all_members_of_a_union(self) -> None:
        spec = S(
            any_of=(
                S(cron="30 2 * * *"),
                S(cron="0 9 * * *"),
                S(cron="30 2 * * *", dst_gap=DstGap.SKIP),
                S(cron="0 9 * * *", time_zone="Asia/Tokyo"),
            ),
            time_zone=BERLIN,
        )
        _, notes = look(spec, "2026-03-28T12:00:00Z", 4)
        assert notes == [
            self.GAP
            + "02:30 does not exist and moves to 03:00; 02:30 does not exist and is skipped"
        ]

    def test_many_of_them_without_effect_are_counted(self) -> None:
        _, notes = look(S(cron="0 0 1 1 *", time_zone=BERLIN), "2026-01-02T00:00:00Z", 10)
        assert len(notes) == 5
        assert notes[-1] == "16 more changes of the clock affect no occurrence"

    def test_many_of_them_with_effect_are_cut(self) -> None:
        _, notes = look(S(cron="30 2 * 3,10 SUN", time_zone=BERLIN), "2026-01-02T00:00:00Z", 1000)
        assert len(notes) == 21
        assert notes[-1] == "more changes of the clock follow"

    def test_a_day_that_a_zone_left_out(self) -> None:
        spec = S(cron="0 12 30 12 *", time_zone="Pacific/Apia")
        times, notes = look(spec, "2011-12-01T00:00:00Z", 1)
        assert times == ["2011-12-30T10:00:00Z"]
        assert notes == [
            "DST gap in Pacific/Apia: the clocks go forward from 2011-12-30 00:00 to "
            "2011-12-31 00:00; 12:00 does not exist and moves to 2011-12-31 00:00"
        ]


class TestExcludes:
    def test_hit(self) -> None:
        spec = S(cron="0 9,17 * * *", excludes=("2026-11-24", "2026-11-25T09:00:00Z", "2026-12-25"))
        _, notes = look(spec, "2026-11-23T12:00:00Z", 3)
        assert notes == [
            "2026-11-24 is excluded: 2026-11-24T09:00:00Z and more is left out",
            "2026-11-25T09:00:00Z is excluded: 2026-11-25T09:00:00Z is left out",
        ]

    def test_hit_after_the_last(self) -> None:
        spec = S(cron="0 9 * * *", excludes=("2026-11-24",), end_ms=ms("2026-11-25T00:00:00Z"))
        times, notes = look(spec, "2026-11-23T00:00:00Z")
        assert times == ["2026-11-23T09:00:00Z"]
        assert notes == ["2026-11-24 is excluded: 2026-11-24T09:00:00Z is left out"]

    def test_of_a_rule_and_of_a_member(self) -> None:
        rule = S(
            rrule="DTSTART:20261123T090000Z\nRRULE:FREQ=DAILY;COUNT=3\nEXDATE:20261124T090000Z"
        )
        expected = "EXDATE 2026-11-24 09:00 is excluded: 2026-11-24T09:00:00Z is left out"
        assert look(rule, "2026-11-23T00:00:00Z")[1] == [expected]
        assert look(S(any_of=(rule,)), "2026-11-23T00:00:00Z")[1] == [expected]


class TestNothing:
    @pytest.mark.parametrize(
        ("spec", "note"),
        [
            (S(cron="0 0 30 2 *"), "never fires: no date matches"),
            (S(cron="0 0 31 2,4,6,9,11 *"), "never fires: no date matches"),
            (S(cron="0 0 L-30 2 *"), "never fires: no date matches"),
            (S(rrule="FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"), "never fires: nothing matches"),
            (
                S(cron="0 0 * * *", start_ms=1, end_ms=2),
                "never fires: startTime, endTime and excludes leave no occurrence",
            ),
            (
                S(cron="0 0 * * *", end_ms=ms("2020-01-01T00:00:00Z")),
                "there is no occurrence any more after 2026-11-23T00:00:00Z",
            ),
            (
                S(at_ms=ms("2020-01-01T00:00:00Z")),
                "2020-01-01T00:00:00Z is not after 2026-11-23T00:00:00Z; "
                "a job created then would be due at once",
            ),
        ],
    )
    def test_why(self, spec: ScheduleSpec, note: str) -> None:
        assert look(spec, "2026-11-23T00:00:00Z") == ([], [note])

    def test_a_gap_that_swallows_all(self) -> None:
        spec = S(iso8601="R1/2027-03-28T02:30:00/P1D", time_zone=BERLIN, dst_gap=DstGap.SKIP)
        times, notes = look(spec, "2026-11-23T00:00:00Z")
        assert times == []
        assert notes == [
            "never fires: nothing matches",
            f"DST gap in {BERLIN}: on 2027-03-28 the clocks go forward from 02:00 to 03:00; "
            "02:30 does not exist and is skipped",
        ]

    def test_a_member_of_a_union(self) -> None:
        dead = S(cron="0 0 30 2 *")
        spec = S(any_of=(S(cron="0 0 * * *"), dead, S(any_of=(S(cron="0 1 * * *"), dead))))
        _, notes = look(spec, "2026-11-23T00:00:00Z")
        assert notes == [
            "anyOf.schedules[1] never fires",
            "anyOf.schedules[2].anyOf.schedules[1] never fires",
        ]
