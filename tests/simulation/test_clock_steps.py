"""Wall clocks that step, on all machines at once: nothing early, nothing lost, nothing twice.

A machine whose clock was wrong fires by it; what the judge forgives is as much as it was wrong by.
"""

from typing import Any

import pytest

from simulator.plan import Fault, Plan, Step
from simulator.runner import run_plan

#: When the clocks are set right.
STEP_MS = 15_000
MACHINES = ("s0", "s1", "w0", "w1", "a0")


def create(at_ms: int, job: str, **schedule: Any) -> Step:
    return Step(
        at_ms, "create", job, {"schedule": schedule, "topic": "t", "payload": "p", "tries": 3}
    )


def plan_of(off_ms: int, killed_after_ms: int = 0) -> Plan:
    """Clocks are off from the beginning on, and are set right in the middle.

    With `killed_after_ms` all schedulers are killed so long after that, for 12 s.
    """
    faults = [Fault(0, "skew", machine, STEP_MS, {"by_ms": off_ms}) for machine in MACHINES]
    if killed_after_ms:
        faults += [
            Fault(STEP_MS + killed_after_ms, "kill", machine, 12_000, {"steps": 5})
            for machine in MACHINES[:2]
        ]
    steps = [
        create(3_000, "each-second", every=1_000),
        create(3_100, "cron", cron="*/2 * * * * *"),
        create(3_200, "bounded", every=1_000, max_runs=15),
        create(3_300, "paused-over-it", every=1_000),
        create(3_400, "ahead", at=off_ms + 40_000),
        create(3_500, "one-off", at=off_ms + 16_000),
        Step(STEP_MS - 3_000, "pause", "paused-over-it"),
        Step(STEP_MS + 4_000, "resume", "paused-over-it"),
    ]
    for number, after_ms in enumerate((20, 500, 1_500, 4_000)):
        at_ms = STEP_MS + after_ms
        steps.append(create(at_ms, f"new-{number}", every=1_000))
        # Due soon, and later than what is announced to owners beside the schedule.
        steps.append(create(at_ms, f"soon-{number}", at=at_ms + 3_000))
        steps.append(create(at_ms, f"later-{number}", at=at_ms + 23_000))
    return Plan(
        seed=11,
        start_ms=1_795_435_200_000,
        schedulers=2,
        workers=2,
        active_ms=45_000,
        clock_ms=abs(off_ms),
        steps=tuple(steps),
        faults=tuple(faults),
    )


OFF_MS = [-1_800_000, -30_000, -3_000, 3_000, 9_000, 30_000, 3_600_000]


@pytest.mark.parametrize("off_ms", OFF_MS)
def test_clocks_that_are_set_right(off_ms: int) -> None:
    report = run_plan(plan_of(off_ms))
    assert report.is_good, (report.findings, report.defects)
    assert report.tally.occurrences > 200


@pytest.mark.parametrize("off_ms", OFF_MS)
@pytest.mark.parametrize("killed_after_ms", [3_000, 14_000])
def test_schedulers_that_are_killed_after_it(off_ms: int, killed_after_ms: int) -> None:
    """The next owners go on from where the former ones were, whatever instants they had saved."""
    report = run_plan(plan_of(off_ms, killed_after_ms))
    assert report.is_good, (report.findings, report.defects)
    assert report.tally.occurrences > 200
