"""Which jobs are looked at as they may have failed too often, and how often."""

import asyncio

import pytest

from scheduler.making import NOW, SECOND, assign, entry_of, load, make_job, make_owner
from simulator.store.cells import Cells
from simulator.store.engine import SimStore
from simulator.store.link import DirectLink
from tickwheel.server.domain.clock import SystemClock
from tickwheel.server.domain.errors import OutcomeUnknown
from tickwheel.server.domain.job import Job
from tickwheel.server.domain.lease import WriteStamp
from tickwheel.server.domain.names import instant_id
from tickwheel.server.domain.run import Run, RunState, Trigger
from tickwheel.server.scheduler import pauser
from tickwheel.server.scheduler.live import LiveRun
from tickwheel.server.scheduler.pauser import Pauser, Suspects
from tickwheel.server.store.port import JobChange, NewJob


def job_that_pauses(after: int = 3) -> Job:
    job = make_job(every_s=1)
    job.spec.pause_after_failures = after
    return job


def ended(job: Job, count: int = 1, state: RunState = RunState.FAILED) -> list[LiveRun]:
    """Runs of a job that have ended."""
    owner = make_owner()
    load(owner, job, entry_of(job, NOW))
    owner.step(NOW + count * SECOND)
    runs = assign(owner)[:count]
    for run in runs:
        run.as_run(state, NOW, 1)
    assert len(runs) == count
    return runs


async def test_a_job_waits_once_however_often_it_fails() -> None:
    suspects = Suspects()
    first, second = job_that_pauses(), job_that_pauses()
    for run in ended(first, 40):
        suspects.note([run])
    suspects.note(ended(second))
    suspects.note(ended(first))

    assert [await suspects.take(), await suspects.take()] == [first, second]
    waiting = asyncio.ensure_future(suspects.take())
    await asyncio.sleep(0)
    assert not waiting.done()
    # What fails after a job was taken may be what pauses it.
    suspects.note(ended(first))
    assert await waiting == first


async def test_only_failed_runs_of_jobs_that_pause_themselves_count() -> None:
    suspects = Suspects()
    suspects.note(ended(job_that_pauses(0)))
    suspects.note(ended(job_that_pauses(), state=RunState.SUCCEEDED))
    wanted = job_that_pauses()
    suspects.note(ended(wanted))

    assert await suspects.take() == wanted


async def failing_twice(between: int, state: RunState) -> tuple[SimStore, Job]:
    """A job that pauses after two failures, with so many other runs between them."""
    store = SimStore(Cells(segments=64), DirectLink(), SystemClock())
    job = job_that_pauses(2)
    await store.jobs.create([NewJob(job=job, entry=None)])
    last = between + 1
    runs = [
        Run(
            user=job.user,
            job_id=job.job_id,
            job_uid=job.uid,
            run_id=instant_id(NOW + number * SECOND),
            segment=job.segment,
            state=RunState.FAILED if number in (0, last) else state,
            trigger=Trigger.SCHEDULE,
            schedule_ms=NOW + number * SECOND,
            due_ms=NOW + number * SECOND,
            update_ms=NOW + number * SECOND,
            end_ms=NOW + number * SECOND,
        )
        for number in range(last + 1)
    ]
    await store.runs.record(WriteStamp(job.segment, 1, 1), runs)
    return store, job


async def is_paused(between: int, state: RunState) -> bool:
    """Whether a job pauses after two failures with so many other runs between them."""
    store, job = await failing_twice(between, state)
    return await Pauser(store, SystemClock()).look_at(job) is not None


async def test_of_a_pause_whose_outcome_was_not_known_the_owner_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing of it may be in the inbox: the job went on, though everybody saw it paused."""
    store, job = await failing_twice(0, RunState.SUCCEEDED)
    look_at = Pauser(store, SystemClock()).look_at
    change = store.jobs.change

    async def unknown(asked: JobChange) -> Job | None:
        await change(asked)
        raise OutcomeUnknown("timed out")

    with monkeypatch.context() as patch, pytest.raises(OutcomeUnknown):
        patch.setattr(store.jobs, "change", unknown)
        await look_at(job)
    paused = await look_at(job)
    assert paused is not None
    assert (paused.paused, paused.version) == (True, job.version + 1)
    # Who knows of it needs to hear nothing.
    assert await look_at(paused) is None


@pytest.mark.parametrize("state", [RunState.SKIPPED, RunState.CANCELLED])
async def test_what_did_not_run_counts_neither_way(state: RunState) -> None:
    assert await is_paused(500, state)
    assert not await is_paused(1, RunState.SUCCEEDED)


@pytest.mark.parametrize("state", [RunState.SKIPPED, RunState.CANCELLED])
async def test_failures_far_back_are_no_row(
    state: RunState, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pauser, "LOOK_BACK", 400)
    assert await is_paused(398, state)
    assert not await is_paused(400, state)
