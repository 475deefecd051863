"""Calls side by side: errors, and cancellation amid them."""

import asyncio

import pytest

from tickwheel.server.domain.errors import Fenced
from tickwheel.server.scheduler.bounded import TURN, bounded


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


async def test_what_has_not_begun_when_one_fails_never_does() -> None:
    begun: list[int] = []

    async def begin(number: int) -> None:
        begun.append(number)

    with pytest.raises(ExceptionGroup):
        await bounded([fail(), *(begin(number) for number in range(10 * TURN))])
    assert len(begun) < TURN


async def test_many_calls_do_not_begin_in_one_turn() -> None:
    """Else what each does before it first waits adds up, and what is due waits for all of it."""
    turns: list[int] = []
    turn = 0

    async def count() -> None:
        nonlocal turn
        while True:
            turn += 1
            await asyncio.sleep(0)

    async def call() -> None:
        turns.append(turn)

    counting = asyncio.create_task(count())
    await bounded([call() for _ in range(10 * TURN)])
    counting.cancel()
    assert max(turns.count(number) for number in set(turns)) <= TURN


async def test_who_is_cancelled_before_all_have_begun_is_cancelled() -> None:
    begun: list[int] = []
    started = asyncio.Event()

    async def call(number: int) -> None:
        begun.append(number)
        started.set()
        await asyncio.sleep(60)

    task = asyncio.create_task(bounded([call(number) for number in range(10 * TURN)]))
    async with asyncio.timeout(10):
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert len(begun) <= 2 * TURN
