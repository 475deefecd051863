"""Records of a real Kafka: committed when finished, whoever joins, leaves or dies."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from engines_fixtures import KafkaServer

from executor.conftest import QUICK, idle, running
from executor.kafka import KafkaTopic, kafka_topic
from executor.stand_in import Attempt, Ledger
from tickwheel.client import CancelReason, Executor, ExecutorError, RunContext
from tickwheel.client.executor import kafka_source
from tickwheel.client.executor.execution import Executed
from tickwheel.v1 import run_pb2

Make = Callable[..., Executor]


@pytest.fixture
async def ledger() -> Ledger:
    # Without a log of its own: PullRecords is answered as on Kafka.
    return Ledger()


@pytest.fixture
async def topic(kafka_server: KafkaServer) -> AsyncIterator[KafkaTopic]:
    async with kafka_topic(kafka_server.bootstrap) as made:
        yield made


@pytest.fixture
def make(address: str, topic: KafkaTopic, monkeypatch: pytest.MonkeyPatch) -> Make:
    monkeypatch.setenv("TICKWHEEL_KAFKA_BOOTSTRAP", topic.bootstrap)

    def made(**options: Any) -> Executor:
        defaults: dict[str, Any] = {
            "retry": QUICK,
            "group": topic.group,
            "session_timeout": 6.0,
            "drain_timeout": 5.0,
            "handover_timeout": 3.0,
        }
        return Executor(address, **(defaults | options))

    return made


def counting(
    executor: Executor, topic: KafkaTopic, seconds: float = 0.0, held: str = ""
) -> Counter[str]:
    executions: Counter[str] = Counter()

    @executor.handler(topic.name)
    async def work(ctx: RunContext) -> None:
        executions[ctx.run] += 1
        await asyncio.sleep(60 if ctx.run == held else seconds)

    return executions


async def publish(
    ledger: Ledger, topic: KafkaTopic, numbers: range, **attributes: Any
) -> list[Attempt]:
    made = [ledger.add(number, topic=topic.name, **attributes) for number in numbers]
    await topic.publish([record for _, record in made])
    return [attempt for attempt, _ in made]


async def until(condition: Callable[[], bool], timeout: float = 30.0) -> None:
    async with asyncio.timeout(timeout):
        while not condition():
            await asyncio.sleep(0.02)


async def test_all_are_executed_once_and_committed(
    ledger: Ledger, make: Make, topic: KafkaTopic
) -> None:
    executor = make()
    executions = counting(executor, topic)
    attempts = await publish(ledger, topic, range(300))
    async with running(executor):
        await ledger.ended(*attempts, timeout=60)
    assert executions == Counter(attempt.name for attempt in attempts)
    assert await topic.committed() == 300
    later = make()
    again = counting(later, topic)
    async with running(later):
        (last,) = await publish(ledger, topic, range(300, 301))
        await ledger.ended(last, timeout=60)
    assert again == Counter([last.name])


async def test_only_what_is_finished_is_committed_while_it_runs(
    ledger: Ledger, make: Make, topic: KafkaTopic
) -> None:
    executor = make(concurrency=8, drain_timeout=0.1, cancel_grace=0.1)
    attempts = await publish(ledger, topic, range(100))
    executions = counting(executor, topic, held=attempts[40].name)
    others = [attempt for attempt in attempts if attempt is not attempts[40]]
    async with running(executor):
        await ledger.ended(*others, timeout=60)
        await asyncio.sleep(1)
        assert 0 < await topic.committed() < 100
    # Its partition stops at the one that is not finished.
    assert await topic.committed() < 100
    after = make()
    again = counting(after, topic)
    async with running(after):
        await ledger.ended(attempts[40], timeout=60)
    assert again == Counter([attempts[40].name])
    assert executions.total() == 100
    assert await topic.committed() == 100


async def test_what_nobody_remembers_is_committed_beside_the_offset(
    ledger: Ledger, make: Make, topic: KafkaTopic
) -> None:
    """Of COMPLETION_PUBLISHED runs the server does not know that they were executed."""
    published: dict[str, Any] = {
        "completion": "COMPLETION_PUBLISHED",
        "state": run_pb2.RUN_STATE_SUCCEEDED,
    }
    attempts = await publish(ledger, topic, range(100), **published)
    first = make(concurrency=8)
    # Crashes: nothing is finished or committed in order.
    executions = counting(first, topic, held=attempts[0].name)
    task = asyncio.create_task(first.serve())
    await until(lambda: executions.total() == 100)
    await asyncio.sleep(1)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    second = make()
    again = counting(second, topic)
    async with running(second):
        (last,) = await publish(ledger, topic, range(100, 101))
        await until(lambda: again.total() == 2)
        await ledger.ended(last)
    assert again == Counter([attempts[0].name, last.name])


async def test_who_joins_gets_a_share_and_nothing_is_executed_twice(
    ledger: Ledger, make: Make, topic: KafkaTopic
) -> None:
    executors = [make() for _ in range(3)]
    # Longer than it takes to share out the partitions, shorter than the hand-over waits.
    executions = [counting(executor, topic, seconds=0.5) for executor in executors]
    attempts = await publish(ledger, topic, range(400))
    async with running(executors[0]):
        await until(lambda: executions[0].total() > 20)
        async with running(executors[1]):
            await until(lambda: executions[1].total() > 10)
            async with running(executors[2]):
                await until(lambda: executions[2].total() > 10)
            # One has left again, in order.
            await ledger.ended(*attempts, timeout=60)
    total = sum(executions, Counter[str]())
    assert total == Counter(attempt.name for attempt in attempts)
    assert await topic.committed() == 400


async def test_work_that_goes_on_takes_no_second_place(
    ledger: Ledger, make: Make, topic: KafkaTopic
) -> None:
    """When the group is shared out anew a record comes again while it is still in work."""
    executor, other = make(concurrency=2, handover_timeout=0.1), make()
    (long,) = await publish(ledger, topic, range(1))
    executions = counting(executor, topic, held=long.name)
    # Of another topic, so that this one's partitions stay.
    other.handler(f"{topic.name}-other")(idle)
    task = asyncio.create_task(executor.serve())
    try:
        await until(lambda: executions.total() == 1)
        async with running(other):
            attempts = await publish(ledger, topic, range(1, 30))
            await ledger.ended(*attempts, timeout=60)
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    assert executions == Counter(attempt.name for attempt in [long, *attempts])


async def test_what_comes_back_after_it_was_given_up_is_done_again(
    ledger: Ledger, make: Make, topic: KafkaTopic
) -> None:
    first = make(concurrency=40, handover_timeout=0.1, cancel_grace=None)
    second = make(drain_timeout=0.0, cancel_grace=0.0)
    executions: Counter[str] = Counter()
    given_up: set[str] = set()
    others = counting(second, topic, seconds=60)
    go = asyncio.Event()

    @first.handler(topic.name)
    async def work(ctx: RunContext) -> None:
        executions[ctx.run] += 1
        if executions[ctx.run] == 1:
            await go.wait()
            if ctx.cancelled:
                given_up.add(ctx.run)
            ctx.raise_if_cancelled()

    attempts = await publish(ledger, topic, range(16))
    async with running(first):
        await until(lambda: executions.total() == 16)
        async with running(second):
            await until(lambda: others.total() > 0)
        # The second one's share comes back to the first, whose handlers know nothing of it.
        later = await publish(ledger, topic, range(16, 32))
        await until(lambda: executions.total() > 16)
        go.set()
        await ledger.ended(*attempts, *later, timeout=60)
    assert given_up
    assert {run for run, times in executions.items() if times == 2} == given_up


async def test_a_handler_that_outlasts_the_hand_over_goes_on_or_is_handed_over(
    ledger: Ledger, make: Make, topic: KafkaTopic
) -> None:
    """Sticky assignment: two of four partitions stay, two go to the other."""
    first, second = make(handover_timeout=0.2, cancel_grace=None), make()
    reasons: dict[str, CancelReason] = {}
    ended: list[str] = []
    go = asyncio.Event()

    @first.handler(topic.name)
    async def work(ctx: RunContext) -> None:
        cancelled = asyncio.ensure_future(_reason(ctx))
        gone = asyncio.ensure_future(go.wait())
        await asyncio.wait((cancelled, gone), return_when=asyncio.FIRST_COMPLETED)
        gone.cancel()
        if cancelled.done():
            reasons[ctx.run] = cancelled.result()
            ctx.raise_if_cancelled()
        cancelled.cancel()
        ended.append(ctx.run)

    executions = counting(second, topic)
    # Of all four partitions: 16 keys.
    attempts = await publish(ledger, topic, range(16))
    async with running(first):
        await ledger.until(lambda: all(attempt.starts for attempt in attempts), 60)
        async with running(second):
            await until(lambda: executions.total() > 0)
            await until(lambda: executions.total() == len(reasons))
            # What has come back after all, or has never left, goes on.
            go.set()
            await ledger.ended(*attempts, timeout=60)
    assert set(reasons.values()) == {CancelReason.HANDED_OVER}
    assert executions == Counter(reasons.keys())
    assert sorted([*ended, *reasons]) == sorted(attempt.name for attempt in attempts)
    assert 0 < len(ended) < 16
    assert {attempt.state for attempt in attempts} == {run_pb2.RUN_STATE_SUCCEEDED}


async def _reason(ctx: RunContext) -> CancelReason:
    return await ctx.cancelled


async def test_a_topic_that_comes_later(
    ledger: Ledger, address: str, kafka_server: KafkaServer
) -> None:
    async with kafka_topic(kafka_server.bootstrap, create=False) as topic:
        executor = Executor(
            address, group=topic.group, kafka_bootstrap=topic.bootstrap, session_timeout=6.0
        )
        executions = counting(executor, topic)
        async with running(executor):
            await asyncio.sleep(1)
            attempts = await publish(ledger, topic, range(20))
            await ledger.ended(*attempts, timeout=60)
    assert executions.total() == 20


async def test_what_is_no_run_is_committed_too(
    ledger: Ledger, make: Make, topic: KafkaTopic
) -> None:
    executor = make()
    executions = counting(executor, topic)
    made = [ledger.add(number, topic=topic.name) for number in range(20)]
    for _, record in made[::2]:
        record.headers.clear()
    await topic.publish([record for _, record in made])
    async with running(executor):
        await ledger.ended(*(attempt for attempt, _ in made[1::2]), timeout=60)
        await until(lambda: executions.total() == 10)
    assert await topic.committed() == 20


def shared_out_anew(executor: Executor, topic: KafkaTopic) -> None:
    """Gives an executor that joins the group another topic: the partitions of this one stay."""
    executor.handler(f"{topic.name}-other")(idle)


@pytest.mark.parametrize("error", [AttributeError("error_code"), TypeError("client_rack")])
async def test_what_cannot_be_read_of_the_committed_is_read_by_and_by(
    ledger: Ledger,
    make: Make,
    topic: KafkaTopic,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
) -> None:
    """The admin client's own mistakes, amid a sharing out, kept an executor from polling for ever."""
    executor, other = make(), make()
    executions = counting(executor, topic)
    shared_out_anew(other, topic)
    before = await publish(ledger, topic, range(10))

    asked = asyncio.Event()

    async def fails(*_: object, **__: object) -> None:
        asked.set()
        raise error

    async with running(executor):
        await ledger.ended(*before, timeout=60)
        monkeypatch.setattr(AIOKafkaAdminClient, "list_consumer_group_offsets", fails)
        async with running(other):
            await asked.wait()
            after = await publish(ledger, topic, range(10, 20))
            await ledger.ended(*after, timeout=60)
    assert executions == Counter(attempt.name for attempt in [*before, *after])


