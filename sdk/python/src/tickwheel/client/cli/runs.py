"""`tickwheel runs`: what became of each occurrence."""

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Annotated

import typer

from tickwheel.client.cli import options
from tickwheel.client.cli.names import job_name, run_name
from tickwheel.client.cli.options import Output

if TYPE_CHECKING:
    from rich.text import Text

    from tickwheel.client.client import Client
    from tickwheel.v1 import run_pb2

app = typer.Typer(no_args_is_help=True, help="See what became of each occurrence.")


@app.command()
def get(
    run: options.RunArgument,
    user: options.UserOption = options.DEFAULT_USER,
    address: options.AddressOption = options.DEFAULT_ADDRESS,
    output: options.OutputOption = Output.TABLE,
) -> None:
    """Show a run."""
    from tickwheel.client.cli import run_view, session
    from tickwheel.client.cli.output import print_json

    name = run_name(run, user)

    async def command(client: "Client") -> None:
        found = await client.get_run(name)
        if output is Output.JSON:
            print_json(found)
        else:
            await run_view.print_details(found)

    session.run(address, command)


@app.command()
def cancel(
    run: options.RunArgument,
    reason: Annotated[
        str,
        typer.Option(
            "--reason", metavar="TEXT", show_default=False, help="Why, kept with the run."
        ),
    ] = "",
    user: options.UserOption = options.DEFAULT_USER,
    address: options.AddressOption = options.DEFAULT_ADDRESS,
    output: options.OutputOption = Output.TABLE,
) -> None:
    """Cancel a run: one that waits at once, one that runs as soon as its executor heeds it."""
    from tickwheel.client.cli import session

    name = run_name(run, user)

    async def command(client: "Client") -> None:
        _print(await client.cancel_run(name, reason=reason), output)

    session.run(address, command)


@app.command()
def retry(
    run: options.RunArgument,
    user: options.UserOption = options.DEFAULT_USER,
    address: options.AddressOption = options.DEFAULT_ADDRESS,
    output: options.OutputOption = Output.TABLE,
) -> None:
    """Run anew what has ended: a new run with the same schedule time; the old one stays."""
    from tickwheel.client.cli import session

    name = run_name(run, user)

    async def command(client: "Client") -> None:
        _print(await client.retry_run(name), output)

    session.run(address, command)


@app.command("list")
def list_(
    job: options.JobsArgument = "-",
    filter: options.FilterOption = "",
    limit: options.LimitOption = None,
    user: options.UserOption = options.DEFAULT_USER,
    address: options.AddressOption = options.DEFAULT_ADDRESS,
    output: options.OutputOption = Output.TABLE,
) -> None:
    """List runs, newest first; of one job also as a strip, oldest first, with a mark for each.

    tickwheel runs list nightly --filter 'state = FAILED'
    """
    from tickwheel.client.cli import run_view, session
    from tickwheel.client.cli.output import console, print_json, print_rows
    from tickwheel.client.cli.paging import first
    from tickwheel.client.cli.run_strip import MOST_RUNS, strip_lines

    parent = job_name(job, user)
    newest: list[run_pb2.Run] = []

    async def rows(runs: "AsyncIterator[run_pb2.Run]") -> "AsyncIterator[Sequence[Text]]":
        async for run in runs:
            if len(newest) < MOST_RUNS:
                newest.append(run)
            yield run_view.row(run)

    async def command(client: "Client") -> None:
        async with aclosing(first(limit, client.list_runs(parent, filter=filter))) as runs:
            if output is Output.JSON:
                async for run in runs:
                    print_json(run)
                return
            await print_rows(run_view.COLUMNS, rows(runs))
        if newest and not parent.endswith("/-"):
            console().print()
            for line in strip_lines(newest):
                console().print(line, soft_wrap=True)

    session.run(address, command)


@app.command()
def watch(
    job: options.JobsArgument = "-",
    filter: options.FilterOption = "",
    count: Annotated[
        int | None,
        typer.Option(
            "--count",
            min=1,
            metavar="N",
            show_default=False,
            help="End once so many runs have ended. Default: go on until Ctrl-C.",
        ),
    ] = None,
    recent: Annotated[
        int,
        typer.Option("--recent", min=0, max=1000, metavar="N", help="Begin with the last N runs."),
    ] = 10,
    user: options.UserOption = options.DEFAULT_USER,
    address: options.AddressOption = options.DEFAULT_ADDRESS,
    output: options.OutputOption = Output.TABLE,
) -> None:
    """Show the last runs, then each as it is made and changes: a line for each state."""
    from tickwheel.client.cli import run_view, session
    from tickwheel.client.cli.output import note, print_json, printable
    from tickwheel.client.cli.paging import first

    parent = job_name(job, user)

    async def last_runs(client: "Client") -> "list[run_pb2.Run]":
        if recent == 0:
            return []
        async with aclosing(first(recent, client.list_runs(parent, filter=filter))) as runs:
            return [run async for run in runs]

    async def command(client: "Client") -> None:
        ended: set[str] = set()
        # What was shown as recent may come again with the first messages.
        before: set[tuple[str, int]] = set()

        def show(run: "run_pb2.Run") -> None:
            if output is Output.JSON:
                print_json(run)
            else:
                run_view.print_line(run)
            # A state may come more than once.
            if count is not None and run.state in run_view.FINAL_STATES:
                ended.add(run.name)

        async with aclosing(client.watch_runs(parent, filter=filter)) as messages:
            watching = False
            async for message in messages:
                if not watching:
                    watching = True
                    note(f"watching {printable(parent)}")
                    # Once the watch stands, so that nothing falls in between.
                    for run in reversed(await last_runs(client)):
                        before.add((run.name, run.state))
                        show(run)
                run = message.run
                if message.HasField("run") and (run.name, run.state) not in before:
                    show(run)
                if count is not None and len(ended) >= count:
                    return

    session.run(address, command)


def _print(run: "run_pb2.Run", output: Output) -> None:
    from tickwheel.client.cli import run_view
    from tickwheel.client.cli.output import print_json

    if output is Output.JSON:
        print_json(run)
    else:
        run_view.print_line(run)
