"""Results of several engines side by side, by the figure that a workload is about, pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from tickwheel.server.bench.result import Figure, Result

HANDLED = "handlers started s"
#: By workload, the first that there is. W4 and later are not about one figure.
LEADING = {"W1": ("jobs/s",), "W2": (HANDLED, "drained s"), "W3": ("p99 ms",)}


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
    found: dict[tuple[str, str, str], dict[str, Value]] = {}
    for each in results:
        names = [name for name in LEADING.get(each.workload, ()) if name in each.figures]
        if not names:
            continue
        row = found.setdefault((each.workload, each.alike or each.title, names[0]), {})
        value = Value(engine_of(each), each.peer, each.figures[names[0]])
        row.setdefault(value.engine, value)
    return [
        Row(workload, title, figure, tuple(values.values()))
        for (workload, title, figure), values in found.items()
        if len(values) > 1
    ]


def engine_of(result: Result) -> str:
    """For people: the engine, and whether it is a peer."""
    return f"peer: {result.engine}" if result.peer else result.engine
