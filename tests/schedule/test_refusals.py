"""Refusals: which part is wrong, why, and what was probably meant."""

from dataclasses import replace

import pytest

from tickwheel.server.schedule import (
    ScheduleError,
    ScheduleErrorReason,
    ScheduleSpec,
    compile_schedule,
)

Reason = ScheduleErrorReason
START = "2026-11-23T12:00:00Z"


def refusal(spec: ScheduleSpec) -> ScheduleError:
    with pytest.raises(ScheduleError) as caught:
        compile_schedule(spec, anchor_ms=0)
    # One line, for a person, that ends without a stop.
    message = caught.value.message
    assert message == message.strip()
    assert "\n" not in message
    assert not message.endswith((".", ":", ";"))
    return caught.value


@pytest.mark.parametrize(
    ("cron", "said"),
    [
        # How many fields.
        ("", ["the expression is empty", "'30 2 * * *'"]),
        ("  ", ["the expression is empty"]),
        ("* * * *", ["has 4 fields", "takes 5", "or 6 with seconds", "did you mean '* * * * *'?"]),
        ("*", ["has 1 field;"]),
        ("every day", ["has 2 fields", "'0 0 * * *'"]),
        ("0 0 * * * # daily", ["a remark is not part of it", "did you mean '0 0 * * *'?"]),
        ("0 0 1 1 ? 2027", ["2027 is out of range", "use startTime and endTime"]),
        # What belongs into another field.
        ("FREQ=DAILY", ["looks like rrule", "set the field rrule instead of cron"]),
        (f"R5/{START}/PT1H", ["looks like iso8601"]),
        (START, ["looks like at;"]),
        ("5m", ["looks like every"]),
        ("0 0 * * * root /bin/true", ["'root /bin/true' is no part", "did you mean '0 0 * * *'?"]),
        ("*/5 * * * mon-fri backup.sh --all", ["its target", "did you mean '*/5 * * * mon-fri'?"]),
        ("0 0 * * * /bin/true", ["'/bin/true' is no part", "did you mean '0 0 * * *'?"]),
        ("0 0 0 * * MONDAY", ["did you mean MON?"]),
        ("0 0 0 1 1 ? 2026", ["has 7 fields", "use startTime and endTime", "'0 0 0 1 1 ?'"]),
        # Which field, its place, and its range.
        ("60 * * * *", ["minute '60' (field 1 of 5)", "60 is out of range", "0-59"]),
        ("60 * * * * *", ["second '60' (field 1 of 6)", "60 is out of range", "0-59"]),
        ("* 24 * * *", ["hour '24' (field 2 of 5)", "0-23", "midnight is 0"]),
        ("* * 0 * *", ["day-of-month '0' (field 3 of 5)", "1-31", "the last day is L"]),
        ("* * 32 * *", ["day-of-month '32'", "1-31"]),
        ("* * * 0 *", ["month '0' (field 4 of 5)", "1-12 or JAN-DEC"]),
        ("* * * 13 *", ["month '13'", "1-12 or JAN-DEC"]),
        ("* * * * 8", ["day-of-week '8' (field 5 of 5)", "0-7 or SUN-SAT"]),
        ("* * * * * 0-8", ["day-of-week '0-8' (field 6 of 6)", "8 is out of range"]),
        ("0 5-70 * * *", ["hour '5-70'", "70 is out of range"]),
        # Names.
        ("* * * * MONDAY", ["'MONDAY' is not the name of a weekday", "did you mean MON?"]),
        ("* * * * THUR", ["did you mean THU?"]),
        ("* * * JANUARY *", ["'JANUARY' is not the name of a month", "did you mean JAN?"]),
        ("* * * SEPT *", ["did you mean SEP?"]),
        ("* * * MON *", ["'MON' is for day-of-week", "1-12 or JAN-DEC"]),
        ("* * * * JAN", ["'JAN' is for month", "0-7 or SUN-SAT"]),
        ("* MON * * *", ["'MON' is for day-of-week", "0-23"]),
        # Lists, ranges, steps.
        ("1,,2 * * * *", ["nothing on one side of a comma"]),
        ("1, 2 * * * *", ["nothing on one side of a comma", "without blanks"]),
        ("1- * * * *", ["'1-' is not a range", "low-high"]),
        ("-1 * * * *", ["'-1' is negative", "0-59"]),
        ("0 0 -1 * *", ["'-1' is negative", "the month's last day is L"]),
        ("0 0 L- * *", ["the number is missing", "the one before it L-1"]),
        ("1-2-3 * * * *", ["'1-2-3' is not a range"]),
        ("*-5 * * * *", ["'*' means all of 0-59 and stands alone or before a step"]),
        ("0 0 5* * *", ["'*' means all of 1-31"]),
        ("/5 * * * *", ["did you mean */5?"]),
        ("5/ * * * *", ["there is no step after '/'"]),
        ("*/x * * * *", ["the step 'X' after '/' is not a whole number"]),
        ("*/0 * * * *", ["a step of 0 goes nowhere"]),
        ("*/90 * * * *", ["the step 90 is more than the 60 values", "the field every"]),
        ("1.5 * * * *", ["fractions are not for cron"]),
        ("9:30 * * * *", ["minute and hour, here '30 9 * * *'"]),
        ("0 9AM * * *", ["hours go from 0 to 23"]),
        ("H * * * *", ["jitter"]),
        ("a * * * *", ["'A' is not a number", "0-59"]),
        # L, W and '#'.
        ("L * * * *", ["'L', 'W' and '#' are for day-of-month and day-of-week"]),
        ("0 0 * L *", ["'L', 'W' and '#' are for day-of-month and day-of-week"]),
        ("0 5W * * *", ["'L', 'W' and '#' are for day-of-month and day-of-week"]),
        ("0 0 W15 * *", ["did you mean 15W?"]),
        ("0 0 W * *", ["LW"]),
        ("0 0 WL * *", ["LW"]),
        ("0 0 L3 * *", ["3 days before the last day is L-3"]),
        ("0 0 3L * *", ["3 days before the last day is L-3"]),
        ("0 0 L-31 * *", ["L-30 is the most"]),
        ("0 0 0W * *", ["0 is out of range"]),
        ("0 0 1-5W * *", ["'L' and 'W' go with one day"]),
        ("0 0 L/2 * *", ["'L' and 'W' go with one day"]),
        ("0 0 15WW * *", ["'15WW' is not understood", "'15W' the working day nearest"]),
        ("0 0 * * L", ["ambiguous", "6L the month's last Saturday"]),
        ("0 0 * * 1-5L", ["'L' goes with one weekday"]),
        ("0 0 * * 2#", ["after '#' comes 1 to 5"]),
        ("0 0 * * 2#6", ["after '#' comes 1 to 5"]),
        ("0 0 * * #2", ["a value is missing"]),
        ("0 0 * * FRI#L", ["the last one in the month is written FRIL"]),
        ("0 0 * * MON-FRI#2", ["'#' goes with one weekday"]),
        # Macros, zones, and what is not ASCII.
        ("@dayly", ["'@dayly' is not known", "did you mean @daily?"]),
        ("@", ["@yearly", "@hourly"]),
        ("@every 5m", ["set the field every to '5m'"]),
        ("@reboot", ["names no time"]),
        ("@daily 5", ["nothing may follow @daily"]),
        ("TZ=UTC 0 0 * * *", ["set the field timeZone"]),
        ("CRON_TZ=UTC 0 0 * * *", ["set the field timeZone"]),
        ("0 0 * * *\n", ["character 10 ends the line"]),
        ("٣ * * * *", ["character 1", "not plain ASCII"]),
        ("0 0\xa0* * *", ["character 4", "not plain ASCII"]),
        ("* " * 300, ["512 are the most"]),
    ],
)
def test_cron(cron: str, said: list[str]) -> None:
    error = refusal(ScheduleSpec(cron=cron))
    assert (error.reason, error.field) == (Reason.CRON_INVALID, "cron")
    for part in said:
        assert part in error.message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", ["the interval is empty", "R5/2026-11-23T12:00:00Z/PT1H"]),
        ("R5", ["R5/start/period"]),
        ("R/", ["R5/start/period"]),
        ("R5/PT1H/PT2H", ["R5/start/period, R5/start/end or R5/period/end"]),
        (f"R5/{START}", ["R5/start/period"]),
        (f"R/{START}/P1D/x", ["R5/start/period"]),
        ("PT1H/x", ["does not repeat", "put R/ before it"]),
        (f"{START}/PT1H", ["does not repeat", "put R/ before it"]),
        ("R0/PT1H", ["R0 never happens", "R1 is once"]),
        ("R5--PT1H", ["the parts of an interval stand between '/', not '--'"]),
        ("R5PT1H", ["the parts of an interval stand between '/'"]),
        ("0 0 * * *", ["looks like cron", "set the field cron instead of iso8601"]),
        ("@daily", ["looks like cron"]),
        ("R5//PT1H", ["the start is missing"]),
        ("R5/PT1H/", ["the end is missing"]),
        (f"R/{START}/13:00:00Z", ["the end '13:00:00Z' is shortened", "in full"]),
        (f"R/{START}/PT1D", ["stand before the T, such as P1DT12H"]),
        ("R-1/PT1H", ["without end is written R"]),
        ("Rx/PT1H", ["'Rx' is not R or R and a number"]),
        (f"R/{START}/P", ["'P' is not a period"]),
        (f"R/{START}/P1H", ["stand after a T, such as PT1H"]),
        (f"R/{START}/1H", ["did you mean PT1H?"]),
        (f"R/{START}/P0.5D", ["half a day is PT12H"]),
        (f"R/{START}/P1M1Y", ["in this order"]),
        (f"R/{START}/P-1D", ["cannot be negative"]),
        (f"R/{START}/-P1D", ["has a sign"]),
        (f"R/{START}/PT1.5H30M", ["only its last number may have a fraction"]),
        (f"R/{START}/P0001-00-00", ["not written like a date"]),
        (f"R/{START}/P999999Y", ["longer than 10,000 years"]),
        (f"R/{START}/P1234567890123D", ["more than 12 digits"]),
        ("R/2026-02-30T12:00:00Z/P1D", ["the start", "the month has no day 30"]),
        ("R/2026-13-01T12:00:00Z/P1D", ["the start", "no month 13"]),
        ("R/2026-11-23T24:00:00Z/P1D", ["from 00:00:00 to 23:59:59"]),
        ("R/2026-11-23T12:00:60Z/P1D", ["from 00:00:00 to 23:59:59"]),
        ("R/1899-12-31T12:00:00Z/P1D", ["the year must be from 1900 to 9999"]),
        ("R/2026-11-23 12:00/P1D", ["nor a date-time such", "did you mean 2026-11-23T12:00:00?"]),
        ("R/2026-1-5T9:00+01/P1D", ["did you mean 2026-01-05T09:00:00+01:00?"]),
        ("R/2026-2-30/P1D", ["nor a date-time such as 2026-11-23T12:00:00Z"]),
        ("R/2026-11-23T12:00:00+25:00/P1D", ["the offset +25:00 is not one that any clock shows"]),
        (f"R/{START}/{START}", ["is not after the start"]),
        (f"R/2026-11-23T12:00:00/{START}", ["the start", "has none"]),
        ("R/PT1H" + " " * 300, ["256 are the most"]),
        ("R/\uff30T1H", ["character 3", "not plain ASCII"]),
    ],
)
def test_iso8601(text: str, said: list[str]) -> None:
    error = refusal(ScheduleSpec(iso8601=text))
    assert (error.reason, error.field) == (Reason.ISO8601_INVALID, "iso8601")
    for part in said:
        assert part in error.message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", ["there is no rule", "FREQ=WEEKLY;BYDAY=MO"]),
        ("DTSTART:20261123T120000Z", ["there is no rule"]),
        ("INTERVAL=2", ["FREQ is missing", "DAILY"]),
        ("FREQ=DALY", ["FREQ: 'DALY' is not known", "did you mean DAILY?"]),
        ("FREQ=NEVER", ["it is one of YEARLY, MONTHLY"]),
        ("FREQ=DAILY;FREQ=DAILY", ["FREQ is given twice"]),
        ("FREQ=DAILY;;", ["is not of the form NAME=value"]),
        ("FREQ=DAILY;BYDAYS=MO", ["'BYDAYS' is not a part of a rule", "did you mean BYDAY?"]),
        ("FREQ=DAILY;RSCALE=HEBREW", ["RFC 7529", "Gregorian"]),
        ("FREQ=DAILY;DTSTART=20261123T120000Z", ["DTSTART is a line of its own"]),
        ("FREQ=DAILY;INTERVAL=0", ["INTERVAL: '0' is not a whole number from 1 on"]),
        ("0 0 * * *", ["looks like cron", "set the field cron instead of rrule"]),
        ("R/PT1H", ["looks like iso8601"]),
        ("FREQ = DAILY", ["no spaces inside: FREQ=DAILY;INTERVAL=2"]),
        ("FREQ=DAILY;COUNT=2000000000", ["999999999 is the most"]),
        ("FREQ=DAILY;COUNT=-1", ["COUNT: '-1' is not a whole number from 1 on"]),
        ("FREQ=DAILY;COUNT=5;UNTIL=20270101", ["COUNT and UNTIL are both given"]),
        ("FREQ=DAILY;INTERVAL=2;BYHOUR=1;COUNT=10001", ["10000 is the most", "one by one"]),
        ("FREQ=MONTHLY;INTERVAL=13;COUNT=1001", ["1000 is the most", "more than 200 years"]),
        ("FREQ=YEARLY;BYHOUR=1;BYSETPOS=1;COUNT=1001", ["1000 is the most", "use UNTIL"]),
        ("FREQ=DAILY;BYHOUR=1;COUNT=73051", ["for more than 200 years", "use UNTIL or maxRuns"]),
        ("FREQ=DAILY;UNTIL=2027", ["UNTIL: '2027' is neither a date"]),
        ("FREQ=DAILY;UNTIL=20261340", ["UNTIL", "no month 13"]),
        ("FREQ=DAILY;BYDAY=MONDAY", ["BYDAY: 'MONDAY' is not a weekday", "did you mean MO?"]),
        ("FREQ=MONTHLY;BYDAY=1MONDAY", ["did you mean 1MO?"]),
        ("FREQ=DAILY;BYDAY=MO,", ["BYDAY: '' is not a weekday"]),
        ("FREQ=DAILY;BYDAY=1MO", ["BYDAY with a number goes with FREQ=MONTHLY or YEARLY"]),
        ("FREQ=MONTHLY;BYDAY=6MO", ["no month has a weekday 6 times"]),
        ("FREQ=YEARLY;BYDAY=54MO", ["from 1 to 53"]),
        ("FREQ=YEARLY;BYWEEKNO=1;BYDAY=1MO", ["does not go with BYWEEKNO"]),
        ("FREQ=DAILY;BYHOUR=24", ["BYHOUR: '24' is not a number from 0 to 23"]),
        ("FREQ=DAILY;BYSECOND=60", ["there are no leap seconds"]),
        (
            "FREQ=DAILY;BYMONTH=JAN",
            ["BYMONTH: 'JAN' is not a number from 1 to 12", "did you mean 1?"],
        ),
        ("FREQ=MONTHLY;BYMONTHDAY=0", ["from 1 to 31 or -31 to -1"]),
        ("FREQ=WEEKLY;BYMONTHDAY=1", ["BYMONTHDAY does not go with FREQ=WEEKLY"]),
        ("FREQ=MONTHLY;BYYEARDAY=1", ["BYYEARDAY does not go with FREQ=MONTHLY"]),
        ("FREQ=MONTHLY;BYWEEKNO=1", ["BYWEEKNO goes with FREQ=YEARLY"]),
        ("FREQ=DAILY;BYSETPOS=1", ["BYSETPOS chooses among", "there is none"]),
        ("FREQ=DAILY;WKST=XX", ["WKST: 'XX' is not a weekday"]),
        ("FREQ=DAILY BYHOUR=1", ["'BYHOUR=1' stands apart"]),
        ("RRULE:FREQ=DAILY RRULE:FREQ=WEEKLY", ["two RRULEs", "use anyOf"]),
        ("DTSTART:20261123 DTSTART:20261123 FREQ=DAILY", ["two DTSTARTs"]),
        ("RRULE FREQ=DAILY", ["a colon follows RRULE"]),
        ("DTSTRAT:20261123T120000Z\nFREQ=DAILY", ["did you mean DTSTART?"]),
        ("SUMMARY:x\nFREQ=DAILY", ["lines of DTSTART, RRULE, RDATE and EXDATE"]),
        ("EXRULE:FREQ=DAILY\nFREQ=DAILY", ["use excludes"]),
        ("FREQ=DAILY\nEXDATE:soon", ["EXDATE: 'soon' is neither a date"]),
        ("DTSTART:20261123T120000.5Z\nFREQ=DAILY", ["finer than a second"]),
        ("DTSTART;FOO=1:20261123\nFREQ=DAILY", ["'FOO=1' is not understood"]),
        ("DTSTART;VALUE=DATE:20261123T120000\nFREQ=DAILY", ["says VALUE=DATE, but"]),
        ("DTSTART;TZID=Europe/Berlin:20261123T120000Z\nFREQ=DAILY", ["only one can hold"]),
        (
            "DTSTART;TZID=Europe/Berlin:20261123T120000\nFREQ=DAILY\n"
            "EXDATE;TZID=Europe/Paris:20261123T120000",
            ["several time zones", "Europe/Berlin and Europe/Paris"],
        ),
        ("FREQ=DAILY;BYHOUR=" + "1," * 5000, ["8192 are the most"]),
        ("FREQ=DAILY;BYHOUR=\uff11", ["not plain ASCII"]),
    ],
)
def test_rrule(text: str, said: list[str]) -> None:
    error = refusal(ScheduleSpec(rrule=text))
    assert (error.reason, error.field) == (Reason.RRULE_INVALID, "rrule")
    for part in said:
        assert part in error.message


