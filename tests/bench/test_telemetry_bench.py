"""The bench of telemetry counts what it does."""

import pytest

from bench.telemetry_bench import in_turns


@pytest.mark.parametrize(
    ("count", "turns"), [(40, [20, 20]), (50, [20, 20, 10]), (7, [7]), (20, [20]), (0, [])]
)
def test_all_calls_are_made(count: int, turns: list[int]) -> None:
    assert in_turns(count, 20) == turns
