"""A quota of CPU time for single processes, by Linux's control groups (version 1 or 2)."""

import contextlib
import os
import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

#: The kernel's own default: with a tenth of a core, 10 ms in each 100 ms.
PERIOD_US = 100_000
_MOUNTS = Path("/proc/self/mounts")
_LEAVE_S = 5.0


class NoQuotaError(Exception):
    """Control groups for CPU time cannot be had here; the text says why."""


@dataclass(frozen=True, slots=True)
class Throttled:
    """How often a process had to wait for its quota so far."""

    periods: int
    throttled: int


class Quota:
    """One process's group.

    Args:
        folder: of the group, which exists.
        parent: of the group it is a child of.
    """

    def __init__(self, folder: Path, parent: Path) -> None:
        self._folder = folder
        self._parent = parent

    def throttled(self) -> Throttled:
        """As the kernel counts (`cpu.stat`)."""
        lines = (self._folder / "cpu.stat").read_text().splitlines()
        values = {name: int(value) for name, value in (line.split() for line in lines)}
        return Throttled(values["nr_periods"], values["nr_throttled"])

    def end(self) -> None:
        """Lets the process go on without, and removes the group."""
        for pid in (self._folder / "cgroup.procs").read_text().split():
            # It may end meanwhile.
            with contextlib.suppress(ProcessLookupError):
                (self._parent / "cgroup.procs").write_text(pid)
        deadline = time.monotonic() + _LEAVE_S
        while True:
            try:
                self._folder.rmdir()
            except OSError:
                # A process that is ending is in it until it is gone.
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
            else:
                return


@contextlib.contextmanager
def quota(pid: int, name: str, cores: float) -> Generator[Quota]:
    """Gives a process, with all its threads, so much of a core while the block lasts.

    Args:
        pid: whose.
        name: of its group, beside this program's number.
        cores: 0.1 is a tenth of a core.

    Raises:
        NoQuotaError: the groups cannot be had, or not be written to.
    """
    parent, version = _parent()
    folder = parent / f"tickwheel-bench-{os.getpid()}-{name}"
    quota_us = round(cores * PERIOD_US)
    try:
        folder.mkdir()
        if version == 1:
            (folder / "cpu.cfs_period_us").write_text(str(PERIOD_US))
            (folder / "cpu.cfs_quota_us").write_text(str(quota_us))
        else:
            (folder / "cpu.max").write_text(f"{quota_us} {PERIOD_US}")
        (folder / "cgroup.procs").write_text(str(pid))
    except OSError as error:
        raise NoQuotaError(
            f"a control group in {parent}: {error}; it takes root's rights"
        ) from None
    group = Quota(folder, parent)
    try:
        yield group
    finally:
        group.end()


def _parent() -> tuple[Path, int]:
    """The group that ours are made in, and the version of its kind."""
    for line in _MOUNTS.read_text().splitlines():
        _, place, kind, options, *_ = line.split()
        if kind == "cgroup" and "cpu" in options.split(","):
            return Path(place), 1
    for line in _MOUNTS.read_text().splitlines():
        _, place, kind, *_ = line.split()
        control = Path(place) / "cgroup.subtree_control"
        if kind != "cgroup2" or "cpu" not in _controllers(Path(place)):
            continue
        if "cpu" not in control.read_text().split():
            with contextlib.suppress(OSError):
                control.write_text("+cpu")
        if "cpu" in control.read_text().split():
            return Path(place), 2
    raise NoQuotaError("no control groups for CPU time (cgroup v1 `cpu`, or v2 with `+cpu`)")


def _controllers(place: Path) -> list[str]:
    try:
        return (place / "cgroup.controllers").read_text().split()
    except OSError:
        return []
