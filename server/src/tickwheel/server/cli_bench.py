"""`tickwheel bench`."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from tickwheel.client.cli.options import Output

HELP = """Measures how fast jobs are taken in, how late they fire, and what they cost.

Workloads: W1 submit, W2 burst (all due at one instant; until all are on the log, and until all have
been started in the handler of an executor, which is run here), W3 steady rate, W4 recurring, W5 a
process killed amid a burst, W6 many jobs stored, W7 a burst of one user amid another one's runs.
They run on a `tickwheel dev` of its own in a temporary folder, or on a cluster that runs already
where --address names one. That one is used but neither stopped nor broken: W5 and W6 are left out,
W2 is run without a restart, and the jobs that were made are deleted in the end.

Lateness is the log's own stamp (LogAppendTime) minus the due instant, in handlers their own clock
minus it; "early" is below zero. CPU is user and system time from /proc. A machine that is shared
with others makes figures incomparable: compare within one run.

Ends with 1 where a run was lost or early, or a workload broke off.
"""


def register(app: typer.Typer) -> None:
    """Adds bench."""
    app.command("bench", help=HELP, short_help=HELP.partition("\n")[0])(bench)


def bench(
    workloads: Annotated[
        list[str] | None,
        typer.Argument(metavar="[W1…W7]", show_default=False, help="Default: all."),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Small sizes: a minute in all, to see that it works.")
    ] = False,
    # Not by TICKWHEEL_ADDRESS: nobody is to load a cluster because a variable happens to be set.
    address: Annotated[
        str,
        typer.Option(
            metavar="HOST:PORT", show_default=False, help="gRPC of a cluster that runs already."
        ),
    ] = "",
    http_address: Annotated[
        str,
        typer.Option(metavar="HOST:PORT", show_default=False, help="Its gateway, for REST."),
    ] = "",
    kafka_bootstrap: Annotated[
        str,
        typer.Option(
            metavar="HOST:PORT,…", show_default=False, help="Its brokers, where the log is Kafka."
        ),
    ] = "",
    pid: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=PID",
            show_default=False,
            help="One of its processes on this machine, whose CPU time is measured. Repeatable.",
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", show_default=False, help="Write bench.json and bench.html there."
        ),
    ] = None,
    output: Annotated[
        Output, typer.Option("--output", "-o", help="For people, or one JSON document.")
    ] = Output.TABLE,
) -> None:
    """Measures a cluster."""
    from tickwheel.server.bench.cluster import Addresses, Lab
    from tickwheel.server.bench.embedded import DevLab
    from tickwheel.server.bench.named import NamedLab
    from tickwheel.server.bench.session import Session

    session = Session(workloads or [], quick=quick, report=report, as_json=output is Output.JSON)
    if address:
        lab: Lab = NamedLab(
            Addresses(address, http_address or None, kafka_bootstrap or None), _pids(pid or [])
        )
        session.run([lab])
        return
    if http_address or kafka_bootstrap or pid:
        raise typer.BadParameter("--http-address, --kafka-bootstrap and --pid need --address")
    with TemporaryDirectory(prefix="tickwheel-bench-") as folder:
        session.run([DevLab(Path(folder))])


def _pids(given: list[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for each in given:
        name, equals, number = each.partition("=")
        if not (name and equals and number.isdigit()):
            raise typer.BadParameter(f"{each} is not NAME=PID", param_hint="--pid")
        found[name] = int(number)
    return found
