"""Records of the embedded log: each is executed, though answers, servers and executors are lost."""

import asyncio
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest

from executor.conftest import QUICK, idle, running
from executor.stand_in import UNOWNED, UNSUPPORTED, Ledger, embedded_log, status
from tickwheel.client import Executor, ExecutorError, RunContext

Make = Callable[..., Executor]


def counting(executor: Executor, seconds: float = 0.0) -> Counter[str]:
    executions: Counter[str] = Counter()

    @executor.handler("billing")
    async def bill(ctx: RunContext) -> None:
        executions[ctx.run] += 1
        await asyncio.sleep(seconds)

    return executions


async def test_what_an_executor_leaves_unfinished_goes_to_another(
    ledger: Ledger, make: Make
) -> None:
    first, second = make(concurrency=4), make(concurrency=4)
    begun = counting(first, seconds=60)
    executions = counting(second)
    attempts = [await ledger.publish(number) for number in range(12)]
    task = asyncio.create_task(first.serve())
    await ledger.until(lambda: begun.total() == 4)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    async with running(second):
        await ledger.ended(*attempts)
    assert executions == Counter(attempt.name for attempt in attempts)


async def test_a_long_handler_keeps_its_record(ledger: Ledger, make: Make) -> None:
    first, second = make(), make()
    executions = counting(first, seconds=3.5)
    others = counting(second)
    attempt = await ledger.publish(1)
    async with running(first):
        await ledger.until(lambda: executions.total())
        async with running(second):
            await ledger.ended(attempt)
            # It would have been handed out after a second of silence.
            assert not others


async def test_two_share_the_work(ledger: Ledger, make: Make) -> None:
    executors = [make(concurrency=2) for _ in range(2)]
    executions = [counting(executor, seconds=0.01) for executor in executors]
    attempts = [await ledger.publish(number) for number in range(100)]
    async with running(executors[0]), running(executors[1]):
        await ledger.ended(*attempts)
    assert executions[0] + executions[1] == Counter(attempt.name for attempt in attempts)
    assert min(each.total() for each in executions) > 10


async def test_answers_that_are_lost(ledger: Ledger, make: Make) -> None:
    executor = make()
    executions = counting(executor, seconds=0.02)
    attempts = [await ledger.publish(number) for number in range(40)]
    async with running(executor):
        await ledger.until(lambda: executions.total() >= 5)
        ledger.lost_answers["PullRecords"] = 2
        ledger.lost_answers["AckRecords"] = 2
        ledger.refusals["AckRecords"].extend([UNOWNED] * 2)
        await ledger.ended(*attempts)
    assert executions == Counter(attempt.name for attempt in attempts)
    assert not ledger.lost_answers.total()
    # All is acknowledged: another one is handed nothing.
    later = make()
    assert not counting(later)
    async with running(later):
        await ledger.ended(await ledger.publish(99))


async def test_a_server_that_is_started_anew(tmp_path: Path) -> None:
    ledger = Ledger()
    async with embedded_log(tmp_path / "records.db") as log:
        ledger.log = log
        async with ledger.serve() as address:
            executor = Executor(address, retry=QUICK, session_timeout=1.0)
            executions = counting(executor, seconds=0.5)
            attempts = [await ledger.publish(number) for number in range(30)]
            task = asyncio.create_task(executor.serve())
            await ledger.until(lambda: executions.total() >= 10)
        # What was handed out to whom is forgotten with the process.
    async with embedded_log(tmp_path / "records.db") as log:
        ledger.log = log
        async with ledger.serve(port=int(address.partition(":")[2])):
            await ledger.ended(*attempts)
            executor.stop()
            await task
    assert executions == Counter(attempt.name for attempt in attempts)


async def test_what_a_server_hands_out_again_takes_no_second_place(tmp_path: Path) -> None:
    ledger = Ledger()
    go = asyncio.Event()
    async with embedded_log(tmp_path / "records.db") as log:
        ledger.log = log
        async with ledger.serve() as address:
            executor = Executor(address, retry=QUICK, session_timeout=1.0, concurrency=2)

            @executor.handler("billing")
            async def bill(ctx: RunContext) -> None:
                if ctx.run == long.name:
                    await go.wait()

            long = await ledger.publish(0)
            task = asyncio.create_task(executor.serve())
            await ledger.until(lambda: long.starts)
    async with embedded_log(tmp_path / "records.db") as log:
        ledger.log = log
        async with ledger.serve(port=int(address.partition(":")[2])):
            attempts = [await ledger.publish(number) for number in range(1, 20)]
            await ledger.ended(*attempts)
            go.set()
            await ledger.ended(long)
            executor.stop()
            await task
    assert long.starts == 1


async def test_it_waits_for_an_api_that_is_not_there_yet(tmp_path: Path) -> None:
    ledger = Ledger()
    async with embedded_log() as log:
        ledger.log = log
        async with ledger.serve() as address:
            pass
        executor = Executor(address, retry=QUICK)
        executions = counting(executor)
        async with running(executor):
            attempt = await ledger.publish(1)
            async with ledger.serve(port=int(address.partition(":")[2])):
                await ledger.ended(attempt)
                executor.stop()
    assert executions.total() == 1


async def test_where_the_log_is_kafka_it_has_to_be_named(
    ledger: Ledger, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TICKWHEEL_KAFKA_BOOTSTRAP", raising=False)
    executor = make()
    counting(executor)
    ledger.refusals["PullRecords"].append(UNSUPPORTED)
    with pytest.raises(ExecutorError, match="TICKWHEEL_KAFKA_BOOTSTRAP"):
        await executor.serve()


async def test_a_pull_that_is_refused_at_once(ledger: Ledger, make: Make) -> None:
    executor = make()
    executor.handler("billing")(idle)
    refusal = status(grpc.StatusCode.INVALID_ARGUMENT, "FIELD_INVALID")
    ledger.refusals["PullRecords"].append(refusal)
    with pytest.raises(ExecutorError, match="FIELD_INVALID"):
        await executor.serve()


async def test_a_pull_that_is_refused_later_ends_it_in_order(ledger: Ledger, make: Make) -> None:
    executor = make(concurrency=1)
    executions = counting(executor, seconds=0.2)
    attempt = await ledger.publish(1, key="k")
    task = asyncio.create_task(executor.serve())
    await ledger.until(lambda: attempt.starts)
    refusal = status(grpc.StatusCode.INVALID_ARGUMENT, "FIELD_INVALID")
    ledger.refusals["PullRecords"].extend([refusal] * 20)
    # Has the pull that waits answer.
    await ledger.publish(2)
    with pytest.raises(ExecutorError, match="FIELD_INVALID"):
        await task
    assert attempt.is_over
    assert executions[attempt.name] == 1
