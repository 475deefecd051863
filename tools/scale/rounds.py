"""Rounds with more and fewer schedulers, held against each other. Pure."""

import statistics
from collections.abc import Iterable
from dataclasses import dataclass

CORES = 0.1
"""What a scheduler may take of a core."""
#: Runs per CPU second are to stay within this part of those of one process.
WITHIN = 0.15


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One round with so many schedulers."""

    load: str
    schedulers: int
    runs: int
    missing: int
    twice: int
    early: int
    p50_ms: float
    p99_ms: float
    #: Of all schedulers together, and of the workers and of Cassandra beside them.
    cpu_s: float
    worker_cpu_s: float
    store_cpu_s: float
    seconds: float
    #: Part of the kernel's periods in which a scheduler had used up its quota.
    throttled: float
    statements: int | None
    #: The machine's load average over the last minute, at the end.
    load_average: float
    at: float

    @property
    def runs_per_cpu_s(self) -> float:
        """What counts."""
        return self.runs / self.cpu_s

    @property
    def quota_used(self) -> float:
        """Part of what all of them might have spent."""
        return self.cpu_s / (self.seconds * CORES * self.schedulers)


@dataclass(frozen=True, slots=True)
class Row:
    """The medians of the rounds with so many schedulers."""

    load: str
    schedulers: int
    rounds: int
    runs_per_cpu_s: float
    #: Of those of one scheduler; None without a round of one.
    ratio: float | None
    quota_used: float
    throttled: float
    p99_ms: float
    worker_cpu_s_per_1000: float
    store_cpu_s_per_1000: float
    statements_per_run: float | None
    missing: int
    twice: int
    early: int

    @property
    def holds(self) -> bool:
        """Whether a process more brings as much as the first, and nothing was lost or early."""
        is_level = self.ratio is None or self.ratio >= 1 - WITHIN
        return is_level and not self.missing and not self.early


def rows(samples: Iterable[Round]) -> list[Row]:
    """By load and number of schedulers, in order."""
    groups: dict[tuple[str, int], list[Round]] = {}
    for sample in samples:
        groups.setdefault((sample.load, sample.schedulers), []).append(sample)
    found: list[Row] = []
    for (load, schedulers), group in sorted(groups.items()):
        value = statistics.median(each.runs_per_cpu_s for each in group)
        alone = [each.runs_per_cpu_s for each in groups.get((load, 1), [])]
        statements = [each.statements / each.runs for each in group if each.statements is not None]
        found.append(
            Row(
                load=load,
                schedulers=schedulers,
                rounds=len(group),
                runs_per_cpu_s=value,
                ratio=value / statistics.median(alone) if alone else None,
                quota_used=statistics.median(each.quota_used for each in group),
                throttled=statistics.median(each.throttled for each in group),
                p99_ms=statistics.median(each.p99_ms for each in group),
                worker_cpu_s_per_1000=statistics.median(
                    each.worker_cpu_s / each.runs * 1000 for each in group
                ),
                store_cpu_s_per_1000=statistics.median(
                    each.store_cpu_s / each.runs * 1000 for each in group
                ),
                statements_per_run=statistics.median(statements) if statements else None,
                missing=sum(each.missing for each in group),
                twice=sum(each.twice for each in group),
                early=sum(each.early for each in group),
            )
        )
    return found
