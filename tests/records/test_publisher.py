"""The worker's publisher port on the embedded log."""

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from records.clock import HandClock
from records.making import values
from tickwheel.server.dev.publisher import EmbeddedPublisher
from tickwheel.server.records.log import RecordLog
from tickwheel.server.records.record import LogLimits
from tickwheel.server.records.wire import Entry
from tickwheel.worker.publisher.partitioner import key_hash
from tickwheel.worker.publisher.port import (
    Ack,
    Permit,
    Record,
    Refused,
    Result,
    RunId,
    Unavailable,
)

DAY_MS = 24 * 3600 * 1000
FOREVER = 1 << 62


class Reports:
    """What the publisher has said, call by call."""

    def __init__(self) -> None:
        self.calls: list[tuple[Sequence[Record], Sequence[Result]]] = []
        self._told = asyncio.Event()

    def __call__(self, records: Sequence[Record], results: Sequence[Result]) -> None:
        assert len(records) == len(results)
        self.calls.append((records, results))
        self._told.set()

    async def of(self, records: Sequence[Record]) -> list[Result]:
        """The one result of each record, once all are told."""
        while True:
            told = [
                (record, result)
                for call in self.calls
                for record, result in zip(*call, strict=True)
            ]
            found = [[result for one, result in told if one is record] for record in records]
            if all(found):
                assert all(len(results) == 1 for results in found), "reported twice"
                return [results[0] for results in found]
            self._told.clear()
            await self._told.wait()


@pytest.fixture
async def reports() -> Reports:
    return Reports()


@pytest.fixture
async def publisher(
    log: RecordLog, clock: HandClock, reports: Reports
) -> AsyncIterator[EmbeddedPublisher]:
    publisher = EmbeddedPublisher(log, clock)
    await publisher.start(reports)
    yield publisher
    await publisher.close()


def made(
    number: int = 0,
    *,
    topic: str = "t",
    value: bytes = b"",
    permit: Permit | None = None,
    expire_ms: int = FOREVER,
) -> Record:
    return Record(
        run=RunId("uid", str(number), 1),
        topic=topic,
        key=b"users/7/jobs/nightly",
        headers=[("ce_id", b"%d" % number)],
        value=value or b"%d" % number,
        permit=permit or Permit(FOREVER),
        expire_ms=expire_ms,
    )


async def test_records_are_published_and_told_in_bulk(
    publisher: EmbeddedPublisher, reports: Reports, log: RecordLog, clock: HandClock
) -> None:
    records = [made(number) for number in range(500)]
    publisher.expect(records)
    await publisher.publish(records)

    results = await reports.of(records)

    number = key_hash(b"users/7/jobs/nightly") % 4
    assert results == [Ack(number, offset, clock.now_ms()) for offset in range(500)]
    assert len(reports.calls) == 1
    found = await log.read("t", None, 0, 1000)
    assert values(found) == [b"%d" % n for n in range(500)]
    assert [(header.key, header.value) for header in found[7].headers] == [("ce_id", b"7")]
    assert found[7].key == b"users/7/jobs/nightly"


async def test_only_what_is_permitted_and_has_not_expired_is_published(
    publisher: EmbeddedPublisher, reports: Reports, log: RecordLog, clock: HandClock
) -> None:
    steady_ms = clock.steady_ms()
    good = made(0, permit=Permit(steady_ms + 1), expire_ms=steady_ms + 1)
    lapsed = made(1, permit=Permit(steady_ms))
    expired = made(2, expire_ms=steady_ms)
    refused = made(3, topic="..")
    large = made(4, value=b"x" * 1_100_000)
    last = made(5)
    records = [good, lapsed, expired, refused, large, last]
    await publisher.publish(records)

    results = await reports.of(records)

    kinds = [Ack, Unavailable, Unavailable, Refused, Refused, Ack]
    assert [type(result) for result in results] == kinds
    assert values(await log.read("t", None, 0, 10)) == [b"0", b"5"]
    assert publisher.ready


async def test_both_are_looked_at_when_the_writer_has_come_to_it(
    publisher: EmbeddedPublisher, reports: Reports, log: RecordLog, clock: HandClock
) -> None:
    """Good when it was handed over, not any more after what is written before it."""
    permit = Permit(clock.steady_ms() + 1_000)
    records = [made(0, permit=permit), made(1, expire_ms=clock.steady_ms() + 1_000)]

    def slow() -> Sequence[Entry]:
        clock.advance(1_000)
        return []

    before = log.append_from(slow)
    await publisher.publish(records)

    assert [type(result) for result in await reports.of(records)] == [Unavailable, Unavailable]
    await before
    assert log.partitions("t") == []


async def test_abort_gives_nothing_to_the_log_any_more(
    publisher: EmbeddedPublisher, reports: Reports, log: RecordLog
) -> None:
    first, later = [made(0), made(1)], [made(2)]
    await publisher.publish(first)
    await publisher.abort()
    # Told when abort returns, though the writer may just be at it.
    assert [type(result) for _, results in reports.calls for result in results] == [
        Unavailable,
        Unavailable,
    ]

    await publisher.publish(later)

    assert [type(result) for result in await reports.of([*first, *later])] == [Unavailable] * 3
    await log.probe()  # Everything that was handed to the writer is through.
    assert b"2" not in values(await log.read("t", None, 0, 10))


async def test_what_is_aborted_before_its_turn_is_not_written(
    publisher: EmbeddedPublisher, log: RecordLog
) -> None:
    abort_is_done = threading.Event()

    def hold_up() -> Sequence[Entry]:
        assert abort_is_done.wait(10)
        return []

    before = log.append_from(hold_up)
    await publisher.publish([made(0)])
    await publisher.abort()
    abort_is_done.set()
    await before

    await log.probe()
    assert log.partitions("t") == []


async def test_close_waits_until_all_is_told(
    publisher: EmbeddedPublisher, reports: Reports
) -> None:
    for number in range(20):
        await publisher.publish([made(number)])
    await publisher.close()

    assert len(reports.calls) == 20


async def test_a_full_disk_and_back(path: Path | None, clock: HandClock, reports: Reports) -> None:
    log = await RecordLog.open(path, clock, LogLimits(max_file_bytes=4_000_000))
    publisher = EmbeddedPublisher(log, clock)
    await publisher.start(reports)
    results: list[Result] = []
    while publisher.ready:
        records = [made(n, value=b"x" * 200_000) for n in range(5)]
        await publisher.publish(records)
        results = await reports.of(records)
    assert results == [Unavailable("the disk of the record log is full")] * 5
    # It looks again every second, and as long as nothing has changed, it stays so.
    for _ in range(2):
        await clock.until_sleeping(1.0)
        assert not publisher.ready
        clock.advance(1_000)

    # Room is made: what is too old is dropped.
    await clock.until_sleeping(3600.0)
    clock.advance(8 * DAY_MS)
    while not publisher.ready:
        clock.advance(1_000)
        await asyncio.sleep(0)

    again = [made(7, value=b"x" * 200_000)]
    await publisher.publish(again)
    assert isinstance((await reports.of(again))[0], Ack)
    await publisher.close()
    await log.close()


async def test_a_log_that_is_closed(clock: HandClock, reports: Reports) -> None:
    log = await RecordLog.open(None, clock)
    publisher = EmbeddedPublisher(log, clock)
    await publisher.start(reports)
    await log.close()
    records = [made(0)]
    await publisher.publish(records)

    assert await reports.of(records) == [Unavailable("the record log is closed")]
    await publisher.close()
