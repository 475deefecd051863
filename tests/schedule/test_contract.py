"""Every sentence of the contract on schedules, tried as it is written."""

import pytest

from schedule.oracle import first, iso, ms
from tickwheel.server.schedule import (
    DstGap,
    DstOverlap,
    ScheduleError,
    ScheduleErrorReason,
    ScheduleSpec,
    ceil_ms,
    compile_schedule,
)

S = ScheduleSpec
SECOND = 1_000_000_000
MONDAY = "2026-11-23T00:00:00Z"


def every(seconds: float) -> int:
    return round(seconds * SECOND)


def clock(times: list[str]) -> list[str]:
    """Only the day and the time of day, which is enough where all are of one month."""
    return [time[8:-1].replace("T", " ") for time in times]


class TestExactlyOneForm:
    def test_none_at_all(self) -> None:
        with pytest.raises(
            ScheduleError, match="set one of at, cron, every, iso8601, rrule, anyOf"
        ):
            compile_schedule(S(), anchor_ms=0)

    @pytest.mark.parametrize(
        ("spec", "pair"),
        [
            (S(at_ms=0, cron="* * * * *"), "at and cron"),
            (S(every_ns=SECOND, rrule="FREQ=DAILY"), "every and rrule"),
            (S(iso8601="R/PT1H", any_of=(S(at_ms=0),)), "iso8601 and anyOf"),
        ],
    )
    def test_two_at_once(self, spec: ScheduleSpec, pair: str) -> None:
        with pytest.raises(ScheduleError, match=pair) as refusal:
            compile_schedule(spec, anchor_ms=0)
        assert refusal.value.reason is ScheduleErrorReason.CONFLICTING_FIELDS


class TestAt:
    def test_once(self) -> None:
        spec = S(at_ms=ms("2026-11-23T12:00:00Z"))
        assert first(spec, 5, MONDAY) == ["2026-11-23T12:00:00Z"]
        assert first(spec, 5, "2026-11-23T12:00:00Z") == []

    def test_in_the_past_is_accepted(self) -> None:
        schedule = compile_schedule(S(at_ms=ms("1999-01-01T00:00:00Z")), anchor_ms=ms(MONDAY))
        assert schedule.next_after(ms("1998-01-01T00:00:00Z")) == ms("1999-01-01T00:00:00Z")
        assert not schedule.is_recurring


