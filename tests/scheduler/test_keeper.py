"""The scheduler's session: renewed, found again, lost."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

import pytest

from simulator.store.cells import Cells
from simulator.store.leases import SimLeaseStore
from simulator.store.link import Kind
from tickwheel.server.domain.errors import Fenced, OutcomeUnknown, StoreUnavailable
from tickwheel.server.scheduler.keeper import SET_BACK_MS, SessionKeeper, SessionLostError
from tickwheel.server.scheduler.options import Identity, SchedulerOptions

T = TypeVar("T")

IDENTITY = Identity(session_id="mine", address="host:1", version="")

#: How long a session that was just renewed may be gone by.
WHOLE_MS = SchedulerOptions().lease_ms - SchedulerOptions().lease_margin_ms


class HandClock:
    def __init__(self) -> None:
        self.ms = 1_000_000

    def now_ms(self) -> int:
        return self.ms

    def now_us(self) -> int:
        return self.ms * 1000

    def steady_ms(self) -> int:
        return self.ms

    async def sleep(self, seconds: float) -> None:
        self.ms += int(seconds * 1000)


class LateLink:
    """While `late`, a transaction fails with an unknown outcome and is done when it is let."""

    def __init__(self) -> None:
        self.late = False
        self._waiting: list[Callable[[], object]] = []

    async def call(self, kind: Kind, work: Callable[[], T]) -> T:
        if not self.late:
            return work()
        if kind is Kind.READ:
            raise StoreUnavailable("timed out")
        self._waiting.append(work)
        raise OutcomeUnknown("timed out")

    def land(self) -> None:
        self.late = False
        for work in self._waiting:
            work()


class SlowLink:
    """Each request takes its time."""

    SLOW_MS = 1_000

    def __init__(self, clock: HandClock) -> None:
        self._clock = clock

    async def call(self, kind: Kind, work: Callable[[], T]) -> T:
        done = work()
        self._clock.ms += self.SLOW_MS
        return done


def make() -> tuple[SessionKeeper, HandClock, LateLink, Cells]:
    clock, link, cells = HandClock(), LateLink(), Cells(segments=1)
    keeper = SessionKeeper(SimLeaseStore(cells, link), clock, IDENTITY, SchedulerOptions())
    return keeper, clock, link, cells


async def test_a_renewal_that_came_late_does_not_end_the_session() -> None:
    keeper, clock, link, cells = make()
    await keeper.open()
    link.late = True
    clock.ms += 2_500
    await keeper.renew_once()
    link.land()
    clock.ms += 2_500
    await keeper.renew_once()
    assert keeper.left_ms() == WHOLE_MS
    assert cells.sessions["mine"].beat == 3


async def test_a_session_that_ran_out_is_renewed_and_does_not_hold_before_all_is_taken_again() -> (
    None
):
    keeper, clock, link, cells = make()
    await keeper.open()
    link.late = True
    clock.ms += WHOLE_MS
    await keeper.renew_once()
    assert not keeper.is_renewed
    link.land()
    await keeper.renew_once()
    assert keeper.is_renewed
    assert cells.sessions["mine"].beat == 3
    assert keeper.left_ms() == 0
    with pytest.raises(Fenced):
        keeper.stamp(0, 1)
    waiting = asyncio.create_task(keeper.until_it_holds())
    clock.ms += 2_500
    await keeper.renew_once()
    assert not waiting.done()
    assert keeper.go_on(keeper.lapses)
    await waiting
    assert keeper.left_ms() == WHOLE_MS
    keeper.stamp(0, 1)


async def test_a_session_that_runs_out_again_does_not_hold_by_what_was_taken_before() -> None:
    keeper, clock, _, _ = make()
    await keeper.open()
    clock.ms += WHOLE_MS
    await keeper.renew_once()
    lapses = keeper.lapses
    clock.ms += WHOLE_MS
    assert not keeper.go_on(lapses)
    await keeper.renew_once()
    # Others may have taken what was taken again before.
    assert not keeper.go_on(lapses)
    assert keeper.go_on(keeper.lapses)
    assert keeper.left_ms() == WHOLE_MS


async def test_a_renewal_that_is_answered_too_late_does_not_make_the_session_hold() -> None:
    clock, cells = HandClock(), Cells(segments=1)
    store = SimLeaseStore(cells, SlowLink(clock))
    keeper = SessionKeeper(store, clock, IDENTITY, SchedulerOptions())
    await keeper.open()
    clock.ms += WHOLE_MS - SlowLink.SLOW_MS
    await keeper.renew_once()
    assert cells.sessions["mine"].beat == 2
    assert keeper.is_renewed
    assert keeper.left_ms() == 0


async def test_a_session_that_is_lost_is_closed_and_a_new_one_begun() -> None:
    keeper, clock, link, cells = make()
    await keeper.open()
    link.late = True
    clock.ms += 9_000
    await keeper.renew_once()
    link.land()
    keeper.forfeit()
    await keeper.open()
    await keeper.renew_once()
    assert keeper.left_ms() == WHOLE_MS
    assert cells.sessions.pop("mine").closed
    ((session_id, session),) = cells.sessions.items()
    assert session_id == keeper.identity.session_id
    assert (session.beat, session.closed) == (2, False)


async def test_a_session_that_somebody_removed_is_lost_and_begun_anew() -> None:
    keeper, clock, _, cells = make()
    await keeper.open()
    await keeper.renew_once()
    del cells.sessions["mine"]
    clock.ms += 2_500
    with pytest.raises(SessionLostError):
        await keeper.renew_once()
    await keeper.open()
    assert [session.beat for session in cells.sessions.values()] == [1]
    await keeper.renew_once()


class SteppedClock(HandClock):
    """The wall clock may be set; the steady one is not."""

    def __init__(self) -> None:
        super().__init__()
        self.off_ms = 0

    def now_ms(self) -> int:
        return self.ms + self.off_ms

    def now_us(self) -> int:
        return self.now_ms() * 1000


def make_stepped() -> tuple[SessionKeeper, SteppedClock, Cells]:
    clock, cells = SteppedClock(), Cells(segments=1)
    keeper = SessionKeeper(SimLeaseStore(cells, LateLink()), clock, IDENTITY, SchedulerOptions())
    return keeper, clock, cells


async def test_a_clock_that_is_set_back_ends_the_session_and_timestamps_still_grow() -> None:
    keeper, clock, cells = make_stepped()
    await keeper.open()
    before = keeper.stamp(0, 1)
    clock.off_ms = -3_600_000
    with pytest.raises(SessionLostError):
        await keeper.renew_once()
    await keeper.open()
    for _ in range(3):
        stamp = keeper.stamp(0, 2)
        assert stamp.timestamp_us > before.timestamp_us
        assert stamp.timestamp_us < cells.sessions["mine"].lease_until_ms * 1000
        clock.ms += 2_500
        await keeper.renew_once()


@pytest.mark.parametrize("off_ms", [-SET_BACK_MS, 3_600_000])
async def test_a_clock_that_is_slewed_or_set_forward_ends_no_session(off_ms: int) -> None:
    keeper, clock, _ = make_stepped()
    await keeper.open()
    clock.off_ms = off_ms
    await keeper.renew_once()
    assert keeper.left_ms() == WHOLE_MS
    keeper.stamp(0, 1)


async def test_a_floor_beyond_the_lease_is_reached_at_once() -> None:
    keeper, clock, cells = make_stepped()
    await keeper.open()
    floor_us = (clock.ms + 60_000) * 1000
    keeper.set_floor(0, floor_us)
    with pytest.raises(Fenced):
        keeper.stamp(0, 1)
    await keeper.reach_floors()
    assert keeper.stamp(0, 1).timestamp_us > floor_us
    beat = cells.sessions["mine"].beat
    await keeper.reach_floors()
    assert cells.sessions["mine"].beat == beat


async def test_a_session_that_is_being_closed_is_not_renewed_any_more() -> None:
    keeper, _, _, cells = make()
    await keeper.open()
    await asyncio.gather(keeper.renew_once(), keeper.close(), keeper.renew_once())
    assert cells.sessions["mine"].closed
    assert cells.sessions["mine"].beat == 2
    assert keeper.left_ms() <= 0
