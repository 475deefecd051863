"""Sessions of schedulers and leases of segments."""

import sqlite3
from typing import Any

from tickwheel.server.domain.lease import SchedulerSession, SegmentLease
from tickwheel.server.store.port import LeaseStore
from tickwheel.server.store.sqlite.database import Database

_SAME = "segment = ? AND epoch = ? AND session_id = ?"


class SqliteLeaseStore(LeaseStore):
    """As the port says; a transaction is what makes a condition hold."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def segment_count(self) -> int:
        """As the port says."""
        return (await self._all("SELECT value FROM settings WHERE name = 'segments'"))[0][0]

    async def open_session(self, session: SchedulerSession) -> None:
        """As the port says."""
        await self._changed(
            "INSERT OR REPLACE INTO scheduler_sessions VALUES (?, ?, ?, ?, ?, ?)", *_row(session)
        )

    async def renew_session(self, session: SchedulerSession) -> bool:
        """As the port says."""
        return await self._changed(
            "UPDATE scheduler_sessions SET address = ?, beat = ?, lease_until = ?, closed = ?, "
            "version = ? WHERE session_id = ? AND beat = ? AND closed = 0",
            *_row(session)[1:],
            session.session_id,
            session.beat - 1,
        )

    async def close_session(self, session_id: str) -> None:
        """As the port says."""
        await self._changed(
            "UPDATE scheduler_sessions SET closed = 1 WHERE session_id = ?", session_id
        )

    async def remove_session(self, session: SchedulerSession) -> bool:
        """As the port says."""
        return await self._changed(
            "DELETE FROM scheduler_sessions WHERE session_id = ? AND beat = ?",
            session.session_id,
            session.beat,
        )

    async def sessions(self) -> list[SchedulerSession]:
        """As the port says."""
        return [
            SchedulerSession(
                session_id=row[0],
                address=row[1],
                beat=row[2],
                lease_until_ms=row[3],
                closed=bool(row[4]),
                version=row[5],
            )
            for row in await self._all("SELECT * FROM scheduler_sessions")
        ]

    async def segments(self) -> list[SegmentLease]:
        """As the port says."""
        known = {
            row[0]: SegmentLease(
                segment=row[0], epoch=row[1], session_id=row[2], address=row[3], floor_us=row[4]
            )
            for row in await self._all("SELECT * FROM segments")
        }
        count = await self.segment_count()
        return [known.get(segment) or SegmentLease(segment=segment) for segment in range(count)]

    async def take_segment(self, current: SegmentLease, new: SegmentLease) -> bool:
        """As the port says."""
        row = (new.segment, new.epoch, new.session_id, new.address, new.floor_us)
        if current.epoch == 0:
            return await self._changed(
                "INSERT OR IGNORE INTO segments VALUES (?, ?, ?, ?, ?)", *row
            )
        return await self._changed(
            f"UPDATE segments SET epoch = ?, session_id = ?, address = ?, floor = ? "
            f"WHERE {_SAME} AND floor = ?",
            *row[1:],
            current.segment,
            current.epoch,
            current.session_id,
            current.floor_us,
        )

    async def release_segment(self, lease: SegmentLease) -> bool:
        """As the port says."""
        return await self._changed(
            f"UPDATE segments SET session_id = '', address = '', floor = ? WHERE {_SAME}",
            lease.floor_us,
            lease.segment,
            lease.epoch,
            lease.session_id,
        )

    async def _changed(self, sql: str, *values: object) -> bool:
        def run(connection: sqlite3.Connection) -> bool:
            return connection.execute(sql, values).rowcount == 1

        # An owner's lease hangs on it: it may not wait for what a burst has queued.
        return await self._database.write(run, urgent=True)

    async def _all(self, sql: str) -> list[Any]:
        return await self._database.read(lambda db: db.execute(sql).fetchall())


def _row(session: SchedulerSession) -> tuple[object, ...]:
    return (
        session.session_id,
        session.address,
        session.beat,
        session.lease_until_ms,
        session.closed,
        session.version,
    )