class TestCron:
    @pytest.mark.parametrize(
        ("cron", "expected"),
        [
            # Five fields, or six with seconds first.
            ("15 10 * * *", ["23 10:15:00", "24 10:15:00", "25 10:15:00"]),
            ("30 15 10 * * *", ["23 10:15:30", "24 10:15:30", "25 10:15:30"]),
            ("*/20 0 0 * * *", ["23 00:00:20", "23 00:00:40", "24 00:00:00"]),
            # Names, of either case.
            ("0 0 * NOV TUE", ["24 00:00:00"]),
            ("0 0 * nov tue", ["24 00:00:00"]),
            # Lists.
            ("0,30 9,17 * * *", ["23 09:00:00", "23 09:30:00", "23 17:00:00", "23 17:30:00"]),
            # Ranges.
            ("0 9-11 * * *", ["23 09:00:00", "23 10:00:00", "23 11:00:00", "24 09:00:00"]),
            # Ranges that wrap.
            (
                "0 22-2 * * *",
                ["23 01:00:00", "23 02:00:00", "23 22:00:00", "23 23:00:00", "24 00:00:00"],
            ),
            ("0 0 * * FRI-MON", ["27 00:00:00", "28 00:00:00", "29 00:00:00", "30 00:00:00"]),
            ("55-5/5 0 * * *", ["23 00:05:00", "23 00:55:00", "24 00:00:00"]),
            ("0 0 28-24/2 * *", ["28 00:00:00", "30 00:00:00"]),
            # Steps.
            ("*/25 0 * * *", ["23 00:25:00", "23 00:50:00", "24 00:00:00"]),
            ("10-30/10 0 * * *", ["23 00:10:00", "23 00:20:00", "23 00:30:00", "24 00:10:00"]),
            ("10/25 0 * * *", ["23 00:10:00", "23 00:35:00", "24 00:10:00"]),
            ("0 20/1 * * *", ["23 20:00:00", "23 21:00:00", "23 22:00:00", "23 23:00:00"]),
            # `?` as `*`.
            ("0 0 24 * ?", ["24 00:00:00"]),
            ("0 0 ? * TUE", ["24 00:00:00"]),
            ("0 0 ? ? ?", ["24 00:00:00", "25 00:00:00"]),
            ("? 1 * * *", ["23 01:00:00", "23 01:01:00"]),
            # L.
            ("0 0 L * *", ["30 00:00:00"]),
            ("0 0 L-2 * *", ["28 00:00:00"]),
            ("0 0 L-2,L * *", ["28 00:00:00", "30 00:00:00"]),
            ("0 0 * * FRIL", ["27 00:00:00"]),
            ("0 0 * * 5L", ["27 00:00:00"]),
            ("0 0 * * 0L", ["29 00:00:00"]),
            ("0 0 * * 7L", ["29 00:00:00"]),
            # W: 28 November 2026 is a Saturday, the 29th a Sunday and the 30th a Monday.
            ("0 0 28W * *", ["27 00:00:00"]),
            ("0 0 29W * *", ["30 00:00:00"]),
            ("0 0 25W * *", ["25 00:00:00"]),
            ("0 0 LW * *", ["30 00:00:00"]),
            # '#'.
            ("0 0 * * FRI#4", ["27 00:00:00"]),
            ("0 0 * * 1#5", ["30 00:00:00"]),
            ("0 0 * * 7#5", ["29 00:00:00"]),
            # Day of week: 0 and 7 are Sunday.
            ("0 0 * * 0", ["29 00:00:00"]),
            ("0 0 * * 7", ["29 00:00:00"]),
            ("0 0 * * 5-7", ["27 00:00:00", "28 00:00:00", "29 00:00:00"]),
            ("0 0 * * 0-7", ["24 00:00:00", "25 00:00:00", "26 00:00:00", "27 00:00:00"]),
            ("0 0 * * 6-1", ["28 00:00:00", "29 00:00:00", "30 00:00:00"]),
            # Macros.
            ("@hourly", ["23 01:00:00", "23 02:00:00"]),
            ("@daily", ["24 00:00:00", "25 00:00:00"]),
            ("@midnight", ["24 00:00:00", "25 00:00:00"]),
            ("@weekly", ["29 00:00:00"]),
            ("@DAILY", ["24 00:00:00", "25 00:00:00"]),
            # What parts the fields.
            (" 15\t10  * * * ", ["23 10:15:00", "24 10:15:00"]),
            # Day of month and day of week are OR-ed when neither is exactly `*`.
            ("0 0 25 * FRI", ["25 00:00:00", "27 00:00:00"]),
            ("0 0 24,25 * */7", ["24 00:00:00", "25 00:00:00", "29 00:00:00"]),
            ("0 0 */30 * FRI", ["27 00:00:00"]),
            ("0 0 L * WED", ["25 00:00:00", "30 00:00:00"]),
            ("0 0 26 * SUN#5", ["26 00:00:00", "29 00:00:00"]),
            ("0 0 25 * *", ["25 00:00:00"]),
            ("0 0 * * FRI", ["27 00:00:00"]),
            ("0 0 */1 * FRI", ["24 00:00:00", "25 00:00:00", "26 00:00:00", "27 00:00:00"]),
        ],
    )
    def test_in_one_week(self, cron: str, expected: list[str]) -> None:
        found = first(S(cron=cron, end_ms=ms("2026-12-01T00:00:00Z")), len(expected), MONDAY)
        assert clock(found) == expected

    def test_the_long_macros(self) -> None:
        assert first(S(cron="@monthly"), 2, MONDAY) == [
            "2026-12-01T00:00:00Z",
            "2027-01-01T00:00:00Z",
        ]
        for name in ("@yearly", "@annually"):
            assert first(S(cron=name), 2, MONDAY) == [
                "2027-01-01T00:00:00Z",
                "2028-01-01T00:00:00Z",
            ]

    def test_months_that_wrap(self) -> None:
        assert [time[:7] for time in first(S(cron="0 0 1 NOV-FEB *"), 5, MONDAY)] == [
            "2026-12",
            "2027-01",
            "2027-02",
            "2027-11",
            "2027-12",
        ]

    def test_working_days_stay_in_their_month(self) -> None:
        # 1 August 2026 is a Saturday, 31 May 2026 a Sunday, 31 January 2026 a Saturday.
        assert first(S(cron="0 0 1W 8 *"), 1, "2026-01-01T00:00:00Z") == ["2026-08-03T00:00:00Z"]
        assert first(S(cron="0 0 31W 5 *"), 1, "2026-01-01T00:00:00Z") == ["2026-05-29T00:00:00Z"]
        assert first(S(cron="0 0 LW 1 *"), 1, "2026-01-01T00:00:00Z") == ["2026-01-30T00:00:00Z"]

    def test_a_day_that_the_month_has_not(self) -> None:
        found = first(S(cron="0 0 31 * *"), 4, "2026-01-31T00:00:00Z")
        assert [time[5:10] for time in found] == ["03-31", "05-31", "07-31", "08-31"]
        assert first(S(cron="0 0 30W 2 *"), 1, MONDAY) == []
        assert first(S(cron="0 0 L-30 2 *"), 1, MONDAY) == []


