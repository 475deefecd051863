"""The session has run out: what is owned goes on if nobody has taken it, and only then."""

import asyncio
from dataclasses import replace

import pytest
from google.protobuf.duration_pb2 import Duration

from scheduler.making import NOW, SECOND, assign, entry_of, make_job, make_owner
from scheduler.test_fleet import HandClock
from scheduler.test_runs import published, reported, say
from simulator.store.cells import Cells
from simulator.store.engine import SimStore
from simulator.store.link import DirectLink
from tickwheel.server.domain.errors import Fenced, StoreUnavailable
from tickwheel.server.domain.lease import SegmentLease
from tickwheel.server.domain.report import Heartbeat, Start
from tickwheel.server.scheduler.context import SchedulerContext
from tickwheel.server.scheduler.holding import Holding
from tickwheel.server.scheduler.inbox import Inbox
from tickwheel.server.scheduler.keeper import SessionKeeper, SessionLostError
from tickwheel.server.scheduler.options import Identity, SchedulerOptions
from tickwheel.server.scheduler.pressure import Pressure
from tickwheel.server.scheduler.reader import Reader
from tickwheel.server.scheduler.repairs import Repairs
from tickwheel.server.scheduler.reports import SILENCE_MS
from tickwheel.server.scheduler.resuming import Resuming
from tickwheel.server.scheduler.runtime import Scheduler
from tickwheel.server.scheduler.versions import Versions

OPTIONS = SchedulerOptions()
IDENTITY = Identity(session_id="mine", address="host:1", version="")
SEGMENTS = 3


class Owner:
    """One that owns all segments."""

    def __init__(self) -> None:
        self.clock = HandClock()
        self.cells = Cells(SEGMENTS)
        self.store = SimStore(self.cells, DirectLink(), self.clock)
        self.keeper = SessionKeeper(self.store.leases, self.clock, IDENTITY, OPTIONS)
        scheduler = Scheduler(self.store, self.clock, IDENTITY, OPTIONS)
        self.context = SchedulerContext(
            store=self.store,
            clock=self.clock,
            options=OPTIONS,
            keeper=self.keeper,
            fleet=scheduler.fleet,
            holdings={},
            pressure=Pressure(self.clock, {}, OPTIONS.most_unpublished),
            repairs=Repairs(),
            wake=asyncio.Event(),
        )
        versions = Versions(self.store.jobs, self.clock, self.context.holdings)
        self.inbox = Inbox(self.context, versions, Reader(self.context, versions))
        self.resuming = Resuming(self.context, self.inbox)

    async def begin(self) -> None:
        await self.keeper.open()
        self.inbox.begin()
        for free in await self.store.leases.segments():
            floor_us = self.clock.now_us()
            lease = SegmentLease(
                segment=free.segment,
                epoch=7,
                session_id=IDENTITY.session_id,
                address=IDENTITY.address,
                floor_us=floor_us,
            )
            assert await self.store.leases.take_segment(free, lease)
            self.keeper.set_floor(lease.segment, floor_us)
            self.context.holdings[lease.segment] = Holding(
                lease, make_owner(7), recovered=True, ready=True
            )

    def leases(self) -> list[SegmentLease]:
        return [self.cells.leases[segment] for segment in range(SEGMENTS)]


@pytest.fixture
async def owner() -> Owner:
    made = Owner()
    await made.begin()
    return made


def other(lease: SegmentLease) -> SegmentLease:
    """Of somebody who took us for dead."""
    return replace(lease, epoch=lease.epoch + 1, session_id="other", address="other:1")


async def test_what_nobody_has_taken_goes_on_under_its_epoch(owner: Owner) -> None:
    before = owner.leases()
    newest_us = owner.keeper.stamp(0, 7).timestamp_us
    owner.clock.ms += 60_000
    with pytest.raises(Fenced):
        owner.keeper.stamp(0, 7)
    assert await owner.resuming.go_on()
    after = owner.leases()
    assert [(one.epoch, one.session_id) for one in after] == [(7, "mine")] * SEGMENTS
    assert [holding.lease for holding in owner.context.holdings.values()] == after
    for segment, lease in enumerate(after):
        assert lease.floor_us > before[segment].floor_us
        assert owner.keeper.stamp(segment, 7).timestamp_us > lease.floor_us > newest_us
        # Who read the lease before, and found us dead, takes nothing any more.
        assert not await owner.store.leases.take_segment(before[segment], other(before[segment]))


