"""Statistics of lateness, pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

#: Points of a curve: where it is steep, towards the end, they lie closer.
_FRACTIONS = (
    *(step / 20 for step in range(20)),
    *(0.95 + step / 200 for step in range(9)),
    *(0.995, 0.999, 0.9995, 0.9999, 1.0),
)


@dataclass(frozen=True, slots=True)
class Lateness:
    """How late a number of records were; milliseconds after their due instants."""

    count: int
    early: int
    p50_ms: float
    p99_ms: float
    p999_ms: float
    max_ms: float
    #: (fraction, ms): so large a part of the records was at most so late.
    curve: tuple[tuple[float, float], ...]


def percentile(ordered: Sequence[float], fraction: float) -> float:
    """The smallest value that at least this part of the values does not exceed (nearest rank).

    Args:
        ordered: at least one value, ascending.
        fraction: 0 to 1.
    """
    # Rounded first: 0.07 * 100 is a little more than 7.
    rank = math.ceil(round(fraction * len(ordered), 9))
    return ordered[max(rank, 1) - 1]


def lateness(late_ms: Sequence[float]) -> Lateness | None:
    """Of each record, how late it was; negative is early. None of no records."""
    if not late_ms:
        return None
    ordered = sorted(late_ms)
    return Lateness(
        count=len(ordered),
        early=sum(each < 0 for each in ordered),
        p50_ms=percentile(ordered, 0.5),
        p99_ms=percentile(ordered, 0.99),
        p999_ms=percentile(ordered, 0.999),
        max_ms=ordered[-1],
        curve=tuple((part, percentile(ordered, part)) for part in _FRACTIONS),
    )


def median(values: Sequence[float]) -> float:
    """The middle value, or the mean of the two in the middle; of at least one value."""
    ordered = sorted(values)
    middle = len(ordered) // 2
    if len(ordered) % 2:
        return ordered[middle]
    return (ordered[middle - 1] + ordered[middle]) / 2