class TestEvery:
    def test_anchor_plus_k_times_every(self) -> None:
        spec = S(every_ns=every(600), anchor_ms=ms("2026-11-23T00:00:07Z"))
        assert clock(first(spec, 3, MONDAY)) == ["23 00:00:07", "23 00:10:07", "23 00:20:07"]
        # The anchor may lie in the past or in the future: k is any whole number.
        for anchor in ("1970-01-01T00:00:07Z", "2100-01-01T00:00:07Z"):
            spec = S(every_ns=every(600), anchor_ms=ms(anchor))
            assert clock(first(spec, 2, MONDAY)) == ["23 00:00:07", "23 00:10:07"]

    def test_the_anchor_is_the_start_time_else_what_the_caller_says(self) -> None:
        spec = S(every_ns=every(3600), start_ms=ms("2026-11-23T05:00:30Z"))
        assert clock(first(spec, 2, MONDAY)) == ["23 05:00:30", "23 06:00:30"]
        spec = S(every_ns=every(3600))
        assert clock(first(spec, 2, MONDAY, anchor="2026-11-23T00:00:09Z")) == [
            "23 00:00:09",
            "23 01:00:09",
        ]
        # In a preview that is its own start, which is not strictly after itself.
        assert clock(first(spec, 1, MONDAY, anchor=MONDAY)) == ["23 01:00:00"]

    def test_an_anchor_goes_before_the_start_time(self) -> None:
        spec = S(
            every_ns=every(3600),
            start_ms=ms("2026-11-23T05:00:30Z"),
            anchor_ms=ms("2026-11-23T00:15:00Z"),
        )
        assert clock(first(spec, 2, MONDAY)) == ["23 05:15:00", "23 06:15:00"]

    def test_elapsed_time_through_a_change_of_the_clock(self) -> None:
        spec = S(every_ns=every(86_400), time_zone="Europe/Berlin", anchor_ms=0)
        assert first(spec, 2, "2026-03-28T00:00:00Z") == [
            "2026-03-29T00:00:00Z",
            "2026-03-30T00:00:00Z",
        ]


class TestIso8601:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            # Rn is n runs in all.
            ("R3/2026-11-23T12:00:00Z/PT1H", ["23 12:00:00", "23 13:00:00", "23 14:00:00"]),
            ("R1/2026-11-23T12:00:00Z/PT1H", ["23 12:00:00"]),
            ("r2/2026-11-23t12:00:00z/pt1h", ["23 12:00:00", "23 13:00:00"]),
            # Start and end: the second begins where the first ends.
            (
                "R3/2026-11-23T12:00:00Z/2026-11-23T13:30:00Z",
                ["23 12:00:00", "23 13:30:00", "23 15:00:00"],
            ),
            ("R2/2026-11-23T12:00:00Z/2026-11-23T13:30:00", ["23 12:00:00", "23 13:30:00"]),
            # Period and end: counted back from the end.
            ("R3/PT1H/2026-11-23T12:00:00Z", ["23 10:00:00", "23 11:00:00", "23 12:00:00"]),
            # Offsets, fractions, the basic format.
            ("R2/2026-11-23T12:00:00+05:30/PT30M", ["23 06:30:00", "23 07:00:00"]),
            ("R2/20261123T120000Z/PT0,5H", ["23 12:00:00", "23 12:30:00"]),
            ("R2/2026-11-23T12:00:00.5Z/PT1.5S", ["23 12:00:00.500000", "23 12:00:02"]),
            # A start without a time of day is its midnight.
            ("R2/2026-11-24/P1D", ["24 00:00:00", "25 00:00:00"]),
            ("R2/2026-11-24/2026-11-26", ["24 00:00:00", "26 00:00:00"]),
        ],
    )
    def test_forms(self, text: str, expected: list[str]) -> None:
        assert clock(first(S(iso8601=text), 9, MONDAY)) == expected

    def test_without_end(self) -> None:
        spec = S(iso8601="R/2026-11-23T12:00:00Z/PT1H")
        assert first(spec, 1, "2226-11-23T11:59:59Z") == ["2226-11-23T12:00:00Z"]
        spec = S(iso8601="R/PT1H/2026-11-23T12:00:00Z")
        assert first(spec, 1, "1926-11-23T11:59:59Z") == ["1926-11-23T12:00:00Z"]

    def test_months_are_counted_from_the_start(self) -> None:
        spec = S(iso8601="R/2026-01-31T12:00:00Z/P1M")
        assert [time[:10] for time in first(spec, 14, "2026-01-01T00:00:00Z")] == [
            "2026-01-31",
            "2026-02-28",
            "2026-03-31",
            "2026-04-30",
            "2026-05-31",
            "2026-06-30",
            "2026-07-31",
            "2026-08-31",
            "2026-09-30",
            "2026-10-31",
            "2026-11-30",
            "2026-12-31",
            "2027-01-31",
            "2027-02-28",
        ]
        leap = S(iso8601="R/2024-02-29T00:00:00Z/P1Y")
        assert [time[:10] for time in first(leap, 5, "2024-01-01T00:00:00Z")] == [
            "2024-02-29",
            "2025-02-28",
            "2026-02-28",
            "2027-02-28",
            "2028-02-29",
        ]
        back = S(iso8601="R4/P1M/2026-03-31T12:00:00Z")
        assert [time[:10] for time in first(back, 9, "2025-01-01T00:00:00Z")] == [
            "2025-12-31",
            "2026-01-31",
            "2026-02-28",
            "2026-03-31",
        ]

    def test_calendar_units_go_by_the_wall_clock_and_time_units_are_exact(self) -> None:
        day = S(iso8601="R3/2026-03-28T12:00:00/P1D", time_zone="Europe/Berlin")
        assert first(day, 9, "2026-01-01T00:00:00Z") == [
            "2026-03-28T11:00:00Z",
            "2026-03-29T10:00:00Z",
            "2026-03-30T10:00:00Z",
        ]
        exact = S(iso8601="R3/2026-03-28T12:00:00/PT24H", time_zone="Europe/Berlin")
        assert first(exact, 9, "2026-01-01T00:00:00Z") == [
            "2026-03-28T11:00:00Z",
            "2026-03-29T11:00:00Z",
            "2026-03-30T11:00:00Z",
        ]
        instant = S(iso8601="R3/2026-03-28T11:00:00Z/P1D", time_zone="Europe/Berlin")
        assert first(instant, 9, "2026-01-01T00:00:00Z") == first(day, 9, "2026-01-01T00:00:00Z")
        both = S(iso8601="R3/2026-03-28T00:00:00/P1DT12H", time_zone="Europe/Berlin")
        assert first(both, 9, "2026-01-01T00:00:00Z") == [
            "2026-03-27T23:00:00Z",
            "2026-03-29T11:00:00Z",
            "2026-03-30T22:00:00Z",
        ]

    def test_without_start_it_begins_as_every_does(self) -> None:
        spec = S(iso8601="R3/PT1H")
        assert clock(first(spec, 9, MONDAY, anchor=MONDAY)) == ["23 01:00:00", "23 02:00:00"]
        spec = S(iso8601="R3/P1D", start_ms=ms("2026-11-25T06:00:00Z"))
        assert clock(first(spec, 9, MONDAY)) == ["25 06:00:00", "26 06:00:00", "27 06:00:00"]


