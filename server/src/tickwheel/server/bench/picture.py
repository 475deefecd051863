"""The results as one page of HTML that needs nothing else: figures, and drawings in SVG."""

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from tickwheel.server.bench.comparison import Row, engine_of, side_by_side
from tickwheel.server.bench.result import Figure, Result
from tickwheel.server.bench.stats import Lateness

_STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --faint: #6b7686; --line: #d5dae2; --back: #fff;
  --late: #2563a8; --ours: #2563a8; --others: #b9c6d6; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ee; --faint: #98a2b1; --line: #39414e;
  --back: #14181f; --late: #6ea8e6; --ours: #6ea8e6; --others: #4a5565; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--back);
  max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin: 2.5rem 0 .3rem; }
p.small, td.small { color: var(--faint); }
section { border-top: 1px solid var(--line); padding: .8rem 0; }
section > div { display: flex; flex-wrap: wrap; gap: 1.5rem; align-items: flex-start; }
table { border-collapse: collapse; } td { padding: .05rem .8rem .05rem 0; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
svg text { font: 11px system-ui, sans-serif; fill: var(--faint); }
svg .grid { stroke: var(--line); } svg .late { stroke: var(--late); fill: none; stroke-width: 2; }
svg .ours { fill: var(--ours); } svg .others { fill: var(--others); }
"""
_WIDTH, _HEIGHT, _LEFT, _BOTTOM = 380, 190, 46, 24
#: Columns of the curve: each is ten times rarer than the one before.
_NINES = ((0.0, "0"), (0.9, "90 %"), (0.99, "99 %"), (0.999, "99.9 %"), (0.9999, "99.99 %"))
_BAR, _GAP = 14, 8


def page(circumstances: Mapping[str, Any], results: Sequence[Result]) -> str:
    """The whole page."""
    facts = ", ".join(f"{name} {value}" for name, value in circumstances.items())
    # In the order in which they were measured: peers come last.
    engines = list(dict.fromkeys(engine_of(each) for each in results))
    body = _comparison(side_by_side(results)) + "".join(
        f"<h2>{escape(engine)}</h2>"
        + "".join(_section(each) for each in results if engine_of(each) == engine)
        for engine in engines
    )
    return (
        '<!doctype html>\n<html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>Tickwheel bench</title><style>{_STYLE}</style>"
        f'<h1>Tickwheel bench</h1><p class="small">{escape(facts)}</p>{body}</html>\n'
    )


def _comparison(rows: Sequence[Row]) -> str:
    if not rows:
        return ""
    return "<h2>Side by side</h2>" + "".join(
        f"<section><strong>{escape(row.workload)}</strong> {escape(row.title)}: "
        f"{escape(row.figure)}<div>{_beside(row)}</div></section>\n"
        for row in rows
    )


def _beside(row: Row) -> str:
    """A bar for each engine, as long as its figure."""
    longest = max(value.figure or 0 for value in row.values) or 1
    room = _WIDTH - 90
    lines: list[str] = []
    for number, value in enumerate(row.values):
        top = number * (_BAR + _GAP)
        kind = "others" if value.peer else "ours"
        long = max(room * (value.figure or 0) / longest, 1)
        lines.append(
            f'<text x="184" y="{top + 11}" text-anchor="end">{escape(value.engine)}</text>'
            f'<rect class="{kind}" x="190" y="{top}" height="{_BAR}" width="{long:.1f}"/>'
            f'<text x="{196 + long:.1f}" y="{top + 11}">{_number(value.figure)}</text>'
        )
    height = len(row.values) * (_BAR + _GAP)
    about = escape(f"{row.workload} {row.title}: {row.figure}")
    return (
        f'<svg width="{190 + _WIDTH}" height="{height}" role="img" aria-label="{about}">'
        f"<title>{about}</title>{''.join(lines)}</svg>"
    )


def _section(result: Result) -> str:
    drawings = (curve(result.lateness) if result.lateness else "") + bars(result)
    notes = "".join(f'<p class="small">{escape(note)}</p>' for note in result.notes)
    return (
        f"<section><strong>{escape(result.workload)}</strong> {escape(result.title)}"
        f"<div>{_table(result.figures)}{drawings}</div>{notes}</section>\n"
    )


def _table(figures: Mapping[str, Figure]) -> str:
    rows = "".join(
        f'<tr><td class="small">{escape(name)}<td class="number">{_number(figure)}'
        for name, figure in figures.items()
    )
    return f"<table>{rows}</table>"


def curve(late: Lateness) -> str:
    """How late so large a part of the records was at most; both axes are logarithmic."""
    top = max(late.max_ms, 10.0)
    decades = math.ceil(math.log10(top))
    width, height = _WIDTH - _LEFT - 10, _HEIGHT - _BOTTOM - 10

    def x(part: float) -> float:
        return _LEFT + width * min(-math.log10(max(1 - part, 1e-9)), 4.5) / 4.5

    def y(late_ms: float) -> float:
        return 10 + height * (1 - math.log10(max(late_ms, 1.0)) / decades)

    grid = "".join(
        f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - 10}" y1="{y(10**n):.1f}" '
        f'y2="{y(10**n):.1f}"/><text x="{_LEFT - 6}" y="{y(10**n) + 4:.1f}" '
        f'text-anchor="end">{_span(10**n)}</text>'
        for n in range(decades + 1)
    ) + "".join(
        f'<text x="{x(part):.1f}" y="{_HEIGHT - 6}" text-anchor="middle">{name}</text>'
        for part, name in _NINES
    )
    points = " ".join(f"{x(part):.1f},{y(ms):.1f}" for part, ms in late.curve)
    about = f"p50 {late.p50_ms:g} ms, p99 {late.p99_ms:g} ms, longest {late.max_ms:g} ms"
    return (
        f'<svg width="{_WIDTH}" height="{_HEIGHT}" role="img" '
        f'aria-label="Lateness: {about}"><title>Lateness: {about}</title>{grid}'
        f'<polyline class="late" points="{points}"/></svg>'
    )


def bars(result: Result) -> str:
    """CPU seconds per thousand, a bar for each process."""
    costs = [each for each in result.costs if each.cpu_s_per_1000 is not None]
    if not costs:
        return ""
    longest = max(max(each.cpu_s_per_1000 or 0 for each in costs), 1e-9)
    room = _WIDTH - 190
    rows: list[str] = []
    for number, each in enumerate(costs):
        spent = each.cpu_s_per_1000 or 0
        top = number * (_BAR + _GAP)
        kind = "ours" if each.ours else "others"
        rows.append(
            f'<text x="94" y="{top + 11}" text-anchor="end">{escape(each.process)}</text>'
            f'<rect class="{kind}" x="100" y="{top}" height="{_BAR}" '
            f'width="{max(room * spent / longest, 1):.1f}"/>'
            f'<text x="{106 + room * spent / longest:.1f}" y="{top + 11}">{spent:g} s</text>'
        )
    height = len(costs) * (_BAR + _GAP)
    about = "CPU seconds per 1,000, by process"
    return (
        f'<svg width="{_WIDTH}" height="{height}" role="img" aria-label="{about}">'
        f"<title>{about}</title>{''.join(rows)}</svg>"
    )


def _number(figure: Figure) -> str:
    return "-" if figure is None else f"{figure:,}"


def _span(ms: int) -> str:
    return f"{ms} ms" if ms < 1000 else f"{ms // 1000} s"