@pytest.mark.parametrize("error", [RuntimeError("a defect"), asyncio.CancelledError()])
async def test_an_executor_that_cannot_take_its_share_over_ends(
    ledger: Ledger,
    make: Make,
    topic: KafkaTopic,
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
) -> None:
    executor = make()
    counting(executor, topic)

    async def fails(*_: object) -> None:
        raise error

    monkeypatch.setattr(kafka_source, "fetch_committed", fails)
    with pytest.raises(ExecutorError, match=r"share|by itself"):
        async with asyncio.timeout(60):
            await executor.serve()


async def test_an_executor_that_the_group_refuses_ends(make: Make, topic: KafkaTopic) -> None:
    """Nothing is polled before the group has been shared out, so nobody heard why it was not."""
    # Kafka takes no less than six seconds.
    executor = make(session_timeout=1.0)
    counting(executor, topic)
    with pytest.raises(ExecutorError, match="InvalidSessionTimeout"):
        async with asyncio.timeout(60):
            await executor.serve()


async def test_an_executor_that_can_commit_no_more_ends(
    ledger: Ledger, make: Make, topic: KafkaTopic, monkeypatch: pytest.MonkeyPatch
) -> None:
    executor = make()
    counting(executor, topic)

    async def fails(*_: object) -> None:
        raise ValueError("a defect")

    monkeypatch.setattr(AIOKafkaConsumer, "commit", fails)
    await publish(ledger, topic, range(1))
    with pytest.raises(ExecutorError, match="committed any more"):
        async with asyncio.timeout(60):
            await executor.serve()


