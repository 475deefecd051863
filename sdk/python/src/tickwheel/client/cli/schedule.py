"""`tickwheel schedule`: schedules without a job."""

import re
from datetime import UTC, date, datetime, tzinfo
from typing import TYPE_CHECKING, Annotated

import typer

from tickwheel.client.cli import form, options
from tickwheel.client.cli.arguments import instant, read
from tickwheel.client.cli.option_groups import grouped
from tickwheel.client.cli.options import Output

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.text import Text

    from tickwheel.client.client import Client
    from tickwheel.v1 import job_service_pb2, schedule_pb2

app = typer.Typer(no_args_is_help=True, help="Look at schedules without a job.")


# With one command alone typer would leave its name out.
@app.callback()
def schedule() -> None:
    """Look at schedules without a job."""


@app.command()
@grouped
def preview(
    when: form.Form,
    file: Annotated[
        str,
        typer.Option(
            "--file",
            "-f",
            metavar="FILE|-",
            show_default=False,
            help="The schedule as JSON, as the REST API has it (anyOf, say); other options "
            "override its fields.",
        ),
    ] = "",
    start: Annotated[
        datetime | None,
        typer.Option(
            "--start",
            parser=instant,
            metavar="INSTANT",
            show_default=False,
            help="Look from this instant on, which is not shown itself. Default: now.",
        ),
    ] = None,
    count: Annotated[
        int, typer.Option("--count", min=1, max=1000, metavar="N", help="How many.")
    ] = 10,
    calendar: Annotated[
        bool, typer.Option("--calendar/--no-calendar", help="Draw the months with their days.")
    ] = True,
    address: options.AddressOption = options.DEFAULT_ADDRESS,
    output: options.OutputOption = Output.TABLE,
) -> None:
    """Show when a schedule would run: a calendar, the times, and what is odd about them.

    tickwheel schedule preview --cron '30 2 * * *' --time-zone Europe/Berlin
    """
    from google.protobuf.timestamp_pb2 import Timestamp

    from tickwheel.client.cli import output as printing
    from tickwheel.client.cli import session
    from tickwheel.v1 import schedule_pb2

    asked = _read_schedule(file) if file else schedule_pb2.Schedule()
    when.apply(asked)
    begin = None
    if start is not None:
        begin = Timestamp()
        begin.FromDatetime(start)

    async def command(client: "Client") -> None:
        found = await client.preview_schedule(asked, start_time=begin, count=count)
        if output is Output.JSON:
            printing.print_json(found)
            return
        target = printing.console()
        for line in _lines(asked, found, calendar=calendar):
            target.print(line, soft_wrap=True)

    session.run(address, command)


def _read_schedule(path: str) -> "schedule_pb2.Schedule":
    from google.protobuf import json_format

    from tickwheel.v1 import schedule_pb2

    try:
        return json_format.Parse(read(path), schedule_pb2.Schedule())
    except (json_format.ParseError, UnicodeDecodeError) as error:
        message = f"{path} is not a schedule: {error}"
        raise typer.BadParameter(message, param_hint="--file") from None


def _lines(
    asked: "schedule_pb2.Schedule",
    found: "job_service_pb2.PreviewScheduleResponse",
    *,
    calendar: bool,
) -> "Iterator[Text]":
    from tickwheel.client.cli import output as printing
    from tickwheel.client.cli.calendar_view import calendar_lines

    zone_name, zone = _zone(asked)
    walls = [time.ToDatetime(UTC).astimezone(zone) for time in found.times]
    if found.description:
        yield printing.text(found.description, "bold")
    if calendar and walls:
        yield printing.text("")
        yield from calendar_lines([wall.date() for wall in walls], _excluded(asked))
        yield printing.text("")
    for time, wall in zip(found.times, walls, strict=True):
        line = printing.instant(time)
        if zone is not UTC:
            offset = f"{wall:%z}"
            line += f"  {wall:%a %Y-%m-%d %H:%M:%S} {offset[:3]}:{offset[3:5]} {zone_name}"
        yield printing.text(line)
    for remark in found.notes:
        yield printing.text(f"note: {remark}", "yellow")


def _zone(asked: "schedule_pb2.Schedule") -> tuple[str, tzinfo]:
    """The zone whose dates are drawn; UTC where this machine has no data of the schedule's."""
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    inside = re.search(r"TZID=([^:;\s]+)", asked.rrule)
    name = asked.time_zone or (inside[1] if inside else "UTC")
    if name == "UTC":
        return name, UTC
    try:
        return name, ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return "UTC", UTC


def _excluded(asked: "schedule_pb2.Schedule") -> set[date]:
    """The dates that are left out whole."""
    found: set[date] = set()
    for text in asked.excludes:
        try:
            found.add(date.fromisoformat(text))
        except ValueError:
            continue
    return found
