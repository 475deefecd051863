"""A share of the fuzzing for every run; `make time-fuzz` does more of it."""

import pytest

from schedule.fuzz import (
    CRON,
    INTERVALS,
    RULES,
    Tally,
    cron_is_good,
    interval_may_be_good,
    run,
    try_text,
)
from schedule.oracle import effort
from tickwheel.server.schedule import ScheduleError, ScheduleSpec, compile_schedule


def test_damaged_texts() -> None:
    tally = run(seed=1, total=effort(250_000))
    for form in ("cron", "iso8601", "rrule"):
        assert tally.counts[f"{form} accepted"] > 100
        assert tally.counts[f"{form} refused"] > 500


def test_the_seeds_are_good() -> None:
    for text in CRON:
        assert cron_is_good(text)
        compile_schedule(ScheduleSpec(cron=text), anchor_ms=0)
    for text in INTERVALS:
        assert interval_may_be_good(text)
        compile_schedule(ScheduleSpec(iso8601=text), anchor_ms=0)
    for text in RULES:
        compile_schedule(ScheduleSpec(rrule=text), anchor_ms=0)


@pytest.mark.parametrize("form", ["cron", "iso8601", "rrule", "time_zone"])
def test_texts_of_great_length(form: str) -> None:
    for piece in ("*", "1,", "L", "P", "R/", ";", "FREQ=DAILY;", "\n", "(", "9" * 10):
        text = piece * (2**20 // len(piece))
        settings = {"cron": "* * * * *"} if form == "time_zone" else {}
        with pytest.raises(ScheduleError):
            compile_schedule(ScheduleSpec(**{**settings, form: text}), anchor_ms=0)  # pyright: ignore


def test_a_period_of_a_thousand_years_under_many_changes_of_the_clock() -> None:
    # Its calendar part moves by a year only: it was walked through from the start for each change.
    try_text("iso8601", "R/P1Y2M3W4DT5H536536536M7.5S", Tally(), "Australia/Lord_Howe")
