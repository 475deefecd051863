"""``python -m scale``, behind ``make bench-scale``."""

import json
import os
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer
import uvloop
from engines import Instance, cassandra
from localcluster import Size
from rich.console import Console
from rich.table import Table

from scale.dev_mode import dev_mode
from scale.disk import PAYLOAD_BYTES, Disk, disk
from scale.lab import scale_cluster
from scale.measured import keep, kept, renewed
from scale.memory import Held, memory
from scale.processes import LOADS, measure
from scale.quota import NoQuotaError
from scale.rounds import Round, Row, rows
from scale.simulated import simulate_apart
from scale.slopes import SETTINGS, Idle, slopes
from scale.standing import idle
from scale.stored import filled, kept_lab, work
from scale.tables import coefficients_table, dev_table, document, memory_table, needs_table
from scale.tally import Simulated
from tickwheel.server.bench.bench import bench_of
from tickwheel.server.bench.cluster import Lab
from tickwheel.server.bench.embedded import DevLab
from tickwheel.server.bench.report import show
from tickwheel.server.bench.topic import new_topic
from tickwheel.server.bench.w6_standing import Sample, pair, result

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True)


class Engines(StrEnum):
    """What to measure on."""

    EMBEDDED = "embedded"
    REAL = "real"


Folder = Annotated[
    Path,
    typer.Option(help="Where what was measured is kept; earlier rounds that are there count too."),
]
_FOLDER = Path("build/bench-scale")
_DOCUMENT = Path("docs/scale.md")


@app.command()
def processes(
    schedulers: Annotated[str, typer.Option(help="Numbers of scheduler processes.")] = "1,2,4,8",
    loads: Annotated[str, typer.Option(help=f"Of {', '.join(LOADS)}.")] = ",".join(LOADS),
    rounds: Annotated[int, typer.Option(min=1, help="Of each; their medians count.")] = 3,
    report: Folder = _FOLDER,
) -> None:
    """Runs per CPU second with 1, 2, 4 and 8 schedulers, each with a tenth of a core."""
    counts = _numbers(schedulers)
    names = loads.split(",")
    if unknown := [name for name in names if name not in LOADS]:
        raise typer.BadParameter(f"there is no load {unknown[0]}: they are {', '.join(LOADS)}")
    file = report / "processes.jsonl"

    async def measured(store: Instance, folder: Path) -> None:
        for number in range(rounds):
            # Each order in turn, so that what comes before is not always the same.
            order = counts if number % 2 == 0 else counts[::-1]
            for name, count in ((name, count) for name in names for count in order):
                place = folder / f"{name}-{count}-{number}"
                _keep(file, asdict(await measure(name, count, store, place, _say)))

    _with_cassandra(measured)
    found = rows(Round(**each) for each in _kept(file))
    _write(report / "processes.json", _dicts(found))
    _show(found)
    if not all(row.holds for row in found):
        raise typer.Exit(1)


@app.command()
def standing(
    seconds: Annotated[float, typer.Option(min=1, help="Of each setting.")] = 30.0,
    report: Folder = _FOLDER,
) -> None:
    """What schedulers, workers and Cassandra spend while nothing is due."""
    found: list[Idle] = []

    async def measured(store: Instance, folder: Path) -> None:
        for number, setting in enumerate(SETTINGS):
            found.append(await idle(setting, store, folder / str(number), seconds, _say))

    _with_cassandra(measured)
    slope = slopes(found)
    _write(report / "standing.json", {"settings": _dicts(found), "slopes": asdict(slope)})
    _table([asdict(each) for each in found])
    typer.echo("\nCPU ms a second")
    for name, value in asdict(slope).items():
        typer.echo(f"  {name.replace('_', ' '):<14} {value:9.4f}")


@app.command("disk")
def on_disk(
    jobs: Annotated[int, typer.Option(min=1, help="Each of them runs once.")] = 40_000,
    report: Folder = _FOLDER,
) -> None:
    """What a job and a run take on Cassandra's disk, by table."""
    found: list[Disk] = []

    async def measured(store: Instance, folder: Path) -> None:
        found.append(await disk(jobs, store, folder / "parts", _say))

    _with_cassandra(measured)
    each = found[0]
    _write(report / "disk.json", asdict(each))
    for table, size in sorted(each.tables.items()):
        typer.echo(f"{table:<20} {size / jobs:>8.1f} bytes for each job")
    typer.echo(
        f"a job: {each.job_bytes:,.0f} bytes beside its payload of {PAYLOAD_BYTES:,}, "
        f"a run: {each.run_bytes:,.0f} bytes"
    )


