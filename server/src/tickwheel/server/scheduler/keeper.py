"""Keeps the scheduler's session alive, and stamps writes while it is.

A session that has run out is not lost: it is renewed as soon as the store answers, so that others
see that its scheduler lives, but it does not hold. Others may have taken its segments meanwhile,
or be about to. It holds again once all have been taken again (`resuming`).
"""

import asyncio
from dataclasses import replace

import structlog

from tickwheel.server.domain.clock import Clock
from tickwheel.server.domain.errors import Fenced, StoreUnavailable
from tickwheel.server.domain.lease import WriteStamp
from tickwheel.server.domain.names import new_uid
from tickwheel.server.scheduler.options import Identity, SchedulerOptions
from tickwheel.server.store.port import LeaseStore

_log = structlog.get_logger(__name__)


#: A wall clock that was set back further than this is no matter of slewing any more: instants that
#: were read, done and saved lie ahead of what is written from now on.
SET_BACK_MS = 5_000


class SessionLostError(Exception):
    """The session is no longer ours: everything owned under it must be let go at once."""


class SessionKeeper:
    """Renews the session by conditional writes; knows, on its own clock, until when it holds."""

    def __init__(
        self, leases: LeaseStore, clock: Clock, identity: Identity, options: SchedulerOptions
    ) -> None:
        self._leases = leases
        self._clock = clock
        self._identity = identity
        self._options = options
        #: When the session began; Unix milliseconds.
        self.opened_ms = 0
        #: The present session may be in the store.
        self._is_begun = False
        self._beat = 0
        self._lease_until_ms = 0
        self._valid_until_steady_ms = 0
        #: How often it has run out, and how many of these times it holds again after.
        self._lapses = self._settled_lapses = 0
        self._holding = asyncio.Event()
        self._renewing = asyncio.Lock()
        self._is_closed = False
        #: How far the wall clock was ahead of the steady one.
        self._wall_ahead_ms = 0
        self._floors: dict[int, int] = {}
        self._last_us = 0

    @property
    def identity(self) -> Identity:
        """Whose session it is."""
        return self._identity

    @property
    def renewed_ms(self) -> int:
        """When it was last renewed, on the steady clock."""
        return self._valid_until_steady_ms - self._options.lease_ms + self._options.lease_margin_ms

    async def open(self) -> None:
        """Begins a session: the first, or a new one in place of one that was lost.

        Workers tell by its id what they hold of the former one, and drop that. Nobody publishes
        anything under the former one any more: others need not wait for its end.
        """
        if self._is_begun:
            await self._leases.close_session(self._identity.session_id)
            self._identity = replace(self._identity, session_id=new_uid())
        self._is_begun = True
        self.opened_ms = self._clock.now_ms()
        self._wall_ahead_ms = self._clock.now_ms() - self._clock.steady_ms()
        await self._write(first=True)
        self._settled_lapses = self._lapses
        self._holding.set()

    async def renew_once(self) -> None:
        """Renews the session, also one that has run out, which does not hold by that.

        Raises:
            SessionLostError: somebody ended it; or the wall clock was set back, and what is owned
                is to be taken up anew.
        """
        async with self._renewing:
            if not self._is_closed:
                await self._renew()

    async def _renew(self) -> None:
        before_ms = self._wall_ahead_ms
        self._wall_ahead_ms = self._clock.now_ms() - self._clock.steady_ms()
        if self._wall_ahead_ms < before_ms - SET_BACK_MS:
            _log.error("the clock was set back", by_ms=before_ms - self._wall_ahead_ms)
            raise SessionLostError
        try:
            await self._write(first=False)
        except StoreUnavailable as error:
            # Once it has run out that has been said.
            say = _log.warning if self.left_ms() > 0 else _log.debug
            say("session not renewed", error=error.message, left_ms=self.left_ms())

    async def _write(self, *, first: bool) -> None:
        begun_ms = self._clock.steady_ms()
        # Timestamps never go back. Where the wall clock did, they are ahead of it for a while, and
        # the recorded end of the lease has to be ahead of them.
        newest_us = max(self._clock.now_us(), self._last_us, *self._floors.values())
        until_ms = newest_us // 1000 + self._options.lease_ms
        session = self._identity.session(1 if first else self._beat + 1, until_ms)
        if first:
            await self._leases.open_session(session)
        elif not await self._leases.renew_session(session):
            stored = await self._stored()
            if stored is None:
                raise SessionLostError
            # Nobody else writes our beat: a renewal that we took for failed has come late.
            session = self._identity.session(stored + 1, until_ms)
            if not await self._leases.renew_session(session):
                raise SessionLostError
        if not first and not self.is_renewed:
            # Others may have found it dead before this was done.
            self._lapses += 1
        self._beat = session.beat
        self._lease_until_ms = until_ms
        self._valid_until_steady_ms = (
            begun_ms + self._options.lease_ms - self._options.lease_margin_ms
        )

    async def _stored(self) -> int | None:
        """The beat that the store has of us; None where somebody has ended the session."""
        mine = self._identity.session_id
        return next(
            (
                session.beat
                for session in await self._leases.sessions()
                if session.session_id == mine and not session.closed
            ),
            None,
        )

    @property
    def is_renewed(self) -> bool:
        """Whether others do not take us for dead, whether or not what was ours is ours still."""
        return self._valid_until_steady_ms > self._clock.steady_ms()

    @property
    def lapses(self) -> int:
        """How often the session has run out and was renewed all the same."""
        return self._lapses

    def go_on(self, lapses: int) -> bool:
        """All that is owned was taken again: the session holds. False: it has run out once more.

        Args:
            lapses: as they were before the first of it was taken again.
        """
        if lapses != self._lapses or not self.is_renewed:
            return False
        self._settled_lapses = lapses
        self._holding.set()
        return True

    async def until_it_holds(self) -> None:
        """Returns at once while the session holds; else when it does again."""
        while self.left_ms() <= 0:
            self._holding.clear()
            await self._holding.wait()

    def forfeit(self) -> None:
        """The session was lost: from here on it does not hold, whatever the store says."""
        self._valid_until_steady_ms = 0

    async def close(self) -> None:
        """Ends the session cleanly: others need not wait for it."""
        self._valid_until_steady_ms = 0
        self._is_closed = True
        async with self._renewing:
            await self._leases.close_session(self._identity.session_id)

    def left_ms(self) -> int:
        """How long the session still holds, in milliseconds; not above 0 when it does not."""
        left_ms = self._valid_until_steady_ms - self._clock.steady_ms()
        return left_ms if self._lapses == self._settled_lapses else min(0, left_ms)

    @property
    def newest_us(self) -> int:
        """The newest timestamp that was given to any write; Unix microseconds."""
        return self._last_us

    def set_floor(self, segment: int, floor_us: int) -> None:
        """Timestamps for the segment lie above those of its former owner."""
        self._floors[segment] = floor_us

    async def reach_floors(self) -> None:
        """Renews at once where timestamps have to lie beyond the recorded end of the lease.

        So it is where a former owner's wall clock was ahead of ours, or our own was set back.

        Raises:
            SessionLostError: as in renew_once.
        """
        if max(self._floors.values(), default=0) >= self._lease_until_ms * 1000:
            await self.renew_once()

    def stamp(self, segment: int, epoch: int) -> WriteStamp:
        """A stamp for one write to a segment: timestamp first, then the lease is checked.

        Raises:
            Fenced: the session has run out, here or by what the store has recorded.
        """
        timestamp_us = max(self._clock.now_us(), self._last_us, self._floors.get(segment, 0)) + 1
        self._last_us = timestamp_us
        if self.left_ms() <= 0 or timestamp_us > self._lease_until_ms * 1000:
            raise Fenced("the scheduler's session has run out")
        return WriteStamp(segment, epoch, timestamp_us)
