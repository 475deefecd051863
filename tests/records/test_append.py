"""Appending and reading."""

import asyncio
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest

from records.clock import HandClock
from records.making import numbered, record, values
from tickwheel.server.records.errors import LogUnavailable, RecordRefused
from tickwheel.server.records.log import RecordLog
from tickwheel.server.records.record import Appended, LogLimits, NewRecord
from tickwheel.server.records.wire import Entry, entry_of
from tickwheel.worker.publisher.partitioner import key_hash


async def test_a_record_is_read_as_it_was_appended(log: RecordLog, clock: HandClock) -> None:
    headers = [("ce_id", b"1"), ("twice", b"a"), ("twice", b"b"), ("long", b"x" * 300), ("é", b"")]
    (appended,) = await log.append([NewRecord("t", b"key", headers, b"\0\xff" * 200)])

    (found,) = await log.read("t", None, 0, 10)

    assert (found.topic, found.key, found.value) == ("t", b"key", b"\0\xff" * 200)
    assert [(header.key, header.value) for header in found.headers] == headers
    assert (found.partition, found.offset) == (appended.partition, appended.offset)
    assert found.append_time.ToMilliseconds() == appended.append_ms == clock.now_ms()


@pytest.mark.parametrize("size", [0, 1, 127, 128, 16_383, 16_384, 1_000_000])
async def test_values_of_all_sizes(log: RecordLog, size: int) -> None:
    await log.append([record(b"x" * size), record(b"after")])

    assert values(await log.read("t", None, 0, 10)) == [b"x" * size, b"after"]


async def test_equal_keys_share_a_partition_in_order(log: RecordLog) -> None:
    first = await log.append(numbered(100))
    second = await log.append([record(b"later")])

    number = key_hash(b"k") % 4
    assert [(place.partition, place.offset) for place in [*first, *second]] == [
        (number, offset) for offset in range(101)
    ]
    found = await log.read("t", number, 0, 1000)
    assert values(found) == [*(b"%d" % number for number in range(100)), b"later"]
    assert [one.offset for one in found] == list(range(101))


async def test_keys_spread_as_on_kafka(log: RecordLog) -> None:
    keys = [b"users/7/jobs/%d" % number for number in range(50)]
    places = await log.append([record(key=key) for key in keys])

    assert [place.partition for place in places] == [key_hash(key) % 4 for key in keys]
    assert {place.partition for place in places} == {0, 1, 2, 3}


async def test_records_without_a_key_take_turns_by_call(log: RecordLog) -> None:
    calls = [await log.append(numbered(3, key=None)) for _ in range(4)]

    used = [{place.partition for place in call} for call in calls]
    assert all(len(one) == 1 for one in used)
    assert set[int]().union(*used) == {0, 1, 2, 3}


async def test_topics_count_for_themselves(log: RecordLog) -> None:
    await log.append(numbered(3, topic="a"))
    places = await log.append([*numbered(2, topic="b"), *numbered(1, topic="a")])

    assert [place.offset for place in places] == [0, 1, 3]
    assert await log.read("c", None, 0, 10) == []
    assert log.partitions("c") == []
    assert sum(state.end for state in log.partitions("a")) == 4


async def test_reading_in_pieces(log: RecordLog) -> None:
    """The pieces begin and end inside of batches."""
    number = key_hash(b"k") % 4
    await log.append(numbered(1_000))
    await log.append(numbered(500))

    found = [values(await log.read("t", number, first, 70)) for first in range(0, 1500, 70)]

    expected = [b"%d" % n for n in [*range(1_000), *range(500)]]
    assert [value for piece in found for value in piece] == expected
    # Backwards, so that what is kept of the last read does not fit.
    assert values(await log.read("t", number, 990, 20)) == expected[990:1010]
    assert values(await log.read("t", number, 5, 3)) == expected[5:8]


