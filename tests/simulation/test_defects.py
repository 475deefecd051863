"""A promise that is broken on purpose is found: a net that finds nothing would prove nothing."""

from dataclasses import replace

import pytest

from simulator.defects import DEFECTS
from simulator.plan import Fault, Plan, Step
from simulator.runner import run_plan

#: Each of these is looked for in its own circumstances, with and without the defect.
JOBS = tuple(
    Step(3_000 + number, "create", f"j{number}", {"schedule": {"every": 1_000}, "topic": "t"})
    for number in range(40)
)
EVERY_5_S = {"schedule": {"every": 5_000}, "topic": "t"}
STEPS = tuple(Step(one.at_ms, one.act, one.job, {**one.args, "payload": one.job}) for one in JOBS)

#: A worker sleeps while its scheduler dies, and wakes when another one has taken over.
SLEEPERS = (
    Fault(9_950, "stop", "w0", 13_000),
    Fault(9_950, "stop", "w1", 13_000),
    Fault(10_000, "kill", "s0", 3_000),
)
#: A scheduler sleeps beyond its lease, and one worker cannot hear of the next owner.
GHOST = (
    Fault(9_950, "stop", "s0", 13_000),
    Fault(9_950, "cut", "s1>w0", 14_000, {"both": True}),
)
#: Writes of the api take up to seconds, and it can tell nobody of them.
SLOW_WRITES = (
    Fault(500, "store", "a0", 30_000, {"how": "slow", "slow_ms": 3_500}),
    Fault(500, "cut", "a0>s0", 60_000, {"both": True}),
    Fault(500, "cut", "a0>s1", 60_000, {"both": True}),
)
SLOWLY_CREATED = tuple(
    Step(3_000 + 250 * number, "create", f"j{number}", {**EVERY_5_S, "payload": f"j{number}"})
    for number in range(80)
)


def plan(*faults: Fault) -> Plan:
    return Plan(
        seed=3,
        start_ms=1_795_435_200_000,
        schedulers=2,
        workers=2,
        apis=1,
        active_ms=45_000,
        steps=STEPS,
        faults=faults,
    )


PLANS = {
    "no-permission": (plan(*SLEEPERS), "STALE"),
    "no-due-check": (plan(), "EARLY"),
    "forgotten-outcomes": (plan(), "UNRECORDED"),
    "no-lease-check": (plan(*GHOST), "STALE"),
    "no-second-look": (replace(plan(*SLOW_WRITES), steps=SLOWLY_CREATED), "MISSING"),
}


#: Whether a ghost hands out before it reads whose its segments are is a matter of chance, and so is
#: which of several slow writes is there first.
SEEDS = range(1, 13)


@pytest.mark.parametrize("name", PLANS)
def test_a_defect_is_found(name: str) -> None:
    broken, fault = PLANS[name]
    for seed in SEEDS:
        chosen = replace(broken, seed=seed)
        report = run_plan(chosen, prepare=DEFECTS[name])
        if fault in {finding.fault.name for finding in report.findings}:
            assert run_plan(chosen).is_good
            return
    pytest.fail(f"{fault} was found with none of the seeds")
