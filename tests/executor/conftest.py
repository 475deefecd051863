"""A stand-in of the api with an embedded log, and a way to run executors against it."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest

from executor.stand_in import Ledger, embedded_log
from tickwheel.client import Executor, RetryPolicy, RunContext

QUICK = RetryPolicy(initial_backoff=0.01, max_backoff=0.05)

Running = Callable[[Executor], AbstractAsyncContextManager[asyncio.Task[None]]]


@pytest.fixture
async def ledger() -> AsyncIterator[Ledger]:
    made = Ledger()
    async with embedded_log() as log:
        made.log = log
        yield made


@pytest.fixture
async def address(ledger: Ledger) -> AsyncIterator[str]:
    async with ledger.serve() as served:
        yield served


@pytest.fixture
def make(address: str) -> Callable[..., Executor]:
    """An executor of the stand-in's that waits little."""

    def made(**options: Any) -> Executor:
        defaults: dict[str, Any] = {"retry": QUICK, "session_timeout": 1.0, "drain_timeout": 5.0}
        return Executor(address, **(defaults | options))

    return made


async def idle(ctx: RunContext) -> None:
    """A handler that does nothing."""


@asynccontextmanager
async def running(executor: Executor) -> AsyncGenerator[asyncio.Task[None]]:
    """An executor at work, which is stopped in order at the end."""
    task = asyncio.create_task(executor.serve())
    try:
        yield task
    finally:
        executor.stop()
        await task
