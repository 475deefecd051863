"""Who takes which segments, by the store."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace

import pytest

from scheduler.clocks import SleepyClock
from tickwheel.server.domain.clock import SystemClock
from tickwheel.server.domain.errors import StoreUnavailable
from tickwheel.server.domain.lease import SchedulerSession, SegmentLease, WriteStamp
from tickwheel.server.domain.names import new_uid
from tickwheel.server.domain.occurrence import InboxEntry, ScheduleEntry
from tickwheel.server.scheduler.options import Identity, SchedulerOptions
from tickwheel.server.scheduler.runtime import Scheduler
from tickwheel.server.store.port import Store
from tickwheel.server.store.sqlite import open_sqlite


@pytest.fixture
async def store() -> AsyncGenerator[Store]:
    opened = await open_sqlite(None, segments=2, clock=SystemClock())
    yield opened
    await opened.close()


async def owned_by_another(store: Store) -> SegmentLease:
    """The lease of the last segment, which a scheduler that lives has."""
    clock = SystemClock()
    other = SchedulerSession(
        session_id=new_uid(), address="o:1", beat=1, lease_until_ms=clock.now_ms() + 60_000
    )
    await store.leases.open_session(other)
    last = (await store.leases.segments())[-1]
    theirs = replace(last, epoch=1, session_id=other.session_id, floor_us=clock.now_us())
    assert await store.leases.take_segment(last, theirs)
    return theirs


async def test_what_a_scheduler_took_that_began_while_we_looked_is_its_own(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_ms = SystemClock().now_ms()
    until_ms = now_ms + 60_000
    other = SchedulerSession(session_id=new_uid(), address="o:1", beat=1, lease_until_ms=until_ms)
    read_sessions, read_segments = store.leases.sessions, store.leases.segments
    begun = 0

    async def begin() -> None:
        nonlocal begun
        begun += 1
        if begun == 1:
            await store.leases.open_session(other)
            for free in await read_segments():
                mine = SegmentLease(
                    segment=free.segment,
                    epoch=1,
                    session_id=other.session_id,
                    address=other.address,
                    floor_us=now_ms * 1000,
                )
                assert await store.leases.take_segment(free, mine)

    async def sessions() -> list[SchedulerSession]:
        found = await read_sessions()
        await begin()
        return found

    async def segments() -> list[SegmentLease]:
        found = await read_segments()
        await begin()
        return found

    monkeypatch.setattr(store.leases, "sessions", sessions)
    monkeypatch.setattr(store.leases, "segments", segments)
    identity = Identity(session_id=new_uid(), address="local", version="test")
    options = SchedulerOptions(witness_ms=0, membership_ms=20)
    scheduler = Scheduler(store, SystemClock(), identity, options)
    running = asyncio.create_task(scheduler.run())
    async with asyncio.timeout(20):
        while begun < 10:
            await asyncio.sleep(0.01)
    assert [lease.session_id for lease in await read_segments()] == [other.session_id] * 2
    await scheduler.stop()
    await running


async def test_who_slept_after_it_looked_takes_nobody_for_dead_by_that(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, options = SleepyClock(), SchedulerOptions(witness_ms=0, membership_ms=20, renew_ms=20)
    beaten = SchedulerSession(
        session_id=new_uid(), address="o:1", beat=1, lease_until_ms=clock.now_ms() + 60_000
    )
    await store.leases.open_session(beaten)
    for free in await store.leases.segments():
        theirs = replace(free, epoch=1, session_id=beaten.session_id, floor_us=clock.now_us())
        assert await store.leases.take_segment(free, theirs)
    read_sessions, looks = store.leases.sessions, 0

    async def sessions() -> list[SchedulerSession]:
        nonlocal beaten, looks
        looks += 1
        if looks > 2:
            beaten = replace(beaten, beat=beaten.beat + 1)
            assert await store.leases.renew_session(beaten)
        found = await read_sessions()
        if looks == 2:
            clock.slept_ms += 2 * options.lease_ms
        return found

    monkeypatch.setattr(store.leases, "sessions", sessions)
    identity = Identity(session_id=new_uid(), address="local", version="test")
    scheduler = Scheduler(store, clock, identity, options)
    running = asyncio.create_task(scheduler.run())
    async with asyncio.timeout(20):
        while looks < 5:
            await asyncio.sleep(0.01)
    assert [lease.epoch for lease in await store.leases.segments()] == [1, 1]
    await scheduler.stop()
    await running


async def test_what_is_being_given_back_when_its_scheduler_stops_is_given_back_once(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = SchedulerOptions(witness_ms=0, membership_ms=20, position_ms=3_600_000)
    identity = Identity(session_id=new_uid(), address="local", version="test")
    scheduler = Scheduler(store, SystemClock(), identity, options)
    save, saving, may_save = store.schedule.save_position, 0, asyncio.Event()
    may_save.set()

    async def save_position(stamp: WriteStamp, position_ms: int) -> None:
        nonlocal saving
        saving += 1
        await may_save.wait()
        await save(stamp, position_ms)

    monkeypatch.setattr(store.schedule, "save_position", save_position)
    running = asyncio.create_task(scheduler.run())
    async with asyncio.timeout(20):
        await scheduler.ready.wait()
        assert len(scheduler.owned()) == 2
        may_save.clear()
        saving = 0
        other = SchedulerSession(
            session_id=new_uid(),
            address="o:1",
            beat=1,
            lease_until_ms=SystemClock().now_ms() + 60_000,
        )
        # One of the two is its share.
        await store.leases.open_session(other)
        while saving < 1:
            await asyncio.sleep(0.01)
        await scheduler.stop()
        # That of the other one: nobody gives the first one back a second time.
        while saving < 2:
            await asyncio.sleep(0.01)
        may_save.set()
        await running
    assert [lease.session_id for lease in await store.leases.segments()] == ["", ""]
    assert [one.closed for one in await store.leases.sessions() if one != other] == [True]


async def test_what_cannot_be_given_back_at_a_stop_can_be_taken_all_the_same(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity = Identity(session_id=new_uid(), address="local", version="test")
    scheduler = Scheduler(store, SystemClock(), identity, SchedulerOptions(witness_ms=0))
    release = store.leases.release_segment

    async def release_segment(lease: SegmentLease) -> bool:
        if lease.segment == 0:
            raise StoreUnavailable("timed out")
        return await release(lease)

    monkeypatch.setattr(store.leases, "release_segment", release_segment)
    running = asyncio.create_task(scheduler.run())
    async with asyncio.timeout(20):
        await scheduler.ready.wait()
        await scheduler.stop()
        await running
    (mine,) = await store.leases.sessions()
    assert mine.closed
    assert [one.session_id for one in await store.leases.segments()] == [mine.session_id, ""]


async def test_what_is_given_back_while_we_take_is_made_ready_together_with_it(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SystemClock()
    theirs = await owned_by_another(store)
    free, _ = await store.leases.segments()
    take, positions = store.leases.take_segment, store.schedule.positions
    made_ready: list[set[int]] = []

    async def take_segment(current: SegmentLease, lease: SegmentLease) -> bool:
        took = await take(current, lease)
        if current == free:
            assert await store.leases.release_segment(theirs)
            await store.leases.close_session(theirs.session_id)
        return took

    async def positions_of(segments: Sequence[int]) -> dict[int, int]:
        made_ready.append(set(segments))
        return await positions(segments)

    monkeypatch.setattr(store.leases, "take_segment", take_segment)
    monkeypatch.setattr(store.schedule, "positions", positions_of)
    identity = Identity(session_id=new_uid(), address="local", version="test")
    scheduler = Scheduler(store, clock, identity, SchedulerOptions(witness_ms=0))
    running = asyncio.create_task(scheduler.run())
    async with asyncio.timeout(20):
        await scheduler.ready.wait()
        assert made_ready == [{0, 1}]
        await scheduler.stop()
        await running


async def test_a_take_over_reads_nothing_of_what_is_owned_already(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SystemClock()
    theirs = await owned_by_another(store)
    # Nothing but take-overs reads the schedule or the inbox from its first round on.
    options = SchedulerOptions(
        witness_ms=0, membership_ms=20, read_ms=3_600_000, reread_ms=3_600_000
    )
    identity = Identity(session_id=new_uid(), address="local", version="test")
    scheduler = Scheduler(store, clock, identity, options)
    running = asyncio.create_task(scheduler.run())
    async with asyncio.timeout(20):
        await scheduler.ready.wait()
        assert set(scheduler.owned()) == {0}
        read_due, read_inbox, read = store.schedule.read_due, store.schedule.read_inbox, set[int]()

        async def due(segments: Sequence[int], start_ms: int, end_ms: int) -> list[ScheduleEntry]:
            read.update(segments)
            return await read_due(segments, start_ms, end_ms)

        async def inbox(
            segments: Sequence[int], since_ms: int, until_ms: int | None = None
        ) -> list[InboxEntry]:
            read.update(segments)
            return await read_inbox(segments, since_ms, until_ms)

        monkeypatch.setattr(store.schedule, "read_due", due)
        monkeypatch.setattr(store.schedule, "read_inbox", inbox)
        await store.leases.close_session(theirs.session_id)
        while set(scheduler.epochs()) != {0, 1}:
            await asyncio.sleep(0.01)
        assert read == {1}
        await scheduler.stop()
        await running


async def test_who_is_stopped_amid_a_take_over_takes_nothing_of_what_it_has_given_back(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SystemClock()
    theirs = await owned_by_another(store)
    identity = Identity(session_id=new_uid(), address="local", version="test")
    scheduler = Scheduler(store, clock, identity, SchedulerOptions(witness_ms=0, membership_ms=20))
    read_segments, positions = store.leases.segments, store.schedule.positions
    take, release = store.leases.take_segment, store.leases.release_segment
    taken: list[int] = []
    may_release = asyncio.Event()

    async def take_segment(current: SegmentLease, lease: SegmentLease) -> bool:
        taken.append(lease.segment)
        return await take(current, lease)

    async def segments() -> list[SegmentLease]:
        if taken == [0, 1]:
            await scheduler.stop()
            while (await read_segments())[1].session_id:
                await asyncio.sleep(0.01)
        return await read_segments()

    async def release_segment(lease: SegmentLease) -> bool:
        if lease.segment == 0:
            await may_release.wait()
        return await release(lease)

    async def positions_of(wanted: Sequence[int]) -> dict[int, int]:
        if 1 in wanted:
            # Nothing more is taken: it is made ready.
            may_release.set()
        return await positions(wanted)

    monkeypatch.setattr(store.leases, "take_segment", take_segment)
    monkeypatch.setattr(store.leases, "segments", segments)
    monkeypatch.setattr(store.leases, "release_segment", release_segment)
    monkeypatch.setattr(store.schedule, "positions", positions_of)
    running = asyncio.create_task(scheduler.run())
    async with asyncio.timeout(20):
        await scheduler.ready.wait()
        await store.leases.release_segment(theirs)
        await store.leases.close_session(theirs.session_id)
        await running
    assert taken == [0, 1]
    assert [one.session_id for one in await read_segments()] == ["", ""]
