"""Waiting for a condition of another process, and saying what stood in the way."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from background.process import POLL_S


class NotReadyError(Exception):
    """A background process ended, or was not ready in time; the text ends with its log's tail."""


def until_ready(
    obstacle: Callable[[], str | None],
    *,
    running: Callable[[], bool],
    what: str,
    logs: Sequence[Path],
    timeout_s: float,
) -> None:
    """Wait until ``obstacle`` names nothing any more.

    Args:
        obstacle: What is still missing, in words; None when nothing is.
        running: Whether the process is there at all.
        what: The process's name in the error.
        logs: Whose ends go into the error.
        timeout_s: How long to wait, in seconds.

    Raises:
        NotReadyError: The process ended, or the time ran out.
    """
    deadline = time.monotonic() + timeout_s
    while (missing := obstacle()) is not None:
        if not running():
            raise NotReadyError(f"{what} ended before it was ready\n{tails(logs)}")
        if time.monotonic() > deadline:
            reason = f"{what} was not ready after {timeout_s:g} s: {missing}"
            raise NotReadyError(f"{reason}\n{tails(logs)}")
        time.sleep(POLL_S)


def tails(logs: Sequence[Path], *, lines: int = 30) -> str:
    """The last ``lines`` of each log, under its name."""
    parts: list[str] = []
    for log in logs:
        if not log.exists():
            parts.append(f"--- {log}: not there")
            continue
        with log.open(errors="replace") as handle:
            last = deque(handle, maxlen=lines)
        parts.append(f"--- the end of {log}\n{''.join(last).rstrip()}")
    return "\n".join(parts)
