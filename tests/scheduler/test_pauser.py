"""Which jobs are looked at as they may have failed too often, and how often."""

import asyncio

from scheduler.making import NOW, SECOND, assign, entry_of, load, make_job, make_owner
from tickwheel.server.domain.job import Job
from tickwheel.server.domain.run import RunState
from tickwheel.server.scheduler.live import LiveRun
from tickwheel.server.scheduler.pauser import Suspects


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
