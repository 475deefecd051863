"""The model, and what it rests on, as the tables of `docs/scale.md`. Pure."""

import re
from collections.abc import Mapping, Sequence

from scale.coefficients import Coefficients, described
from scale.dev_mode import DevMode
from scale.measured import Measured
from scale.memory import Held
from scale.model import Demand, fewest_clusters

DEMANDS = {
    "1 million jobs, 1,000 runs/s": Demand(jobs=1e6, runs_per_s=1e3, created_per_s=10, kept_days=7),
    "10 million, 10,000 runs/s": Demand(jobs=1e7, runs_per_s=1e4, created_per_s=100, kept_days=7),
    "**100 million, 100,000 runs/s**, kept a day": Demand(
        jobs=1e8, runs_per_s=1e5, created_per_s=1e3, kept_days=1
    ),
    "the same, kept 7 days": Demand(jobs=1e8, runs_per_s=1e5, created_per_s=1e3, kept_days=7),
    "the same, all of one-off jobs, kept an hour": Demand(
        jobs=1e8, runs_per_s=1e5, created_per_s=1e5, kept_days=1 / 24
    ),
}


_NONE = "Not measured yet."


def document(text: str, measured: Measured) -> str:
    """A text with its tables as they are now; each stands between two comments with its name.

    Raises:
        ValueError: a table has no place in the text.
    """
    tables = {
        "needs": needs_table(measured.coefficients),
        "coefficients": coefficients_table(measured.coefficients),
        "processes": processes_table(measured),
        "simulation": simulation_table(measured),
        "stored": stored_table(measured),
        "memory": memory_table(measured.memory),
        "dev": dev_table(measured.dev),
    }
    for name, table in tables.items():
        place = re.compile(f"(?<=<!-- {name} -->\n).*?(?=<!-- end of {name} -->)", re.DOTALL)
        text, count = place.subn(lambda _, table=table: f"{table}\n", text)
        if count != 1:
            raise ValueError(f"there is no place for the table of {name}")
    return text


def coefficients_table(measured: Coefficients) -> str:
    """Each coefficient, its value, and the command that measures it."""
    lines = ["| coefficient | what | value | measured by |", "| --- | --- | --- | --- |"]
    for name, unit, what, command in described():
        value: float = getattr(measured, name)
        lines.append(f"| `{name}` | {what} | {_value(value, unit)} | `{command}` |")
    return "\n".join(lines)


def needs_table(measured: Coefficients) -> str:
    """What each of DEMANDS needs."""
    lines = [
        "| | clusters | in each: schedulers | workers | apis | segments "
        "| Cassandra: cores, disk, nodes | Kafka: cores, in, brokers |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, demand in DEMANDS.items():
        clusters, found = fewest_clusters(demand, measured)
        lines.append(
            f"| {name} | {clusters} | {found.schedulers:,} | {found.workers:,} | {found.apis:,} "
            f"| {found.segments:,} "
            f"| {found.cassandra_cores:,.0f}, {_bytes(found.cassandra_bytes)}, "
            f"{found.cassandra_nodes:,} "
            f"| {found.broker_cores:,.0f}, {_bytes(found.broker_bytes_per_s)}/s, "
            f"{found.brokers:,} |"
        )
    return "\n".join(lines)


def processes_table(measured: Measured) -> str:
    """Runs per CPU second with more schedulers."""
    if not measured.processes:
        return _NONE
    lines = [
        "| load | schedulers | rounds | runs per CPU-s | of one | quota used | p99 late "
        "| statements a run | missing, twice, early |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in measured.processes:
        ratio = "-" if row.ratio is None else f"{row.ratio:.2f}"
        statements = "-" if row.statements_per_run is None else f"{row.statements_per_run:.2f}"
        lines.append(
            f"| {row.load} | {row.schedulers} | {row.rounds} | {row.runs_per_cpu_s:,.0f} | {ratio} "
            f"| {row.quota_used:.0%} | {row.p99_ms:,.0f} ms | {statements} "
            f"| {row.missing}, {row.twice}, {row.early} |"
        )
    return "\n".join(lines)


def simulation_table(measured: Measured) -> str:
    """The same code in simulated time."""
    if not measured.simulation:
        return _NONE
    lines = [
        "| schedulers | workers | segments | runs | callbacks a run | requests to the store a run "
        "| requests a second of one scheduler without a job | scheduler CPU a run |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    lines.extend(
        f"| {one.schedulers} | {one.workers} | {one.segments} | {one.runs:,} "
        f"| {one.callbacks_per_run:.1f} | {one.requests_per_run:.2f} "
        f"| {one.idle_requests_per_s:.1f} | {one.us_per_run:,.0f} µs |"
        for one in measured.simulation
    )
    return "\n".join(lines)


def stored_table(measured: Measured) -> str:
    """Few and many stored jobs, on both engines."""
    if not measured.stored:
        return _NONE
    names = list(dict.fromkeys(name for each in measured.stored.values() for name in each))
    wanted = [name for name in names if "firing," not in name and "submitting," not in name]
    engines = list(measured.stored)
    lines = [f"| | {' | '.join(engines)} |", f"| --- |{' --- |' * len(engines)}"]
    for name in wanted:
        values = (measured.stored[engine].get(name) for engine in engines)
        shown = " | ".join("-" if value is None else f"{value:,}" for value in values)
        lines.append(f"| {name} | {shown} |")
    return "\n".join(lines)


def memory_table(memory: Mapping[str, Sequence[Held]]) -> str:
    """What a job takes of the memory of each process, by engine."""
    if not memory:
        return _NONE
    lines = [
        "| | jobs | without jobs | all stored | all within the look-ahead, at most "
        "| a job that is not near | a job within the look-ahead, beside its payload, at most |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    lines.extend(
        f"| {engine}: {each.process} | {each.jobs:,} | {each.empty_mib} MiB "
        f"| {each.stored_mib} MiB | {each.ahead_mib}, {each.peak_mib} MiB "
        f"| {each.other_bytes:,.0f} bytes | {each.ahead_bytes:,.0f}, {each.peak_bytes:,.0f} bytes |"
        for engine, held in memory.items()
        for each in held
    )
    return "\n".join(lines)


def dev_table(dev: DevMode | None) -> str:
    """What a dev mode without work takes."""
    if dev is None:
        return _NONE
    held = ", ".join(f"{name} {mib}" for name, mib in dev.memory_mib.items())
    return "\n".join(
        [
            "| start to ready, empty folder | again | idle | memory | load |",
            "| --- | --- | --- | --- | --- |",
            f"| {dev.first_start_s:.2f} s | {dev.start_s:.2f} s | {dev.idle_share:.2%} of a core "
            f"| {sum(dev.memory_mib.values())} MiB ({held}) | {dev.load_average:.1f} |",
        ]
    )


def _value(value: float, unit: str) -> str:
    if not value:
        return "nothing measured"
    match unit:
        case "CPU-s":
            return f"{value * 1e6:,.0f} µs"
        case "of a core":
            return f"{value * 100:.3g} % of a core"
        case _:
            return f"{value:,.0f} {unit}"


def _bytes(value: float) -> str:
    for factor, unit in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB")):
        if value >= factor:
            return f"{value / factor:,.3g} {unit}"
    return f"{value:,.0f} B"