async def test_nothing_goes_on_where_somebody_has_taken_a_segment(owner: Owner) -> None:
    taken = owner.leases()[1]
    owner.clock.ms += 60_000
    assert await owner.store.leases.take_segment(taken, other(taken))
    with pytest.raises(SessionLostError):
        await owner.resuming.go_on()
    assert owner.keeper.left_ms() <= 0
    assert owner.leases()[1] == other(taken)


async def test_what_is_taken_after_it_was_read_is_found_at_the_next_try(
    owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = owner.store.leases.segments
    taken = owner.leases()[1]

    async def segments() -> list[SegmentLease]:
        rows = await read()
        await owner.store.leases.take_segment(taken, other(taken))
        return rows

    monkeypatch.setattr(owner.store.leases, "segments", segments)
    owner.clock.ms += 60_000
    assert not await owner.resuming.go_on()
    assert owner.keeper.left_ms() <= 0
    with pytest.raises(SessionLostError):
        await owner.resuming.go_on()


async def test_a_store_that_answers_some_and_not_others_is_not_begun_with_anew(
    owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    take = owner.store.leases.take_segment
    tried: list[int] = []

    async def one_answer_in_three(current: SegmentLease, lease: SegmentLease) -> bool:
        tried.append(lease.segment)
        if len(tried) % SEGMENTS:
            raise StoreUnavailable("timed out")
        return await take(current, lease)

    monkeypatch.setattr(owner.store.leases, "take_segment", one_answer_in_three)
    owner.clock.ms += 60_000
    tries = 0
    while not await owner.resuming.go_on():
        assert owner.keeper.left_ms() <= 0
        tries += 1
        assert tries < 2 * SEGMENTS
    # The next time all are to be taken again.
    owner.clock.ms += 60_000
    monkeypatch.setattr(owner.store.leases, "take_segment", take)
    before = owner.leases()
    assert await owner.resuming.go_on()
    assert all(a.floor_us > b.floor_us for a, b in zip(owner.leases(), before, strict=True))


async def test_our_own_write_that_came_late_is_no_loss(
    owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = owner.store.leases.segments
    tried = owner.leases()[1]

    async def segments() -> list[SegmentLease]:
        rows = await read()
        # Of an earlier try, which had timed out.
        again = replace(tried, floor_us=tried.floor_us + 5)
        await owner.store.leases.take_segment(tried, again)
        return rows

    monkeypatch.setattr(owner.store.leases, "segments", segments)
    owner.clock.ms += 60_000
    assert not await owner.resuming.go_on()
    assert await owner.resuming.go_on()
    assert owner.keeper.left_ms() > 0


async def test_what_takes_longer_than_a_lease_is_done_once_more(
    owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    reread = owner.inbox.reread
    slow = [True]

    async def slowly() -> None:
        await reread()
        owner.clock.ms += OPTIONS.lease_ms if slow.pop() else 0
        slow.append(False)

    monkeypatch.setattr(owner.inbox, "reread", slowly)
    owner.clock.ms += 60_000
    assert not await owner.resuming.go_on()
    taken = owner.leases()
    assert await owner.resuming.go_on()
    assert all(
        now.floor_us > then.floor_us for now, then in zip(owner.leases(), taken, strict=True)
    )


async def test_workers_have_dropped_what_was_revoked_before_the_session_holds(
    owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    holding = owner.context.holdings[0]
    job = make_job(at_ms=NOW + 2 * SECOND)
    holding.owner.load([entry_of(job, NOW + 2 * SECOND)], {job.key: job}, NOW)
    holding.owner.step(NOW)
    (run,) = assign(holding.owner)
    left_ms: list[int] = []

    async def answered() -> None:
        left_ms.append(owner.keeper.left_ms())

    monkeypatch.setattr(owner.context.fleet, "answered", answered)
    owner.clock.ms += 60_000
    assert await owner.resuming.go_on()
    assert left_ms == [0]
    # A worker may publish it now: it was neither forgotten nor is it to be handed out again.
    assert holding.owner.assigned_runs() == [run]
    assert not holding.owner.take_ready()


async def test_executors_that_nobody_could_hear_meanwhile_were_not_silent(owner: Owner) -> None:
    segment = owner.context.holdings[0].owner
    job = reported(at_ms=NOW)
    job.spec.run_timeout.CopyFrom(Duration(seconds=3_600))
    run = published(job, segment)
    say(segment, run, Start())
    say(segment, run, Heartbeat(), NOW + 1)
    owner.clock.ms += 4 * SILENCE_MS
    assert await owner.resuming.go_on()
    segment.step(owner.clock.now_ms())
    assert run.attempt == 1
