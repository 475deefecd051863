"""`make bench`: the workloads on both engines, in one session."""

import asyncio
import os
import shutil
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from bootstrap.gateway import NAME as GATEWAY
from localcluster import Size

from bench.engines_lab import EnginesLab, running_engines
from bench.peers.run import choose, run_peers
from tickwheel.client.cli.options import Output
from tickwheel.server.bench.cluster import Lab
from tickwheel.server.bench.embedded import DevLab
from tickwheel.server.bench.result import Result
from tickwheel.server.bench.session import Session
from tickwheel.server.bench.workloads import Workload


class Engines(StrEnum):
    """What to measure on."""

    ALL = "all"
    EMBEDDED = "embedded"
    REAL = "real"


def main(
    workloads: Annotated[
        list[str] | None,
        typer.Argument(metavar="[W1…W7]", show_default=False, help="Default: all."),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Small sizes.")] = False,
    engines: Annotated[
        Engines, typer.Option(help="embedded (dev mode), real (Cassandra and Kafka), or both.")
    ] = Engines.ALL,
    schedulers: Annotated[int, typer.Option(help="On the real engines.")] = 2,
    workers: Annotated[int, typer.Option(help="On the real engines.")] = 2,
    peers: Annotated[
        str,
        typer.Option(
            metavar="NAME,…|all",
            show_default=False,
            help="Other schedulers, measured after ours by W1 to W3: bench/peers/README.md.",
        ),
    ] = "",
    report: Annotated[Path, typer.Option(help="For bench.json and bench.html.")] = Path(
        "build/bench"
    ),
    output: Annotated[Output, typer.Option("--output", "-o")] = Output.TABLE,
) -> None:
    """Measures this checkout and writes bench.json and bench.html."""
    # gRPC's own notes on standard error (a connection that ended) are not for users.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    try:
        beside = choose(peers)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--peers") from error
    session = Session(workloads or [], quick=quick, report=report, as_json=output is Output.JSON)
    binary = shutil.which(GATEWAY)
    with TemporaryDirectory(prefix="tickwheel-bench-") as home, ExitStack() as real:
        folder = Path(home)
        labs: list[Lab] = []
        if engines is not Engines.REAL:
            labs.append(DevLab(folder / "embedded"))
        if engines is not Engines.EMBEDDED:
            running = real.enter_context(running_engines(folder))
            size = Size(apis=1, schedulers=schedulers, workers=workers)
            labs.append(
                EnginesLab(folder / "parts", running, Path(binary) if binary else None, size)
            )

        async def measure_peers(
            workloads: Sequence[Workload], say: Callable[[str], None]
        ) -> list[Result]:
            # Ours have run; what they stood on does not stand in the way of others.
            await asyncio.to_thread(real.close)
            return await run_peers(beside, workloads, say)

        session.run(labs, measure_peers if beside else None)


if __name__ == "__main__":
    program = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    program.command()(main)
    program()
