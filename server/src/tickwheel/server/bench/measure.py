"""What processes spend, read from Linux's /proc."""

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")

BENCH = "bench"
"""The process that measures: its clients are part of what the machine has to do."""


@dataclass(frozen=True, slots=True)
class Part:
    """A process of the cluster that is measured."""

    pid: int
    #: One of the scheduler's own; else the store's or the log's.
    ours: bool = True
    #: Whether its children belong to it, those too that have ended.
    tree: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """What the processes had spent at one moment."""

    parts: Mapping[str, Part]
    #: User and system time since the process began, in seconds.
    cpu_s: Mapping[str, float]
    #: The most memory that each ever held, in MiB; of a tree what it holds now, shared once.
    peak_mib: Mapping[str, int]
    #: Requests that Cassandra has had from clients.
    statements: int | None
    at_s: float


@dataclass(frozen=True, slots=True)
class Cost:
    """What one process spent in a workload."""

    process: str
    ours: bool
    cpu_s: float
    #: CPU seconds for a thousand runs (W1: jobs).
    cpu_s_per_1000: float | None
    peak_mib: int


@dataclass(slots=True)
class Bill:
    """Adds up what was spent in the stretches of a workload that count."""

    cpu_s: dict[str, float] = field(default_factory=dict[str, float])
    peak_mib: dict[str, int] = field(default_factory=dict[str, int])
    ours: dict[str, bool] = field(default_factory=dict[str, bool])
    statements: int | None = 0
    seconds: float = 0.0

    def add(self, begin: Reading, end: Reading) -> None:
        """Adds what was spent between two readings.

        Of a process that is another one than before, all that it has spent counts; what the one
        before it spent after the first reading is not known.
        """
        for name, part in end.parts.items():
            before = begin.parts.get(name)
            known = begin.cpu_s.get(name, 0.0) if before and before.pid == part.pid else 0.0
            spent = end.cpu_s.get(name, known) - known
            self.cpu_s[name] = self.cpu_s.get(name, 0.0) + spent
            self.peak_mib[name] = max(self.peak_mib.get(name, 0), end.peak_mib.get(name, 0))
            self.ours[name] = part.ours
        if self.statements is None or begin.statements is None or end.statements is None:
            self.statements = None
        else:
            self.statements += end.statements - begin.statements
        self.seconds += end.at_s - begin.at_s

    @property
    def ours_cpu_s(self) -> float:
        """CPU seconds of Tickwheel's own processes, without the measuring one."""
        return sum(spent for name, spent in self.cpu_s.items() if self.ours[name])

    def costs(self, runs: int) -> tuple[Cost, ...]:
        """Of each process, for so many runs."""
        return tuple(
            Cost(
                process=name,
                ours=self.ours[name],
                cpu_s=round(spent, 3),
                cpu_s_per_1000=round(spent / runs * 1000, 4) if runs else None,
                peak_mib=self.peak_mib[name],
            )
            for name, spent in self.cpu_s.items()
        )


def read_processes(parts: Mapping[str, Part], statements: int | None) -> Reading:
    """Reads all parts, and this process; one that has ended is left out."""
    parts = {**parts, BENCH: Part(os.getpid(), ours=False)}
    cpu: dict[str, float] = {}
    peak: dict[str, int] = {}
    for name, part in parts.items():
        try:
            cpu[name] = tree_cpu_seconds(part.pid) if part.tree else cpu_seconds(part.pid)
            peak[name] = tree_mib(part.pid) if part.tree else memory_mib(part.pid, "VmHWM")
        except (FileNotFoundError, ProcessLookupError):
            continue
    alive = {name: part for name, part in parts.items() if name in peak}
    return Reading(alive, cpu, peak, statements, time.monotonic())


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and its threads so far (proc(5), stat, 14 and 15)."""
    return sum(_times(pid)[:2]) / _TICKS


def tree_cpu_seconds(pid: int) -> float:
    """The same, of its children too, and of those that have ended (stat, 14 to 17)."""
    return (sum(_times(pid)) + sum(_of_tree(pid, lambda each: sum(_times(each))))) / _TICKS


def _times(pid: int) -> list[int]:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return [int(field) for field in fields[11:15]]


def tree_mib(pid: int) -> int:
    """What a process and its children hold now, in MiB; what they share counts once."""
    return (_pss_kib(pid) + sum(_of_tree(pid, _pss_kib))) // 1024


def _pss_kib(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    return 0


def _of_tree(pid: int, measure: Callable[[int], int]) -> Iterator[int]:
    """Of all below the process; those that end in the meantime are left out."""
    for child in children(pid):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            yield measure(child)
            yield from _of_tree(child, measure)


def memory_mib(pid: int, field: str) -> int:
    """`VmRSS` or `VmHWM` (the most so far) of a process, in MiB; 0 of one that is ending."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) // 1024
    return 0


def children(pid: int) -> dict[int, str]:
    """The direct children of a process, and their names."""
    found: dict[int, str] = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                found[int(child)] = Path(f"/proc/{child}/comm").read_text().strip()
    return found