def cron(**settings: object) -> ScheduleSpec:
    return ScheduleSpec(cron="0 * * * *", **settings)  # pyright: ignore[reportArgumentType]


def nested(depth: int) -> ScheduleSpec:
    return ScheduleSpec(any_of=(nested(depth - 1),)) if depth else cron()


@pytest.mark.parametrize(
    ("spec", "reason", "field", "said"),
    [
        (cron(time_zone="Berlin"), Reason.TIME_ZONE_UNKNOWN, "timeZone", "Europe/Berlin?"),
        (cron(time_zone="Factory"), Reason.TIME_ZONE_UNKNOWN, "timeZone", "nobody has set"),
        (cron(time_zone="CEST"), Reason.TIME_ZONE_UNKNOWN, "timeZone", "an abbreviation"),
        (
            ScheduleSpec(rrule="DTSTART;TZID=Berlin:20261123T120000\nFREQ=DAILY"),
            Reason.TIME_ZONE_UNKNOWN,
            "rrule",
            "TZID: no time zone is called 'Berlin'; did you mean Europe/Berlin?",
        ),
        (cron(start_ms=5, end_ms=5), Reason.SCHEDULE_INVALID, "endTime", "is not after startTime"),
        (cron(max_runs=-1), Reason.SCHEDULE_INVALID, "maxRuns", "0 is without limit"),
        (cron(jitter_ms=-1), Reason.SCHEDULE_INVALID, "jitter", "never early"),
        (cron(jitter_ms=3_600_000), Reason.JITTER_TOO_LARGE, "jitter", "not smaller than"),
        (cron(excludes=("2026-12-25", "soon")), Reason.SCHEDULE_INVALID, "excludes[1]", "'soon'"),
        (cron(excludes=("2026-02-29",)), Reason.SCHEDULE_INVALID, "excludes[0]", "no day 29"),
        (
            cron(excludes=("2026-12-25T12:00:00",)),
            Reason.SCHEDULE_INVALID,
            "excludes[0]",
            "did you mean '2026-12-25T12:00:00Z', or only the date?",
        ),
        (cron(anchor_ms=0), Reason.CONFLICTING_FIELDS, "anchor", "goes with every"),
        (
            ScheduleSpec(iso8601=f"R/{START}/P1D", anchor_ms=0),
            Reason.CONFLICTING_FIELDS,
            "anchor",
            "are both given",
        ),
        (
            ScheduleSpec(rrule="DTSTART:20261123\nFREQ=DAILY", anchor_ms=0),
            Reason.CONFLICTING_FIELDS,
            "anchor",
            "are both given",
        ),
        (ScheduleSpec(any_of=()), Reason.SCHEDULE_INVALID, "anyOf.schedules", "from 1 to 32"),
        (
            ScheduleSpec(any_of=(cron(),) * 33),
            Reason.SCHEDULE_INVALID,
            "anyOf.schedules",
            "33 schedules",
        ),
        (
            ScheduleSpec(any_of=(ScheduleSpec(any_of=(cron(),) * 32),) * 4),
            Reason.SCHEDULE_INVALID,
            "anyOf",
            "more than 128 schedules",
        ),
        (
            ScheduleSpec(any_of=(cron(), ScheduleSpec(cron="0 24 * * *"))),
            Reason.CRON_INVALID,
            "anyOf.schedules[1].cron",
            "24 is out of range",
        ),
        (
            ScheduleSpec(any_of=(cron(), ScheduleSpec())),
            Reason.SCHEDULE_MISSING,
            "anyOf.schedules[1]",
            "does not say when",
        ),
        (
            nested(5),
            Reason.SCHEDULE_INVALID,
            ".".join(["anyOf.schedules[0]"] * 4) + ".anyOf",
            "use one flat list",
        ),
    ],
)
def test_settings(spec: ScheduleSpec, reason: Reason, field: str, said: str) -> None:
    error = refusal(spec)
    assert (error.reason, error.field) == (reason, field)
    assert said in error.message


