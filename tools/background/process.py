"""One background process, known across programs by a record on disk."""

import contextlib
import json
import os
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class Process:
    """A process id, with when it began, so that a later process of the same id is not meant."""

    pid: int
    start_ticks: int
    """Clock ticks between the machine's start and the process's (proc(5), stat, field 22)."""


def spawn(
    command: Sequence[str | Path],
    *,
    folder: Path,
    log: Path,
    record: Path,
    env: Mapping[str, str] | None = None,
) -> Process:
    """Start ``command`` in ``folder``, in a session of its own, its output appended to ``log``.

    It outlives this program. ``record`` is where ``recorded`` finds it again.
    """
    # posix_spawn rather than subprocess: threads of ours may be running, and nothing is to be
    # waited for. It cannot change folder, so a shell does and is replaced by the command.
    shell = ["/bin/sh", "-c", 'cd "$0" && exec "$@"', str(folder), *map(str, command)]
    appending = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    pid = os.posix_spawn(
        shell[0],
        shell,
        {**os.environ, **(env or {})},
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), appending, 0o644),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )
    process = Process(pid, _start_ticks(pid) or 0)
    unfinished = record.with_suffix(".new")
    unfinished.write_text(json.dumps(asdict(process)))
    unfinished.replace(record)
    return process


def recorded(record: Path) -> Process | None:
    """The process of ``record`` if it still runs."""
    try:
        known = json.loads(record.read_text())
    except FileNotFoundError:
        return None
    process = Process(int(known["pid"]), int(known["start_ticks"]))
    return process if alive(process) else None


def this_process() -> Process:
    """The process that calls."""
    return Process(os.getpid(), _start_ticks(os.getpid()) or 0)


def alive(process: Process) -> bool:
    """Whether the process runs (or is stopped by a signal); one that ended is reaped if ours."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(process.pid, os.WNOHANG)
    return _start_ticks(process.pid) == process.start_ticks


def send(process: Process, number: signal.Signals) -> bool:
    """Send a signal; False when the process has ended."""
    if not alive(process):
        return False
    try:
        os.kill(process.pid, number)
    except ProcessLookupError:
        return False
    return True


def end(processes: Sequence[Process], *, grace_s: float) -> None:
    """End the processes together: SIGTERM, and SIGKILL for what is there after ``grace_s``."""
    for process in processes:
        # One that is stopped by a signal would not see the other.
        send(process, signal.SIGTERM)
        send(process, signal.SIGCONT)
    if not _gone(processes, grace_s):
        kill(processes)


def kill(processes: Sequence[Process]) -> None:
    """End the processes at once and wait until they are gone.

    Raises:
        TimeoutError: One is still there 10 s later (it hangs in the kernel).
    """
    for process in processes:
        send(process, signal.SIGKILL)
    if not _gone(processes, 10):
        raise TimeoutError(f"not gone 10 s after SIGKILL: {processes}")


def resident_mib(process: Process) -> int:
    """The memory that the process holds, in MiB; 0 when it has ended."""
    try:
        status = Path(f"/proc/{process.pid}/status").read_text()
    except FileNotFoundError:
        return 0
    for line in status.splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) // 1024
    return 0


def _gone(processes: Sequence[Process], timeout_s: float) -> bool:
    deadline = time.monotonic() + timeout_s
    while any(alive(process) for process in processes):
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True


def _start_ticks(pid: int) -> int | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name, in parentheses, may itself hold anything.
    state, *fields = stat.rpartition(")")[2].split()
    return None if state in "ZX" else int(fields[18])
