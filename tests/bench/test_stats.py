import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickwheel.server.bench.stats import lateness, median, percentile


@pytest.mark.parametrize(
    ("fraction", "value"),
    [(0.0, 1), (0.005, 1), (0.01, 1), (0.011, 2), (0.07, 7), (0.5, 50), (0.99, 99), (1.0, 100)],
)
def test_percentile_is_the_nearest_rank(fraction: float, value: int) -> None:
    assert percentile(range(1, 101), fraction) == value


@given(st.lists(st.integers(-5, 1_000), min_size=1), st.floats(0, 1))
def test_percentile_covers_its_part_of_the_values(values: list[int], fraction: float) -> None:
    found = percentile(sorted(values), fraction)
    assert sum(each <= found for each in values) >= math.floor(fraction * len(values))
    assert sum(each < found for each in values) <= math.ceil(fraction * len(values))


def test_lateness_of_nothing_is_none() -> None:
    assert lateness([]) is None


def test_lateness() -> None:
    late = lateness([*range(999), -3])
    assert late is not None
    assert (late.count, late.early) == (1_000, 1)
    assert (late.p50_ms, late.p99_ms, late.p999_ms, late.max_ms) == (498, 988, 997, 998)
    assert late.curve[0] == (0.0, -3)
    assert late.curve[-1] == (1.0, 998)
    fractions = [part for part, _ in late.curve]
    assert fractions == sorted(fractions)


def test_on_time_is_not_early() -> None:
    late = lateness([0, 0])
    assert late is not None
    assert late.early == 0


def test_median() -> None:
    assert median([3, 1, 2]) == 2
    assert median([4, 1, 2, 3]) == 2.5
