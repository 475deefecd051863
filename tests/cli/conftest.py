"""The command line as a process, talking to the stand-in for the api."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest

from client.conftest import address, api

__all__ = ["address", "api"]

PROGRAM = Path(sys.executable).with_name("tickwheel")


@dataclass(frozen=True, slots=True)
class Ended:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """Of standard output, without the blanks that fill a column."""
        return [line.rstrip() for line in self.out.splitlines()]


Start = Callable[..., Awaitable[Process]]


class Run(Protocol):
    """Runs a command to its end."""

    async def __call__(self, *arguments: str, stdin: str = "", **environment: str) -> Ended: ...


@pytest.fixture
async def start(address: str) -> AsyncIterator[Start]:
    """Starts a command; what TICKWHEEL_ variables there are is what the test gives.

    What has not ended by the end of the test is killed.
    """
    started: list[Process] = []
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TICKWHEEL_")}

    async def start(*arguments: str, **environment: str) -> Process:
        process = await asyncio.create_subprocess_exec(
            PROGRAM,
            *arguments,
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            env={**kept, "TICKWHEEL_ADDRESS": address, **environment},
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.returncode is None:
            process.kill()
            await process.communicate()


@pytest.fixture
def tickwheel(start: Start) -> Run:
    """Runs a command to its end."""

    async def run(*arguments: str, stdin: str = "", **environment: str) -> Ended:
        process = await start(*arguments, **environment)
        out, err = await process.communicate(stdin.encode())
        assert process.returncode is not None
        assert "Traceback" not in err.decode()
        return Ended(process.returncode, out.decode(), err.decode())

    return run
