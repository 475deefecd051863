"""A scheduler more costs no run more: by the same code in simulated time, where counts are exact."""

import pytest

from scale.simulated import simulate_apart
from scale.tally import Simulated

PER_S = 10
SEGMENTS = 4
SECONDS = 5


def simulated(schedulers: int) -> Simulated:
    """With as many workers as schedulers, each with a load and segments of its own."""
    return simulate_apart(
        schedulers,
        per_s=PER_S,
        segments=SEGMENTS * schedulers,
        workers=schedulers,
        seconds=SECONDS,
    )


def test_what_a_run_takes_does_not_grow_with_schedulers() -> None:
    one, four = simulated(1), simulated(4)
    assert one.runs == pytest.approx(PER_S * SECONDS, rel=0.2)
    assert four.runs == pytest.approx(4 * PER_S * SECONDS, rel=0.2)
    assert four.callbacks_per_run < 1.15 * one.callbacks_per_run
    assert four.requests_per_run < 1.15 * one.requests_per_run
    # Nobody asks the store more often because there are others.
    assert four.idle_requests_per_s <= one.idle_requests_per_s