@app.command("memory")
def in_memory(
    engine: Annotated[Engines, typer.Argument(help="embedded, or real (Cassandra alone).")],
    jobs: Annotated[int, typer.Option(min=1, help="Due in one instant.")] = 20_000,
    report: Folder = _FOLDER,
) -> None:
    """What a job takes of a scheduler's memory, within its look-ahead and outside of it."""
    found: list[Held] = []

    async def embedded(folder: Path) -> None:
        async with (
            DevLab(folder).open("memory") as cluster,
            bench_of(cluster, _say) as bench,
            new_topic(cluster.addresses) as topic,
        ):
            found.extend(await memory(jobs, bench, topic, _say))

    async def real(store: Instance, folder: Path) -> None:
        size = Size(apis=1, schedulers=1, workers=1)
        async with (
            scale_cluster(folder / "parts", store, "memory", size=size, segments=64) as cluster,
            bench_of(cluster, _say) as bench,
        ):
            found.extend(await memory(jobs, bench, cluster.topic("memory"), _say))

    if engine is Engines.REAL:
        _with_cassandra(real)
    else:
        os.environ.setdefault("GRPC_VERBOSITY", "NONE")
        with TemporaryDirectory(prefix="tickwheel-scale-") as temporary:
            uvloop.run(embedded(Path(temporary)))
    _write(report / f"memory-{engine.value}.json", _dicts(found))
    typer.echo(memory_table({engine.value: found}))


@app.command("dev")
def idle_dev(
    starts: Annotated[int, typer.Option(min=1, help="The first on an empty folder.")] = 6,
    seconds: Annotated[float, typer.Option(min=1, help="Of idling.")] = 60.0,
    report: Folder = _FOLDER,
) -> None:
    """What a dev mode without work takes: until it is ready, of the CPU, of memory."""
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    with TemporaryDirectory(prefix="tickwheel-scale-") as temporary:
        found = uvloop.run(dev_mode(starts, seconds, Path(temporary) / "dev", _say))
    _write(report / "dev.json", asdict(found))
    typer.echo(dev_table(found))


@app.command()
def simulation(
    schedulers: Annotated[str, typer.Option(help="Numbers of schedulers.")] = "1,2,4,8,16,32",
    per_s: Annotated[int, typer.Option(min=1, help="Runs a second for each of them.")] = 50,
    segments: Annotated[int, typer.Option(min=1, help="For each of them.")] = 8,
    seconds: Annotated[int, typer.Option(min=5, help="Simulated.")] = 20,
    report: Folder = _FOLDER,
) -> None:
    """The same code in simulated time, with as many workers as schedulers."""
    file = report / "simulation.jsonl"
    for count in _numbers(schedulers):
        found = simulate_apart(
            count, per_s=per_s, segments=segments * count, workers=count, seconds=seconds
        )
        _keep(file, asdict(found))
    _table([_simulated(Simulated(**each)) for each in _kept(file)])


@app.command()
def stored(
    engine: Annotated[Engines, typer.Argument(help="embedded, or real (Cassandra and Kafka).")],
    pairs: Annotated[int, typer.Option(min=0, help="More of them.")] = 5,
    keep: Annotated[Path, typer.Option(help="Where the jobs stay.")] = Path("build/stored"),
    report: Folder = _FOLDER,
) -> None:
    """CPU per run with ten thousand and with a million jobs stored, in pairs (W6)."""
    file = report / f"stored-{engine.value}.jsonl"
    standing = work(engine.value)
    before = len(_kept(file)) if file.exists() else 0

    async def measured(lab: Lab) -> None:
        await filled(standing, lab, keep.absolute() / engine.value, _say)
        for number in range(before, before + pairs):
            made = await pair(standing, lab, number, _say)
            _keep(file, {store: asdict(sample) for store, sample in made.items()})

    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    with (
        TemporaryDirectory(prefix="tickwheel-stored-") as temporary,
        kept_lab(engine.value, keep.absolute(), Path(temporary)) as lab,
    ):
        uvloop.run(measured(lab))
    if file.exists():
        found = [{store: Sample(**one) for store, one in each.items()} for each in _kept(file)]
        outcome = result(standing, lab.engine, found)
        _write(report / f"stored-{engine.value}.json", asdict(outcome))
        show(Console(highlight=False), [outcome])


