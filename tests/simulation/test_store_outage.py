"""In an outage of the store that outlasts all leases owners stop; streams and holdings stay.

Also where one of the schedulers is back a second before the others, and where they have slept.
"""

from dataclasses import replace

import pytest

from simulator.plan import Fault, Plan, Step
from simulator.runner import run_plan
from simulator.world import Report
from tickwheel.server.scheduler.options import SchedulerOptions

# All have seen each other's last beat by then, and take each other for dead when they are back.
BEGUN_MS, LASTS_MS = 8_500, 15_000
JOBS = 24
CALM = Plan(
    seed=1,
    start_ms=1_795_435_200_000,
    schedulers=3,
    workers=2,
    active_ms=40_000,
    steps=tuple(
        Step(3_000, "create", f"j{n}", {"schedule": {"every": 1_000}, "topic": "t", "payload": "p"})
        for n in range(JOBS)
    ),
)
DOWN = {"how": "down"}
#: For all at once; for two of three a second longer; and seen by each at another time.
OUTAGES = {
    "at once": (Fault(BEGUN_MS, "store", "store", LASTS_MS, DOWN),),
    "not back at once": (
        Fault(BEGUN_MS, "store", "store", LASTS_MS, DOWN),
        Fault(BEGUN_MS, "store", "s1", LASTS_MS + 1_000, DOWN),
        Fault(BEGUN_MS, "store", "s2", LASTS_MS + 1_000, DOWN),
    ),
    "a little longer than a lease": (Fault(BEGUN_MS, "store", "store", 8_000, DOWN),),
}


def events(report: Report, what: str, since_ms: int = BEGUN_MS) -> list[list[str]]:
    """Those lines of the trace, in words."""
    words = [line.split() for line in report.lines if what in line]
    return [line for line in words if float(line[0]) * 1_000 > since_ms]


@pytest.mark.parametrize("faults", OUTAGES.values(), ids=OUTAGES)
def test_streams_and_holdings_stay(faults: tuple[Fault, ...]) -> None:
    report = run_plan(replace(CALM, faults=faults), verbose=True)
    assert report.is_good, (report.findings, report.defects)
    assert (report.resumed, report.leases_lost) == (CALM.schedulers, 0)
    for gone in (" taken ", "worker gone", "worker connected", "segments taken"):
        assert not events(report, gone)
    retaken = [line[2] for line in events(report, " retaken ")]
    assert sorted(retaken) == sorted(map(str, range(CALM.segments)))
    # Nothing was handed out that had been handed out before.
    assert report.dispatched == run_plan(CALM).dispatched
    assert report.tally.duplicates == 0


def test_what_others_have_taken_meanwhile_is_let_go() -> None:
    alone = (Fault(BEGUN_MS, "store", "s1", LASTS_MS, DOWN),)
    report = run_plan(replace(CALM, faults=alone), verbose=True)
    assert report.is_good, (report.findings, report.defects)
    assert report.resumed == 0
    assert report.leases_lost > 0


def test_who_has_slept_goes_on_where_nobody_has_taken_anything() -> None:
    asleep = tuple(Fault(BEGUN_MS, "stop", f"s{n}", LASTS_MS + 200 * n) for n in range(3))
    report = run_plan(replace(CALM, faults=asleep), verbose=True)
    assert report.is_good, (report.findings, report.defects)
    assert report.resumed == CALM.schedulers
    assert not events(report, " taken ")


def test_an_only_scheduler_that_is_cut_from_the_store_goes_on() -> None:
    alone = (Fault(BEGUN_MS, "store", "s0", 2 * LASTS_MS, DOWN),)
    report = run_plan(replace(CALM, schedulers=1, faults=alone), verbose=True)
    assert report.is_good, (report.findings, report.defects)
    assert (report.resumed, report.leases_lost) == (1, 0)
    assert not events(report, "worker gone")


def test_what_workers_hold_is_not_published_beyond_its_window() -> None:
    window_s = 2
    steps = tuple(
        Step(one.at_ms, one.act, one.job, {**one.args, "window_s": window_s}) for one in CALM.steps
    )
    report = run_plan(replace(CALM, steps=steps, faults=OUTAGES["at once"]), verbose=True)
    assert report.is_good, (report.findings, report.defects)
    assert (report.resumed, report.leases_lost) == (CALM.schedulers, 0)
    assert report.tally.skipped > JOBS * (LASTS_MS / 1_000 - window_s - 9)
    # Permission comes with the next answer to a heartbeat.
    assert report.tally.latest_ms < window_s * 1_000 + SchedulerOptions().heartbeat_ms + 100
