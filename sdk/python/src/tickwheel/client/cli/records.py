"""`tickwheel records`: what is on the log, be it the embedded one or Kafka."""

from contextlib import aclosing
from typing import TYPE_CHECKING, Annotated

import typer

from tickwheel.client.cli import options
from tickwheel.client.cli.options import Output

if TYPE_CHECKING:
    from tickwheel.client.client import Client

app = typer.Typer(no_args_is_help=True, help="See what is on the log.")


# With one command alone typer would leave its name out.
@app.callback()
def records() -> None:
    """See what is on the log."""


@app.command()
def tail(
    topic: Annotated[str, typer.Argument(metavar="TOPIC", show_default=False)],
    from_beginning: Annotated[
        bool,
        typer.Option("--from-beginning", help="Also what is on the topic already."),
    ] = False,
    headers: Annotated[bool, typer.Option("--headers", help="Show the headers too.")] = False,
    count: Annotated[
        int | None,
        typer.Option(
            "--count",
            min=1,
            metavar="N",
            show_default=False,
            help="End after so many records. Default: go on until Ctrl-C.",
        ),
    ] = None,
    kafka_bootstrap: Annotated[
        str,
        typer.Option(
            "--kafka-bootstrap",
            envvar="TICKWHEEL_KAFKA_BOOTSTRAP",
            metavar="HOST:PORT,…",
            show_default=False,
            help="Brokers to read from, where the log is Kafka.",
        ),
    ] = "",
    address: options.AddressOption = options.DEFAULT_ADDRESS,
    output: options.OutputOption = Output.TABLE,
) -> None:
    """Show the records of a topic as they come."""
    from tickwheel.client.cli import log_tail, record_view, session
    from tickwheel.client.cli.output import print_json
    from tickwheel.client.cli.paging import first

    async def command(client: "Client") -> None:
        found = log_tail.records(client, topic, kafka_bootstrap, from_beginning=from_beginning)
        async with aclosing(found), aclosing(first(count, found)) as wanted:
            async for record in wanted:
                if output is Output.JSON:
                    print_json(record)
                else:
                    record_view.print_line(record, headers=headers)

    session.run(address, command)
