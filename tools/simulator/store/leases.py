"""Sessions of schedulers and leases of segments: lightweight transactions."""

from collections.abc import Callable
from dataclasses import replace

from typing_extensions import override

from simulator.store.cells import Cells
from simulator.store.link import Kind, Link
from tickwheel.server.domain.errors import OutcomeUnknown
from tickwheel.server.domain.lease import SchedulerSession, SegmentLease
from tickwheel.server.store.port import LeaseStore


class SimLeaseStore(LeaseStore):
    """As the port says; an unknown outcome is settled by a read, as on Cassandra."""

    def __init__(self, cells: Cells, link: Link) -> None:
        self._cells = cells
        self._link = link

    @override
    async def segment_count(self) -> int:
        return len(self._cells.segments)

    @override
    async def open_session(self, session: SchedulerSession) -> None:
        sessions = self._cells.sessions

        def opened() -> bool:
            return sessions.get(session.session_id) == session

        def work() -> bool:
            sessions[session.session_id] = session
            return True

        while not await self._settled(work, opened):
            # It never came to it.
            pass

    @override
    async def renew_session(self, session: SchedulerSession) -> bool:
        sessions = self._cells.sessions

        def work() -> bool:
            present = sessions.get(session.session_id)
            if present is None or present.closed or present.beat != session.beat - 1:
                return False
            sessions[session.session_id] = session
            return True

        return await self._settled(work, lambda: sessions.get(session.session_id) == session)

    @override
    async def close_session(self, session_id: str) -> None:
        sessions = self._cells.sessions

        def work() -> bool:
            present = sessions.get(session_id)
            if present is not None:
                sessions[session_id] = SchedulerSession(
                    session_id=session_id,
                    address=present.address,
                    beat=present.beat,
                    lease_until_ms=present.lease_until_ms,
                    closed=True,
                    version=present.version,
                )
            return True

        await self._settled(work, lambda: session_id not in sessions or sessions[session_id].closed)

    @override
    async def remove_session(self, session: SchedulerSession) -> bool:
        sessions = self._cells.sessions

        def work() -> bool:
            present = sessions.get(session.session_id)
            if present is None or present.beat != session.beat:
                return False
            del sessions[session.session_id]
            return True

        return await self._settled(work, lambda: session.session_id not in sessions)

    @override
    async def sessions(self) -> list[SchedulerSession]:
        return await self._link.call(Kind.READ, lambda: list(self._cells.sessions.values()))

    @override
    async def segments(self) -> list[SegmentLease]:
        def read() -> list[SegmentLease]:
            leases = self._cells.leases
            return [
                leases.get(segment) or SegmentLease(segment=segment)
                for segment in range(len(self._cells.segments))
            ]

        return await self._link.call(Kind.READ, read)

    @override
    async def take_segment(self, current: SegmentLease, new: SegmentLease) -> bool:
        leases = self._cells.leases

        def work() -> bool:
            present = leases.get(current.segment)
            same = current.epoch == 0 if present is None else _mark(present) == _mark(current)
            if same:
                leases[new.segment] = new
                self._cells.on_taken(new)
            return same

        return await self._settled(work, lambda: leases.get(new.segment) == new)

    @override
    async def release_segment(self, lease: SegmentLease) -> bool:
        leases = self._cells.leases
        free = replace(lease, session_id="", address="")

        def work() -> bool:
            present = leases.get(lease.segment)
            same = present is not None and _mark(present)[:2] == _mark(lease)[:2]
            if same:
                leases[lease.segment] = free
            return same

        return await self._settled(work, lambda: leases.get(lease.segment) == free)

    async def _settled(self, work: Callable[[], bool], was_done: Callable[[], bool]) -> bool:
        try:
            return await self._link.call(Kind.CONDITIONAL, work)
        except OutcomeUnknown:
            # A serial read ends what is still under way, so it tells for good.
            return await self._link.call(Kind.CONDITIONAL, was_done)


def _mark(lease: SegmentLease) -> tuple[int, str, int]:
    return (lease.epoch, lease.session_id, lease.floor_us)
