"""Running the commands that find and install tools."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path


class ToolMissingError(Exception):
    """A tool is not on this machine and could not be installed; the text says what to do."""


def output_of(command: Sequence[str | Path]) -> str | None:
    """What ``command`` prints, both streams together; None when it cannot be run or fails."""
    try:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
    except OSError:
        return None
    return done.stdout if done.returncode == 0 else None


def install(
    command: Sequence[str | Path], *, what: str, env: Mapping[str, str] | None = None
) -> None:
    """Run an installing ``command`` quietly.

    Raises:
        ToolMissingError: The command failed; the end of its output is in the text.
    """
    print(f"bootstrap: installing {what}", file=sys.stderr, flush=True)
    try:
        done = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            check=False,
            env={**os.environ, **(env or {})},
        )
    except OSError as error:
        raise ToolMissingError(f"{what}: {error}") from error
    if done.returncode != 0:
        tail = "\n".join(done.stdout.splitlines()[-15:])
        raise ToolMissingError(f"{what} could not be installed:\n{tail}")
