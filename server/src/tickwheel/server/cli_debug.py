"""`tickwheel debug`: what helps somebody else to see what is wrong."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from tickwheel.client.cli.options import DEFAULT_ADDRESS, AddressOption

app = typer.Typer(no_args_is_help=True, help="Gather what helps to find out what is wrong.")


def register(parent: typer.Typer) -> None:
    """Adds debug."""
    parent.add_typer(app, name="debug")


# With one command alone typer would leave its name out.
@app.callback()
def debug() -> None:
    """Gather what helps to find out what is wrong."""


@app.command()
def bundle(
    file: Annotated[
        Path | None,
        typer.Option(
            "--file",
            "-f",
            metavar="FILE",
            show_default=False,
            help="Default: tickwheel-debug-<now>.zip in this folder.",
        ),
    ] = None,
    log: Annotated[
        list[Path] | None,
        typer.Option(
            "--log",
            metavar="FILE",
            show_default=False,
            help="A log of one of the parts: its last warnings and errors are taken. Repeatable.",
        ),
    ] = None,
    metrics: Annotated[
        list[str] | None,
        typer.Option(
            "--metrics",
            metavar="HOST:PORT",
            show_default=False,
            help="Where a part serves its metrics. Repeatable. Default: 127.0.0.1:7490.",
        ),
    ] = None,
    address: AddressOption = DEFAULT_ADDRESS,
) -> None:
    """Write a zip file with versions, settings, the cluster, metrics and recent errors.

    No payload, no header, no result and no secret goes into it; look into it before you pass it on.
    What could not be had is left out, and said in its README.txt.
    """
    import asyncio
    import os

    # gRPC's own notes on standard error are not for users; read when the first channel is made.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    from tickwheel.server.bundle import Sources, gather, write

    now = datetime.now(UTC)
    target = file or Path(f"tickwheel-debug-{now:%Y%m%dT%H%M%SZ}.zip")
    sources = Sources(
        address=address,
        metrics=tuple(metrics or ("127.0.0.1:7490",)),
        logs=tuple(log or ()),
        now=now,
    )
    parts = asyncio.run(gather(sources))
    try:
        write(target, parts, now)
    except OSError as error:
        raise typer.BadParameter(
            f"{target} cannot be written: {error.strerror}", param_hint="--file"
        ) from error
    for part in parts:
        typer.echo(f"{part.name}: {part.said}")
    typer.echo(f"written to {target}")
