"""What a worker has published before its owner knows of it is recorded as that, and never skipped."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace

import pytest

from scheduler.making import (
    NOW,
    SECOND,
    assign,
    changed,
    entry_of,
    load,
    make_job,
    make_owner,
    notice,
    publish,
    store_records,
)
from scheduler.running import owning
from scheduler.test_backfill import deleted
from scheduler.test_desk import CLOCK, outcome_of
from scheduler.test_runs import published, reported, store
from tickwheel.server.convert.schedule import schedule_of
from tickwheel.server.domain.names import instant_id, manual_run_id
from tickwheel.server.domain.occurrence import EntryKind
from tickwheel.server.domain.run import RunState
from tickwheel.server.scheduler.live import AttemptKey
from tickwheel.server.scheduler.options import SchedulerOptions
from tickwheel.server.scheduler.runtime import Scheduler
from tickwheel.server.scheduler.segment import POSITION_LAG_MS
from tickwheel.server.scheduler.strays import stray_run
from tickwheel.server.store.port import NewJob, Store
from tickwheel.server.store.sqlite import open_sqlite
from tickwheel.v1 import job_pb2, scheduler_service_pb2


@pytest.mark.parametrize("limit", [0, 1])
def test_it_runs_beside_what_its_policy_would_not_let_it_run_beside(limit: int) -> None:
    owner, job = make_owner(), reported(job_pb2.OVERLAP_SKIP)
    job.spec.max_in_flight = limit
    if limit:
        job.spec.overlap_policy = job_pb2.OVERLAP_ALLOW_ALL
    published(job, owner)
    second_ms = NOW + 10 * SECOND
    key = AttemptKey(job.uid, instant_id(second_ms), 1)
    owner.foretell(key)
    owner.step(second_ms)
    assert owner.holds(key)
    (run,) = assign(owner)
    publish(owner, run, second_ms)
    assert [one.state for one in store(owner, second_ms).records] == [RunState.PUBLISHED]


def test_a_run_by_hand_runs_likewise() -> None:
    owner, job = make_owner(), reported(job_pb2.OVERLAP_SKIP)
    published(job, owner)
    row = replace(entry_of(job, NOW), kind=EntryKind.MANUAL, run_id=manual_run_id(NOW, "aaaaaaaa"))
    owner.foretell(AttemptKey(job.uid, row.run_id, 1))
    assert [run.run_id for run in load(owner, job, row)] == [row.run_id]


def test_what_waits_of_a_deleted_job_is_not_skipped() -> None:
    """The former owner had let it go, and ended before it could say so."""
    owner, job = make_owner(), reported(job_pb2.OVERLAP_BUFFER_ALL)
    first = published(job, owner)
    second_ms = NOW + 10 * SECOND
    owner.step(second_ms)
    (waiting,) = store(owner, second_ms).opened
    assert first.record is not None
    other = make_owner(epoch=2)
    other.recover([], [first.record, waiting], {job.key: job}, second_ms)
    key = AttemptKey(job.uid, waiting.run_id, 1)
    other.foretell(key)
    other.change(deleted(job, second_ms), None, second_ms)
    assert other.holds(key)
    other.settle_foretold(key)
    other.change(changed(job, second_ms, delete_ms=second_ms), None, second_ms)
    assert not other.holds(key)


@pytest.mark.parametrize("is_told", [False, True])
def test_what_was_begun_of_a_former_schedule_is_not_skipped(is_told: bool) -> None:
    first, job = make_owner(), make_job(every_s=10)
    load(first, job, entry_of(job, NOW))
    first.step(NOW + 2 * SECOND)
    (begun,) = store_records(first)
    owner = make_owner(epoch=2)
    owner.recover([begun], [], {}, NOW + 3 * SECOND)
    key = AttemptKey(job.uid, begun.run_id, 1)
    if is_told:
        owner.foretell(key)
    gone = deleted(job, NOW - 1)
    row = entry_of(job, NOW + 10 * SECOND)
    owner.load([row], {job.key: gone}, NOW + 3 * SECOND, {job.key: [job]})
    records = store_records(owner)
    assert [one.state for one in records] == ([] if is_told else [RunState.SKIPPED])
    if is_told:
        run = stray_run(begun.run_id, 1, gone, [job], schedule_of)
        ack = scheduler_service_pb2.Published(publish_ms=NOW, partition=1, offset=42)
        record = owner.take_stray(run, "w", 1, ack, NOW + 3 * SECOND)
        assert (record.state, record.revision) == (RunState.SUCCEEDED, begun.revision + 1)


def test_what_is_ended_without_a_row_is_found_by_the_next_owner_until_that_is_stored() -> None:
    first, job = make_owner(), make_job(every_s=10)
    load(first, job, entry_of(job, NOW))
    first.step(NOW + 2 * SECOND)
    (begun,) = store_records(first)
    owner, late_ms = make_owner(epoch=2), NOW + 60 * SECOND
    owner.recover([begun], [], {}, NOW + 3 * SECOND)
    row = entry_of(job, NOW + 10 * SECOND)
    owner.load([row], {job.key: deleted(job, NOW - 1)}, NOW + 3 * SECOND, {job.key: [job]})
    # The store takes positions and no records.
    assert owner.position_ms(late_ms) == begun.due_ms
    assert [one.state for one in store_records(owner)] == [RunState.SKIPPED]
    assert owner.position_ms(late_ms) == late_ms - POSITION_LAG_MS


def test_what_a_later_owner_has_begun_is_gone_on_from_whatever_its_revision() -> None:
    """The history has the state of a former one, who had more to say of the run."""
    job = make_job(every_s=10)
    owner = make_owner(epoch=3)
    run = stray_run(instant_id(NOW), 1, job, (), schedule_of)
    announced = replace(run.as_run(RunState.PENDING, NOW, 1), revision=3)
    later = replace(announced, epoch=2, revision=1, traceparent="later")
    owner.recover([later], [], {}, NOW)
    stray = stray_run(instant_id(NOW), 1, job, (), schedule_of)
    stray.record = announced
    ack = scheduler_service_pb2.Published(publish_ms=NOW, partition=1, offset=42)
    record = owner.take_stray(stray, "w", 1, ack, NOW)
    assert (record.traceparent, record.revision) == ("later", 2)


@pytest.mark.parametrize("is_dropped", [False, True])
def test_a_later_attempt_than_its_owner_knows_of_is_the_one_that_it_is_at(
    *, is_dropped: bool
) -> None:
    """A former owner had gone on to it, and ended before it could record that the first failed."""
    owner, job = make_owner(epoch=2), reported()
    first = load(owner, job, entry_of(job, NOW))[0]
    if is_dropped:
        # A worker is asked to drop it, and has not answered.
        after = changed(job, NOW - 1, paused=True)
        assert owner.change(after, None, NOW - 1) == [first]
    key = AttemptKey(job.uid, first.run_id, 2)
    assert owner.holds(key)
    ack = scheduler_service_pb2.Published(publish_ms=NOW, partition=1, offset=42)
    record = owner.published(key, "w", 1, ack, NOW)
    assert record is not None
    assert (record.state, record.attempt, record.offset) == (RunState.PUBLISHED, 2, 42)
    assert owner.revoking(job.uid) == []
    # The first one is not handed out any more, and nobody waits for it.
    owner.give_back([first], NOW)
    assert owner.take_ready() == []
    assert owner.published(AttemptKey(job.uid, first.run_id, 1), "w", 1, ack, NOW) is None


def test_a_later_attempt_that_failed_is_followed_by_the_one_after_it() -> None:
    owner, job = make_owner(epoch=2), reported(at_ms=NOW)
    load(owner, job, entry_of(job, NOW))
    refused = scheduler_service_pb2.PublishFailure(message="no", refused=True)
    record = owner.failed(AttemptKey(job.uid, instant_id(NOW), 2), "w", refused, NOW)
    assert record is not None
    assert (record.state, record.attempt) == (RunState.PENDING, 3)


@pytest.fixture
async def engine() -> AsyncGenerator[Store]:
    opened = await open_sqlite(None, segments=1, clock=CLOCK)
    yield opened
    await opened.close()


@pytest.fixture
async def scheduler(engine: Store) -> AsyncGenerator[Scheduler]:
    """An owner of the only segment that looks once at what it is told of and does not know."""
    options = SchedulerOptions(
        exclusive=True, renew_ms=20, membership_ms=20, read_ms=20, advance_ms=3_600_000
    )
    async with owning(engine, options) as made:
        yield made


async def test_it_is_taken_in_as_soon_as_its_occurrence_is_come_to(
    engine: Store, scheduler: Scheduler
) -> None:
    """Which is long past its window."""
    begun_ms = CLOCK.now_ms() - 60 * SECOND
    job = make_job(every_s=10, create_ms=begun_ms, window_s=1)
    outcome = outcome_of(job, begun_ms, scheduler.epochs()[0])
    assert scheduler.outcome(outcome, "w")
    now_ms = CLOCK.now_ms()
    row = entry_of(job, begun_ms, fire_ms=now_ms)
    await engine.jobs.create([NewJob(job=job, entry=row, inbox=notice(job, now_ms, row))])
    async with asyncio.timeout(20):
        while (run := await engine.runs.get(job.uid, instant_id(begun_ms))) is None:
            await asyncio.sleep(0.005)
    assert (run.state, run.offset) == (RunState.SUCCEEDED, 1)
