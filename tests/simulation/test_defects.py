"""A promise that is broken on purpose is found: a net that finds nothing would prove nothing."""

import pytest

from simulator.defects import DEFECTS
from simulator.generate import plan_of
from simulator.provoking import provoke
from simulator.runner import run_plan

#: By what each is found, one of these at least.
SHOWN_BY = {
    "no-permission": {"STALE"},
    "no-due-check": {"EARLY"},
    "forgotten-outcomes": {"UNRECORDED"},
    "no-lease-check": {"STALE"},
    # A row that came late is not seen, or where it was written twice the other one stays for ever.
    "no-second-look": {"MISSING", "UNBOUNDED"},
}
#: So few are enough, whichever they are.
SEEDS = range(1, 4)


@pytest.mark.parametrize("name", DEFECTS)
def test_a_defect_is_found_within_a_few_seeds(name: str) -> None:
    for seed in SEEDS:
        drawn = plan_of(seed, reported=True)
        plan = provoke(drawn, name)
        report = run_plan(plan, prepare=DEFECTS[name])
        if SHOWN_BY[name] & {finding.fault.name for finding in report.findings}:
            if plan is not drawn:
                sound = run_plan(plan)
                assert sound.is_good, (sound.findings, sound.defects)
            return
    pytest.fail(f"{SHOWN_BY[name]}: none was found with any of the seeds")
