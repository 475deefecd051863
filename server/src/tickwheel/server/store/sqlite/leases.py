"""Sessions and segment leases. Conditional writes are UPDATEs with their condition."""

import sqlite3

from typing_extensions import override

from tickwheel.server.domain.lease import SchedulerSession, SegmentLease
from tickwheel.server.store.port import LeaseStore
from tickwheel.server.store.sqlite.database import Database


class SqliteLeases(LeaseStore):
    """LeaseStore on SQLite."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @override
    async def segment_count(self) -> int:
        def body(connection: sqlite3.Connection) -> int:
            return connection.execute(
                "SELECT value FROM store_settings WHERE name = 'segments'"
            ).fetchone()[0]

        return await self._database.read(body)

    async def _changed(self, statement: str, *values: int | str) -> bool:
        def body(connection: sqlite3.Connection) -> bool:
            return connection.execute(statement, values).rowcount == 1

        return await self._database.write(body)

    @override
    async def open_session(self, session: SchedulerSession) -> None:
        await self._changed(
            "INSERT INTO scheduler_sessions"
            " (session_id, address, beat, lease_until_ms, closed, version)"
            " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            session.session_id,
            session.address,
            session.beat,
            session.lease_until_ms,
            int(session.closed),
            session.version,
        )

    @override
    async def renew_session(self, session: SchedulerSession) -> bool:
        return await self._changed(
            "UPDATE scheduler_sessions"
            " SET address = ?, beat = ?, lease_until_ms = ?, closed = ?, version = ?"
            " WHERE session_id = ? AND beat = ? AND closed = 0",
            session.address,
            session.beat,
            session.lease_until_ms,
            int(session.closed),
            session.version,
            session.session_id,
            session.beat - 1,
        )

    @override
    async def close_session(self, session_id: str) -> None:
        await self._changed(
            "UPDATE scheduler_sessions SET closed = 1 WHERE session_id = ?", session_id
        )

    @override
    async def remove_session(self, session: SchedulerSession) -> bool:
        return await self._changed(
            "DELETE FROM scheduler_sessions WHERE session_id = ? AND beat = ?",
            session.session_id,
            session.beat,
        )

    @override
    async def sessions(self) -> list[SchedulerSession]:
        def body(connection: sqlite3.Connection) -> list[SchedulerSession]:
            rows = connection.execute(
                "SELECT session_id, address, beat, lease_until_ms, closed, version"
                " FROM scheduler_sessions ORDER BY session_id"
            )
            return [
                SchedulerSession(
                    session_id=session_id,
                    address=address,
                    beat=beat,
                    lease_until_ms=lease_until_ms,
                    closed=bool(closed),
                    version=version,
                )
                for session_id, address, beat, lease_until_ms, closed, version in rows
            ]

        return await self._database.read(body)

    @override
    async def segments(self) -> list[SegmentLease]:
        def body(connection: sqlite3.Connection) -> list[SegmentLease]:
            rows = connection.execute(
                "SELECT segment, epoch, session_id, address, floor_us"
                " FROM segments ORDER BY segment"
            )
            return [
                SegmentLease(
                    segment=segment,
                    epoch=epoch,
                    session_id=session_id,
                    address=address,
                    floor_us=floor_us,
                )
                for segment, epoch, session_id, address, floor_us in rows
            ]

        return await self._database.read(body)

    @override
    async def take_segment(self, current: SegmentLease, new: SegmentLease) -> bool:
        return await self._replace(current, new)

    @override
    async def release_segment(self, lease: SegmentLease) -> bool:
        return await self._replace(
            lease,
            SegmentLease(segment=lease.segment, epoch=lease.epoch, floor_us=lease.floor_us),
        )

    async def _replace(self, current: SegmentLease, new: SegmentLease) -> bool:
        return await self._changed(
            "UPDATE segments SET epoch = ?, session_id = ?, address = ?, floor_us = ?"
            " WHERE segment = ? AND epoch = ? AND session_id = ? AND address = ?"
            " AND floor_us = ?",
            new.epoch,
            new.session_id,
            new.address,
            new.floor_us,
            current.segment,
            current.epoch,
            current.session_id,
            current.address,
            current.floor_us,
        )