async def test_calls_side_by_side(log: RecordLog) -> None:
    await asyncio.gather(*(log.append([record(b"%d" % n)]) for n in range(200)))

    found = await log.read("t", None, 0, 1000)
    assert values(found) == [b"%d" % n for n in range(200)]


@pytest.mark.parametrize("topic", ["", ".", "..", "a b", "x" * 250, "a\n"])
async def test_topics_that_cannot_be(log: RecordLog, topic: str) -> None:
    with pytest.raises(RecordRefused, match="topic"):
        await log.append([record(topic=topic)])


async def test_one_refused_record_keeps_the_others_of_its_call_out(log: RecordLog) -> None:
    big = record(b"x" * 1_048_588)
    refused, taken = await asyncio.gather(
        log.append([record(b"1"), big]), log.append([record(b"2")]), return_exceptions=True
    )

    assert isinstance(refused, RecordRefused)
    assert isinstance(taken, list)
    assert taken[0].offset == 0
    assert values(await log.read("t", None, 0, 10)) == [b"2"]


async def test_the_stamp_is_no_earlier_than_the_writing(log: RecordLog, clock: HandClock) -> None:
    def supply() -> Sequence[Entry]:
        clock.advance(250)  # What waits for the writer is stamped when its turn has come.
        return [entry_of(record(), 1000)]

    before_ms = clock.now_ms()
    (place,) = await log.append_from(supply)

    assert place == Appended(key_hash(b"k") % 4, 0, before_ms + 250)


async def test_it_goes_on_after_a_restart(tmp_path: Path, clock: HandClock) -> None:
    path = tmp_path / "records.db"
    log = await RecordLog.open(path, clock)
    await log.append(numbered(300))
    await log.close()

    # Another default leaves the partitions of a topic as they are.
    log = await RecordLog.open(path, clock, LogLimits(partitions=7))
    places = await log.append([record(b"new")])
    found = await log.read("t", None, 0, 1000)
    assert len(log.partitions("t")) == 4
    await log.close()

    assert places[0].offset == 300
    assert values(found) == [*(b"%d" % n for n in range(300)), b"new"]


async def test_a_file_of_a_later_release_is_left_alone(tmp_path: Path, clock: HandClock) -> None:
    path = tmp_path / "records.db"
    await (await RecordLog.open(path, clock)).close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()

    with pytest.raises(LogUnavailable, match="format 99"):
        await RecordLog.open(path, clock)


async def test_a_path_that_cannot_be_opened(tmp_path: Path, clock: HandClock) -> None:
    with pytest.raises(LogUnavailable, match="unable to open"):
        await RecordLog.open(tmp_path / "missing" / "records.db", clock)


async def test_a_closed_log_says_so(path: Path | None, clock: HandClock) -> None:
    log = await RecordLog.open(path, clock)
    await log.append([record()])
    await log.close()

    with pytest.raises(LogUnavailable, match="closed"):
        await log.append([record()])
    with pytest.raises(LogUnavailable, match="closed"):
        await log.read("t", None, 0, 1)


async def test_closing_finishes_what_was_asked_for(tmp_path: Path, clock: HandClock) -> None:
    path = tmp_path / "records.db"
    log = await RecordLog.open(path, clock)
    appending = [asyncio.ensure_future(log.append([record()])) for _ in range(50)]
    await asyncio.sleep(0)
    await log.close()

    assert len(await asyncio.gather(*appending)) == 50
    log = await RecordLog.open(path, clock)
    assert sum(state.end for state in log.partitions("t")) == 50
    await log.close()


async def test_the_write_ahead_log_does_not_grow_for_ever(tmp_path: Path, clock: HandClock) -> None:
    path = tmp_path / "records.db"
    log = await RecordLog.open(path, clock)
    largest = 0
    for _ in range(60):
        await log.append([record(b"x" * 500_000) for _ in range(4)])
        largest = max(largest, path.with_name("records.db-wal").stat().st_size)
    await log.close()

    # 120 MB were written.
    assert largest < 80_000_000
