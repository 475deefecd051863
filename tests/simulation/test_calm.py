"""Where nothing goes wrong, everything is published once and on time, and twice the same way."""

from simulator.plan import Plan, Step
from simulator.runner import run_plan

JOBS = tuple(
    Step(
        3_000,
        "create",
        f"j{number}",
        {"schedule": {"every": 1_000 + 500 * (number % 3)}, "topic": "t", "payload": "p"},
    )
    for number in range(10)
)


def test_nothing_is_found_where_nothing_goes_wrong() -> None:
    plan = Plan(
        seed=1,
        start_ms=1_795_435_200_000,
        schedulers=2,
        workers=2,
        active_ms=10_000,
        steps=(
            *JOBS,
            Step(6_000, "pause", "j1"),
            Step(8_000, "resume", "j1"),
            Step(6_500, "run", "j2"),
            Step(7_000, "delete", "j3"),
        ),
    )
    report = run_plan(plan)
    assert report.is_good, (report.findings, report.defects)
    assert report.tally.occurrences > 200
    assert report.tally.manual == 1
    assert report.tally.duplicates == 0
    assert report.tally.latest_ms < 50
