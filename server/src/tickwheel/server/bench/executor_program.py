"""An executor as a user writes it, with a handler that does nothing but note that it was started.

`python -m tickwheel.server.bench.executor_program TOPIC FILE`; the rest by the executor's own
environment variables.
"""

import asyncio
import sys
import time
from pathlib import Path
from typing import TextIO

from tickwheel.client import Executor, RunContext

CONCURRENCY = 1_000
"""Handlers at once: they take no time, but a run that is reported waits for answers."""
#: What is noted is written so much later, so that a start costs next to nothing.
_WRITE_S = 0.05


class Notes:
    """Writes a line for each start: the record's `ce_id`, and the instant in Unix milliseconds.

    Args:
        file: takes the lines.
    """

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._lines: list[str] = []

    def start(self, ce_id: str) -> None:
        """Notes a handler's start, which is now."""
        at_ms = time.time_ns() // 1_000_000
        if not self._lines:
            asyncio.get_running_loop().call_later(_WRITE_S, self.write)
        self._lines.append(f"{ce_id} {at_ms}\n")

    def write(self) -> None:
        """Writes what is noted."""
        lines, self._lines = self._lines, []
        self._file.writelines(lines)
        self._file.flush()


def main(topic: str, file: Path) -> None:
    """Executes the runs of a topic until SIGTERM."""
    with file.open("a") as lines:
        notes = Notes(lines)
        executor = Executor(concurrency=CONCURRENCY)

        @executor.handler(topic)
        async def _start(ctx: RunContext) -> None:
            notes.start(ctx.event_id)

        executor.run()
        notes.write()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
