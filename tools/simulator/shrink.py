"""Cuts a failing plan down: leaves out steps and faults while it still fails in the same way."""

from collections.abc import Callable, Sequence
from itertools import pairwise

from simulator.plan import Plan
from simulator.runner import Prepare, run_plans
from simulator.world import Report

#: Decides whether a report shows what is looked for.
Fails = Callable[[Report], bool]


def same_fault(report: Report) -> Fails:
    """Fails with a finding of the first kind that this report has, or with a defect as it does."""
    if report.defects:
        return lambda other: bool(other.defects)
    kind = report.findings[0].fault
    return lambda other: any(finding.fault is kind for finding in other.findings)


def shrink(
    plan: Plan,
    fails: Fails,
    width: int,
    *,
    prepare: Prepare | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Plan:
    """The smallest plan that is found, by delta debugging (Zeller, 2002).

    Args:
        plan: one that fails.
        fails: what is looked for.
        width: how many candidates are tried at a time.
        prepare: as for `run_plans`.
        say: is told of progress.
    """
    parts = 2
    while True:
        size = len(plan.steps) + len(plan.faults)
        if size <= 1:
            return plan
        parts = min(parts, size)
        candidates = [_without(plan, cut) for cut in _cuts(size, parts)]
        smaller = _first_failing(candidates, fails, width, prepare)
        if smaller is not None:
            plan = smaller
            parts = max(parts - 1, 2)
            say(f"{len(plan.steps)} steps, {len(plan.faults)} faults")
        elif parts == size:
            return plan
        else:
            parts = min(2 * parts, size)


def _cuts(size: int, parts: int) -> Sequence[range]:
    bounds = [size * part // parts for part in range(parts + 1)]
    return [range(low, high) for low, high in pairwise(bounds)]


def _without(plan: Plan, cut: range) -> Plan:
    """Faults are numbered behind the steps."""
    steps = len(plan.steps)
    return plan.without(
        frozenset(at for at in cut if at < steps),
        frozenset(at - steps for at in cut if at >= steps),
    )


def _first_failing(
    candidates: Sequence[Plan], fails: Fails, width: int, prepare: Prepare | None
) -> Plan | None:
    """The first candidate that fails, of those that are tried together."""
    for start in range(0, len(candidates), width):
        some = candidates[start : start + width]
        found = [plan for plan, report in run_plans(some, width, prepare=prepare) if fails(report)]
        if found:
            return found[0]
    return None
