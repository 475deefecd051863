"""Descriptions of schedules, for people."""

import pytest

from schedule.oracle import ms
from tickwheel.server.schedule import ScheduleSpec, compile_schedule

S = ScheduleSpec
SECOND = 10**9


@pytest.mark.parametrize(
    ("cron", "words"),
    [
        ("30 2 * * *", "at 02:30 every day"),
        ("0 9,17 * * MON-FRI", "at 09:00 and 17:00 on Monday to Friday"),
        ("* * * * *", "every minute"),
        ("*/5 * * * *", "every 5 minutes"),
        ("*/7 * * * *", "minutes 0, 7, 14, 21, 28, 35, 42, 49 and 56 of every hour"),
        ("15 * * * *", "minute 15 of every hour"),
        ("*/10 * * * * *", "every 10 seconds"),
        ("* * * * * *", "every second"),
        ("30 15 10 * * *", "at 10:15:30 every day"),
        ("0 */6 * * *", "at 00:00, 06:00, 12:00 and 18:00 every day"),
        ("*/5 9-17 * * *", "every 5 minutes of hours 9 to 17 every day"),
        ("@hourly", "minute 0 of every hour"),
        ("@daily", "at 00:00 every day"),
        ("@weekly", "at 00:00 on Sunday"),
        ("@monthly", "at 00:00 on day 1 of the month"),
        ("@yearly", "at 00:00 on day 1 of the month in January"),
        ("0 0 L * *", "at 00:00 on the last day of the month"),
        ("0 0 LW * *", "at 00:00 on the last working day of the month"),
        ("0 0 L-3 * *", "at 00:00 on 3 days before the last day of the month"),
        ("0 0 15W * *", "at 00:00 on the working day nearest to day 15 of the month"),
        ("0 0 * * FRI#2", "at 00:00 on the second Friday of the month"),
        ("0 0 * * 5L", "at 00:00 on the last Friday of the month"),
        ("0 0 1,15 * MON", "at 00:00 on days 1 and 15 of the month, and on Monday"),
        ("0 0 1 2 MON", "at 00:00 on day 1 of the month, and on Monday, in February"),
        ("0,59 * * * * *", "seconds 0 and 59 of every minute"),
        ("5 * 9 * * *", "second 5 of every minute of hour 9 every day"),
        ("0 0 * NOV-FEB *", "at 00:00 in January, February, November and December"),
        ("0 0 ? * ?", "at 00:00 every day"),
    ],
)
def test_cron(cron: str, words: str) -> None:
    assert compile_schedule(S(cron=cron), anchor_ms=0).describe() == words


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (S(at_ms=ms("2026-11-23T12:00:00.5Z")), "once at 2026-11-23T12:00:00.500Z"),
        (S(every_ns=SECOND), "every second"),
        (S(every_ns=90 * SECOND), "every 90 seconds"),
        (S(every_ns=1_500_000_000), "every 1.5 seconds"),
        # Not the calendar's days, which may have 23 or 25 hours.
        (S(every_ns=86_400 * SECOND), "every 24 hours"),
        (S(iso8601="R/PT168H"), "every 7 days of 24 hours"),
        (S(iso8601="R/P1D"), "every day"),
        (
            S(every_ns=3600 * SECOND, anchor_ms=ms("2026-11-23T00:15:00Z")),
            "every hour, counted from 2026-11-23T00:15:00Z",
        ),
        (S(iso8601="R/PT1H"), "every hour"),
        (
            S(iso8601="R5/2026-11-23T12:00:00Z/P1DT6H"),
            "every day and 6 hours from 2026-11-23T12:00:00Z, 5 times in all",
        ),
        (
            S(iso8601="R/P1M/2026-11-30", time_zone="Europe/Berlin"),
            "every month up to 2026-11-30 (Europe/Berlin)",
        ),
        (S(rrule="FREQ=WEEKLY;BYDAY=MO,FR"), "every week on Monday and Friday"),
        (
            S(rrule="FREQ=MONTHLY;INTERVAL=2;BYDAY=-1FR;BYHOUR=9;BYMINUTE=30;COUNT=4"),
            "every 2 months on the last Friday at 09:30, 4 times in all",
        ),
        (
            S(rrule="FREQ=MONTHLY;BYDAY=MO,TU;BYSETPOS=-1;UNTIL=20270101"),
            "every month on Monday and Tuesday, of these the last, until 2027-01-01",
        ),
        (
            S(
                rrule="DTSTART;TZID=Europe/Berlin:20261123T090000\nRRULE:FREQ=DAILY\n"
                "RDATE;TZID=Europe/Berlin:20261123T120000\nEXDATE;VALUE=DATE:20261225"
            ),
            "every day, from 2026-11-23 09:00, also on 2026-11-23 12:00, not on 2026-12-25, "
            "in Europe/Berlin",
        ),
        (
            S(any_of=(S(cron="0 9 * * *"), S(every_ns=3600 * SECOND))),
            "at 09:00 every day; or every hour",
        ),
        (
            S(any_of=(S(cron="0 9 * * *"),), time_zone="Europe/Berlin"),
            "at 09:00 every day (Europe/Berlin)",
        ),
        (
            S(
                any_of=(
                    S(cron="0 9 * * *"),
                    S(cron="0 8 * * *", time_zone="Asia/Tokyo"),
                    S(cron="0 7 * * *", time_zone="UTC"),
                ),
                time_zone="Europe/Berlin",
            ),
            "at 09:00 every day (Europe/Berlin); or at 08:00 every day (Asia/Tokyo); or at 07:00 "
            "every day (UTC)",
        ),
        (
            S(
                cron="0 9 * * *",
                time_zone="Europe/Berlin",
                start_ms=ms("2026-12-01T00:00:00Z"),
                end_ms=ms("2027-01-01T00:00:00Z"),
                max_runs=5,
                jitter_ms=90_000,
                excludes=("2026-12-24", "2026-12-25", "2026-12-26", "2026-12-31"),
            ),
            "at 09:00 every day (Europe/Berlin), from 2026-12-01T00:00:00Z, before "
            "2027-01-01T00:00:00Z, at most 5 runs, each up to 90 seconds later, except "
            "2026-12-24, 2026-12-25 and 2026-12-26 and 1 more",
        ),
    ],
)
def test_forms_and_settings(spec: ScheduleSpec, words: str) -> None:
    assert compile_schedule(spec, anchor_ms=0).describe() == words
