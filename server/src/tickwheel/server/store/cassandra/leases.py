"""LeaseStore on Cassandra: rows under lightweight transactions, one partition each.

Sessions and segments are read by scanning their tables, which are tiny: as many rows as there are
schedulers, and segments. A scan is not linearizable, and need not be: it only suggests what the
transactions then decide.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from tickwheel.server.domain.errors import OutcomeUnknown
from tickwheel.server.domain.lease import SchedulerSession, SegmentLease
from tickwheel.server.store.cassandra.driver import Bound, Driver, Kind, Row
from tickwheel.server.store.cassandra.session import CassandraSession
from tickwheel.server.store.port import LeaseStore

_SESSION: Final = "session_id, address, beat, lease_until, closed, program"
_SEGMENT: Final = "segment, epoch, session_id, address, floor_us"


class CassandraLeases(LeaseStore):
    """Sessions of schedulers and leases of segments."""

    def __init__(self, driver: Driver, session: CassandraSession, segments: int) -> None:
        self._session = session
        self._segments = segments
        self._open = driver.prepare(
            "INSERT INTO scheduler_sessions (session_id, address, beat, lease_until, closed, "
            "program) VALUES (?, ?, ?, ?, ?, ?) IF NOT EXISTS",
            Kind.CONDITIONAL,
        )
        self._reopen = driver.prepare(
            "UPDATE scheduler_sessions SET address = ?, beat = ?, lease_until = ?, closed = ?, "
            "program = ? WHERE session_id = ? IF EXISTS",
            Kind.CONDITIONAL,
        )
        self._renew = driver.prepare(
            "UPDATE scheduler_sessions SET address = ?, beat = ?, lease_until = ?, closed = ?, "
            "program = ? WHERE session_id = ? IF beat = ? AND closed = false",
            Kind.CONDITIONAL,
        )
        self._close = driver.prepare(
            "UPDATE scheduler_sessions SET closed = true WHERE session_id = ? IF EXISTS",
            Kind.CONDITIONAL,
        )
        self._remove = driver.prepare(
            "DELETE FROM scheduler_sessions WHERE session_id = ? IF beat = ?", Kind.CONDITIONAL
        )
        self._select_session = driver.prepare(
            f"SELECT {_SESSION} FROM scheduler_sessions WHERE session_id = ?", Kind.SERIAL
        )
        self._select_sessions = driver.prepare(
            f"SELECT {_SESSION} FROM scheduler_sessions", Kind.READ
        )
        self._take = driver.prepare(
            "UPDATE segments SET epoch = ?, session_id = ?, address = ?, floor_us = ? "
            "WHERE segment = ? IF epoch = ? AND session_id = ? AND floor_us = ?",
            Kind.CONDITIONAL,
        )
        self._release = driver.prepare(
            "UPDATE segments SET session_id = '', address = '', floor_us = ? "
            "WHERE segment = ? IF epoch = ? AND session_id = ?",
            Kind.CONDITIONAL,
        )
        self._select_segment = driver.prepare(
            f"SELECT {_SEGMENT} FROM segments WHERE segment = ?", Kind.SERIAL
        )
        self._select_segments = driver.prepare(f"SELECT {_SEGMENT} FROM segments", Kind.READ)

    async def segment_count(self) -> int:
        """As the keyspace was made."""
        return self._segments

    async def open_session(self, session: SchedulerSession) -> None:
        """Begins a session; one of that id that is there is replaced."""
        values = (
            session.address,
            session.beat,
            session.lease_until_ms,
            session.closed,
            session.version,
        )
        read = self._select_session.bind(session.session_id)

        def is_there(row: Row | None) -> bool:
            return row is not None and _session(row) == session

        opened = await self._settled(self._open.bind(session.session_id, *values), read, is_there)
        # Between the two somebody may remove the old one as dead; then its place is free.
        while not opened:
            opened = await self._settled(
                self._reopen.bind(*values, session.session_id), read, is_there
            ) or await self._settled(self._open.bind(session.session_id, *values), read, is_there)

    async def renew_session(self, session: SchedulerSession) -> bool:
        """Writes the next beat; nobody but this process writes that one."""
        return await self._settled(
            self._renew.bind(
                session.address,
                session.beat,
                session.lease_until_ms,
                session.closed,
                session.version,
                session.session_id,
                session.beat - 1,
            ),
            self._select_session.bind(session.session_id),
            lambda row: row is not None and _session(row) == session,
        )

    async def close_session(self, session_id: str) -> None:
        """Marks a session as closed, if it is there."""
        await self._settled(
            self._close.bind(session_id),
            self._select_session.bind(session_id),
            lambda row: row is None or bool(row[4]),
        )

    async def remove_session(self, session: SchedulerSession) -> bool:
        """Removes a session that has not beaten since."""
        return await self._settled(
            self._remove.bind(session.session_id, session.beat),
            self._select_session.bind(session.session_id),
            lambda row: row is None,
        )

    async def sessions(self) -> list[SchedulerSession]:
        """All sessions."""
        rows = await self._session.read(self._select_sessions.bind())
        return [_session(row) for row in rows]

    async def segments(self) -> list[SegmentLease]:
        """All segments in order."""
        rows = await self._session.read(self._select_segments.bind())
        known = {lease.segment: lease for lease in map(_segment, rows)}
        return [
            known.get(segment) or SegmentLease(segment=segment) for segment in range(self._segments)
        ]

    async def take_segment(self, current: SegmentLease, new: SegmentLease) -> bool:
        """Replaces a lease that is still as given."""
        owned = current.epoch > 0
        return await self._settled(
            self._take.bind(
                new.epoch,
                new.session_id,
                new.address,
                new.floor_us,
                new.segment,
                current.epoch if owned else None,
                current.session_id if owned else None,
                current.floor_us if owned else None,
            ),
            self._select_segment.bind(new.segment),
            lambda row: row is not None and _segment(row) == new,
        )

    async def release_segment(self, lease: SegmentLease) -> bool:
        """As the port says."""
        free = replace(lease, session_id="", address="")
        return await self._settled(
            self._release.bind(lease.floor_us, lease.segment, lease.epoch, lease.session_id),
            self._select_segment.bind(lease.segment),
            lambda row: row is not None and _segment(row) == free,
        )

    async def _settled(
        self, transaction: Bound, read: Bound, was_applied: Callable[[Row | None], bool]
    ) -> bool:
        """Runs a transaction; if its outcome is unknown a serial read tells, and ends it."""
        try:
            return (await self._session.conditional(transaction)).applied
        except OutcomeUnknown:
            return was_applied(await self._session.one(read))


def _session(row: Row) -> SchedulerSession:
    session_id, address, beat, lease_until, closed, program = row
    return SchedulerSession(
        session_id=session_id,
        address=address,
        beat=beat,
        lease_until_ms=lease_until,
        closed=bool(closed),
        version=program,
    )


def _segment(row: Row) -> SegmentLease:
    segment, epoch, session_id, address, floor_us = row
    return SegmentLease(
        segment=segment,
        epoch=epoch,
        session_id=session_id,
        address=address,
        floor_us=floor_us,
    )
