"""The scheduler's session: renewed, found again, lost."""

from collections.abc import Callable
from typing import TypeVar

import pytest

from simulator.store.cells import Cells
from simulator.store.leases import SimLeaseStore
from simulator.store.link import Kind
from tickwheel.server.domain.errors import OutcomeUnknown, StoreUnavailable
from tickwheel.server.scheduler.keeper import SessionKeeper, SessionLostError
from tickwheel.server.scheduler.options import Identity, SchedulerOptions

T = TypeVar("T")

IDENTITY = Identity(session_id="mine", address="host:1", version="")


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
    assert keeper.left_ms() == 8_000
    assert cells.sessions["mine"].beat == 3


async def test_a_session_that_ran_out_is_opened_again_as_it_stands_in_the_store() -> None:
    keeper, clock, link, cells = make()
    await keeper.open()
    link.late = True
    clock.ms += 9_000
    with pytest.raises(SessionLostError):
        await keeper.renew_once()
    link.land()
    await keeper.open()
    await keeper.renew_once()
    assert keeper.left_ms() == 8_000
    assert cells.sessions["mine"].beat == 4


async def test_a_session_that_somebody_removed_is_lost_and_begun_anew() -> None:
    keeper, clock, _, cells = make()
    await keeper.open()
    await keeper.renew_once()
    del cells.sessions["mine"]
    clock.ms += 2_500
    with pytest.raises(SessionLostError):
        await keeper.renew_once()
    await keeper.open()
    assert cells.sessions["mine"].beat == 1
    await keeper.renew_once()
