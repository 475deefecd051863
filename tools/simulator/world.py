"""One simulation from its plan to its end."""

import gc
import traceback
from collections import Counter
from dataclasses import dataclass, field

from simulator.chance import Chance, install
from simulator.clients import Client
from simulator.cluster import Cluster
from simulator.executor import Executor
from simulator.faults import Faults
from simulator.judge import Verdict, judge
from simulator.loop import SimLoop
from simulator.plan import Plan
from simulator.process import Host, SimProcess
from simulator.trace import Trace
from tickwheel.server.audit.facts import Rules
from tickwheel.server.audit.findings import Finding, Tally
from tickwheel.server.domain.lease import SegmentLease

#: How long everything may take to be as it should be, once nothing goes wrong any more: a session
#: runs out, its segments are taken, workers come back; in ms.
SETTLE_MS = 36_000
#: What is due later than this before the end is not judged, in ms.
_LAST_MS = 4_000


@dataclass(slots=True)
class Report:
    """What came of one simulation."""

    seed: int
    digest: str
    findings: list[Finding] = field(default_factory=list[Finding])
    #: What production code raised that it should not have.
    defects: list[str] = field(default_factory=list[str])
    tally: Tally = field(default_factory=Tally)
    faults: int = 0
    #: Single requests to store and log that failed.
    failures: int = 0
    #: How often a scheduler's session had run out, and held again with all that was owned.
    resumed: int = 0
    #: Segments whose lease was lost to another scheduler, or let go.
    leases_lost: int = 0
    #: Assignments handed to workers.
    dispatched: int = 0
    #: What schedulers have mended, by what it was.
    repairs: Counter[str] = field(default_factory=Counter[str])
    steps: int = 0
    calls: int = 0
    lines: list[str] = field(default_factory=list[str])

    @property
    def is_good(self) -> bool:
        """Whether nothing was found."""
        return not self.findings and not self.defects


class World:
    """All that there is in one simulation. There can be one in the life of a process."""

    def __init__(self, plan: Plan, *, verbose: bool = False) -> None:
        self.plan = plan
        self.loop = loop = SimLoop()
        chance = Chance(plan.seed)
        self.trace = Trace(loop, verbose=verbose)
        self.trace.hear_logs()
        install(chance, lambda: plan.start_ms + loop.now_us // 1000)
        start_us = plan.start_ms * 1000
        self.cluster = Cluster(
            loop,
            chance,
            self.trace,
            segments=plan.segments,
            start_us=start_us,
            most_unpublished=plan.most_unpublished,
        )
        self._process = SimProcess(loop, Host(loop, "c0", start_us, 0), "c0", 1)
        addresses = [f"a{number}:7420" for number in range(plan.apis)]
        self.client = Client(
            self._process, self.cluster.calls, addresses, chance, self.trace, plan.start_ms
        )
        self.executor = Executor(
            SimProcess(loop, Host(loop, "x0", start_us, 0), "x0", 1),
            self.cluster.calls,
            addresses,
            self.cluster.log,
            chance,
            self.trace,
        )
        self.faults = Faults(loop, self.cluster, self.trace)
        self._owners: dict[int, list[tuple[int, int]]] = {}
        self.cluster.cells.on_taken = self._taken

    def run(self) -> Report:
        """Runs until all is over, and judges."""
        gc.disable()
        plan, loop = self.plan, self.loop
        loop.run_in(self._start)
        loop.run_to(plan.active_ms * 1000)
        loop.run_in(self.faults.heal)
        loop.run_to((plan.active_ms + SETTLE_MS) * 1000)
        report = Report(plan.seed, self.trace.digest())
        report.steps = loop.steps
        report.calls = len(self.client.told)
        report.faults = self.faults.injected
        report.failures = sum(link.failures for link in self.cluster.links)
        for scheduler in self.cluster.schedulers:
            report.resumed += scheduler.census.resumed
            report.leases_lost += scheduler.census.leases_lost
            report.dispatched += scheduler.census.dispatched
            report.repairs.update({str(k): n for k, n in scheduler.census.repairs.items()})
        report.defects = [_described(defect) for defect in loop.defects]
        if not loop.defects:
            verdict = self._judge()
            report.findings, report.tally = verdict.findings, verdict.tally
        report.lines = self.trace.lines
        return report

    def _start(self) -> None:
        plan = self.plan
        self.cluster.build(plan.schedulers, plan.workers, plan.apis, plan.window)
        self.client.begin(plan.steps)
        if any("overlap" in step.args for step in plan.steps):
            self.executor.begin()
        self.faults.begin(plan.faults)

    def _taken(self, lease: SegmentLease) -> None:
        owners = self._owners.setdefault(lease.segment, [])
        if owners and owners[-1][0] == lease.epoch:
            self.trace.note("retaken", lease.segment, lease.epoch, lease.address)
            return
        self.trace.note("taken", lease.segment, lease.epoch, lease.address)
        owners.append((lease.epoch, self.plan.start_ms + self.loop.now_us // 1000))

    def _judge(self) -> Verdict:
        plan = self.plan
        now_ms = plan.start_ms + self.loop.now_us // 1000
        rules = Rules(
            start_ms=0,
            end_ms=now_ms - _LAST_MS,
            clock_ms=plan.clock_ms,
            failovers=[
                (plan.start_ms + begun_us // 1000, plan.start_ms + ended_us // 1000)
                for begun_us, ended_us in self.faults.spans
            ],
            owners=self._owners,
        )
        work = judge(
            plan, self.cluster, self.client.told, self.executor, self._process.clock, rules
        )
        task = self._process.spawn(work)
        # Processes go on meanwhile only as far as they can without time passing.
        self.loop.run_to(self.loop.now_us, stop=task.done)
        if self.loop.defects:
            raise RuntimeError(self.loop.defects)
        return task.result()


def _described(defect: BaseException | str) -> str:
    if isinstance(defect, str):
        return defect
    return "".join(traceback.format_exception(defect)).strip()
