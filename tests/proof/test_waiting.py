"""What waits for others of its job is unfinished only where what is before it stands still."""

import dataclasses
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import pytest_asyncio

from proof.facts import END_MS, START_MS, TOPIC, Past, past
from tickwheel.server.domain.job import Job
from tickwheel.server.domain.names import manual_run_id, retry_run_id
from tickwheel.server.domain.run import Run, RunState, Trigger
from tickwheel.server.proof import waiting

MINUTE = 60_000
#: Longer than an hour and all that the job allows.
LONG_AGO = END_MS - 600 * MINUTE
JUST_NOW = END_MS - 5 * MINUTE
STEP = 5_000


@pytest_asyncio.fixture
async def here(tmp_path: Path) -> AsyncGenerator[Past]:
    async with past(tmp_path) as made:
        yield made


async def waiting_job(here: Past) -> tuple[Job, list[Run]]:
    """A job of which all occurrences of the range have waited for long; they are not recorded."""
    job = await here.job(reported=True)
    runs = [
        dataclasses.replace(
            here.world.run(
                job, at_ms, state=RunState.PENDING, update_ms=LONG_AGO, create_ms=LONG_AGO
            ),
            blocking_run="somewhat-earlier",
        )
        for at_ms in range(START_MS, END_MS, STEP)
    ]
    return job, runs


async def put(here: Past, *runs: Run) -> None:
    """Writes runs as their owner does, with a row for each that is open."""
    await here.record(*runs)
    for run in runs:
        if not run.state.is_final:
            await here.world.store.open_runs.put(here.owners[run.segment].stamp(), [run])


async def at_work(here: Past, job: Job, run: Run, update_ms: int) -> Run:
    """A run whose record is on the log, and which an executor has."""
    there = await here.publish(job, run.schedule_ms)
    return dataclasses.replace(
        there,
        state=RunState.RUNNING,
        publish_ms=update_ms,
        update_ms=update_ms,
        create_ms=run.create_ms,
        revision=2,
    )


async def test_what_is_before_them_is_at_work(here: Past) -> None:
    job, runs = await waiting_job(here)
    head = await at_work(here, job, runs[0], JUST_NOW)
    await put(here, head, *runs[1:])
    progress, counts, found = await here.audit()
    assert counts == {}, found
    assert progress.unproven.open == 12


async def test_what_is_before_them_stands_still(here: Past) -> None:
    job, runs = await waiting_job(here)
    head = await at_work(here, job, runs[0], LONG_AGO)
    await put(here, head, *runs[1:])
    _, counts, _ = await here.audit()
    assert counts == {"UNFINISHED": 12}


async def test_nothing_is_before_them(here: Past) -> None:
    _, runs = await waiting_job(here)
    await put(here, *runs)
    _, counts, _ = await here.audit()
    assert counts == {"UNFINISHED": 12}


@pytest.mark.parametrize("end_ms", [JUST_NOW, LONG_AGO])
async def test_the_last_before_them_has_ended(here: Past, end_ms: int) -> None:
    """That it is the next one's turn is not recorded before that is published."""
    job, runs = await waiting_job(here)
    ended = await at_work(here, job, runs[0], end_ms)
    await put(here, dataclasses.replace(ended, state=RunState.SUCCEEDED), *runs[1:])
    progress, counts, _ = await here.audit()
    if end_ms == JUST_NOW:
        assert (counts, progress.unproven.open) == ({}, 11)
    else:
        assert counts == {"UNFINISHED": 11}


async def test_what_was_cancelled_where_it_waited_was_in_nobodys_way(here: Past) -> None:
    _, runs = await waiting_job(here)
    cancelled = dataclasses.replace(
        runs[0], state=RunState.CANCELLED, update_ms=JUST_NOW, revision=2
    )
    await put(here, cancelled, *runs[1:])
    _, counts, _ = await here.audit()
    assert counts == {"UNFINISHED": 11}


async def test_one_that_was_overtaken_is_lost(here: Past) -> None:
    job, runs = await waiting_job(here)
    lost, *others = runs
    later = dataclasses.replace(others[0], create_ms=LONG_AGO + 1)
    head = await at_work(here, job, later, JUST_NOW)
    others = [dataclasses.replace(run, create_ms=LONG_AGO + 2) for run in others[1:]]
    await put(here, lost, head, *others)
    progress, counts, found = await here.audit()
    assert counts == {"UNFINISHED": 1}
    assert lost.run_id in found[0]
    assert progress.unproven.open == 11


@pytest.mark.parametrize("trigger", [Trigger.RETRY, Trigger.SCHEDULE])
async def test_what_is_before_them_bears_an_instant_of_long_ago(
    here: Past, monkeypatch: pytest.MonkeyPatch, trigger: Trigger
) -> None:
    """A retry waited among them; and another run ended since, long ago."""
    monkeypatch.setattr(waiting, "_PAGE_RUNS", 1)
    job, runs = await waiting_job(here)
    ended = await at_work(here, job, runs[0], LONG_AGO)
    ended = dataclasses.replace(ended, state=RunState.SUCCEEDED)
    long_ago = START_MS - 50_000 * MINUTE
    retry = dataclasses.replace(
        here.world.run(job, long_ago, state=RunState.RUNNING, update_ms=JUST_NOW),
        run_id=retry_run_id(manual_run_id(long_ago, "12345678"), 1),
        trigger=Trigger.RETRY,
        create_ms=LONG_AGO,
        due_ms=LONG_AGO,
        topic=TOPIC,
    )
    last = runs[-1]
    if trigger is Trigger.RETRY:
        # One that waits behind the same.
        own_id = retry_run_id(manual_run_id(last.schedule_ms, "12345678"), 1)
        last = dataclasses.replace(last, run_id=own_id, trigger=trigger)
        extra = await at_work(here, job, runs[-1], JUST_NOW)
        await put(here, dataclasses.replace(extra, state=RunState.SUCCEEDED))
    await put(here, ended, retry, *runs[1:-1], last)
    progress, counts, found = await here.audit()
    assert counts == {}, found
    assert progress.unproven.open == 11
