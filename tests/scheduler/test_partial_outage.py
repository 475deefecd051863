"""The partitions of some segments are away: the others' runs go on, and theirs come afterwards."""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from scheduler.making import NOW, SECOND, changed, entry_of, make_job, notice
from scheduler.running import owning
from scheduler.test_desk import CLOCK, outcome_of
from scheduler.test_fleet import Stream
from tickwheel.server.domain.errors import StoreUnavailable
from tickwheel.server.domain.job import Job
from tickwheel.server.domain.lease import WriteStamp
from tickwheel.server.domain.names import JobKey, instant_id
from tickwheel.server.domain.run import RunState
from tickwheel.server.scheduler.assignment import key_of
from tickwheel.server.scheduler.bounded import MAX_CALLS
from tickwheel.server.scheduler.fleet import Fleet
from tickwheel.server.scheduler.inbox import News
from tickwheel.server.scheduler.options import Identity, SchedulerOptions
from tickwheel.server.scheduler.runtime import Scheduler
from tickwheel.server.store.port import JobChange, NewJob, Store
from tickwheel.server.store.sqlite import open_sqlite
from tickwheel.v1 import scheduler_service_pb2 as pb

SEGMENTS = 8
#: The first, as calls about it begin before the others.
BAD, GOOD = 0, 6
OPTIONS = SchedulerOptions(
    exclusive=True,
    membership_ms=20,
    read_ms=20,
    sweep_ms=50,
    reread_ms=50,
    advance_ms=20,
    position_ms=20,
)
_READS = (
    ("schedule", ("read_due", "read_inbox", "first_fire_ms", "positions", "zone_data")),
    ("open_runs", ("read",)),
    ("runs", ("read_log",)),
)
_WRITES = (
    ("schedule", ("advance", "save_position", "drop_before", "save_zone_data")),
    ("open_runs", ("put", "remove", "tidy")),
    ("runs", ("record",)),
)


