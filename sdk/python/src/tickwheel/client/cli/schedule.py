"""`tickwheel schedule`: schedules without a job."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from tickwheel.client.cli import form, options
from tickwheel.client.cli.arguments import instant
from tickwheel.client.cli.options import Output

if TYPE_CHECKING:
    from tickwheel.client.client import Client

app = typer.Typer(no_args_is_help=True, help="Look at schedules without a job.")


# With one command alone typer would leave its name out.
@app.callback()
def schedule() -> None:
    """Look at schedules without a job."""


@app.command()
def preview(
    at: form.AtOption = None,
    after: form.InOption = None,
    cron: form.CronOption = "",
    every: form.EveryOption = None,
    time_zone: form.TimeZoneOption = "",
    start: Annotated[
        datetime | None,
        typer.Option(
            "--start",
            parser=instant,
            metavar="INSTANT",
            show_default=False,
            help="Occurrences after this instant. Default: now.",
        ),
    ] = None,
    count: Annotated[
        int, typer.Option("--count", min=1, max=1000, metavar="N", help="How many.")
    ] = 10,
    address: options.AddressOption = options.DEFAULT_ADDRESS,
    output: options.OutputOption = Output.TABLE,
) -> None:
    """Show when a schedule would run.

    tickwheel schedule preview --cron '30 2 * * *' --time-zone Europe/Berlin
    """
    from google.protobuf.timestamp_pb2 import Timestamp

    from tickwheel.client.cli import output as printing
    from tickwheel.client.cli import session
    from tickwheel.v1 import schedule_pb2

    asked = schedule_pb2.Schedule()
    form.Form(at, after, cron, every, time_zone).apply(asked)
    start_time = None
    if start is not None:
        start_time = Timestamp()
        start_time.FromDatetime(start)

    async def command(client: "Client") -> None:
        found = await client.preview_schedule(asked, start_time=start_time, count=count)
        if output is Output.JSON:
            printing.print_json(found)
            return
        if found.description:
            typer.echo(printing.printable(found.description))
        for time in found.times:
            typer.echo(printing.instant(time))
        for remark in found.notes:
            typer.echo(f"note: {printing.printable(remark)}")

    session.run(address, command)
