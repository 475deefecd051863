"""What is typed is read rightly, or refused with what would be right."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import typer

from tickwheel.client.cli import arguments, names
from tickwheel.client.cli.form import Form
from tickwheel.client.cli.output import printable
from tickwheel.v1 import schedule_pb2

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("3s", 3),
        ("250ms", 0.25),
        ("5m", 300),
        ("1h30m", 5_400),
        ("2d", 172_800),
        ("1.5s", 1.5),
        ("0s", 0),
        ("36525d", 36_525 * 86_400),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    assert arguments.duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text", ["", "3", "s", "3x", "-3s", "3s ", "1,5s", "36525d1s", "9" * 12 + "d"]
)
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(typer.BadParameter, match=r"is not a duration|is longer than"):
        arguments.duration(text)


@pytest.mark.parametrize(
    "text", ["2026-11-23T12:00:00Z", "2026-11-23T13:00+01:00", "2026-11-23 12:00:00.000Z"]
)
def test_instants(text: str) -> None:
    assert arguments.instant(text) == NOON


@pytest.mark.parametrize(
    "text", ["2026-11-23T12:00:00", "2026-11-23", "noon", "", "0001-01-01T00:00+01:00"]
)
def test_what_is_no_instant(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        arguments.instant(text)


def test_pairs() -> None:
    assert arguments.pair("a=b=c") == arguments.Pair("a", "b=c")
    assert arguments.pair("a=") == arguments.Pair("a", "")
    for wrong in ("a", "=b", ""):
        with pytest.raises(typer.BadParameter, match="key=value"):
            arguments.pair(wrong)


def test_content_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"\xff\x00")
    assert arguments.content(f"@{tmp_path}/f") == b"\xff\x00"
    assert arguments.content("é") == b"\xc3\xa9"
    with pytest.raises(typer.BadParameter, match="No such file"):
        arguments.content(f"@{tmp_path}/none")


def test_names() -> None:
    assert names.job_name("nightly", "7") == "users/7/jobs/nightly"
    assert names.job_name("-", "-") == "users/-/jobs/-"
    assert names.job_name("users/8/jobs/a", "7") == "users/8/jobs/a"
    assert names.run_name("a/runs/1", "7") == "users/7/jobs/a/runs/1"
    assert names.run_name("users/8/jobs/a/runs/1", "7") == "users/8/jobs/a/runs/1"
    with pytest.raises(typer.BadParameter, match="neither a full name"):
        names.job_name("jobs/a", "7")
    with pytest.raises(typer.BadParameter, match="neither a full name"):
        names.run_name("a", "7")


def test_forms() -> None:
    schedule = schedule_pb2.Schedule()
    Form(after=timedelta(seconds=3), time_zone="UTC").apply(schedule, now=lambda: NOON)
    assert schedule.at.ToDatetime(UTC) == NOON + timedelta(seconds=3)
    assert schedule.time_zone == "UTC"
    Form(every=timedelta(milliseconds=1_500)).apply(schedule)
    assert schedule.every.ToMilliseconds() == 1_500
    assert not schedule.HasField("at")
    Form().apply(schedule)
    assert schedule.WhichOneof("form") == "every"
    with pytest.raises(typer.BadParameter, match="only one of --at, --cron"):
        Form(at=NOON, cron="* * * * *").apply(schedule)
    with pytest.raises(typer.BadParameter, match="--at, --in, --cron, --every"):
        Form().apply(schedule_pb2.Schedule())


def test_nothing_printed_steers_the_terminal() -> None:
    assert printable("a\x1b[31mb\nc\u202e") == "a\\x1b[31mb\\nc\\u202e"
    assert printable("naïve 日本") == "naïve 日本"
