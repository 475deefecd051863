"""How rows become statements, and what their writers are told; no server is needed."""

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from tickwheel.server.domain.errors import OutcomeUnknown, StoreUnavailable
from tickwheel.server.store.cassandra import writer as writing
from tickwheel.server.store.cassandra.driver import Bound
from tickwheel.server.store.cassandra.writer import (
    MIXED_BATCH_BYTES,
    PARTITION_BATCH_BYTES,
    Writer,
    batched,
)


def row(partition: int, size: int = 100) -> Bound:
    prepared: Any = SimpleNamespace(table="t")
    return Bound(prepared, [], partition.to_bytes(4), size)


def partitions(batch: Sequence[Bound]) -> set[bytes]:
    return {bound.routing_key for bound in batch}


def test_rows_of_a_partition_go_together() -> None:
    rows = [row(number % 3) for number in range(300)]
    batches = batched(rows)
    assert [len(batch) for batch in batches] == [100, 100, 100]
    assert all(len(partitions(batch)) == 1 for batch in batches)


def test_single_rows_share_statements() -> None:
    batches = batched([row(number) for number in range(120)])
    assert [len(batch) for batch in batches] == [50, 50, 20]


def test_no_batch_is_larger_than_the_server_takes() -> None:
    rows = [row(0, 10_000) for _ in range(20)] + [row(number, 9_000) for number in range(1, 20)]
    rows += [row(99, 300_000)]
    batches = batched(rows)
    assert sum(len(batch) for batch in batches) == len(rows)
    for batch in batches:
        limit = PARTITION_BATCH_BYTES if len(partitions(batch)) == 1 else MIXED_BATCH_BYTES
        assert len(batch) == 1 or sum(bound.size for bound in batch) <= limit


async def test_calls_of_one_turn_share_statements() -> None:
    sent: list[list[Bound]] = []

    async def send(batch: list[Bound]) -> None:
        sent.append(batch)

    writer = Writer(send)
    await asyncio.gather(*(writer.write([row(number)]) for number in range(40)))
    assert [len(batch) for batch in sent] == [40]
    await writer.idle()


class Slow:
    """Statements that end when they are told to."""

    def __init__(self) -> None:
        self.sent: list[int] = []
        self.may_end = asyncio.Event()

    async def send(self, batch: list[Bound]) -> None:
        self.sent.append(len(batch))
        await self.may_end.wait()


async def turns() -> None:
    """Lets all go on that waits for nothing."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_what_comes_while_a_statement_is_under_way_is_gathered_until_it_has_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(writing, "LINGER_S", 1_000)
    slow = Slow()
    writer = Writer(slow.send)
    tasks = list[asyncio.Task[None]]()
    for number in range(5):
        tasks.append(asyncio.create_task(writer.write([row(number)])))
        await turns()
    assert slow.sent == [1]
    slow.may_end.set()
    await asyncio.gather(*tasks)
    assert slow.sent == [1, 4]


async def test_what_fills_a_statement_waits_for_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "LINGER_S", 1_000)
    slow = Slow()
    writer = Writer(slow.send)
    tasks = [asyncio.create_task(writer.write([row(0)]))]
    await turns()
    tasks += [asyncio.create_task(writer.write([row(number)])) for number in range(50)]
    await turns()
    assert slow.sent == [1, 50]
    slow.may_end.set()
    await asyncio.gather(*tasks)


async def test_a_statement_that_hangs_holds_up_the_others_for_a_moment_only() -> None:
    slow = Slow()
    writer = Writer(slow.send)
    tasks = [asyncio.create_task(writer.write([row(0)]))]
    await turns()
    tasks.append(asyncio.create_task(writer.write([row(1)])))
    async with asyncio.timeout(10):
        while len(slow.sent) < 2:
            await asyncio.sleep(0.001)
    slow.may_end.set()
    await asyncio.gather(*tasks)


async def test_order_of_a_callers_writes_is_kept() -> None:
    sent: list[int] = []

    async def send(batch: list[Bound]) -> None:
        await asyncio.sleep(0)
        sent.extend(bound.size for bound in batch)

    writer = Writer(send)

    async def caller(number: int) -> None:
        await writer.write([row(number, 10 + number)])
        await writer.write([row(number, 20 + number)])

    await asyncio.gather(*(caller(number) for number in range(5)))
    assert sorted(sent[:5]) == [10, 11, 12, 13, 14]


@pytest.mark.parametrize(
    ("failures", "expected"),
    [
        ({0: StoreUnavailable("away"), 1: StoreUnavailable("away")}, StoreUnavailable),
        ({0: StoreUnavailable("away")}, OutcomeUnknown),
        ({1: OutcomeUnknown("perhaps")}, OutcomeUnknown),
        ({0: OutcomeUnknown("perhaps"), 1: StoreUnavailable("away")}, OutcomeUnknown),
        ({1: ZeroDivisionError()}, ZeroDivisionError),
    ],
)
async def test_what_became_of_some_of_the_rows(
    failures: dict[int, Exception], expected: type[Exception]
) -> None:
    """Two partitions with a statement each; only if both certainly failed nothing was done."""

    async def send(batch: list[Bound]) -> None:
        failure = failures.get(int.from_bytes(batch[0].routing_key))
        if failure is not None:
            raise failure

    with pytest.raises(Exception, match=r".*") as raised:
        await Writer(send).write([row(number % 2) for number in range(40)])
    assert type(raised.value) is expected


async def test_a_failure_is_told_to_those_it_concerns() -> None:
    async def send(batch: list[Bound]) -> None:
        if partitions(batch) == {(7).to_bytes(4)}:
            raise StoreUnavailable("away")

    writer = Writer(send)
    good, bad = await asyncio.gather(
        writer.write([row(1) for _ in range(20)]),
        writer.write([row(7) for _ in range(20)]),
        return_exceptions=True,
    )
    assert good is None
    assert type(bad) is StoreUnavailable


async def test_cancelled_caller_leaves_the_others() -> None:
    gate = asyncio.Event()

    async def send(batch: list[Bound]) -> None:
        await gate.wait()

    writer = Writer(send)
    tasks = [asyncio.create_task(writer.write([row(number)])) for number in range(3)]
    await asyncio.sleep(0.01)
    tasks[0].cancel()
    gate.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(results[0], asyncio.CancelledError)
    assert results[1:] == [None, None]
    await writer.idle()
