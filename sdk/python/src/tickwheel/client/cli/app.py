"""Puts the command line together from the client's commands and those of other distributions."""

from importlib import metadata
from typing import Annotated

import typer

from tickwheel.client.cli import cluster, explain, jobs, records, runs, schedule

COMMANDS_GROUP = "tickwheel.commands"
"""Entry points of this group name functions `register(app: typer.Typer) -> None`."""


def build() -> typer.Typer:
    """The whole command line.

    A distribution that is not installed has no commands here. One that is, but whose commands
    cannot be loaded, is named on standard error, and the others work all the same.
    """
    app = typer.Typer(
        name="tickwheel",
        no_args_is_help=True,
        # Errors and help are for pipes and logs too: plain lines, no boxes cut to a width.
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
    app.callback()(_tickwheel)
    app.add_typer(jobs.app, name="jobs")
    app.add_typer(runs.app, name="runs")
    app.add_typer(schedule.app, name="schedule")
    app.add_typer(records.app, name="records")
    app.add_typer(cluster.app, name="cluster")
    app.command("explain")(explain.explain)
    for entry in sorted(metadata.entry_points(group=COMMANDS_GROUP), key=lambda each: each.name):
        _load(app, entry)
    return app


def main() -> None:
    """Run the command line; ends the process with 0, 1 (failed), 2 (usage) or 130 (Ctrl-C)."""
    build()(prog_name="tickwheel")


def _load(app: typer.Typer, entry: metadata.EntryPoint) -> None:
    try:
        entry.load()(app)
    except Exception as error:
        owner = entry.dist.name if entry.dist else entry.value
        typer.echo(
            f"warning: the commands of {owner} cannot be loaded: {type(error).__name__}: {error}",
            err=True,
        )


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(metadata.version("tickwheel-client"))
        raise typer.Exit


def _tickwheel(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version and end.", is_eager=True, callback=_print_version
        ),
    ] = False,
) -> None:
    """Tickwheel: jobs that run once or again and again, on Kafka on time."""
