"""Of a run whose worker did not learn the offset it is told by time whether its record is due."""

import dataclasses
import sqlite3
from collections.abc import AsyncGenerator
from contextlib import closing
from pathlib import Path

import pytest
import pytest_asyncio

from proof.facts import END_MS, START_MS, Past, past
from tickwheel.server.audit.facts import WIRE_MS
from tickwheel.server.domain.clock import SystemClock
from tickwheel.server.domain.run import Run
from tickwheel.server.records.database import OFFSET_BITS

STEP = 5_000


@pytest_asyncio.fixture
async def here(tmp_path: Path) -> AsyncGenerator[Past]:
    async with past(tmp_path) as made:
        yield made


def drop(here: Past, number: int) -> None:
    """The log's retention has taken so many records of each partition that has any."""
    with closing(sqlite3.connect(here.folder / "records.db", isolation_level=None)) as file:
        written = f"SELECT id / {1 << OFFSET_BITS} FROM batches"
        file.execute(f"UPDATE partitions SET start_offset = ? WHERE id IN ({written})", (number,))
        file.execute(f"DELETE FROM batches WHERE id % {1 << OFFSET_BITS} < ?", (number,))


def unlearned(run: Run, *, partition: int | None = None) -> Run:
    return dataclasses.replace(
        run,
        offset=-1,
        partition=run.partition if partition is None else partition,
        publish_ms=run.update_ms,
        revision=2,
    )


async def test_it_is_found_where_it_is_there(here: Past) -> None:
    runs = await here.fire(await here.job())
    await here.record(*(unlearned(run) for run in runs))
    progress, counts, found = await here.audit()
    assert counts == {}, found
    assert progress.unproven.records_expired == 0


@pytest.mark.parametrize("partition", [None, -1])
@pytest.mark.parametrize("dropped", [5, 12])
async def test_a_record_of_before_what_the_log_keeps_is_not_proven(
    here: Past, partition: int | None, dropped: int
) -> None:
    runs = await here.fire(await here.job())
    await here.record(*(unlearned(run, partition=partition) for run in runs))
    drop(here, dropped)
    progress, counts, found = await here.audit()
    assert counts == {}, found
    assert progress.unproven.records_expired == dropped


@pytest.mark.parametrize("partition", [None, -1])
async def test_one_that_the_log_should_still_have_has_vanished(
    here: Past, partition: int | None
) -> None:
    runs = await here.fire(await here.job())
    # Of the last one only a record of another attempt is there.
    last = dataclasses.replace(unlearned(runs[-1], partition=partition), attempt=2)
    await here.record(last)
    progress, counts, _ = await here.audit()
    assert (counts["VANISHED"], progress.unproven.records_expired) == (1, 0)
    drop(here, 5)
    progress, counts, found = await here.audit()
    assert counts["VANISHED"] == 1
    assert progress.unproven.records_expired == 5
    assert any(last.run_id in each and "VANISHED" in each for each in found)


async def test_it_may_have_been_there_a_while_when_its_worker_was_told(here: Past) -> None:
    """It was given to the log at its instant, and dropped; the worker heard of it much later."""
    job = await here.job()
    first, *rest = await here.fire(job)
    late = dataclasses.replace(unlearned(first), publish_ms=first.due_ms + WIRE_MS - STEP)
    await here.record(late)
    drop(here, 1)
    progress, counts, found = await here.audit()
    assert counts == {}, found
    assert progress.unproven.records_expired == 1
    assert rest


async def test_what_came_after_the_log_was_read_is_not_proven(here: Past) -> None:
    job = await here.job()
    runs = await here.fire(job, end_ms=END_MS - STEP)
    now_ms = SystemClock().now_ms()
    since = here.world.run(
        job,
        runs[-1].schedule_ms + STEP,
        update_ms=now_ms + 60_000,
        publish_ms=now_ms + 60_000,
        topic=runs[0].topic,
        partition=0,
    )
    await here.record(since)
    progress, counts, found = await here.audit()
    assert counts == {}, found
    assert progress.unproven.published_since == 1
    assert since.due_ms > START_MS
