"""What was lost in the store is found and mended, and what is whole is left as it is."""

import asyncio
import uuid
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from engines_fixtures import CassandraServer
from structlog.testing import capture_logs

from scheduler.making import NOW, SECOND, changed, entry_of, make_job, notice
from tickwheel.server.convert.schedule import schedule_of
from tickwheel.server.domain.clock import SystemClock
from tickwheel.server.domain.job import Job
from tickwheel.server.domain.lease import SegmentLease, WriteStamp
from tickwheel.server.domain.names import instant_id, new_uid
from tickwheel.server.domain.occurrence import InboxEntry, ScheduleEntry
from tickwheel.server.domain.run import Run, RunState, Trigger
from tickwheel.server.scheduler import latecomers, repair
from tickwheel.server.scheduler.lost import lost_row, newest_known_ms
from tickwheel.server.scheduler.options import Identity, SchedulerOptions
from tickwheel.server.scheduler.repairs import Mended
from tickwheel.server.scheduler.runtime import Scheduler
from tickwheel.server.store.cassandra import (
    CassandraOptions,
    SchemaOptions,
    migrate,
    open_cassandra,
)
from tickwheel.server.store.cassandra.driver import Kind
from tickwheel.server.store.port import Dropped, JobChange, NewJob, Page, Store
from tickwheel.server.store.sqlite import open_sqlite

HOUR_MS = 3_600_000
FAR_MS = 1 << 45


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing comes late from former owners, and an open run's row is there soon."""
    monkeypatch.setattr(latecomers, "LATE_MS", 0)
    monkeypatch.setattr(repair, "_FRESH_MS", 0)


@pytest.fixture
async def store(request: pytest.FixtureRequest) -> AsyncGenerator[Store]:
    """The embedded store; the other one where a test says so."""
    clock = SystemClock()
    if getattr(request, "param", "sqlite") == "sqlite":
        opened = await open_sqlite(None, segments=1, clock=clock)
        yield opened
        await opened.close()
        return
    server: CassandraServer = request.getfixturevalue("cassandra_server")
    options = CassandraOptions(
        contact_points=server.contact_points, keyspace=f"test_{uuid.uuid4().hex[:12]}"
    )
    await migrate(options, SchemaOptions(segments=1), clock)
    engine = await open_cassandra(options, clock)
    yield engine
    await engine.session.text(f"DROP KEYSPACE {options.keyspace}", Kind.SCHEMA)
    await engine.close()


on_both_engines = pytest.mark.parametrize("store", ["sqlite", "cassandra"], indirect=True)


@asynccontextmanager
async def scheduling(store: Store) -> AsyncGenerator[Scheduler]:
    scheduler = Scheduler(
        store,
        SystemClock(),
        Identity(session_id=new_uid(), address="local", version="test"),
        SchedulerOptions(
            exclusive=True,
            membership_ms=20,
            advance_ms=20,
            repair_ms=20,
            repair_pass_ms=20,
            repair_doubt_ms=60,
        ),
    )
    running = asyncio.create_task(scheduler.run())
    try:
        yield scheduler
    finally:
        await scheduler.stop()
        await running


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not is_so():
            await asyncio.sleep(0.01)


async def passes(store: Store, monkeypatch: pytest.MonkeyPatch, count: int = 5) -> None:
    """Waits until all jobs were looked at some times, and what was suspected is decided."""
    scans, scan = 0, store.jobs.scan

    async def counted(cursor: bytes, limit: int) -> Page[Job]:
        nonlocal scans
        scans += not cursor
        return await scan(cursor, limit)

    monkeypatch.setattr(store.jobs, "scan", counted)
    await until(lambda: scans > count)


def mended(scheduler: Scheduler, what: Mended) -> int:
    return scheduler.census.repairs[what]


async def rows(store: Store) -> list[ScheduleEntry]:
    return await store.schedule.read_due([0], 0, FAR_MS)


def far_job(now_ms: int, *, max_runs: int = 0, time_zone: str = "UTC") -> Job:
    job = make_job(at_ms=1, create_ms=now_ms)
    job.spec.schedule.Clear()
    job.spec.schedule.cron = "0 0 1 1 *"
    job.spec.schedule.time_zone = time_zone
    job.spec.schedule.max_runs = max_runs
    return job


async def add(store: Store, job: Job, *, has_row: bool) -> ScheduleEntry:
    nominal = schedule_of(job).next_after(job.create_ms - 1)
    assert nominal is not None
    row = entry_of(job, nominal)
    await store.jobs.create([NewJob(job=job, entry=row if has_row else None)])
    return row


