"""Plans that once failed, cut down to what mattered: they stay good."""

from pathlib import Path

import pytest

from simulator.plan import Plan
from simulator.runner import run_plan

PLANS = sorted((Path(__file__).parent / "plans").glob("*.json"))


@pytest.mark.parametrize("path", PLANS, ids=[path.stem for path in PLANS])
def test_a_plan_that_failed_once(path: Path) -> None:
    report = run_plan(Plan.of_json(path.read_text()))
    assert report.is_good, (report.findings, report.defects)
    assert report.tally.occurrences > 0
