"""Starting and stopping: what is under way is finished, or done again by others; never neither."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import Any

import pytest

from executor.conftest import idle, running
from executor.stand_in import UNOWNED, Ledger
from tickwheel.client import CancelReason, Executor, ExecutorError, RunContext
from tickwheel.v1 import run_pb2

Make = Callable[..., Executor]


async def test_handlers_end_and_are_reported(ledger: Ledger, make: Make) -> None:
    executor = make(concurrency=2)

    @executor.handler("billing")
    async def bill(ctx: RunContext) -> None:
        await asyncio.sleep(0.3)

    attempts = [await ledger.publish(number) for number in range(20)]
    async with running(executor):
        await ledger.until(lambda: sum(attempt.starts for attempt in attempts) == 2)
    assert sum(attempt.is_over for attempt in attempts) == 2
    # The others are not begun, and go to the next one at once.
    assert sum(attempt.starts for attempt in attempts) == 2
    after = make()
    after.handler("billing")(idle)
    async with running(after):
        await ledger.ended(*attempts)
    assert all(attempt.starts == 1 for attempt in attempts)


@pytest.mark.parametrize("is_async", [True, False])
async def test_what_takes_too_long_is_done_again_by_another(
    ledger: Ledger, make: Make, is_async: bool
) -> None:
    executor = make(drain_timeout=0.1, cancel_grace=0.1)
    reasons: list[CancelReason | None] = []

    async def awaited(ctx: RunContext) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            reasons.append(ctx.cancelled.reason)

    def plain(ctx: RunContext) -> None:
        ctx.cancelled.wait(10)
        reasons.append(ctx.cancelled.reason)
        ctx.raise_if_cancelled()

    executor.handler("billing")(awaited if is_async else plain)
    attempt = await ledger.publish(1)
    async with running(executor):
        await ledger.until(lambda: attempt.starts)
    assert reasons == [CancelReason.STOPPING]
    assert not attempt.is_over
    after = make()
    after.handler("billing")(idle)
    async with running(after):
        await ledger.ended(attempt)
    assert attempt.state == run_pb2.RUN_STATE_SUCCEEDED
    assert attempt.starts == 2


async def test_what_succeeds_at_the_last_moment_counts(ledger: Ledger, make: Make) -> None:
    executor = make(drain_timeout=0.1, cancel_grace=2.0)

    @executor.handler("billing")
    async def bill(ctx: RunContext) -> str:
        await ctx.cancelled
        return "done"

    attempt = await ledger.publish(1)
    async with running(executor):
        await ledger.until(lambda: attempt.starts)
    assert attempt.state == run_pb2.RUN_STATE_SUCCEEDED


async def test_a_handler_that_never_ends_does_not_keep_it(ledger: Ledger, make: Make) -> None:
    executor = make(drain_timeout=0.1, cancel_grace=0.1)
    go = threading.Event()

    @executor.handler("plain")
    def plain(ctx: RunContext) -> None:
        go.wait(60)

    @executor.handler("async")
    async def stubborn(ctx: RunContext) -> None:
        while not go.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(0.2)

    attempts = [await ledger.publish(1, topic="plain"), await ledger.publish(2, topic="async")]
    async with asyncio.timeout(10), running(executor):
        await ledger.until(lambda: all(attempt.starts for attempt in attempts))
    go.set()
    assert not any(attempt.is_over for attempt in attempts)


async def test_it_stops_while_nobody_answers(ledger: Ledger, make: Make) -> None:
    executor = make(drain_timeout=0.2, cancel_grace=0.1)
    executor.handler("billing")(idle)
    attempt = await ledger.publish(1)
    ledger.refusals["StartRuns"].extend([UNOWNED] * 10_000)
    async with running(executor):
        await ledger.until(lambda: ledger.calls["StartRuns"])
    ledger.refusals.clear()
    assert not attempt.starts
    after = make()
    after.handler("billing")(idle)
    async with running(after):
        await ledger.ended(attempt)


async def test_when_it_is_cancelled_nothing_more_is_begun(ledger: Ledger, make: Make) -> None:
    executor = make(concurrency=2)

    @executor.handler("billing")
    async def bill(ctx: RunContext) -> None:
        await asyncio.sleep(60)

    attempts = [await ledger.publish(number) for number in range(10)]
    task = asyncio.create_task(executor.serve())
    await ledger.until(lambda: sum(attempt.starts for attempt in attempts) == 2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert sum(attempt.starts for attempt in attempts) == 2
    assert not any(attempt.is_over for attempt in attempts)


async def test_stop_before_the_api_has_answered(make: Make) -> None:
    executor = Executor("127.0.0.1:1")
    executor.handler("billing")(idle)
    async with running(executor):
        await asyncio.sleep(0.1)


async def test_it_may_serve_again(ledger: Ledger, make: Make) -> None:
    executor = make()
    executor.handler("billing")(idle)
    for number in range(2):
        async with running(executor) as task:
            await ledger.ended(await ledger.publish(number))
            with pytest.raises(ExecutorError, match="runs already"):
                await executor.serve()
            assert not task.done()


async def test_without_handlers_there_is_nothing_to_do() -> None:
    with pytest.raises(ExecutorError, match="no handler"):
        await Executor().serve()


def test_a_topic_has_one_handler() -> None:
    executor = Executor()
    executor.handler("billing")(idle)
    with pytest.raises(ValueError, match="billing"):
        executor.handler("billing")(idle)


@pytest.mark.parametrize("topic", ["", "..", "a b", "x" * 250, idle])
def test_a_topic_that_cannot_be(topic: Any) -> None:
    with pytest.raises(ValueError, match=r"topic is .*: must be"):
        Executor().handler(topic)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("concurrency", 0),
        ("drain_timeout", -1),
        ("handover_timeout", 1e9),
        ("session_timeout", 0.5),
        ("cancel_grace", -0.1),
        ("name", "x" * 129),
        ("group", "x" * 129),
    ],
)
def test_arguments_out_of_range_are_named(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=name):
        Executor(**{name: value})  # pyright: ignore[reportArgumentType]


def test_a_handlers_concurrency_has_a_range() -> None:
    with pytest.raises(ValueError, match="concurrency"):
        Executor().handler("billing", concurrency=0)
