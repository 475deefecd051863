"""Schedules that are changed while occurrences are due: none twice, none of the new one left out.

Whether the count of `maxRuns` is kept is judged as well: what is fired beyond it is forbidden, and
what is not fired before it is missing. Where all schedulers are killed as the changes come, workers
publish what they hold as long as they may: that, too, has its run in the end.
"""

import pytest

from simulator.plan import Fault, Plan, Step
from simulator.runner import run_plan

#: Everything is due on whole seconds; a change is sent so long after one (its way takes a while).
PHASES_MS = (*range(-6, 7), 200, 500, 900)
#: The seconds on which changes come.
CHANGES_S = (8, 9, 10, 12, 13, 17)
#: What a job changes to in turn: the same instants and others, denser and sparser ones.
SCHEDULES = (
    {"cron": "*/2 * * * * *", "max_runs": 20},
    {"every": 1_000, "max_runs": 20},
    {"cron": "* * * * * *", "max_runs": 20, "jitter": 900},
    {"every": 1_500, "max_runs": 20},
    {"cron": "1-59/3 * * * * *", "max_runs": 20},
    {"every": 1_000, "max_runs": 20},
)


def steps() -> list[Step]:
    found: list[Step] = []
    for number, phase_ms in enumerate(PHASES_MS):
        job = f"j{number}"
        schedule = {"cron": "* * * * * *", "max_runs": 20}
        found.append(
            Step(3_000, "create", job, {"schedule": schedule, "topic": "t", "payload": "p"})
        )
        for turn, at_s in enumerate(CHANGES_S):
            args = {"schedule": SCHEDULES[(number + turn) % len(SCHEDULES)], "tries": 3}
            found.append(Step(at_s * 1_000 + phase_ms, "reschedule", job, args))
    return found


@pytest.mark.parametrize("kill_ms", [0, 9_004])
def test_changes_at_the_instants_that_are_due(kill_ms: int) -> None:
    plan = Plan(
        seed=7,
        start_ms=1_795_435_200_000,
        schedulers=2,
        workers=2,
        active_ms=45_000,
        steps=tuple(steps()),
        faults=tuple(
            Fault(kill_ms, "kill", name, 6_000, {"steps": 5}) for name in ("s0", "s1") if kill_ms
        ),
    )
    report = run_plan(plan)
    assert report.is_good, (report.findings, report.defects)
    # All of them have come to their last run.
    assert report.tally.occurrences >= 20 * len(PHASES_MS)
    assert kill_ms or report.tally.duplicates == 0
