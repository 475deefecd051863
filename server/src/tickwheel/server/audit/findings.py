"""What the auditor can find fault with, and what it counts."""

import enum
from collections import Counter
from dataclasses import dataclass, field


class Fault(enum.Enum):
    """Kinds of findings; each breaks a promise of docs/reliability.md."""

    MISSING = "an occurrence was neither published nor recorded with a reason"
    VANISHED = "a run is said to be published, but its record is not on the log"
    UNRECORDED = "a record is on the log, but its run was never recorded"
    UNFINISHED = "a run has no final state"
    CONTRADICTED = "a run's states, or its state and the log, contradict each other"
    EARLY = "a record was given to the log before it was due"
    DOUBLED = "a record is on the log twice, which no failover explains, or with other content"
    FORBIDDEN = "an occurrence was fired that a pause, update, deletion or maxRuns forbids"
    OUTDATED = "a record has the content of a version that did not hold any more"
    MISJUDGED = "an occurrence was skipped for a reason that does not fit"
    UNEXPECTED = "a run belongs to no occurrence of its job"
    STALE = "a record was given to the log under a fence that had ended"
    JOB_LOST = "an acknowledged job is not there"
    CHANGE_LOST = "an acknowledged change is not there"
    TRIGGER_LOST = "an acknowledged run by hand is not there"
    STORED = "a refused request has left something behind"
    UNBOUNDED = "something in memory or in the store did not become less again"


@dataclass(frozen=True, slots=True)
class Finding:
    """One broken promise."""

    fault: Fault
    #: The job's name, or what else it is about.
    subject: str
    run_id: str
    text: str

    def __str__(self) -> str:
        run = f" run {self.run_id}" if self.run_id else ""
        return f"{self.fault.name} {self.subject}{run}: {self.text}"


@dataclass(slots=True)
class Tally:
    """What was looked at."""

    occurrences: int = 0
    published: int = 0
    skipped: int = 0
    failed: int = 0
    #: Runs that were not made by a schedule.
    manual: int = 0
    #: Records that are there once more, with the same `ce_id`.
    duplicates: int = 0
    #: Occurrences that are recorded as skipped, or not at all, though they are on the log, because
    #: both who published them and who knew of it failed before they could tell.
    unheard: int = 0
    #: Comparisons that could have failed.
    checks: int = 0
    #: Records by how late they were given: 0 for under 1 ms, n for under 2^n ms.
    lateness: Counter[int] = field(default_factory=Counter[int])
    latest_ms: int = 0

    def add_lateness(self, late_ms: int) -> None:
        """Counts one record, given so many milliseconds after it was due."""
        self.lateness[max(0, late_ms).bit_length()] += 1
        self.latest_ms = max(self.latest_ms, late_ms)

    def add(self, other: "Tally") -> None:
        """Counts what another one has counted."""
        self.occurrences += other.occurrences
        self.published += other.published
        self.skipped += other.skipped
        self.failed += other.failed
        self.manual += other.manual
        self.duplicates += other.duplicates
        self.unheard += other.unheard
        self.checks += other.checks
        self.lateness += other.lateness
        self.latest_ms = max(self.latest_ms, other.latest_ms)
