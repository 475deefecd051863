"""What is read of jobs is as new as what was told of them, and nothing that is told is missed."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from scheduler.making import (
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
from scheduler.test_course import rescheduled
from tickwheel.server.convert.schedule import schedule_of
from tickwheel.server.domain.clock import SystemClock
from tickwheel.server.domain.errors import StoreUnavailable
from tickwheel.server.domain.job import Job
from tickwheel.server.domain.lease import SegmentLease, WriteStamp
from tickwheel.server.domain.names import JobKey, instant_id, manual_run_id, new_uid
from tickwheel.server.domain.occurrence import EntryKind, InboxEntry, ScheduleEntry
from tickwheel.server.domain.run import Run, RunState
from tickwheel.server.scheduler.context import SchedulerContext
from tickwheel.server.scheduler.holding import Holding, Holdings
from tickwheel.server.scheduler.inbox import INBOX_OVERLAP_MS, Inbox, News
from tickwheel.server.scheduler.keeper import SessionKeeper
from tickwheel.server.scheduler.latecomers import LATE_MS, Latecomers
from tickwheel.server.scheduler.live import LiveRun, Phase
from tickwheel.server.scheduler.options import MOST_UNPUBLISHED, Identity, SchedulerOptions
from tickwheel.server.scheduler.pressure import Pressure
from tickwheel.server.scheduler.reader import CATCH_UP_STRETCH_MS, Reader
from tickwheel.server.scheduler.repairs import Repairs
from tickwheel.server.scheduler.runtime import Scheduler
from tickwheel.server.scheduler.strays import stray_run
from tickwheel.server.scheduler.versions import Versions
from tickwheel.server.store.port import JobChange, NewJob, Store


def _readers(
    store: Store, holdings: Holdings | None = None, *, most: int = MOST_UNPUBLISHED
) -> tuple[Reader, Inbox, Holding]:
    """Those of segment 0, which has been taken over; it is put into `holdings`."""
    holdings = {} if holdings is None else holdings
    clock = SystemClock()
    lease = SegmentLease(segment=0, epoch=1, session_id="s", address="local", floor_us=0)
    holding = Holding(lease, make_owner(), recovered=True)
    holdings[0] = holding
    identity = Identity(session_id=new_uid(), address="local", version="test")
    options = SchedulerOptions()
    context = SchedulerContext(
        store=store,
        clock=clock,
        options=options,
        keeper=SessionKeeper(store.leases, clock, identity, options),
        fleet=Scheduler(store, clock, identity, options).fleet,
        holdings=holdings,
        pressure=Pressure(clock, holdings, most),
        repairs=Repairs(),
        wake=asyncio.Event(),
    )
    versions = Versions(store.jobs, clock, context.holdings)
    reader = Reader(context, versions)
    inbox = Inbox(context, versions, reader)
    inbox.begin()
    return reader, inbox, holding


async def _tell(store: Store, job: Job, row: ScheduleEntry, write_ms: int) -> None:
    """Writes what tells of a job and its row, and neither of these."""
    inbox = notice(job, write_ms, row)
    await store.jobs.create([NewJob(job=make_job(at_ms=write_ms), entry=None, inbox=inbox)])


async def test_what_is_told_again_at_another_place_is_taken_in(store: Store) -> None:
    _, inbox, holding = _readers(store)
    now_ms = SystemClock().now_ms()
    job = make_job(at_ms=now_ms - 20 * SECOND)
    first, second = (
        entry_of(job, now_ms - 20 * SECOND, fire_ms=at) for at in (now_ms - 10 * SECOND, now_ms)
    )
    # The first try to create the job came no further than to its inbox entry.
    await _tell(store, job, first, first.fire_ms)
    await inbox.reread()
    await store.jobs.create([NewJob(job=job, entry=second, inbox=notice(job, now_ms, second))])
    await inbox.read()
    assert holding.owner.has_at_hand(job.uid)


async def test_a_row_that_is_still_on_its_way_is_taken_in(store: Store) -> None:
    _, inbox, holding = _readers(store)
    now_ms = SystemClock().now_ms()
    job = make_job(at_ms=now_ms)
    row = entry_of(job, now_ms)
    await _tell(store, job, row, now_ms)
    await inbox.reread()
    await store.jobs.create([NewJob(job=job, entry=row)])
    await inbox.notice([News(job.key, 0, job.version)])
    assert holding.owner.has_at_hand(job.uid)


async def test_no_owner_leaves_behind_what_it_was_not_told(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, inbox, holding = _readers(store)
    before_ms = SystemClock().now_ms()
    holding.read_to_ms = before_ms + 5 * SECOND
    holding.told_to_ms = before_ms - 30 * SECOND

    async def away(*_: object) -> list[InboxEntry]:
        raise StoreUnavailable("away")

    with monkeypatch.context() as patch:
        patch.setattr(store.schedule, "read_inbox", away)
        with pytest.raises(StoreUnavailable):
            await inbox.read()
    assert holding.known_to_ms == before_ms - 30 * SECOND
    await inbox.read()
    assert before_ms - INBOX_OVERLAP_MS <= holding.known_to_ms <= before_ms


async def test_what_came_late_before_an_old_position_is_taken_in(store: Store) -> None:
    _, inbox, holding = _readers(store)
    position_ms = holding.position_ms = SystemClock().now_ms() - 300 * SECOND
    job = make_job(at_ms=position_ms - 25 * SECOND)
    row = entry_of(job, position_ms - 25 * SECOND)
    told = notice(job, position_ms - 26 * SECOND, row)
    await store.jobs.create([NewJob(job=job, entry=row, inbox=told)])
    await inbox.look_back([0])
    assert holding.owner.has_at_hand(job.uid)


async def test_a_change_is_told_while_another_job_is_read_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_ms = SystemClock().now_ms()
    jobs = [make_job(at_ms=now_ms + 60 * SECOND, create_ms=now_ms) for _ in range(3)]
    rows = [entry_of(job, now_ms + 60 * SECOND) for job in jobs]
    await store.jobs.create(
        [NewJob(job=job, entry=row) for job, row in zip(jobs, rows, strict=True)]
    )
    reader, inbox, holding = _readers(store)
    owner = holding.owner
    get_many = store.jobs.get_many
    reads = 0

    async def read(keys: Iterable[JobKey]) -> dict[JobKey, Job]:
        """While the first job is being read anew, the second one changes, and so on."""
        nonlocal reads
        found = await get_many(keys)
        if reads < len(jobs):
            before = jobs[reads]
            reads += 1
            after = changed(before, now_ms, paused=True)
            told = notice(after, now_ms)
            change = JobChange(before=before, after=after, entry=None, inbox=told)
            assert await store.jobs.change(change) is not None
            await inbox.notice([News(after.key, 0, after.version)])
        return found

    monkeypatch.setattr(store.jobs, "get_many", read)
    await reader.load(rows)
    assert reads == len(jobs)
    assert [job.uid for job in jobs if owner.is_behind(job.uid, 2)] == []
    assert all(owner.has_at_hand(job.uid) for job in jobs)


async def test_what_was_read_of_a_segment_that_is_let_go_is_not_waited_for(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its scheduler is stopped while it takes the segment over."""
    now_ms = SystemClock().now_ms()
    job = make_job(at_ms=now_ms)
    await store.jobs.create([NewJob(job=job, entry=entry_of(job, now_ms))])
    holdings: Holdings = {}
    reader, _, holding = _readers(store, holdings)
    get_many = store.jobs.get_many

    async def read(keys: Iterable[JobKey]) -> dict[JobKey, Job]:
        holdings.clear()
        return await get_many(keys)

    monkeypatch.setattr(store.jobs, "get_many", read)
    await reader.read_schedule()
    assert holding.unloaded
    await reader.load_all([0])
    assert holding.unloaded


