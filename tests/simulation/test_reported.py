"""Runs that an executor reports, amid faults."""

import pytest

from simulator.generate import plan_of
from simulator.runner import run_plan


# The first one once left a scheduler standing still, in the second a run by hand cancelled what
# was not due yet.
@pytest.mark.parametrize("seed", [4, 42])
def test_all_that_executors_were_told_holds(seed: int) -> None:
    report = run_plan(plan_of(seed, reported=True))
    assert report.is_good, (report.findings, report.defects)
    assert report.tally.occurrences > 0
