"""A seed is the same simulation each time, and as much of one as is promised."""

from simulator.generate import plan_of
from simulator.runner import run_plan

SEED = 5


def test_a_seed_replays_exactly() -> None:
    first, second = (run_plan(plan_of(SEED, reported=True)) for _ in range(2))
    assert first.is_good, (first.findings, first.defects)
    assert first.digest == second.digest
    assert first.digest != run_plan(plan_of(SEED + 1, reported=True)).digest
    assert first.tally.occurrences >= 1_000
    assert first.faults >= 20


def test_plans_have_all_kinds_of_jobs() -> None:
    for seed in range(1, 200):
        plan = plan_of(seed, reported=True)
        kinds = {step.job.rstrip("0123456789") for step in plan.steps}
        assert {"every", "burst", "once", "count", "short", "refused", "reported"} <= kinds, seed
        assert {"pause", "reschedule", "retarget", "run", "delete"} <= {s.act for s in plan.steps}
        assert len(plan.faults) >= 25
        assert plan.segments == 8