async def test_a_version_that_the_store_has_lost_is_not_waited_for(store: Store) -> None:
    """What was told of the change is there, and the job is as it was before: an old backup, say."""
    now_ms = SystemClock().now_ms()
    job = make_job(at_ms=now_ms)
    row = entry_of(job, now_ms)
    await store.jobs.create([NewJob(job=job, entry=row)])
    await _tell(store, changed(job, now_ms, paused=True), row, now_ms)
    _, inbox, holding = _readers(store)
    async with asyncio.timeout(5):
        await inbox.read()
    assert holding.owner.has_at_hand(job.uid)


def _taken(epoch: int = 2) -> Holding:
    """Of segment 0; nothing of what its former owners left has been read."""
    lease = SegmentLease(segment=0, epoch=epoch, session_id="s", address="local", floor_us=0)
    return Holding(lease, make_owner(epoch))


async def _record(store: Store, run: Run) -> None:
    """A former owner has recorded it."""
    (free,) = await store.leases.segments()
    lease = SegmentLease(segment=0, epoch=1, session_id="s", address="local", floor_us=0)
    assert await store.leases.take_segment(free, lease)
    await store.runs.record(WriteStamp(0, 1, SystemClock().now_us()), [run])


async def test_what_is_told_waits_until_what_was_left_is_taken_in(store: Store) -> None:
    """What was skipped of a former schedule would seem to be skipped of the present one as well."""
    now_ms = SystemClock().now_ms()
    begun_ms = now_ms - 20 * SECOND
    first = make_job(every_s=2, create_ms=begun_ms, window_s=0)
    # It hears of nothing, and skips all of the first schedule.
    former_owner = make_owner()
    row = entry_of(first, begun_ms + 2 * SECOND)
    former_owner.load([row], {first.key: first}, now_ms)
    former_owner.step(now_ms)
    (stretch,) = store_records(former_owner)
    assert stretch.skipped_count == 9
    await _record(store, stretch)
    second = rescheduled(first, begun_ms + 5 * SECOND, 3)
    second.spec.catch_up_window.FromSeconds(3_600)
    present = entry_of(second, begun_ms + 6 * SECOND)
    await store.jobs.create([NewJob(job=first, entry=None)])
    told = notice(second, now_ms, present)
    change = JobChange(before=first, after=second, entry=present, inbox=told)
    assert await store.jobs.change(change) is not None
    holdings: Holdings = {}
    reader, inbox, _ = _readers(store, holdings)
    holdings[0] = holding = _taken()
    await inbox.read()
    await inbox.reread()
    await reader.recover(await reader.read_left([0]))
    await reader.read_schedule_of([0])
    await inbox.read_of([0])
    await reader.load_all([0])
    holding.owner.step(now_ms)
    # Those at 6, 12 and 18 s are occurrences of both.
    seconds = [(run.due_ms - begun_ms) // SECOND for run in assign(holding.owner)]
    assert seconds == [9, 15, 21, 24]


async def test_rows_come_in_after_what_was_left_also_where_a_segment_is_taken_once_more(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They were on their way when the first take-over failed."""
    now_ms = SystemClock().now_ms()
    job = make_job(at_ms=now_ms)
    await store.jobs.create([NewJob(job=job, entry=None)])
    row = replace(
        entry_of(job, now_ms), kind=EntryKind.MANUAL, run_id=manual_run_id(now_ms, "aaaaaaaa")
    )
    former_owner = make_owner()
    (run,) = load(former_owner, job, row, now_ms)
    publish(former_owner, run, now_ms)
    (done,) = store_records(former_owner)
    holdings: Holdings = {}
    reader, _, _ = _readers(store, holdings)
    again = _taken()
    get_many = store.jobs.get_many

    async def read(keys: Iterable[JobKey]) -> dict[JobKey, Job]:
        holdings[0] = again
        return await get_many(keys)

    monkeypatch.setattr(store.jobs, "get_many", read)
    await reader.load([row])
    again.owner.recover([done])
    assert assign(again.owner) == []


async def test_what_was_read_for_a_former_holding_counts_for_that_one(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    holdings: Holdings = {}
    reader, _, holding = _readers(store, holdings)
    position_ms = holding.read_to_ms = SystemClock().now_ms() - SECOND
    again = _taken()
    read_due = store.schedule.read_due

    async def read(segments: Sequence[int], start_ms: int, end_ms: int) -> list[ScheduleEntry]:
        found = await read_due(segments, start_ms, end_ms)
        again.read_to_ms, again.recovered = position_ms, True
        holdings[0] = again
        return found

    monkeypatch.setattr(store.schedule, "read_due", read)
    await reader.read_schedule()
    assert again.read_to_ms == position_ms


async def _change_while_it_is_read(
    store: Store, inbox: Inbox, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next reading of jobs is followed by a change of it, of which its owner is told."""
    get_many = store.jobs.get_many
    after = changed(job, SystemClock().now_ms(), paused=True)

    async def read(keys: Iterable[JobKey]) -> dict[JobKey, Job]:
        found = await get_many(keys)
        if found[job.key].version < after.version:
            told = notice(after, after.update_ms)
            change = JobChange(before=job, after=after, entry=None, inbox=told)
            if await store.jobs.change(change) is not None:
                await inbox.notice([News(after.key, 0, after.version)])
        return found

    monkeypatch.setattr(store.jobs, "get_many", read)


@pytest.mark.parametrize("is_late", [False, True])
async def test_what_was_left_goes_by_no_version_before_one_that_was_told_of(
    store: Store, monkeypatch: pytest.MonkeyPatch, *, is_late: bool
) -> None:
    """Nothing went by the former version when that was confirmed."""
    now_ms = SystemClock().now_ms()
    job = make_job(every_s=10, create_ms=now_ms - 60 * SECOND)
    await store.jobs.create([NewJob(job=job, entry=None)])
    run = stray_run(instant_id(now_ms), 2, job, (), schedule_of)
    record = run.as_run(RunState.PENDING, now_ms, 1, next_attempt_ms=now_ms + SECOND)
    await _record(store, record)
    holdings: Holdings = {}
    reader, inbox, _ = _readers(store, holdings)
    holdings[0] = holding = _taken()
    await _change_while_it_is_read(store, inbox, job, monkeypatch)
    if is_late:
        holding.recovered = holding.ready = True
        holding.taken_ms = now_ms - LATE_MS
        holding.read_to_ms = now_ms + 5 * SECOND
        versions = inbox._versions  # pyright: ignore[reportPrivateUsage]
        await Latecomers(store, SystemClock(), holdings, versions).look()
    else:
        await reader.recover(await reader.read_left([0]))
    left = holding.owner.runs.find(job.uid, record.run_id)
    assert left is not None
    assert left.job.paused


async def test_a_change_reaches_what_goes_on_of_a_job_though_the_inbox_has_nothing_of_it(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where the clock of who wrote it is far behind: the change is about to be confirmed."""
    _, inbox, holding = _readers(store)
    now_ms = SystemClock().now_ms()
    job = make_job(at_ms=now_ms)
    await store.jobs.create([NewJob(job=job, entry=None)])
    run = stray_run(instant_id(now_ms), 2, job, (), schedule_of)
    record = run.as_run(RunState.PENDING, now_ms, 1, next_attempt_ms=now_ms + SECOND)
    holding.owner.recover([], [record], {job.key: job}, now_ms)
    after = changed(job, now_ms)
    told = notice(after, now_ms)
    assert await store.jobs.change(JobChange(before=job, after=after, entry=None, inbox=told))

    async def nothing(*_: object) -> list[InboxEntry]:
        return []

    monkeypatch.setattr(store.schedule, "read_inbox", nothing)
    await inbox.notice([News(job.key, 0, after.version)])
    left = holding.owner.runs.find(job.uid, record.run_id)
    assert left is not None
    assert left.job.version == after.version


async def test_what_its_owner_has_come_to_meanwhile_is_not_ended_as_having_come_late(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be skipped, and published."""
    now_ms = SystemClock().now_ms()
    job = make_job(every_s=10, create_ms=now_ms - 60 * SECOND)
    await store.jobs.create([NewJob(job=job, entry=None)])
    run = stray_run(instant_id(now_ms - 20 * SECOND), 1, job, (), schedule_of)
    record = run.as_run(RunState.PENDING, now_ms, 1)
    await _record(store, record)
    holdings: Holdings = {}
    _, inbox, _ = _readers(store, holdings)
    holdings[0] = holding = _taken()
    holding.recovered = holding.ready = True
    holding.taken_ms = now_ms - LATE_MS
    holding.read_to_ms = now_ms + 5 * SECOND
    get_many = store.jobs.get_many

    async def read(keys: Iterable[JobKey]) -> dict[JobKey, Job]:
        assert load(holding.owner, job, entry_of(job, record.schedule_ms), now_ms)
        return await get_many(keys)

    monkeypatch.setattr(store.jobs, "get_many", read)
    versions = inbox._versions  # pyright: ignore[reportPrivateUsage]
    await Latecomers(store, SystemClock(), holdings, versions).look()
    assert not store_records(holding.owner)


async def test_what_was_begun_is_not_ended_as_having_come_late_while_its_row_is_still_to_be_read(
    store: Store,
) -> None:
    """As where a segment is taken over that is hours behind, or while too much waits."""
    now_ms = SystemClock().now_ms()
    job = make_job(every_s=10, create_ms=now_ms - 60 * SECOND)
    await store.jobs.create([NewJob(job=job, entry=None)])
    run = stray_run(instant_id(now_ms - 20 * SECOND), 1, job, (), schedule_of)
    record = run.as_run(RunState.PENDING, now_ms - 15 * SECOND, 1)
    await _record(store, record)
    holdings: Holdings = {}
    _, inbox, _ = _readers(store, holdings)
    holdings[0] = holding = _taken()
    holding.owner.recover([record], (), {}, now_ms)
    holding.recovered = holding.ready = True
    holding.taken_ms = now_ms - LATE_MS
    holding.read_to_ms = now_ms + 5 * SECOND
    row = entry_of(job, record.schedule_ms)
    holding.unloaded[row.place] = row.fire_ms
    versions = inbox._versions  # pyright: ignore[reportPrivateUsage]
    latecomers = Latecomers(store, SystemClock(), holdings, versions)
    await latecomers.look()
    assert not store_records(holding.owner)
    holding.unloaded.clear()
    assert load(holding.owner, job, row, now_ms)
    await latecomers.look()
    assert not store_records(holding.owner)
    assert not holding.taken_ms


def _overwhelmed(
    store: Store, monkeypatch: pytest.MonkeyPatch, now_ms: int
) -> tuple[Reader, Inbox, Holding, LiveRun]:
    """One run waits to be published, which is too much already."""
    monkeypatch.setattr("tickwheel.server.scheduler.pressure.COUNT_EVERY_MS", 0)
    reader, inbox, holding = _readers(store, most=0)
    waiting = make_job(at_ms=now_ms)
    (run,) = load(holding.owner, waiting, entry_of(waiting, now_ms), now_ms)
    holding.read_to_ms = now_ms - SECOND
    return reader, inbox, holding, run


async def test_rows_stay_in_the_schedule_while_too_much_waits_to_be_published(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_ms = SystemClock().now_ms()
    reader, inbox, holding, run = _overwhelmed(store, monkeypatch, now_ms)
    job = make_job(at_ms=now_ms)
    row = entry_of(job, now_ms)
    await store.jobs.create([NewJob(job=job, entry=row, inbox=notice(job, now_ms, row))])
    await inbox.read()
    assert not holding.owner.has_at_hand(job.uid)
    read_due = store.schedule.read_due

    async def read(*wanted: Any) -> list[ScheduleEntry]:
        assert run.phase is not Phase.ASSIGNED
        return await read_due(*wanted)

    monkeypatch.setattr(store.schedule, "read_due", read)

    async def waited(_clock: SystemClock, seconds: float) -> None:
        if run.phase is Phase.ASSIGNED:
            publish(holding.owner, run, now_ms)

    monkeypatch.setattr(SystemClock, "sleep", waited)
    await reader.read_schedule()
    await reader.load_some()
    assert holding.owner.has_at_hand(job.uid)


async def test_a_row_that_is_left_to_the_reader_and_comes_after_it_is_taken_in(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What tells of a creation and its row are written side by side."""
    now_ms = SystemClock().now_ms()
    reader, inbox, holding, run = _overwhelmed(store, monkeypatch, now_ms)
    job = make_job(at_ms=now_ms)
    row = entry_of(job, now_ms)
    await _tell(store, job, row, now_ms)
    await inbox.read()
    publish(holding.owner, run, now_ms)
    await reader.read_schedule()
    await store.jobs.create([NewJob(job=job, entry=row)])
    await inbox.reread()
    assert holding.owner.has_at_hand(job.uid)


async def test_who_takes_over_many_segments_after_hours_reads_no_more_for_each_of_them(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tickwheel.server.scheduler.reader.MAX_BACKLOG", 1)
    holdings: Holdings = {}
    reader, _, holding = _readers(store, holdings)
    now_ms = SystemClock().now_ms()
    begun_ms = holding.read_to_ms = now_ms - 4 * CATCH_UP_STRETCH_MS
    for at in range(begun_ms, now_ms, CATCH_UP_STRETCH_MS):
        job = make_job(at_ms=at)
        await store.jobs.create([NewJob(job=job, entry=entry_of(job, at))])
    holdings[1] = other = _taken()
    other.unloaded = {entry_of(make_job(at_ms=at), at).place: at for at in range(2)}
    await reader.read_schedule_of([0])
    assert list(holding.unloaded.values()) == [begun_ms]
    other.unloaded.clear()
    await reader.read_schedule_of([0])
    assert len(holding.unloaded) == 2


async def test_who_takes_over_while_too_much_waits_takes_in_no_more(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tickwheel.server.scheduler.pressure.COUNT_EVERY_MS", 0)
    reader, _, holding = _readers(store, most=0)
    now_ms = SystemClock().now_ms()
    waiting, job = make_job(at_ms=now_ms), make_job(at_ms=now_ms)
    (run,) = load(holding.owner, waiting, entry_of(waiting, now_ms), now_ms)
    holding.read_to_ms = now_ms - SECOND
    await store.jobs.create([NewJob(job=job, entry=entry_of(job, now_ms))])
    await reader.read_schedule_of([0])
    await reader.load_all([0])
    assert holding.unloaded
    publish(holding.owner, run, now_ms)
    await reader.load_some()
    assert holding.owner.has_at_hand(job.uid)


async def test_what_was_put_aside_is_not_taken_in_either_while_too_much_waits(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tickwheel.server.scheduler.pressure.COUNT_EVERY_MS", 0)
    reader, _, holding = _readers(store, most=0)
    now_ms = SystemClock().now_ms()
    waiting, bad, good = (make_job(at_ms=now_ms) for _ in range(3))
    await store.jobs.create([NewJob(job=job, entry=entry_of(job, now_ms)) for job in (bad, good)])
    get_many = store.jobs.get_many

    async def read(keys: Iterable[JobKey]) -> dict[JobKey, Job]:
        keys = list(keys)
        if bad.key in keys:
            raise StoreUnavailable("no replica answers")
        return await get_many(keys)

    holding.read_to_ms = now_ms - SECOND
    await reader.read_schedule_of([0])
    with monkeypatch.context() as patched:
        patched.setattr(store.jobs, "get_many", read)
        with pytest.raises(StoreUnavailable):
            await reader.load_some()
        await reader.load_some()
    unpublished = load(holding.owner, waiting, entry_of(waiting, now_ms), now_ms)
    await reader.load_aside()
    assert not holding.owner.has_at_hand(bad.uid)
    for run in unpublished:
        publish(holding.owner, run, now_ms)
    await reader.load_aside()
    assert holding.owner.has_at_hand(bad.uid)