class TestRrule:
    @pytest.mark.parametrize(
        ("rule", "expected"),
        [
            ("FREQ=DAILY;COUNT=2", ["23 09:00:00", "24 09:00:00"]),
            ("RRULE:FREQ=DAILY;COUNT=2", ["23 09:00:00", "24 09:00:00"]),
            ("FREQ=WEEKLY;BYDAY=TU,FR;COUNT=2", ["24 09:00:00", "27 09:00:00"]),
            ("FREQ=MONTHLY;BYDAY=-1FR;COUNT=1", ["27 09:00:00"]),
            (
                "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-2,-1;COUNT=2",
                ["27 09:00:00", "30 09:00:00"],
            ),
            ("FREQ=DAILY;UNTIL=20261125T090000Z", ["23 09:00:00", "24 09:00:00", "25 09:00:00"]),
            ("FREQ=DAILY;UNTIL=20261125T085959Z", ["23 09:00:00", "24 09:00:00"]),
            ("FREQ=DAILY;UNTIL=20261124", ["23 09:00:00", "24 09:00:00"]),
            ("FREQ=HOURLY;INTERVAL=5;COUNT=3", ["23 09:00:00", "23 14:00:00", "23 19:00:00"]),
            ("FREQ=SECONDLY;COUNT=2", ["23 09:00:00", "23 09:00:01"]),
            ("FREQ=DAILY;BYHOUR=6,18;COUNT=2", ["23 18:00:00", "24 06:00:00"]),
            (
                "DTSTART:20261124T100000Z\nRRULE:FREQ=DAILY;COUNT=3\nEXDATE:20261125T100000Z",
                ["24 10:00:00", "26 10:00:00"],
            ),
            (
                "DTSTART:20261124T100000Z RRULE:FREQ=DAILY;COUNT=3 EXDATE;VALUE=DATE:20261125",
                ["24 10:00:00", "26 10:00:00"],
            ),
            ("DTSTART:20261124\nFREQ=DAILY;COUNT=2", ["24 00:00:00", "25 00:00:00"]),
        ],
    )
    def test_rules(self, rule: str, expected: list[str]) -> None:
        # Without DTSTART it starts at the anchor.
        spec = S(rrule=rule, end_ms=ms("2026-12-01T00:00:00Z"))
        assert clock(first(spec, 9, MONDAY, anchor="2026-11-23T09:00:00Z")) == expected

    def test_dates_that_are_added(self) -> None:
        text = (
            "DTSTART;TZID=Europe/Berlin:20261123T090000\nRRULE:FREQ=DAILY;COUNT=2\n"
            "RDATE;TZID=Europe/Berlin:20261123T120000,20261124T090000,20261126T000000\n"
            "EXDATE;TZID=Europe/Berlin:20261126T000000"
        )
        # RDATE does not count towards COUNT, an instant that comes twice is one, EXDATE goes last.
        assert clock(first(S(rrule=text), 9, MONDAY)) == [
            "23 08:00:00",
            "23 11:00:00",
            "24 08:00:00",
        ]

    def test_a_rule_starts_at_its_anchor_else_at_the_start_time(self) -> None:
        spec = S(
            rrule="FREQ=DAILY;INTERVAL=2",
            anchor_ms=ms("2026-11-01T07:00:00Z"),
            start_ms=ms("2026-11-24T00:00:00Z"),
        )
        assert clock(first(spec, 2, MONDAY)) == ["25 07:00:00", "27 07:00:00"]
        spec = S(rrule="FREQ=DAILY;INTERVAL=2", start_ms=ms("2026-11-24T07:00:00Z"))
        assert clock(first(spec, 2, MONDAY)) == ["24 07:00:00", "26 07:00:00"]

    def test_the_zone_of_dtstart(self) -> None:
        inside = S(rrule="DTSTART;TZID=America/New_York:20261123T090000\nRRULE:FREQ=DAILY")
        beside = S(rrule="DTSTART:20261123T090000\nFREQ=DAILY", time_zone="America/New_York")
        assert first(inside, 3, MONDAY) == first(beside, 3, MONDAY)
        assert first(inside, 1, MONDAY) == ["2026-11-23T14:00:00Z"]
        conflict = S(
            rrule="DTSTART;TZID=America/New_York:20261123T090000\nRRULE:FREQ=DAILY",
            time_zone="Europe/Berlin",
        )
        with pytest.raises(ScheduleError, match=r"timeZone is Europe/Berlin, but the TZID"):
            compile_schedule(conflict, anchor_ms=0)

    def test_by_the_wall_clock_through_a_change(self) -> None:
        text = "DTSTART;TZID=Europe/Berlin:20260328T023000\nRRULE:FREQ=DAILY;COUNT=3"
        assert first(S(rrule=text), 9, "2026-01-01T00:00:00Z") == [
            "2026-03-28T01:30:00Z",
            "2026-03-29T01:00:00Z",
            "2026-03-30T00:30:00Z",
        ]
        text = text.replace("DAILY", "HOURLY")
        assert clock(first(S(rrule=text, start_ms=0), 9, "2026-01-01T00:00:00Z")) == [
            "28 01:30:00",
            "28 02:30:00",
            "28 03:30:00",
        ]

    @pytest.mark.parametrize("overlap", DstOverlap)
    @pytest.mark.parametrize("hour", [7, 8])
    def test_a_count_begins_with_a_dtstart_that_the_policy_would_put_elsewhere(
        self, hour: int, overlap: DstOverlap
    ) -> None:
        # 01:00 is there twice on that day; DTSTART says which.
        rule = f"DTSTART:20001029T0{hour}0000Z\nRRULE:FREQ=WEEKLY;COUNT=1"
        spec = S(rrule=rule, time_zone="America/Boise", dst_overlap=overlap)
        assert first(spec, 2, "2000-01-01T00:00:00Z") == [f"2000-10-29T0{hour}:00:00Z"]

    @pytest.mark.parametrize(
        ("rule", "expected"),
        [
            (
                "DTSTART:19640316T222200Z\nFREQ=SECONDLY;INTERVAL=43201;BYMONTHDAY=-4;"
                "BYDAY=WE,TH,FR;BYHOUR=18;BYSECOND=37,39,43",
                "2005-07-28T18:45:37Z",
            ),
            (
                "DTSTART:20260101T040000Z\nFREQ=SECONDLY;INTERVAL=86405;BYHOUR=3;BYMINUTE=0,1,2;"
                f"BYSECOND={','.join(map(str, range(0, 60, 2)))}",
                "2071-05-06T03:00:00Z",
            ),
            (
                "DTSTART:20400326T062123Z\nFREQ=SECONDLY;INTERVAL=86401;BYMONTH=6,7,11;"
                "BYHOUR=2,4,22",
                "2194-06-04T22:00:00Z",
            ),
            (
                "DTSTART:20350906T140229Z\nFREQ=SECONDLY;INTERVAL=86401;BYMONTH=6;"
                "BYMONTHDAY=-6,12;BYDAY=TU;BYMINUTE=36;BYSECOND=20,31,59",
                "4712-06-25T21:36:59Z",
            ),
        ],
    )
    def test_what_an_odd_interval_meets_after_many_years(self, rule: str, expected: str) -> None:
        # As they are found by going through every step from DTSTART on.
        assert first(S(rrule=rule), 1, "1960-01-01T00:00:00Z") == [expected]


