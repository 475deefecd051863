"""Who is told of what is stored, how often, and what becomes of one that fails."""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Sequence
from typing import Any

import pytest
from structlog.testing import capture_logs

from scheduler.making import entry_of, make_job, notice
from scheduler.running import owning
from scheduler.test_desk import outcome_of
from tickwheel.server.domain.clock import SystemClock
from tickwheel.server.domain.errors import StoreUnavailable
from tickwheel.server.domain.job import Job
from tickwheel.server.domain.names import instant_id
from tickwheel.server.domain.run import Run, RunState
from tickwheel.server.scheduler.assignment import key_of
from tickwheel.server.scheduler.live import LiveRun
from tickwheel.server.scheduler.options import SchedulerOptions
from tickwheel.server.scheduler.runtime import Scheduler
from tickwheel.server.store.port import NewJob, Store
from tickwheel.v1 import scheduler_service_pb2 as pb
from tickwheel.worker.listeners import failures

CLOCK = SystemClock()


@pytest.fixture
async def owner(store: Store) -> AsyncGenerator[Scheduler]:
    """Owns the only segment."""
    async with owning(store, SchedulerOptions(exclusive=True, read_ms=20)) as made:
        yield made


async def published(store: Store, owner: Scheduler) -> Job:
    """A job whose only run a worker has published."""
    now = CLOCK.now_ms()
    job = make_job(at_ms=now, create_ms=now)
    entry = entry_of(job, now)
    await store.jobs.create([NewJob(job=job, entry=entry, inbox=notice(job, now, entry))])
    outcome = outcome_of(job, now, owner.epochs()[0])
    async with asyncio.timeout(20):
        while owner.find(key_of(outcome.key), job.segment) is None:
            await asyncio.sleep(0.005)
    assert owner.outcome(outcome, "w")
    return job


async def test_a_state_that_is_written_twice_is_told_of_once(
    store: Store, owner: Scheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run log takes it; what is written after it fails, and so all of it comes again."""
    told: list[tuple[str, RunState]] = []
    ended = asyncio.Event()
    written = 0
    record = store.runs.record

    async def write(stamp: Any, runs: Sequence[Run]) -> None:
        nonlocal written
        await record(stamp, runs)
        written += len(runs)
        if written == 1:
            raise StoreUnavailable("it is not known whether it was written")

    def hear(runs: Sequence[Run]) -> None:
        told.extend((run.run_id, run.state) for run in runs)

    def end(_: Sequence[LiveRun]) -> None:
        ended.set()

    monkeypatch.setattr(store.runs, "record", write)
    owner.on_recorded.append(hear)
    owner.on_ended.append(end)
    job = await published(store, owner)
    async with asyncio.timeout(20):
        await ended.wait()
    assert written == 2
    run_id = instant_id(job.spec.schedule.at.ToMilliseconds())
    assert told == [(run_id, RunState.SUCCEEDED)]


async def test_who_only_listens_cannot_stop_it(store: Store, owner: Scheduler) -> None:
    heard: list[str] = []
    something = asyncio.Event()

    def fail(_: object) -> None:
        raise RuntimeError("a defect")

    def hear(runs: Sequence[LiveRun]) -> None:
        heard.extend(run.job.uid for run in runs)
        something.set()

    owner.on_recorded.append(fail)
    owner.on_ended.append(fail)
    owner.on_ended.append(hear)
    before = failures()
    jobs: list[Job] = []
    with capture_logs() as lines:
        for _ in range(2):
            something.clear()
            jobs.append(await published(store, owner))
            async with asyncio.timeout(20):
                await something.wait()
    assert heard == [job.uid for job in jobs]
    assert failures() == before + 4
    # Once each, however often it fails.
    assert [line["event"] for line in lines if "listener" in line] == [
        "what only observes has failed"
    ] * 2


async def test_each_outcome_is_acknowledged_once_it_is_stored_to_each_who_told_it(
    store: Store, owner: Scheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the next attempt is over before that, as the store is slow."""
    may_write = asyncio.Event()
    record = store.runs.record
    acknowledged: set[tuple[str, int]] = set()

    async def write(stamp: Any, runs: Sequence[Run]) -> None:
        await may_write.wait()
        await record(stamp, runs)

    def acknowledge(worker_id: str, keys: Iterable[pb.RunKey]) -> None:
        assert may_write.is_set()
        acknowledged.update((worker_id, key.attempt) for key in keys)

    monkeypatch.setattr(store.runs, "record", write)
    monkeypatch.setattr(owner.fleet, "acknowledge", acknowledge)
    now = CLOCK.now_ms()
    job = make_job(at_ms=now, create_ms=now)
    job.spec.retry_policy.initial_backoff.FromMilliseconds(1)
    entry = entry_of(job, now)
    await store.jobs.create([NewJob(job=job, entry=entry, inbox=notice(job, now, entry))])
    refused = outcome_of(job, now, owner.epochs()[0])
    refused.failure.refused = True
    published = outcome_of(job, now, owner.epochs()[0])
    published.key.attempt = 2
    async with asyncio.timeout(20):
        for outcome in (refused, published):
            while owner.find(key_of(outcome.key), job.segment) is None:
                await asyncio.sleep(0.005)
            assert owner.outcome(outcome, "w")
        # A worker that comes back tells it once more, and so does one that published it, too.
        assert owner.outcome(refused, "w")
        assert owner.outcome(published, "another")
        may_write.set()
        while len(acknowledged) < 3:
            await asyncio.sleep(0.005)
    assert acknowledged == {("w", 1), ("w", 2), ("another", 2)}
    assert not owner.outcome(refused, "w")