class Partitions:
    """Those of some segments cannot be read, or not be written, as long as they are in the sets."""

    def __init__(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        self.unreadable: set[int] = set()
        self.unwritable: set[int] = set()
        #: What was called of which.
        self.refused: set[tuple[str, int]] = set()
        for tables, away in ((_READS, self.unreadable), (_WRITES, self.unwritable)):
            for table, calls in tables:
                for name in calls:
                    port = getattr(store, table)
                    monkeypatch.setattr(port, name, self._guarded(port, name, away))

    def _guarded(self, port: object, name: str, away: set[int]) -> Any:
        call = getattr(port, name)

        async def guarded(where: WriteStamp | Sequence[int] | int, *args: Any) -> Any:
            match where:
                case WriteStamp():
                    segments = {where.segment}
                case int():
                    segments = {where}
                case _:
                    segments = set(where)
            if away & segments:
                self.refused.update((name, segment) for segment in segments)
                raise StoreUnavailable("no replica answers")
            return await call(where, *args)

        return guarded


@pytest.fixture
async def store() -> AsyncGenerator[Store]:
    opened = await open_sqlite(None, segments=SEGMENTS, clock=CLOCK)
    yield opened
    await opened.close()


@pytest.fixture
def partitions(store: Store, monkeypatch: pytest.MonkeyPatch) -> Partitions:
    return Partitions(store, monkeypatch)


async def created(store: Store, segment: int, due_ms: int) -> Job:
    now = CLOCK.now_ms()
    job = replace(make_job(at_ms=due_ms, create_ms=now), segment=segment)
    entry = entry_of(job, due_ms)
    await store.jobs.create([NewJob(job=job, entry=entry, inbox=notice(job, now, entry))])
    return job


def due_of(job: Job) -> int:
    return job.spec.schedule.at.ToMilliseconds()


def is_known(owner: Scheduler, job: Job) -> bool:
    outcome = outcome_of(job, due_of(job), owner.epochs().get(job.segment, 0))
    return owner.find(key_of(outcome.key), job.segment) is not None


async def taken_in(owner: Scheduler, job: Job) -> None:
    while not is_known(owner, job):
        await asyncio.sleep(0.005)


def publish(owner: Scheduler, job: Job) -> None:
    """A worker has put it on the log."""
    assert owner.outcome(outcome_of(job, due_of(job), owner.epochs()[job.segment]), "w")


async def recorded(store: Store, job: Job) -> None:
    while True:
        run = await store.runs.get(job.uid, instant_id(due_of(job)))
        if run is not None and run.state is RunState.SUCCEEDED:
            return
        await asyncio.sleep(0.005)


async def moved_on(store: Store, segment: int, before: Mapping[int, int]) -> None:
    while (await store.schedule.positions([segment]))[segment] == before[segment]:
        await asyncio.sleep(0.005)


async def test_what_cannot_be_read_of_one_segment_holds_up_no_other(
    store: Store, partitions: Partitions
) -> None:
    async with owning(store, OPTIONS) as owner, asyncio.timeout(20):
        partitions.unreadable.add(BAD)
        due_ms = CLOCK.now_ms() + 3 * SECOND
        with capture_logs() as lines:
            bad, good = [await created(store, segment, due_ms) for segment in (BAD, GOOD)]
            await taken_in(owner, good)
            # A change of it is taken in as well, for whoever waits for that.
            after = changed(good, CLOCK.now_ms())
            told = notice(after, after.update_ms)
            change = JobChange(before=good, after=after, entry=None, inbox=told)
            assert await store.jobs.change(change) is not None
            with pytest.raises(StoreUnavailable):
                await owner.desk.notify([News(bad.key, BAD, 1)])
            assert await owner.desk.notify([News(good.key, GOOD, after.version)]) == [True]
        assert CLOCK.now_ms() < due_ms
        assert any(str(line.get("error", "")).startswith(f"segments {BAD}: ") for line in lines)
        publish(owner, good)
        await recorded(store, good)
        assert not is_known(owner, bad)
        # Nobody else would find it behind its segment's position.
        assert (await store.schedule.positions([GOOD]))[GOOD] > 0
        partitions.unreadable.clear()
        assert (await store.schedule.positions([BAD]))[BAD] <= due_ms
        await taken_in(owner, bad)
        publish(owner, bad)
        await recorded(store, bad)


async def test_what_cannot_be_written_of_one_segment_holds_up_no_other(
    store: Store, partitions: Partitions
) -> None:
    async with owning(store, OPTIONS) as owner, asyncio.timeout(20):
        partitions.unwritable.add(BAD)
        due_ms = CLOCK.now_ms()
        jobs = [await created(store, segment, due_ms) for segment in range(SEGMENTS)]
        for job in jobs:
            await taken_in(owner, job)
            publish(owner, job)
        bad, *others = jobs
        before = await store.schedule.positions(range(SEGMENTS))
        for job in others:
            await recorded(store, job)
            await moved_on(store, job.segment, before)
        assert await store.runs.get(bad.uid, instant_id(due_ms)) is None
        assert (await store.schedule.positions([BAD]))[BAD] == before[BAD]
        partitions.unwritable.clear()
        await recorded(store, bad)
        await moved_on(store, BAD, before)


async def test_what_cannot_be_recorded_in_time_keeps_nobody_else_waiting(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One segment's records time out; the others' are written meanwhile."""
    record, may_fail, asked = store.runs.record, asyncio.Event(), 0

    async def slow(stamp: WriteStamp, runs: Any) -> None:
        nonlocal asked
        if stamp.segment == BAD:
            asked += 1
            if asked > 1:
                await may_fail.wait()
            raise StoreUnavailable("timed out")
        await record(stamp, runs)

    async with owning(store, OPTIONS) as owner, asyncio.timeout(20):
        monkeypatch.setattr(store.runs, "record", slow)
        due_ms = CLOCK.now_ms()
        bad, good = [await created(store, segment, due_ms) for segment in (BAD, GOOD)]
        for job in (bad, good):
            await taken_in(owner, job)
        publish(owner, bad)
        while asked < 2:
            await asyncio.sleep(0.005)
        publish(owner, good)
        await recorded(store, good)
        monkeypatch.setattr(store.runs, "record", record)
        may_fail.set()
        await recorded(store, bad)


async def test_a_job_that_cannot_be_read_holds_up_its_own_rows_alone(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    get_many, away = store.jobs.get_many, True

    async def read(keys: Iterable[JobKey]) -> dict[JobKey, Job]:
        keys = list(keys)
        if away and bad.key in keys:
            raise StoreUnavailable("no replica answers")
        return await get_many(keys)

    now_ms = CLOCK.now_ms()
    due_ms = now_ms + 7 * SECOND
    # By their rows alone, as what is further ahead: the reader comes to them, one by one.
    bad, *good = [make_job(at_ms=due_ms + at, create_ms=now_ms) for at in range(3)]
    good[1] = replace(good[1], segment=GOOD)
    await store.jobs.create(
        [NewJob(job=one, entry=entry_of(one, due_of(one))) for one in (bad, *good)]
    )
    monkeypatch.setattr(store.jobs, "get_many", read)
    async with owning(store, OPTIONS) as owner, asyncio.timeout(20):
        for job in good:
            await taken_in(owner, job)
        assert CLOCK.now_ms() < due_ms
        assert not is_known(owner, bad)
        away = False
        await taken_in(owner, bad)


async def test_a_segment_that_cannot_be_read_is_taken_over_after_the_others(
    store: Store, partitions: Partitions
) -> None:
    partitions.unreadable.add(BAD)
    due_ms = CLOCK.now_ms() - SECOND
    bad, good = [await created(store, segment, due_ms) for segment in (BAD, GOOD)]
    async with owning(store, OPTIONS) as owner, asyncio.timeout(20):
        await owner.ready.wait()
        assert set(owner.epochs()) == set(range(SEGMENTS)) - {BAD}
        await taken_in(owner, good)
        partitions.unreadable.clear()
        await taken_in(owner, bad)
        assert set(owner.epochs()) == set(range(SEGMENTS))


async def test_what_can_be_recorded_again_is_so_though_many_others_cannot(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = await open_sqlite(None, segments=2 * MAX_CALLS, clock=CLOCK)
    partitions = Partitions(store, monkeypatch)
    partitions.unwritable.update(range(2 * MAX_CALLS))
    async with owning(store, OPTIONS) as owner, asyncio.timeout(20):
        due_ms = CLOCK.now_ms()
        jobs = [await created(store, segment, due_ms) for segment in range(2 * MAX_CALLS)]
        for job in jobs:
            await taken_in(owner, job)
            publish(owner, job)
        last = jobs[-1]
        while ("record", last.segment) not in partitions.refused:
            await asyncio.sleep(0.005)
        partitions.unwritable.remove(last.segment)
        await recorded(store, last)
        partitions.unwritable.clear()
    await store.close()


class _Obliging(Stream):
    """A worker that holds nothing, and says so."""

    def __init__(self, fleet: Fleet) -> None:
        super().__init__(fleet)
        self.serves: set[int] = set()

    async def answer(self) -> None:
        while True:
            message = await self._down.get()
            if message.HasField("revocation"):
                number = message.revocation.revocation_id
                self.say(revocation_ack=pb.RevocationAck(revocation_id=number))
            elif message.HasField("segments"):
                self.serves = {one.segment for one in message.segments.segments}


async def test_who_takes_over_has_workers_serve_what_is_ready_while_the_rest_times_out(
    store: Store, partitions: Partitions, monkeypatch: pytest.MonkeyPatch
) -> None:
    partitions.unreadable.update(range(SEGMENTS))
    options = replace(OPTIONS, worker_lease_ms=60_000)
    owner = Scheduler(store, CLOCK, Identity(session_id="s", address="local", version="1"), options)
    running = asyncio.create_task(owner.run())
    worker = _Obliging(owner.fleet)
    worker.hello(ahead_ms=CLOCK.now_ms() - NOW)
    answering = asyncio.create_task(worker.answer())
    async with asyncio.timeout(20):
        while ("positions", BAD) not in partitions.refused:
            await asyncio.sleep(0.005)
        positions, times_out = store.schedule.positions, asyncio.Event()

        async def slow(segments: Sequence[int]) -> Mapping[int, int]:
            if list(segments) == [BAD]:
                await times_out.wait()
            return await positions(segments)

        monkeypatch.setattr(store.schedule, "positions", slow)
        partitions.unreadable.clear()
        while worker.serves != set(range(SEGMENTS)) - {BAD}:
            await asyncio.sleep(0.005)
        times_out.set()
        while worker.serves != set(range(SEGMENTS)):
            await asyncio.sleep(0.005)
        answering.cancel()
        await worker.hang_up()
        await owner.stop()
        await running
