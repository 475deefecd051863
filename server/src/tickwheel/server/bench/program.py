"""Programs beside the cluster that the bench runs for a while."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO


@asynccontextmanager
async def running(
    module: str,
    *words: str | Path,
    stdout: int | IO[bytes] | None = None,
    stderr: int | IO[bytes] | None = None,
    env: Mapping[str, str] | None = None,
) -> AsyncGenerator[asyncio.subprocess.Process]:
    """`python -m module words`, until the block ends; then it is told to by SIGTERM.

    Args:
        module: of ours.
        words: its arguments.
        stdout: as of subprocess.Popen, like `stderr`.
        stderr: by default ours.
        env: its whole environment; None for ours.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, *words), stdout=stdout, stderr=stderr, env=env
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()
