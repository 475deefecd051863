"""Goes on with what is owned after the session has run out, where nobody has taken it meanwhile.

So it is after an outage of the store that outlasts the lease, or a sleep. What is in memory is
still true for whoever is still the owner, so nothing is read anew, and workers keep what they hold;
they only may not publish it before the session holds again.

Others may have taken us for dead, and be about to take a segment by what they read before. So each
is taken again by a conditional write, as anybody would take it, under its present epoch but with a
higher floor: where it succeeds nobody has owned the segment in between, and who comes later finds
another row than the one that they read.
"""

from collections.abc import Iterable
from dataclasses import replace

import structlog

from tickwheel.server.domain.errors import StoreUnavailable
from tickwheel.server.domain.lease import SegmentLease
from tickwheel.server.scheduler.bounded import bounded
from tickwheel.server.scheduler.context import SchedulerContext
from tickwheel.server.scheduler.holding import Holding
from tickwheel.server.scheduler.inbox import Inbox
from tickwheel.server.scheduler.keeper import SessionLostError

_log = structlog.get_logger(__name__)


class Resuming:
    """Makes the session of one scheduler hold again."""

    def __init__(self, context: SchedulerContext, inbox: Inbox) -> None:
        """Makes it; `inbox` tells what was changed meanwhile."""
        self._leases = context.store.leases
        self._clock = context.clock
        self._keeper = context.keeper
        self._fleet = context.fleet
        self._holdings = context.holdings
        self._wake = context.wake
        self._inbox = inbox
        #: Segments that were taken again, and which time it was that the session had run out.
        self._again: dict[int, int] = {}

    async def go_on(self) -> bool:
        """Takes all that is owned again. False: the store is not back yet, or away again.

        Nobody else may take or give back segments of ours meanwhile.

        Raises:
            SessionLostError: somebody else has taken some of it, or has ended the session.
            StoreUnavailable: to be tried again.
        """
        if not self._keeper.is_renewed:
            # First of all: who looks at the leases from here on sees that we live.
            await self._keeper.renew_once()
        lapses = self._keeper.lapses
        if not self._keeper.is_renewed or not await self._take_again(lapses):
            return False
        await self._keeper.reach_floors()
        # What was changed meanwhile holds for what workers have waited with, and so do windows.
        await self._inbox.reread()
        # What workers have published was not missed, though their streams have broken meanwhile.
        await self._fleet.gathered()
        for holding in self._holdings.values():
            missed = holding.owner.take_back_missed(self._clock.now_ms())
            self._fleet.revoke(missed)
        await self._fleet.answered()
        if not self._keeper.go_on(lapses):
            return False
        now_ms = self._clock.now_ms()
        for holding in self._holdings.values():
            holding.owner.resume(now_ms)
        _log.warning("the session holds again", segments=len(self._holdings))
        self._wake.set()
        return True

    async def _take_again(self, lapses: int) -> bool:
        """Whether all is ours; False: one that may be ours could not be taken.

        Args:
            lapses: the keeper's, before the first of it was taken again.
        """
        rows = await self._leases.segments()
        holdings = list(self._holdings.values())
        self._check_ours(holdings, rows)
        newest_us = max(self._clock.now_us(), self._keeper.newest_us)

        async def take(holding: Holding) -> None:
            row = rows[holding.segment]
            lease = replace(row, floor_us=max(row.floor_us + 1, newest_us))
            try:
                was_taken = await self._leases.take_segment(row, lease)
            except StoreUnavailable as error:
                # One that comes back may answer some and not others: it is not begun anew for that.
                _log.warning("not taken again", segment=row.segment, error=error.message)
                return
            if was_taken:
                holding.lease = lease
                self._keeper.set_floor(lease.segment, lease.floor_us)
                self._again[lease.segment] = lapses

        def left() -> list[Holding]:
            return [each for each in holdings if self._again.get(each.segment) != lapses]

        await bounded(take(each) for each in left())
        missed = sorted(each.segment for each in left())
        if missed:
            # Where a row has changed since it was read the next reading tells by whom.
            _log.warning("segments not taken again yet", segments=missed)
        return not missed

    def _check_ours(self, holdings: Iterable[Holding], rows: list[SegmentLease]) -> None:
        mine = self._keeper.identity.session_id
        for holding in holdings:
            row = rows[holding.segment]
            if (row.epoch, row.session_id) != (holding.epoch, mine):
                _log.error("segment lost", segment=row.segment, epoch=row.epoch)
                raise SessionLostError