class TestAnyOf:
    def test_members_may_come_closer_than_a_period(self) -> None:
        second = [S(every_ns=SECOND, anchor_ms=phase) for phase in (0, 999)]
        assert first(S(any_of=tuple(second)), 3, MONDAY) == [
            "2026-11-23T00:00:00.999000Z",
            "2026-11-23T00:00:01Z",
            "2026-11-23T00:00:01.999000Z",
        ]
        with pytest.raises(ScheduleError) as refusal:
            compile_schedule(S(any_of=(S(every_ns=SECOND - 1),)), anchor_ms=0)
        assert refusal.value.reason is ScheduleErrorReason.PERIOD_TOO_SHORT
        assert refusal.value.field == "anyOf.schedules[0].every"

    def test_equal_instants_are_one_occurrence(self) -> None:
        spec = S(any_of=(S(cron="0 */6 * * *"), S(cron="0 */4 * * *")))
        assert clock(first(spec, 6, MONDAY)) == [
            "23 04:00:00",
            "23 06:00:00",
            "23 08:00:00",
            "23 12:00:00",
            "23 16:00:00",
            "23 18:00:00",
        ]

    def test_of_all_forms(self) -> None:
        spec = S(
            any_of=(
                S(at_ms=ms("2026-11-23T00:00:01Z")),
                S(cron="0 12 * * *"),
                S(every_ns=every(86_400), anchor_ms=ms("2026-11-22T13:00:00Z")),
                S(iso8601="R2/2026-11-23T12:00:00Z/PT2H"),
                S(rrule="DTSTART:20261123T150000Z\nRRULE:FREQ=DAILY"),
                S(any_of=(S(at_ms=ms("2026-11-23T16:00:00Z")),)),
            )
        )
        assert clock(first(spec, 7, MONDAY)) == [
            "23 00:00:01",
            "23 12:00:00",
            "23 13:00:00",
            "23 14:00:00",
            "23 15:00:00",
            "23 16:00:00",
            "24 12:00:00",
        ]

    def test_members_go_by_the_whole_and_by_themselves(self) -> None:
        daily = S(cron="30 2 * * *")
        spec = S(
            any_of=(
                daily,
                S(cron="0 4 * * *", time_zone="UTC", end_ms=ms("2026-03-30T00:00:00Z")),
                S(cron="45 2 * * *", dst_gap=DstGap.NEXT_VALID),
            ),
            time_zone="Europe/Berlin",
            dst_gap=DstGap.SKIP,
            excludes=("2026-03-28",),
        )
        assert first(spec, 4, "2026-03-27T12:00:00Z") == [
            "2026-03-29T01:00:00Z",
            "2026-03-29T04:00:00Z",
            "2026-03-30T00:30:00Z",
            "2026-03-30T00:45:00Z",
        ]

    @pytest.mark.parametrize("setting", [{"max_runs": 1}, {"jitter_ms": 1}])
    def test_what_belongs_to_the_whole(self, setting: dict[str, int]) -> None:
        spec = S(any_of=(S(cron="* * * * *"), S(cron="0 0 * * *", **setting)))  # pyright: ignore
        with pytest.raises(ScheduleError, match="belongs to the whole schedule") as refusal:
            compile_schedule(spec, anchor_ms=0)
        assert refusal.value.field.startswith("anyOf.schedules[1].")