@pytest.mark.parametrize("known", [True, False])
async def test_where_the_log_goes_back_all_is_done_that_is_not_known(
    ledger: Ledger,
    make: Make,
    topic: KafkaTopic,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    known: bool,
) -> None:
    """As of a topic that was made anew, or lost its end."""
    if not known:
        monkeypatch.setattr(Executed.__init__, "__defaults__", (0,))
    published: dict[str, Any] = {
        "completion": "COMPLETION_PUBLISHED",
        "state": run_pb2.RUN_STATE_SUCCEEDED,
    }
    executor = make()
    executions = counting(executor, topic)
    consumers: list[AIOKafkaConsumer] = []
    start = AIOKafkaConsumer.start

    async def started(consumer: AIOKafkaConsumer) -> None:
        consumers.append(consumer)
        await start(consumer)

    monkeypatch.setattr(AIOKafkaConsumer, "start", started)
    before = await publish(ledger, topic, range(100), **published)
    async with running(executor):
        await until_committed(topic, 100)
        for number in range(topic.partitions):
            consumers[0].seek(TopicPartition(topic.name, number), 0)  # pyright: ignore[reportUnknownMemberType]
        (last,) = await publish(ledger, topic, range(100, 101), **published)
        times = 1 if known else 2
        await until(lambda: executions.total() == 100 * times + 1)
        await until_committed(topic, 101)
    assert executions == Counter([*(attempt.name for attempt in before * times), last.name])
    assert "goes back from offset" in caplog.text


async def until_committed(topic: KafkaTopic, count: int) -> None:
    async with asyncio.timeout(60):
        while await topic.committed() != count:
            await asyncio.sleep(0.05)


async def test_it_waits_for_a_kafka_that_is_not_there(make: Make, address: str) -> None:
    executor = Executor(address, kafka_bootstrap="127.0.0.1:1")
    executor.handler("billing")(idle)
    async with running(executor) as task:
        await asyncio.sleep(1.5)
        assert not task.done()
