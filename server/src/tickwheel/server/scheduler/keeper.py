"""Keeps the scheduler's session alive, and stamps writes while it is."""

import structlog

from tickwheel.server.domain.clock import Clock
from tickwheel.server.domain.errors import Fenced, StoreUnavailable
from tickwheel.server.domain.lease import WriteStamp
from tickwheel.server.scheduler.options import Identity, SchedulerOptions
from tickwheel.server.store.port import LeaseStore

_log = structlog.get_logger(__name__)


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
        self._beat = 0
        self._lease_until_ms = 0
        self._valid_until_steady_ms = 0
        self._floors: dict[int, int] = {}
        self._last_us = 0

    @property
    def identity(self) -> Identity:
        """Whose session it is."""
        return self._identity

    async def open(self) -> None:
        """Begins the session."""
        await self._write(first=True)

    async def renew_once(self) -> None:
        """Renews the session.

        Raises:
            SessionLostError: somebody removed it, or it ran out while the store was away.
        """
        try:
            await self._write(first=False)
        except StoreUnavailable as error:
            _log.warning("session not renewed", error=error.message, left_ms=self.left_ms())
        if self.left_ms() <= 0:
            raise SessionLostError

    async def _write(self, *, first: bool) -> None:
        begun_ms = self._clock.steady_ms()
        until_ms = self._clock.now_ms() + self._options.lease_ms
        stored = await self._stored() if first else self._beat
        session = self._identity.session((stored or 0) + 1, until_ms)
        if stored is None:
            await self._leases.open_session(session)
        elif not await self._leases.renew_session(session):
            stored = await self._stored()
            if stored is None:
                raise SessionLostError
            # Nobody else writes our beat: a renewal that we took for failed has come late.
            session = self._identity.session(stored + 1, until_ms)
            if not await self._leases.renew_session(session):
                raise SessionLostError
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

    async def close(self) -> None:
        """Ends the session cleanly: others need not wait for it."""
        self._valid_until_steady_ms = 0
        await self._leases.close_session(self._identity.session_id)

    def left_ms(self) -> int:
        """How long the session still holds, in milliseconds; not above 0 when it does not."""
        return self._valid_until_steady_ms - self._clock.steady_ms()

    def set_floor(self, segment: int, floor_us: int) -> None:
        """Timestamps for the segment lie above those of its former owner."""
        self._floors[segment] = floor_us

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