class TestWithAnyOfThem:
    FORMS = (
        S(cron="0 * * * *"),
        S(every_ns=every(3600)),
        S(iso8601="R/2026-11-23T00:00:00Z/PT1H"),
        S(rrule="DTSTART:20261123T000000Z\nRRULE:FREQ=HOURLY"),
        S(any_of=(S(cron="0 * * * *"),)),
    )

    @pytest.mark.parametrize("form", FORMS)
    def test_bounds_and_excludes(self, form: ScheduleSpec) -> None:
        from dataclasses import replace

        spec = replace(
            form,
            start_ms=ms("2026-11-23T03:00:00Z"),
            end_ms=ms("2026-11-23T07:00:00Z"),
            excludes=("2026-11-23T05:00:00Z", "2026-11-23T06:00:00+00:30"),
        )
        # The start is inclusive, the end is not.
        assert clock(first(spec, 9, MONDAY)) == ["23 03:00:00", "23 04:00:00", "23 06:00:00"]

    def test_a_date_is_that_of_the_zone(self) -> None:
        spec = S(cron="0 */6 * * *", time_zone="Asia/Tokyo", excludes=("2026-11-24",))
        assert first(spec, 4, "2026-11-23T08:00:00Z") == [
            "2026-11-23T09:00:00Z",
            "2026-11-24T15:00:00Z",
            "2026-11-24T21:00:00Z",
            "2026-11-25T03:00:00Z",
        ]

    def test_an_instant_alone_is_left_out_whatever_its_offset(self) -> None:
        spec = S(at_ms=ms("2026-11-23T12:00:00Z"), excludes=("2026-11-23T13:00:00+01:00",))
        assert first(spec, 1, MONDAY) == []

    def test_max_runs_is_for_the_caller_to_count(self) -> None:
        spec = S(cron="* * * * *", max_runs=3)
        assert len(first(spec, 5, MONDAY)) == 5
        assert compile_schedule(spec, anchor_ms=0).spec.max_runs == 3

    def test_the_default_zone_is_utc(self) -> None:
        assert first(S(cron="0 9 * * *"), 1, MONDAY) == ["2026-11-23T09:00:00Z"]


