"""The log's bounds: retention, and a disk that is full."""

import asyncio
import contextlib
import sqlite3
from pathlib import Path

import pytest

from records.clock import HandClock
from records.making import numbered, positions, record, values
from tickwheel.server.records.errors import LogUnavailable
from tickwheel.server.records.log import RecordLog
from tickwheel.server.records.record import LogLimits
from tickwheel.worker.publisher.partitioner import key_hash

DAY_MS = 24 * 3600 * 1000
HOUR_S = 3600.0
NUMBER = key_hash(b"k") % 4


async def until_kept(clock: HandClock, ms: int) -> None:
    """Lets time pass until the hourly housekeeping has been done."""
    await clock.until_sleeping(HOUR_S)
    clock.advance(ms)
    await clock.until_sleeping(HOUR_S)


async def test_old_records_are_dropped(log: RecordLog, clock: HandClock) -> None:
    for number in range(150):  # More batches than are dropped at once.
        await log.append([record(b"old %d" % number)])
    await until_kept(clock, 6 * DAY_MS)
    await log.append([record(b"young")])
    assert len(await log.read("t", None, 0, 1000)) == 151

    await until_kept(clock, 2 * DAY_MS)

    (found,) = await log.read("t", None, 0, 1000)
    assert (found.value, found.offset) == (b"young", 150)
    assert log.partitions("t")[NUMBER][3:] == (150, 151)


async def test_offsets_go_on_where_all_is_dropped(tmp_path: Path, clock: HandClock) -> None:
    log = await RecordLog.open(tmp_path / "records.db", clock)
    await log.append(numbered(3))
    await until_kept(clock, 8 * DAY_MS)
    assert await log.read("t", None, 0, 10) == []
    await log.close()

    log = await RecordLog.open(tmp_path / "records.db", clock)
    (place,) = await log.append([record()])
    await log.close()

    assert place.offset == 3


async def test_a_group_passes_over_what_is_dropped(log: RecordLog, clock: HandClock) -> None:
    await log.append(numbered(5))
    await log.pull("t", "g", limit=2, consumer="a", session_timeout_ms=1_000)
    await until_kept(clock, 6 * DAY_MS)
    await log.append([record(b"young")])
    await until_kept(clock, 2 * DAY_MS)

    assert values(await log.pull("t", "g", limit=10, consumer="b")) == [b"young"]


async def test_groups_that_nobody_uses_are_dropped(log: RecordLog, clock: HandClock) -> None:
    for name in ("used", "left"):
        await log.append([record()])
        await log.ack("t", name, positions(await log.pull("t", name, limit=10)))
    for _ in range(4):
        await until_kept(clock, 2 * DAY_MS)
        await log.pull("t", "used", limit=1, start_at_end=True)
    await log.append([record(b"before")])

    # The one goes on where it was; the other is as if it had never been.
    assert values(await log.pull("t", "used", limit=9, start_at_end=True)) == [b"before"]
    assert values(await log.pull("t", "left", limit=9, start_at_end=True)) == []


async def test_a_full_disk(path: Path | None, clock: HandClock) -> None:
    log = await RecordLog.open(path, clock, LogLimits(max_file_bytes=4_000_000))
    taken = 0
    with pytest.raises(LogUnavailable, match="full"):
        while True:
            taken += len(await log.append([record(b"x" * 100_000) for _ in range(3)]))
    with pytest.raises(LogUnavailable, match="full"):
        await log.probe()

    # What was acknowledged is there, nothing else is, and it can be consumed.
    assert 20 < taken < 40
    assert len(await log.read("t", None, 0, 100)) == taken
    await until_kept(clock, 8 * DAY_MS)
    await log.probe()
    (place,) = await log.append([record()])
    assert place.offset == taken
    await log.close()


async def test_what_fits_is_taken_beside_what_does_not(clock: HandClock) -> None:
    """Calls in one transaction with one that is too much for the disk."""
    log = await RecordLog.open(None, clock, LogLimits(max_file_bytes=2_000_000))
    small = log.append([record(b"small")])
    large = log.append([record(b"x" * 1_000_000) for _ in range(3)])
    after = log.append([record(b"after")])
    results = await asyncio.gather(small, large, after, return_exceptions=True)

    assert isinstance(results[1], LogUnavailable)
    assert values(await log.read("t", None, 0, 10)) == [b"small", b"after"]
    await log.close()


async def test_an_acknowledgement_that_was_not_stored_is_stored_by_the_next(
    tmp_path: Path, clock: HandClock
) -> None:
    path = tmp_path / "records.db"
    log = await RecordLog.open(path, clock)
    await log.append(numbered(3))
    pulled = await log.pull("t", "g", limit=3, consumer="a")
    with contextlib.closing(sqlite3.connect(path)) as meddler:
        meddler.execute("ALTER TABLE positions RENAME TO hidden")
        with pytest.raises(LogUnavailable):
            await log.ack("t", "g", positions(pulled))
        meddler.execute("ALTER TABLE hidden RENAME TO positions")
    # The same once more: by now it is known in memory, but it was never stored.
    await log.ack("t", "g", positions(pulled))
    await log.close()

    log = await RecordLog.open(path, clock)
    assert values(await log.pull("t", "g", limit=3)) == []
    await log.close()


async def test_use_counts_though_it_was_before_a_restart(tmp_path: Path, clock: HandClock) -> None:
    log = await RecordLog.open(tmp_path / "records.db", clock)
    await log.append([record()])
    for _ in range(8):
        await log.ack("t", "g", positions(await log.pull("t", "g", limit=10)))
        await until_kept(clock, DAY_MS)
    await log.append([record(b"after")])
    await log.close()

    log = await RecordLog.open(tmp_path / "records.db", clock)
    await clock.until_sleeping(HOUR_S)
    assert values(await log.pull("t", "g", limit=10, start_at_end=True)) == [b"after"]
    await log.close()
