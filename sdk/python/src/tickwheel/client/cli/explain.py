"""`tickwheel explain`: why a job ran, or did not, and what it will do."""

from contextlib import aclosing
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from tickwheel.client.cli import options
from tickwheel.client.cli.arguments import instant
from tickwheel.client.cli.names import job_name
from tickwheel.client.cli.options import Output

if TYPE_CHECKING:
    from google.protobuf.timestamp_pb2 import Timestamp

    from tickwheel.client.client import Client

_PAGE = 200


def explain(
    job: options.JobArgument,
    start: Annotated[
        datetime | None,
        typer.Option(
            "--start",
            parser=instant,
            metavar="INSTANT",
            show_default=False,
            help="From this instant on. Default: 24 hours before the end.",
        ),
    ] = None,
    end: Annotated[
        datetime | None,
        typer.Option(
            "--end",
            parser=instant,
            metavar="INSTANT",
            show_default=False,
            help="Before this instant. Default: 24 hours after the start, or in an hour.",
        ),
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", min=1, metavar="N", help="So many occurrences at most.")
    ] = 1_000,
    user: options.UserOption = options.DEFAULT_USER,
    address: options.AddressOption = options.DEFAULT_ADDRESS,
    output: options.OutputOption = Output.TABLE,
) -> None:
    """Say what happened to each occurrence and why, also of those that did not run, or will.

    tickwheel explain nightly --start 2026-11-23T00:00:00Z
    """
    from tickwheel.client.cli import session
    from tickwheel.client.cli.explain_view import Lines
    from tickwheel.client.cli.output import note, print_json
    from tickwheel.client.cli.paging import first

    name = job_name(job, user)

    async def command(client: "Client") -> None:
        found = client.explain_job(
            name,
            start_time=_timestamp(start),
            end_time=_timestamp(end),
            page_size=min(limit + 1, _PAGE),
        )
        lines = Lines()
        shown = 0
        async with aclosing(first(limit + 1, found)) as occurrences:
            async for occurrence in occurrences:
                if shown == limit:
                    shown += 1
                    break
                if output is Output.JSON:
                    print_json(occurrence)
                else:
                    lines.add(occurrence)
                shown += 1
        lines.end()
        if not shown:
            note("nothing was to happen in that range, and nothing is known to have")
        elif shown > limit:
            note(f"there is more: --limit {limit} was reached")

    session.run(address, command)


def _timestamp(given: datetime | None) -> "Timestamp | None":
    from google.protobuf.timestamp_pb2 import Timestamp

    if given is None:
        return None
    made = Timestamp()
    made.FromDatetime(given)
    return made
