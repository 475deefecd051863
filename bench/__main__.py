"""`make bench`: the workloads on both engines, in one session."""

import os
import shutil
from contextlib import ExitStack
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from bootstrap.gateway import NAME as GATEWAY
from localcluster import Size

from bench.engines_lab import EnginesLab, running_engines
from tickwheel.client.cli.options import Output
from tickwheel.server.bench.cluster import Lab
from tickwheel.server.bench.embedded import DevLab
from tickwheel.server.bench.session import Session


class Engines(StrEnum):
    """What to measure on."""

    ALL = "all"
    EMBEDDED = "embedded"
    REAL = "real"


def main(
    workloads: Annotated[
        list[str] | None,
        typer.Argument(metavar="[W1…W6]", show_default=False, help="Default: all."),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Small sizes.")] = False,
    engines: Annotated[
        Engines, typer.Option(help="embedded (dev mode), real (Cassandra and Kafka), or both.")
    ] = Engines.ALL,
    schedulers: Annotated[int, typer.Option(help="On the real engines.")] = 2,
    workers: Annotated[int, typer.Option(help="On the real engines.")] = 2,
    report: Annotated[Path, typer.Option(help="For bench.json and bench.html.")] = Path(
        "build/bench"
    ),
    output: Annotated[Output, typer.Option("--output", "-o")] = Output.TABLE,
) -> None:
    """Measures this checkout and writes bench.json and bench.html."""
    # gRPC's own notes on standard error (a connection that ended) are not for users.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    session = Session(workloads or [], quick=quick, report=report, as_json=output is Output.JSON)
    binary = shutil.which(GATEWAY)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="tickwheel-bench-")))
        labs: list[Lab] = []
        if engines is not Engines.REAL:
            labs.append(DevLab(folder / "embedded"))
        if engines is not Engines.EMBEDDED:
            running = stack.enter_context(running_engines(folder))
            size = Size(apis=1, schedulers=schedulers, workers=workers)
            labs.append(
                EnginesLab(folder / "parts", running, Path(binary) if binary else None, size)
            )
        session.run(labs)


if __name__ == "__main__":
    program = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    program.command()(main)
    program()
