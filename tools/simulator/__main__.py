"""`python -m simulator 1-500`: runs seeds, says what they found, and cuts failing plans down."""

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from simulator.defects import DEFECTS
from simulator.generate import plan_of
from simulator.plan import Plan
from simulator.provoking import provoke
from simulator.runner import check_hash_seed, run_plan, run_plans, warm_up
from simulator.shrink import same_fault, shrink
from simulator.totals import Totals
from simulator.world import Report

#: So many plans are worth a warm-up.
_MANY = 8


def main() -> int:
    """The command line; exit code 1 where something was found."""
    parser = argparse.ArgumentParser(prog="simulator", description=__doc__)
    parser.add_argument("what", nargs="+", help="seeds (7, 1-500), or files with plans")
    parser.add_argument("--width", type=int, default=os.cpu_count() or 1, help="at a time")
    parser.add_argument("--shrink", action="store_true", help="cut failing plans down")
    parser.add_argument("--trace", metavar="FILE", help="write what happened; of one plan only")
    parser.add_argument("--plain", action="store_true", help="no jobs that executors report")
    parser.add_argument("--backfills", action="store_true", help="jobs that are changed amid one")
    parser.add_argument("--outages", action="store_true", help="schedulers' sessions run out")
    parser.add_argument("--partial", action="store_true", help="segments' partitions are away")
    parser.add_argument("--defect", choices=DEFECTS, help="break a promise on purpose")
    options = parser.parse_args()
    prepare = DEFECTS.get(options.defect)
    check_hash_seed()
    plans = list(_plans(options))
    if options.trace:
        report = run_plan(plans[0], verbose=True, prepare=prepare)
        Path(options.trace).write_text("\n".join([*report.lines, ""]))
        _tell(report)
        return 0 if report.is_good else 1
    if len(plans) > _MANY:
        warm_up(plans[0])
    totals = Totals()
    failed: list[Plan] = []
    begun = time.monotonic()
    for plan, report in run_plans(plans, options.width, prepare=prepare):
        totals.add(report)
        if not report.is_good:
            _tell(report)
            failed.append(plan)
    print(totals.line(time.monotonic() - begun))
    if options.shrink:
        for plan in failed:
            _shrink(plan, options.width, options.defect)
    return 1 if failed else 0


def _plans(options: argparse.Namespace) -> Iterator[Plan]:
    for word in options.what:
        if word.endswith(".json"):
            yield Plan.of_json(Path(word).read_text())
            continue
        first, _, last = word.partition("-")
        for seed in range(int(first), int(last or first) + 1):
            plan = plan_of(
                seed,
                reported=not options.plain,
                backfills=options.backfills,
                outages=options.outages,
                partial=options.partial,
            )
            yield provoke(plan, options.defect) if options.defect else plan


def _tell(report: Report) -> None:
    kinds = Counter(finding.fault.name for finding in report.findings)
    print(f"seed {report.seed} ({report.digest}): {dict(kinds) or 'nothing found'}")
    for finding in report.findings[:5]:
        print(f"  {finding}")
    for defect in report.defects[:2]:
        print(f"  DEFECT {defect}")


def _shrink(plan: Plan, width: int, defect: str | None) -> None:
    prepare = DEFECTS[defect] if defect else None
    print(f"seed {plan.seed}: cutting down {len(plan.steps)} steps and {len(plan.faults)} faults")
    fails = same_fault(run_plan(plan, prepare=prepare))
    small = shrink(plan, fails, width, prepare=prepare, say=lambda text: print(f"  {text}"))
    path = Path(f"simulation-{plan.seed}.json")
    path.write_text(small.to_json())
    _tell(run_plan(small, prepare=prepare))
    broken = f" --defect {defect}" if defect else ""
    print(f"  replay it by: python -m simulator {path}{broken} --trace FILE")


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    # See `warm_up`.
    os._exit(code)
