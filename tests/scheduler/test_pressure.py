"""What comes due while nothing can be published: no more of it is held than is allowed."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace

import pytest

from scheduler.making import NOW, SECOND, entry_of, load, make_job, make_owner, notice, publish
from scheduler.running import owning
from scheduler.test_desk import CLOCK, outcome_of
from scheduler.test_fleet import HandClock
from tickwheel.server.domain.errors import Overloaded
from tickwheel.server.domain.job import Job, Payload, PayloadKind
from tickwheel.server.domain.lease import SegmentLease
from tickwheel.server.domain.names import manual_run_id
from tickwheel.server.owner.port import TriggerRequest
from tickwheel.server.owner.refusals import error_of, refusal_of
from tickwheel.server.scheduler.assignment import key_of
from tickwheel.server.scheduler.dispatcher import Dispatcher
from tickwheel.server.scheduler.holding import Holding
from tickwheel.server.scheduler.live import LiveRun
from tickwheel.server.scheduler.options import SchedulerOptions
from tickwheel.server.scheduler.pressure import MOST_BYTES, Pressure
from tickwheel.server.scheduler.runtime import Scheduler
from tickwheel.server.store.port import NewJob, Store

MOST = 3


# -- what counts --------------------------------------------------------------------------------


def _held(runs: int, payload: bytes = b"") -> tuple[Holding, list[LiveRun]]:
    owner = make_owner()
    jobs = [
        replace(make_job(at_ms=NOW), payload=Payload(PayloadKind.DATA, payload))
        for _ in range(runs)
    ]
    held = [run for job in jobs for run in load(owner, job, entry_of(job, NOW))]
    lease = SegmentLease(segment=0, epoch=1, session_id="s", address="local", floor_us=0)
    return Holding(lease, owner), held


def test_runs_that_are_on_the_log_do_not_count() -> None:
    clock = HandClock()
    holding, held = _held(MOST + 1)
    pressure = Pressure(clock, {0: holding}, MOST)
    assert pressure.is_high()
    publish(holding.owner, held[0], NOW)
    clock.ms += 1_000
    assert not pressure.is_high()
    assert holding.owner.count_live() == MOST + 1


def test_few_large_payloads_count_as_much_as_many_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    holding, _ = _held(2, bytes(MOST_BYTES // 1_024))
    monkeypatch.setattr("tickwheel.server.scheduler.pressure.FEW", 1)
    assert not Pressure(HandClock(), {0: holding}, 1_000).is_high()
    monkeypatch.setattr("tickwheel.server.scheduler.pressure.MOST_BYTES", MOST_BYTES // 1_024)
    assert Pressure(HandClock(), {0: holding}, 1_000).is_high()


# -- what follows -------------------------------------------------------------------------------


@pytest.fixture
async def scheduler(store: Store) -> AsyncGenerator[Scheduler]:
    """An owner of the only segment, without a worker."""
    options = SchedulerOptions(
        exclusive=True,
        renew_ms=20,
        membership_ms=20,
        read_ms=20,
        slice=2,
        most_unpublished=MOST,
    )
    async with owning(store, options) as made:
        yield made


async def _created(store: Store, *, every_s: int = 0, before_s: int = 0) -> Job:
    """A job since so many seconds, due then or every so many seconds from then on."""
    at = CLOCK.now_ms() // SECOND * SECOND - before_s * SECOND
    job = make_job(every_s=every_s, at_ms=at, create_ms=at)
    row = entry_of(job, at + every_s * SECOND)
    await store.jobs.create([NewJob(job=job, entry=row, inbox=notice(job, CLOCK.now_ms(), row))])
    return job


async def _create(store: Store, count: int) -> list[Job]:
    return [await _created(store) for _ in range(count)]


def _occurrences(job: Job) -> list[int]:
    """Those that have come due."""
    at = job.spec.schedule.at.ToMilliseconds()
    every_ms = job.spec.schedule.every.seconds * SECOND
    if not every_ms:
        return [at]
    return list(range(job.create_ms + every_ms, CLOCK.now_ms(), every_ms))


async def test_no_more_is_held_and_nothing_is_lost(
    store: Store, scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    hand_out, rounds = Dispatcher.hand_out, 0

    def counted(dispatcher: Dispatcher) -> bool:
        nonlocal rounds
        rounds += 1
        return hand_out(dispatcher)

    monkeypatch.setattr(Dispatcher, "hand_out", counted)
    monkeypatch.setattr("tickwheel.server.scheduler.pressure.COUNT_EVERY_MS", 0)
    jobs = [await _created(store, every_s=1, before_s=10), *await _create(store, 20)]
    due = [(job, at) for job in jobs for at in _occurrences(job)]
    left = {(job.uid, at): outcome_of(job, at, scheduler.epochs()[0]) for job, at in due}
    async with asyncio.timeout(60):
        while left:
            until = rounds + 10
            while rounds < until:
                await asyncio.sleep(0.005)
            held = [one for one, told in left.items() if scheduler.find(key_of(told.key), 0)]
            # Rows, and what comes of them, are taken in by slices.
            assert scheduler.census.pending() <= MOST + 5
            for one in held:
                assert scheduler.outcome(left.pop(one), "w")


async def test_a_run_by_hand_that_would_only_wait_is_refused(
    store: Store, scheduler: Scheduler
) -> None:
    (job, *_) = await _create(store, 20)
    async with asyncio.timeout(20):
        while scheduler.census.pending() <= MOST:
            await asyncio.sleep(0.005)
    now = CLOCK.now_ms()
    request = TriggerRequest(job=job, run_id=manual_run_id(now, "r"), schedule_ms=now)
    with pytest.raises(Overloaded) as caught:
        await scheduler.desk.trigger(request)
    assert isinstance(error_of(refusal_of(caught.value)), Overloaded)
    assert await store.runs.get(job.uid, request.run_id) is None
