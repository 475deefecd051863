"""After an outage of the store that outlasts all leases, each scheduler takes its own share.

Also where one of them is back a second before the others.
"""

from simulator.plan import Fault, Plan, Step
from simulator.runner import run_plan

# All have seen each other's last beat by then, and take each other for dead when they are back.
BEGUN_MS, LASTS_MS = 8_500, 15_000
PLAN = Plan(
    seed=1,
    start_ms=1_795_435_200_000,
    schedulers=3,
    workers=2,
    active_ms=40_000,
    steps=tuple(
        Step(3_000, "create", f"j{n}", {"schedule": {"every": 1_000}, "topic": "t", "payload": "p"})
        for n in range(24)
    ),
    faults=tuple(
        Fault(BEGUN_MS, "store", target, LASTS_MS + more_ms, {"how": "down"})
        for target, more_ms in (("store", 0), ("s1", 1_000), ("s2", 1_000))
    ),
)


def test_no_segment_is_taken_twice_after_an_outage() -> None:
    report = run_plan(PLAN, verbose=True)
    assert report.is_good, (report.findings, report.defects)
    back_s = (BEGUN_MS + LASTS_MS) / 1_000
    words = [line.split() for line in report.lines]
    taken = [line[2] for line in words if line[1] == "taken" and float(line[0]) > back_s]
    assert sorted(taken) == sorted(map(str, range(PLAN.segments)))