@on_both_engines
async def test_a_job_gets_its_row_back(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    now_ms = SystemClock().now_ms()
    one_off = make_job(at_ms=now_ms + HOUR_MS, create_ms=now_ms)
    jobs = [far_job(now_ms), far_job(now_ms, max_runs=3), replace(far_job(now_ms), paused=True)]
    lost = [await add(store, job, has_row=False) for job in [*jobs, one_off]]
    whole = await add(store, far_job(now_ms), has_row=True)
    async with scheduling(store) as scheduler:
        await until(lambda: mended(scheduler, Mended.JOB_WITHOUT_ROW) == len(lost))
        await passes(store, monkeypatch)
        # That was all, and none has two.
        assert mended(scheduler, Mended.JOB_WITHOUT_ROW) == len(lost)
        there = await rows(store)
    assert {row.place for row in there} == {row.place for row in [*lost, whole]}
    assert {row.uid: row.ordinal for row in there}[jobs[1].uid] == 0


async def test_removals_that_the_store_has_carried_through_are_counted(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def drop_before(_stamp: WriteStamp, _before_ms: int) -> Dropped:
        return Dropped(removals=2)

    monkeypatch.setattr(store.schedule, "drop_before", drop_before)
    async with scheduling(store) as scheduler:
        await until(lambda: mended(scheduler, Mended.HALF_REMOVED_JOB) == 2)


async def test_a_job_that_is_done_is_completed(store: Store) -> None:
    now_ms = SystemClock().now_ms()
    job = make_job(at_ms=now_ms - 60 * SECOND, create_ms=now_ms - 120 * SECOND)
    await add(store, job, has_row=False)
    await store.runs.record(await former_owner(store), [run_at(job, now_ms - 60 * SECOND)])
    async with scheduling(store) as scheduler:
        await until(lambda: mended(scheduler, Mended.JOB_WITHOUT_ROW) == 1)
    found = (await store.jobs.get_many([job.key]))[job.key]
    assert found.completed_generation == 1
    assert not await rows(store)


@on_both_engines
async def test_jobs_with_their_rows_are_left_alone(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows of soon, of far away, of other time-zone data; jobs that are deleted, or completed."""
    now_ms = SystemClock().now_ms()
    await add(store, far_job(now_ms), has_row=True)
    for every_s in (1, 6, 30):
        await add(store, make_job(every_s=every_s, create_ms=now_ms), has_row=True)
    zoned = far_job(now_ms, time_zone="Europe/Berlin")
    nominal = schedule_of(zoned).next_after(now_ms)
    assert nominal is not None
    row = entry_of(zoned, nominal + HOUR_MS)
    assert not schedule_of(zoned).occurs_at(row.schedule_ms)
    await store.jobs.create([NewJob(job=zoned, entry=row)])
    deleted = replace(far_job(now_ms), delete_ms=now_ms)
    completed = far_job(now_ms)
    for job in (deleted, completed):
        await add(store, job, has_row=False)
    await store.jobs.complete(await former_owner(store), [(completed.key, 1)], now_ms)
    async with scheduling(store) as scheduler:
        await until(lambda: scheduler.ready.is_set())
        await passes(store, monkeypatch, 20)
        assert not +scheduler.census.repairs


async def test_a_row_of_a_run_that_has_ended_goes(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_ms = SystemClock().now_ms()
    job = far_job(now_ms)
    await add(store, job, has_row=True)
    async with scheduling(store) as scheduler:
        await until(lambda: bool(scheduler.owned()))
        await passes(store, monkeypatch)
        ended = run_at(job, now_ms - SECOND)
        stamp = await stamp_of(store)
        await store.runs.record(stamp, [ended])
        await store.open_runs.put(stamp, [replace(ended, state=RunState.PUBLISHED, revision=1)])
        with capture_logs() as lines:
            await until(lambda: mended(scheduler, Mended.OPEN_RUN) == 1)
        (line,) = [line for line in lines if line["event"] == "mended"]
        assert (line["job"], line["run"]) == (str(job.name), str(ended.name))
        assert line["trace"] == ended.trace_id
        await passes(store, monkeypatch)
        assert mended(scheduler, Mended.OPEN_RUN) == 1
        assert not await store.open_runs.read([0])


async def stamp_of(store: Store) -> WriteStamp:
    (lease,) = await store.leases.segments()
    return WriteStamp(0, lease.epoch, SystemClock().now_us())


async def former_owner(store: Store) -> WriteStamp:
    """A stamp of somebody who had the segment before."""
    (free,) = await store.leases.segments()
    now_us = SystemClock().now_us()
    lease = SegmentLease(
        segment=0, epoch=free.epoch + 1, session_id=new_uid(), address="x", floor_us=now_us
    )
    assert await store.leases.take_segment(free, lease)
    return WriteStamp(0, lease.epoch, now_us + 1)


def run_at(job: Job, instant_ms: int, state: RunState = RunState.SUCCEEDED) -> Run:
    return Run(
        user=job.user,
        job_id=job.job_id,
        job_uid=job.uid,
        run_id=instant_id(instant_ms),
        segment=0,
        state=state,
        trigger=Trigger.SCHEDULE,
        schedule_ms=instant_ms,
        due_ms=instant_ms,
        update_ms=instant_ms,
        create_ms=instant_ms,
        revision=2,
    )


# -- where a lost row begins anew ---------------------------------------------------------------


def begin(job: Job, former: list[Job], runs: list[Run], now_ms: int) -> ScheduleEntry | None:
    schedule = schedule_of(job)
    newest_ms = newest_known_ms(job, schedule, runs)
    return lost_row(job, former, schedule, newest_ms, now_ms, schedule_of)


def test_it_begins_after_what_the_history_knows() -> None:
    job = make_job(every_s=10)
    runs = [
        # Recorded as due and no more: the row has to stand for it.
        run_at(job, NOW + 40 * SECOND, RunState.PENDING),
        run_at(job, NOW + 30 * SECOND),
        run_at(job, NOW + 20 * SECOND),
    ]
    row = begin(job, [], runs, NOW + 65 * SECOND)
    assert row == entry_of(job, NOW + 40 * SECOND, ordinal=-1, fire_ms=NOW + 65 * SECOND)


def test_it_begins_with_the_schedule_where_nothing_is_known() -> None:
    job = make_job(every_s=10)
    by_hand = replace(run_at(job, NOW + 30 * SECOND), trigger=Trigger.MANUAL)
    row = begin(job, [], [by_hand], NOW + 65 * SECOND)
    first = schedule_of(job).next_after(NOW - 1)
    assert row is not None
    assert row.schedule_ms == first


def test_a_skipped_stretch_is_known_to_its_end() -> None:
    job = make_job(every_s=10)
    stretch = replace(
        run_at(job, NOW + 20 * SECOND, RunState.SKIPPED),
        skipped_count=3,
        first_schedule_ms=NOW + 20 * SECOND,
        last_schedule_ms=NOW + 40 * SECOND,
    )
    row = begin(job, [], [stretch], NOW + 65 * SECOND)
    assert row is not None
    assert row.schedule_ms == NOW + 50 * SECOND


def test_what_may_have_run_and_be_forgotten_does_not_run_again() -> None:
    job = make_job(every_s=10)
    job.spec.retention.seconds = 60
    row = begin(job, [], [], NOW + 605 * SECOND)
    assert row is not None
    assert row.schedule_ms == NOW + 550 * SECOND


def test_the_count_of_max_runs_goes_on() -> None:
    job = make_job(every_s=10)
    job.spec.schedule.max_runs = 6
    first = schedule_of(job).next_after(NOW - 1)
    known = [run_at(job, NOW + 30 * SECOND)]
    row = begin(job, [], known, NOW + 65 * SECOND)
    assert row is not None
    assert row.schedule_ms == NOW + 40 * SECOND
    assert row.ordinal == 4 - (first == NOW + 10 * SECOND)
    # What came due in a pause does not count.
    paused = changed(job, NOW + 15 * SECOND, paused=True)
    resumed = changed(paused, NOW + 25 * SECOND, paused=False)
    with_pause = begin(resumed, [job, paused], known, NOW + 65 * SECOND)
    assert with_pause is not None
    assert with_pause.ordinal == row.ordinal - 1


def test_a_job_that_has_run_as_often_as_it_may_is_done() -> None:
    job = make_job(every_s=10)
    job.spec.schedule.max_runs = 2
    last = run_at(job, NOW + 30 * SECOND)
    assert begin(job, [], [last], NOW + 65 * SECOND) is None


async def test_a_change_of_which_nobody_has_told_takes_effect(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its api has ended in the middle of it."""
    now_ms = SystemClock().now_ms()
    job = make_job(every_s=1, create_ms=now_ms)
    row = entry_of(job, now_ms + SECOND)
    await store.jobs.create([NewJob(job=job, entry=row, inbox=notice(job, now_ms, row))])
    read_inbox = store.schedule.read_inbox

    async def untold(*where: Any) -> list[InboxEntry]:
        return [item for item in await read_inbox(*where) if item.version == job.version]

    monkeypatch.setattr(store.schedule, "read_inbox", untold)
    async with scheduling(store) as scheduler:
        await until(lambda: scheduler.census.pending() > 0)
        paused = changed(job, SystemClock().now_ms(), paused=True)
        told = notice(paused, paused.update_ms)
        assert await store.jobs.change(JobChange(before=job, after=paused, entry=None, inbox=told))
        # What was ahead has been taken back.
        await until(lambda: scheduler.census.pending() == 0)
        assert not +scheduler.census.repairs
