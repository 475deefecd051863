"""A promise that is broken on purpose is found: a net that finds nothing would prove nothing."""

import pytest

from simulator.defects import DEFECTS
from simulator.generate import plan_of
from simulator.plan import Fault, Plan, Step
from simulator.provoking import provoke
from simulator.runner import run_plan

#: By what each is found, one of these at least.
SHOWN_BY = {
    "no-permission": {"STALE"},
    "no-due-check": {"EARLY"},
    "forgotten-outcomes": {"UNRECORDED"},
    "forgotten-ends": {"CONTRADICTED"},
    "no-lease-check": {"STALE"},
    "lost-letters": {"VANISHED"},
    # A row that came late is not seen, or where it was written twice the other one stays for ever.
    "no-second-look": {"MISSING", "UNBOUNDED"},
    "lost-updates": {"CHANGE_LOST"},
    "unheard-cancellations": {"CONTRADICTED", "FORBIDDEN"},
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


def test_what_had_ended_in_time_is_not_to_be_skipped() -> None:
    """The log shows the next owner's state alone, as if it could not have known of the end."""
    creation = {"schedule": {"every": 1_000}, "topic": "t", "payload": "", "window_s": 1}
    plan = Plan(
        seed=1,
        start_ms=1_795_435_200_000,
        steps=tuple(Step(3_000 + n, "create", f"j{n}", creation) for n in range(20)),
        # The rows have not moved on yet from what came due last.
        faults=(Fault(10_000, "kill", "s0"),),
        active_ms=20_000,
    )
    report = run_plan(plan, prepare=DEFECTS["forgotten-ends"])
    assert report.findings
    assert all("SUCCEEDED" in one.text and "SKIPPED" in one.text for one in report.findings)
    assert run_plan(plan).is_good
