"""Calls side by side: errors, and cancellation amid them."""

import asyncio

import pytest

from tickwheel.server.domain.errors import Fenced
from tickwheel.server.scheduler.bounded import bounded


async def fail() -> None:
    raise Fenced("the session has run out")


async def test_errors_come_as_a_group() -> None:
    with pytest.raises(ExceptionGroup) as raised:
        await bounded([fail(), asyncio.sleep(0)])
    assert raised.group_contains(Fenced)
    with pytest.raises(ExceptionGroup):
        await bounded([fail()])


async def test_who_is_cancelled_amid_an_error_is_cancelled() -> None:
    """A write that ends slowly keeps a failed round up, and the scheduler lets go meanwhile."""
    ending, may_end = asyncio.Event(), asyncio.Event()

    async def slow() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ending.set()
            await may_end.wait()

    async def loop() -> None:
        while True:
            try:
                await bounded([slow(), fail()])
            except* Fenced:
                await asyncio.sleep(0)

    task = asyncio.create_task(loop())
    async with asyncio.timeout(10):
        await ending.wait()
        task.cancel()
        await asyncio.sleep(0)
        may_end.set()
        with pytest.raises(asyncio.CancelledError):
            await task