class TestJitter:
    def test_is_deterministic_and_smaller_than_the_gap(self) -> None:
        spec = S(cron="* * * * *", jitter_ms=59_999)
        schedule = compile_schedule(spec, anchor_ms=0)
        again = compile_schedule(spec, anchor_ms=0)
        minutes = list(schedule.between(0, 60_000 * 2000))
        delays = [schedule.due(minute, salt="a") - minute for minute in minutes]
        assert delays == [again.due(minute, salt="a") - minute for minute in minutes]
        assert delays != [schedule.due(minute, salt="b") - minute for minute in minutes]
        assert 0 <= min(delays) < 1000
        assert 59_000 < max(delays) <= 59_999
        assert len(set(delays)) > 1900

    @pytest.mark.parametrize(
        ("spec", "gap_ms"),
        [
            (S(cron="*/5 * * * *"), 300_000),
            (S(cron="58,2 * * * *"), 240_000),
            (S(cron="0 0 * * *"), 86_400_000),
            (S(cron="30 59 23 * * *", excludes=("2026-11-24",)), 86_400_000),
            (S(cron="59 23,0 * * *"), 3_600_000),
            (S(cron="0 0 1 * *"), 28 * 86_400_000),
            (S(every_ns=every(10)), 10_000),
            (S(iso8601="R/2026-01-31T00:00:00Z/P1M"), 28 * 86_400_000),
            (S(rrule="FREQ=DAILY;BYHOUR=9,17"), 8 * 3_600_000),
            (S(any_of=(S(cron="0 0 * * *"), S(every_ns=every(60)))), 60_000),
            # Members of a union may come closer to each other than each to itself.
            (S(any_of=(S(cron="0 9 * * *"), S(cron="5 9 * * *"))), 300_000),
            (S(any_of=(S(any_of=(S(cron="0 9 1 * *"),)), S(cron="1 9 L * *"))), 86_340_000),
            (
                S(
                    any_of=(
                        S(cron="0 9 * * *", time_zone="Asia/Tokyo"),
                        S(rrule="DTSTART;TZID=Europe/Berlin:20261123T090200\nFREQ=DAILY"),
                    )
                ),
                120_000,
            ),
            (S(any_of=(S(cron="* * * * *"), S(cron="30 0 12 1 1 *"))), 30_000),
            (S(any_of=(S(at_ms=0), S(at_ms=700_000))), 700_000),
            (S(rrule="FREQ=HOURLY;BYHOUR=9,17"), 8 * 3_600_000),
            (S(rrule="FREQ=MINUTELY;BYHOUR=0,23;BYMINUTE=0,58;BYSECOND=0"), 120_000),
            (S(rrule="FREQ=SECONDLY;BYSECOND=0,50"), 10_000),
            (S(rrule="FREQ=HOURLY;INTERVAL=3"), 3 * 3_600_000),
        ],
    )
    def test_as_large_as_the_smallest_gap_is_refused(self, spec: ScheduleSpec, gap_ms: int) -> None:
        from dataclasses import replace

        compile_schedule(replace(spec, jitter_ms=gap_ms - 1), anchor_ms=0)
        with pytest.raises(ScheduleError) as refusal:
            compile_schedule(replace(spec, jitter_ms=gap_ms), anchor_ms=0)
        assert refusal.value.reason is ScheduleErrorReason.JITTER_TOO_LARGE

    def test_one_occurrence_may_have_any(self) -> None:
        compile_schedule(S(at_ms=0, jitter_ms=10**9), anchor_ms=0)
        compile_schedule(S(iso8601="R1/2026-11-23T00:00:00Z/PT1S", jitter_ms=10**9), anchor_ms=0)

    def test_due_keeps_the_order_where_a_change_brings_occurrences_together(self) -> None:
        spec = S(
            cron="59 1 * * *",
            time_zone="Europe/Berlin",
            jitter_ms=86_399_999,
        )
        schedule = compile_schedule(spec, anchor_ms=0)
        nominal = list(schedule.between(ms("2026-03-01T00:00:00Z"), ms("2026-05-01T00:00:00Z")))
        due = [schedule.due(instant, salt="x") for instant in nominal]
        assert due == sorted(set(due))


