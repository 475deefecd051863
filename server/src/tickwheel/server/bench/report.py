"""Results as JSON, as a table for people, and as files."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tickwheel.server.bench.comparison import engine_of, side_by_side
from tickwheel.server.bench.picture import page
from tickwheel.server.bench.result import Figure, Result


def as_json(circumstances: Mapping[str, Any], results: Sequence[Result]) -> str:
    """One document with everything."""
    document = {"circumstances": circumstances, "results": [asdict(each) for each in results]}
    return json.dumps(document, indent=1)


def write(folder: Path, circumstances: Mapping[str, Any], results: Sequence[Result]) -> None:
    """Writes `bench.json` and `bench.html` into the folder, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "bench.json").write_text(as_json(circumstances, results) + "\n")
    (folder / "bench.html").write_text(page(circumstances, results))


def show(console: Console, results: Sequence[Result]) -> None:
    """Prints a block for each result, and then what can be set side by side."""
    for each in results:
        console.print(f"\n[bold]{each.workload}[/] {each.title} [dim]({engine_of(each)})[/]")
        if each.figures:
            table = Table(box=None, pad_edge=False, show_header=False)
            for name, figure in each.figures.items():
                table.add_row(f"  {name}", text(figure))
            console.print(table)
        if each.lateness:
            late = each.lateness
            console.print(
                f"  late: p50 {late.p50_ms:g} ms, p99 {late.p99_ms:g}, p99.9 {late.p999_ms:g}, "
                f"max {late.max_ms:g}"
            )
        for cost in each.costs:
            per = "" if cost.cpu_s_per_1000 is None else f", {cost.cpu_s_per_1000:g} per 1,000"
            console.print(
                f"  [dim]{cost.process}: {cost.cpu_s:g} CPU-s{per}, peak {cost.peak_mib} MiB[/]"
            )
        for note in each.notes:
            console.print(f"  {note}", markup=False)
    for row in side_by_side(results):
        console.print(f"\n[bold]{row.workload}[/] {row.title}: {row.figure}")
        table = Table(box=None, pad_edge=False, show_header=False)
        for value in row.values:
            table.add_row(f"  {value.engine}", text(value.figure))
        console.print(table)


def text(figure: Figure) -> str:
    """With thousands set apart; a dash for what could not be had."""
    return "-" if figure is None else f"{figure:,}"
