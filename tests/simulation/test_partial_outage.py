"""The partitions of some segments are away: what is due of the others is on time."""

from dataclasses import replace

from simulation.test_store_outage import BEGUN_MS, CALM, events
from simulator.plan import Fault, Step
from simulator.runner import run_plan

AWAY = [0, 3]
LASTS_MS = 20_000
#: Of all segments, due before the end of it, and created so early that no owner has them at hand.
DUE_MS = BEGUN_MS + LASTS_MS - 3_000
ONCE = tuple(
    Step(3_000, "create", f"once{n}", {"schedule": {"at": DUE_MS}, "topic": "t", "payload": "p"})
    for n in range(80)
)


def test_what_is_due_of_the_other_segments_is_on_time() -> None:
    outage = Fault(BEGUN_MS, "segments", "store", LASTS_MS, {"segments": AWAY})
    report = run_plan(replace(CALM, steps=(*CALM.steps, *ONCE), faults=(outage,)), verbose=True)
    assert report.is_good, (report.findings, report.defects)
    assert (report.resumed, report.leases_lost, report.tally.duplicates) == (0, 0, 0)
    assert not events(report, " taken ")
    late = sum(count for size, count in report.tally.lateness.items() if size > 10)
    # Two of eight segments, by chance.
    assert 0 < late < len(ONCE) / 2
