"""A scheduler whose wall clock is hours ahead of all others: nothing is skipped for it, nor early.

The judge forgives nothing here: the clocks of all who are asked are right.
"""

from dataclasses import replace
from typing import Any

import pytest

from simulator.plan import Fault, Plan, Step
from simulator.runner import run_plan

AHEAD_MS = 2 * 3_600_000
#: Windows, in seconds, by what begins the ids of their jobs; the last one is the default's.
WINDOWS = {"none": 0, "narrow": 10, "wide": 3_600}
ACTIVE_MS = 60_000


def steps() -> list[Step]:
    made: list[Step] = []
    for number, (name, window_s) in enumerate(WINDOWS.items()):
        common = {"topic": "t", "payload": "p", "tries": 3, "window_s": window_s}
        jobs: dict[str, dict[str, Any]] = {
            f"{name}-each": {"every": 1_000},
            f"{name}-soon": {"at": 30_000 + number},
            # Beyond what the simulation lasts, and long past for who is ahead.
            f"{name}-far": {"at": 1_800_000},
        }
        made += [
            Step(3_000 + number, "create", job, {"schedule": schedule, **common})
            for job, schedule in jobs.items()
        ]
        late = {"schedule": {"every": 2_000}, **common}
        made.append(Step(35_000 + number, "create", f"{name}-late", late))
        made.append(Step(20_000 + number, "pause", f"{name}-each"))
        made.append(Step(28_000 + number, "resume", f"{name}-each"))
    return made


def plan_of(*faults: Fault, schedulers: int = 1, workers: int = 2) -> Plan:
    return Plan(
        seed=7,
        start_ms=1_795_435_200_000,
        schedulers=schedulers,
        workers=workers,
        active_ms=ACTIVE_MS,
        steps=tuple(steps()),
        faults=faults,
    )


def ahead(name: str, at_ms: int = 0, lasts_ms: int = ACTIVE_MS) -> Fault:
    return Fault(at_ms, "skew", name, lasts_ms, {"by_ms": AHEAD_MS})


CASES = {
    "from the beginning on": plan_of(ahead("s0")),
    "from some time on": plan_of(ahead("s0", 15_000)),
    "until it is set right": plan_of(ahead("s0", 0, 33_000)),
    "with one worker": plan_of(ahead("s0", 15_000), workers=1),
    "beside another scheduler": plan_of(ahead("s0", 15_000), schedulers=2),
    "with a worker on the same machine": plan_of(ahead("s0"), ahead("w0"), workers=3),
    "all workers begin anew": plan_of(
        ahead("s0"),
        *(Fault(25_000, "kill", name, 6_000, {"steps": 1}) for name in ("w0", "w1")),
    ),
    "it begins anew": plan_of(ahead("s0"), Fault(15_000, "kill", "s0", 3_000, {"steps": 1})),
    "another one takes over": plan_of(
        ahead("s0"), Fault(25_000, "kill", "s0", 30_000, {"steps": 1}), schedulers=2
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_nothing_is_skipped_for_a_clock_that_is_ahead(case: str) -> None:
    plan = CASES[case]
    report = run_plan(plan)
    assert report.is_good, (report.findings, report.defects)
    killed = tuple(fault for fault in plan.faults if fault.kind != "skew")
    right = run_plan(replace(plan, faults=killed))
    assert report.tally.occurrences == right.tally.occurrences
    if not killed:
        assert report.tally.skipped == right.tally.skipped
        assert report.tally.latest_ms < 1_000
