"""Results of several engines side by side, by the figure that a workload is about, pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from tickwheel.server.bench.result import Figure, Result

#: By workload. W4 and later are not about one figure.
LEADING = {"W1": "jobs/s", "W2": "drained s", "W3": "p99 ms"}


@dataclass(frozen=True, slots=True)
class Value:
    """A figure of one engine."""

    engine: str
    peer: bool
    figure: Figure


@dataclass(frozen=True, slots=True)
class Row:
    """One figure of each engine."""

    workload: str
    title: str
    figure: str
    #: In the order in which they were measured.
    values: tuple[Value, ...]


def side_by_side(results: Sequence[Result]) -> list[Row]:
    """The rows of what at least two engines were measured by."""
    found: dict[tuple[str, str], dict[str, Value]] = {}
    for each in results:
        leading = LEADING.get(each.workload)
        if leading is None or leading not in each.figures:
            continue
        row = found.setdefault((each.workload, each.alike or each.title), {})
        value = Value(engine_of(each), each.peer, each.figures[leading])
        row.setdefault(value.engine, value)
    return [
        Row(workload, title, LEADING[workload], tuple(values.values()))
        for (workload, title), values in found.items()
        if len(values) > 1
    ]


def engine_of(result: Result) -> str:
    """For people: the engine, and whether it is a peer."""
    return f"peer: {result.engine}" if result.peer else result.engine
