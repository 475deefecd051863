"""Rows that somebody takes out of the store: their jobs fire all the same, each occurrence once."""

import pytest

from simulator.plan import Fault, Plan, Step
from simulator.runner import run_plan
from tickwheel.server.scheduler.repairs import Mended

CREATED_MS = 3_000
LOST_MS = 24_000
#: By id. What is due at 33 s is so after the rows went, and before that is found out.
JOBS = {
    "every": {"schedule": {"every": 30_000}},
    "jittered": {"schedule": {"cron": "33 * * * * *", "jitter": 900}},
    "narrow": {"schedule": {"every": 30_000}, "window_s": 1},
    "counted": {"schedule": {"every": 30_000, "max_runs": 2}},
    "once": {"schedule": {"at": 70_000}},
    "missed": {"schedule": {"at": 33_000}},
    "paused": {"schedule": {"every": 30_000}},
    "over": {"schedule": {"every": 30_000, "end": 40_000}},
}


def plan(*faults: Fault) -> Plan:
    return Plan(
        seed=11,
        start_ms=1_795_435_200_000,
        schedulers=2,
        workers=2,
        active_ms=100_000,
        steps=(
            *(
                Step(CREATED_MS, "create", job, {"topic": "t", "payload": "p", **args})
                for job, args in JOBS.items()
            ),
            Step(CREATED_MS + 500, "pause", "paused"),
            Step(90_000, "resume", "paused"),
        ),
        faults=faults,
    )


@pytest.mark.parametrize("killed", [False, True])
def test_jobs_whose_rows_are_lost_get_them_back(killed: bool) -> None:
    lost = [Fault(LOST_MS, "lose_rows", job) for job in JOBS]
    # Also where it comes to light to the next owner only.
    kills = [Fault(LOST_MS + 500, "kill", name, 2_000) for name in ("s0", "s1") if killed]
    report = run_plan(plan(*lost, *kills))
    # The auditor finds each occurrence, and none twice.
    assert report.is_good, (report.findings, report.defects)
    assert report.repairs[Mended.JOB_WITHOUT_ROW] == len(JOBS)
    assert report.tally.duplicates == 0
    without = run_plan(plan())
    assert report.tally.occurrences == without.tally.occurrences
    assert report.tally.skipped >= 2


def test_jobs_that_have_their_rows_are_left_alone() -> None:
    report = run_plan(plan())
    assert report.is_good, (report.findings, report.defects)
    assert not +report.repairs