@app.command()
def model(
    take: Annotated[
        Path | None,
        typer.Option(
            help="Take over what was measured into this folder, and write docs/scale.md anew."
        ),
    ] = None,
) -> None:
    """What clusters of several sizes need: the tables of docs/scale.md."""
    measured = kept()
    if take is not None:
        measured = renewed(measured, take)
        keep(measured)
        _DOCUMENT.write_text(document(_DOCUMENT.read_text(), measured))
    typer.echo(coefficients_table(measured.coefficients))
    typer.echo("\n" + needs_table(measured.coefficients))


def _simulated(one: Simulated) -> dict[str, float]:
    return {
        "schedulers": one.schedulers,
        "workers": one.workers,
        "segments": one.segments,
        "runs": one.runs,
        "scheduler us a run": round(one.us_per_run),
        "callbacks a run": round(one.callbacks_per_run, 2),
        "store requests a run": round(one.requests_per_run, 3),
        "worker us a run": round(one.worker_ms * 1000 / one.runs),
        "idle requests a second and scheduler": round(one.idle_requests_per_s, 2),
    }


def _dicts(found: Sequence[Any]) -> list[dict[str, Any]]:
    return [asdict(each) for each in found]


def _table(lines: Sequence[dict[str, float]]) -> None:
    table = Table(box=None, pad_edge=False)
    for name in lines[0]:
        table.add_column(name, justify="right")
    for line in lines:
        table.add_row(*(f"{value:,.4g}" for value in line.values()))
    Console(highlight=False, width=200).print(table)


def _show(found: Sequence[Row]) -> None:
    table = Table(box=None, pad_edge=False)
    for column in (
        "load",
        "schedulers",
        "rounds",
        "runs per CPU-s",
        "of one",
        "quota used",
        "throttled",
        "p99 ms late",
        "workers CPU-s/1,000",
        "Cassandra CPU-s/1,000",
        "statements a run",
        "missing",
        "twice",
        "early",
    ):
        table.add_column(column, justify="right")
    for row in found:
        table.add_row(
            row.load,
            str(row.schedulers),
            str(row.rounds),
            f"{row.runs_per_cpu_s:,.0f}",
            "-" if row.ratio is None else f"{row.ratio:.3f}",
            f"{row.quota_used:.0%}",
            f"{row.throttled:.0%}",
            f"{row.p99_ms:,.0f}",
            f"{row.worker_cpu_s_per_1000:.3f}",
            f"{row.store_cpu_s_per_1000:.3f}",
            "-" if row.statements_per_run is None else f"{row.statements_per_run:.3f}",
            str(row.missing),
            str(row.twice),
            str(row.early),
        )
    Console(highlight=False, width=200).print(table)


def _with_cassandra(measured: Callable[[Instance, Path], Coroutine[Any, Any, None]]) -> None:
    """Has something measured on a Cassandra of its own; its data goes with it."""
    # gRPC's own notes on standard error (a connection that ended) are not for users.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    with TemporaryDirectory(prefix="tickwheel-scale-") as temporary:
        folder = Path(temporary)
        with cassandra("scale", home=folder / "cassandra") as store:
            try:
                uvloop.run(measured(store, folder))
            except NoQuotaError as error:
                typer.echo(f"bench-scale: {error}", err=True)
                raise typer.Exit(1) from error


def _numbers(text: str) -> list[int]:
    try:
        found = [int(part) for part in text.split(",")]
    except ValueError:
        found = [0]
    if min(found) < 1:
        raise typer.BadParameter(f"{text}: numbers from 1, comma separated")
    return found


def _write(file: Path, document: object) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(document, indent=1) + "\n")


def _keep(file: Path, sample: dict[str, object]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a") as lines:
        lines.write(json.dumps(sample) + "\n")


def _kept(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def _say(line: str) -> None:
    typer.echo(line, err=True)


if __name__ == "__main__":
    app()
