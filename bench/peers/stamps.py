"""Starts of jobs, as the peers' programs write them and the bench reads them.

A process appends lines of one length to a file of its own in the folder: a job's number and the
start in Unix microseconds. So the sizes of the files tell how many there are, without a look.
Standard library only: the peers' own environments import it too.
"""

import os
import time
from dataclasses import dataclass
from pathlib import Path

_LINE = b"%010d %016d\n"
_LENGTH = len(_LINE % (0, 0))
_SUFFIX = ".stamps"


@dataclass(frozen=True, slots=True)
class Stamp:
    """A job's start."""

    number: int
    #: Unix microseconds.
    at_us: int


class Stamper:
    """Stamps starts of this process, and of those forked from it, into files in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._pid = -1
        self._file = -1

    def __call__(self, number: int) -> None:
        """Stamps the start of a job."""
        at_us = time.time_ns() // 1_000
        if self._pid != os.getpid():
            self._pid = os.getpid()
            path = self._folder / f"{self._pid}{_SUFFIX}"
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.write(self._file, _LINE % (number, at_us))


def count(folder: Path) -> int:
    """How many starts are stamped in a folder."""
    return sum(path.stat().st_size for path in folder.glob(f"*{_SUFFIX}")) // _LENGTH


def read(folder: Path) -> list[Stamp]:
    """All starts in a folder; a line that is not whole yet is left out."""
    found: list[Stamp] = []
    for path in sorted(folder.glob(f"*{_SUFFIX}")):
        for line in path.read_bytes().splitlines(keepends=True):
            if len(line) == _LENGTH and line.endswith(b"\n"):
                number, at_us = line.split()
                found.append(Stamp(int(number), int(at_us)))
    return found