class TestChangesOfTheClock:
    """New York 2026: 02:00 to 03:00 on 8 March is left out, 01:00 to 02:00 on 1 November twice."""

    @pytest.mark.parametrize(
        ("gap", "cron", "expected"),
        [
            (None, "30 2 * * *", ["08 03:00"]),
            (DstGap.NEXT_VALID, "30 2 * * *", ["08 03:00"]),
            (DstGap.NEXT_VALID, "*/15 2 * * *", ["08 03:00"]),
            (DstGap.NEXT_VALID, "30 2,3 * * *", ["08 03:00", "08 03:30"]),
            (DstGap.NEXT_VALID, "0 2,3 * * *", ["08 03:00"]),
            (DstGap.SKIP, "30 2 * * *", []),
            (DstGap.SKIP, "*/15 2 * * *", []),
            (DstGap.SAME_OFFSET, "30 2 * * *", ["08 03:30"]),
            (DstGap.SAME_OFFSET, "*/30 2,3 * * *", ["08 03:00", "08 03:30"]),
            # An hour that begins with `*` follows elapsed time.
            (None, "30 */2 * * *", ["08 00:30", "08 04:30"]),
            (None, "30 * * * *", ["08 00:30", "08 01:30", "08 03:30", "08 04:30"]),
        ],
    )
    def test_gap(self, gap: DstGap | None, cron: str, expected: list[str]) -> None:
        assert self._day("2026-03-08T05:00:00Z", cron, 4, gap=gap) == expected

    @pytest.mark.parametrize(
        ("overlap", "cron", "expected"),
        [
            (None, "30 1 * * *", ["01 01:30-04"]),
            (DstOverlap.FIRST, "30 1 * * *", ["01 01:30-04"]),
            (DstOverlap.SECOND, "30 1 * * *", ["01 01:30-05"]),
            (DstOverlap.BOTH, "30 1 * * *", ["01 01:30-04", "01 01:30-05"]),
            (DstOverlap.FIRST, "0 1,2 * * *", ["01 01:00-04", "01 02:00-05"]),
            (DstOverlap.SECOND, "0 0-2 * * *", ["01 00:00-04", "01 01:00-05", "01 02:00-05"]),
            (
                DstOverlap.BOTH,
                "*/30 1 * * *",
                ["01 01:00-04", "01 01:30-04", "01 01:00-05", "01 01:30-05"],
            ),
            (None, "0 * * * *", ["01 00:00-04", "01 01:00-04", "01 01:00-05", "01 02:00-05"]),
            (
                DstOverlap.SECOND,
                "0 */1 * * *",
                ["01 00:00-04", "01 01:00-04", "01 01:00-05", "01 02:00-05"],
            ),
        ],
    )
    def test_overlap(self, overlap: DstOverlap | None, cron: str, expected: list[str]) -> None:
        found = self._day("2026-11-01T04:00:00Z", cron, 4, overlap=overlap, offset=True)
        assert found == expected

    def _day(
        self,
        midnight: str,
        cron: str,
        hours: int,
        *,
        gap: DstGap | None = None,
        overlap: DstOverlap | None = None,
        offset: bool = False,
    ) -> list[str]:
        from datetime import datetime
        from zoneinfo import ZoneInfo

        spec = S(cron=cron, time_zone="America/New_York", dst_gap=gap, dst_overlap=overlap)
        begin = ms(midnight)
        found = compile_schedule(spec, anchor_ms=0).between(begin, begin + hours * 3_600_000)
        zone = ZoneInfo("America/New_York")
        walls = [datetime.fromtimestamp(instant / 1000, zone) for instant in found]
        return [f"{wall:%d %H:%M}{f'{wall:%z}'[:3] if offset else ''}" for wall in walls]


class TestPrecision:
    def test_finer_than_a_millisecond_is_rounded_up(self) -> None:
        assert ceil_ms(10, 0) == 10_000
        assert ceil_ms(10, 1) == 10_001
        assert ceil_ms(10, 999_999_999) == 11_000
        assert ceil_ms(-1, 1) == -999
        spec = S(iso8601="R2/2026-11-23T12:00:00.0000001Z/PT1S")
        assert clock(first(spec, 2, MONDAY)) == ["23 12:00:00.001000", "23 12:00:01.001000"]

    def test_a_period_of_odd_nanoseconds_does_not_drift(self) -> None:
        for spec in (
            S(every_ns=1_000_500_000, anchor_ms=ms(MONDAY)),
            S(iso8601="R/2026-11-23T00:00:00Z/PT1.0005S"),
        ):
            assert clock(first(spec, 3, MONDAY, anchor=MONDAY))[-3:][0] in (
                "23 00:00:01.001000",
                "23 00:00:00",
            )
            after = ms(MONDAY) + 1_000_500 - 1
            assert compile_schedule(spec, anchor_ms=ms(MONDAY)).next_after(after) == after + 1

    def test_the_smallest_period_is_a_second(self) -> None:
        for accepted in (
            S(every_ns=SECOND),
            S(cron="* * * * * *"),
            S(iso8601="R/PT1S"),
            S(rrule="FREQ=SECONDLY"),
        ):
            found = first(accepted, 3, MONDAY, anchor=MONDAY)
            assert clock(found)[:2] == ["23 00:00:01", "23 00:00:02"]
        for refused in (
            S(every_ns=SECOND - 1),
            S(every_ns=0),
            S(every_ns=-SECOND),
            S(iso8601="R/PT0.999999S"),
            S(iso8601="R/2026-11-23T12:00:00Z/2026-11-23T12:00:00.5Z"),
        ):
            with pytest.raises(ScheduleError, match="smallest period is 1 second") as refusal:
                compile_schedule(refused, anchor_ms=0)
            assert refusal.value.reason is ScheduleErrorReason.PERIOD_TOO_SHORT


def test_iso_prints_what_it_reads() -> None:
    assert iso(ms(MONDAY)) == MONDAY
