"""Who takes which segments, by the store."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from tickwheel.server.domain.clock import SystemClock
from tickwheel.server.domain.lease import SchedulerSession, SegmentLease
from tickwheel.server.domain.names import new_uid
from tickwheel.server.scheduler.options import Identity, SchedulerOptions
from tickwheel.server.scheduler.runtime import Scheduler
from tickwheel.server.store.port import Store
from tickwheel.server.store.sqlite import open_sqlite


@pytest.fixture
async def store() -> AsyncGenerator[Store]:
    opened = await open_sqlite(None, segments=2, clock=SystemClock())
    yield opened
    await opened.close()


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
    options = SchedulerOptions(membership_ms=20)
    scheduler = Scheduler(store, SystemClock(), identity, options)
    running = asyncio.create_task(scheduler.run())
    async with asyncio.timeout(20):
        while begun < 10:
            await asyncio.sleep(0.01)
    assert [lease.session_id for lease in await read_segments()] == [other.session_id] * 2
    await scheduler.stop()
    await running
