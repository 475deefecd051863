"""What is read of jobs is as new as what was told of them, and nothing that is told is missed."""

import asyncio
from collections.abc import AsyncGenerator, Iterable

import pytest

from scheduler.making import SECOND, changed, entry_of, make_job, make_owner, notice
from tickwheel.server.domain.clock import SystemClock
from tickwheel.server.domain.errors import StoreUnavailable
from tickwheel.server.domain.job import Job
from tickwheel.server.domain.lease import SegmentLease
from tickwheel.server.domain.names import JobKey, new_uid
from tickwheel.server.domain.occurrence import InboxEntry, ScheduleEntry
from tickwheel.server.scheduler.context import SchedulerContext
from tickwheel.server.scheduler.holding import Holding, Holdings
from tickwheel.server.scheduler.inbox import INBOX_OVERLAP_MS, Inbox, News
from tickwheel.server.scheduler.keeper import SessionKeeper
from tickwheel.server.scheduler.options import Identity, SchedulerOptions
from tickwheel.server.scheduler.reader import Reader
from tickwheel.server.scheduler.repairs import Repairs
from tickwheel.server.scheduler.runtime import Scheduler
from tickwheel.server.scheduler.versions import Versions
from tickwheel.server.store.port import JobChange, NewJob, Store
from tickwheel.server.store.sqlite import open_sqlite


def _readers(store: Store, holdings: Holdings | None = None) -> tuple[Reader, Inbox, Holding]:
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
        repairs=Repairs(),
        wake=asyncio.Event(),
    )
    versions = Versions(store.jobs, clock, context.holdings)
    reader = Reader(context, versions)
    inbox = Inbox(context, versions, reader)
    inbox.begin()
    return reader, inbox, holding


@pytest.fixture
async def store() -> AsyncGenerator[Store]:
    opened = await open_sqlite(None, segments=1, clock=SystemClock())
    yield opened
    await opened.close()


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
