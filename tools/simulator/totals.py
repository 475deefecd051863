"""What many simulations come to."""

from dataclasses import dataclass, field

from simulator.world import Report
from tickwheel.server.audit.findings import Tally


@dataclass(slots=True)
class Totals:
    """Sums over reports."""

    seeds: int = 0
    failed: int = 0
    faults: int = 0
    failures: int = 0
    calls: int = 0
    resumed: int = 0
    leases_lost: int = 0
    #: Of single simulations.
    fewest_occurrences: int = 1 << 60
    #: The seed that had so few.
    fewest_seed: int = 0
    fewest_faults: int = 1 << 60
    tally: Tally = field(default_factory=Tally)

    def add(self, report: Report) -> None:
        """Counts one simulation."""
        self.seeds += 1
        self.failed += not report.is_good
        self.faults += report.faults
        self.failures += report.failures
        self.calls += report.calls
        self.resumed += report.resumed
        self.leases_lost += report.leases_lost
        if report.tally.occurrences < self.fewest_occurrences:
            self.fewest_occurrences, self.fewest_seed = report.tally.occurrences, report.seed
        self.fewest_faults = min(self.fewest_faults, report.faults)
        self.tally.add(report.tally)

    def line(self, seconds: float) -> str:
        """For people, and for the record of a test run."""
        tally = self.tally
        return (
            f"simulated {self.seeds} seeds in {seconds:.0f} s, {self.failed} with findings: "
            f"{tally.occurrences} occurrences ({tally.published} published, {tally.skipped} "
            f"skipped, {tally.failed} failed), {tally.manual} by hand, {tally.duplicates} "
            f"duplicates with the same ce_id, {tally.unheard} skipped though published unheard; "
            f"{self.faults} faults, {self.failures} failed "
            f"requests, {self.calls} calls; sessions that ran out went on {self.resumed} times, "
            f"{self.leases_lost} segments were lost; {tally.checks} checks; each seed with at "
            f"least {self.fewest_occurrences} occurrences (seed {self.fewest_seed}) and "
            f"{self.fewest_faults} faults"
        )