@pytest.mark.parametrize("form", [ScheduleSpec(iso8601="R/P1M"), ScheduleSpec(rrule="FREQ=DAILY")])
def test_days_are_not_counted_from_a_year_that_has_none(form: ScheduleSpec) -> None:
    """It is still 9999 in UTC, and 10000 where the schedule is."""
    last_ms = 253_402_300_799_000
    for field, spec in (
        ("anchor", replace(form, anchor_ms=last_ms)),
        ("startTime", replace(form, start_ms=last_ms)),
    ):
        error = refusal(replace(spec, time_zone="Asia/Tokyo"))
        assert (error.reason, error.field) == (Reason.SCHEDULE_INVALID, field)
        assert "time ends with the year 9999" in error.message
    spec = replace(form, time_zone="America/New_York", anchor_ms=last_ms)
    assert compile_schedule(spec, anchor_ms=0).next_after(last_ms) is None


def test_a_long_text_is_not_repeated_whole() -> None:
    for spec in (
        ScheduleSpec(cron="x" * 500 + " * * * *"),
        ScheduleSpec(iso8601="R/" + "x" * 200),
        ScheduleSpec(rrule="FREQ=" + "x" * 8000),
        cron(time_zone="x" * 5000),
        cron(excludes=("x" * 5000,)),
    ):
        assert len(refusal(spec).message) < 400
