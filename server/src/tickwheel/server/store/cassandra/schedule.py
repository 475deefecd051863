"""ScheduleStore on Cassandra: entries, inbox and how far each segment is done."""

from collections.abc import Iterable, Sequence

from tickwheel.server.domain.lease import WriteStamp
from tickwheel.server.domain.occurrence import InboxEntry, ScheduleEntry
from tickwheel.server.store.cassandra.driver import Driver, Kind
from tickwheel.server.store.cassandra.entries import Entries
from tickwheel.server.store.cassandra.inbox import Inbox
from tickwheel.server.store.cassandra.session import IN_KEYS, CassandraSession, chunks
from tickwheel.server.store.cassandra.sweeper import Sweeper
from tickwheel.server.store.port import Dropped, ScheduleStore, Spot


class CassandraSchedule(ScheduleStore):
    """The schedule of all segments, and the inbox beside it."""

    def __init__(
        self,
        driver: Driver,
        session: CassandraSession,
        entries: Entries,
        inbox: Inbox,
        sweeper: Sweeper,
    ) -> None:
        self._session = session
        self._entries = entries
        self._inbox = inbox
        self._sweeper = sweeper
        #: By segment the epoch and position that were saved last.
        self._positions: dict[int, tuple[int, int]] = {}
        self._update_position = driver.prepare(
            "UPDATE segment_state USING TIMESTAMP ? SET position = ? WHERE segment = ?", Kind.WRITE
        )
        self._select_positions = driver.prepare(
            "SELECT segment, position FROM segment_state WHERE segment IN ?", Kind.READ
        )
        self._update_zone_data = driver.prepare(
            "UPDATE segment_zones USING TIMESTAMP ? SET zone_data = ? WHERE segment = ?", Kind.WRITE
        )
        self._select_zone_data = driver.prepare(
            "SELECT segment, zone_data FROM segment_zones WHERE segment IN ?", Kind.READ
        )

    async def read_due(
        self, segments: Sequence[int], start_ms: int, end_ms: int
    ) -> list[ScheduleEntry]:
        """Entries of a range: all segments together, and only the hours that hold any."""
        return await self._entries.read(segments, start_ms, end_ms)

    async def read_at(self, spots: Iterable[Spot]) -> list[ScheduleEntry]:
        """Entries of single jobs at single instants."""
        return await self._entries.read_at(spots)

    async def advance(
        self, stamp: WriteStamp, put: Sequence[ScheduleEntry], remove: Sequence[ScheduleEntry]
    ) -> None:
        """Writes entries, then deletes entries."""
        if put:
            await self._entries.put(put, stamp.timestamp_us)
        if remove:
            await self._entries.remove(remove, stamp.timestamp_us)

    async def read_inbox(
        self, segments: Sequence[int], since_ms: int, until_ms: int | None = None
    ) -> list[InboxEntry]:
        """Inbox entries from an instant on."""
        return await self._inbox.read(segments, since_ms, until_ms)

    async def positions(self, segments: Sequence[int]) -> dict[int, int]:
        """The saved positions."""
        rows = await self._session.read_all(
            self._select_positions.bind(part) for part in chunks(segments, IN_KEYS)
        )
        return dict.fromkeys(segments, 0) | dict(rows)

    async def save_position(self, stamp: WriteStamp, position_ms: int) -> None:
        """Saves a position; an epoch is one process, which itself knows what it saved last."""
        position = (stamp.epoch, position_ms)
        if self._positions.get(stamp.segment, (0, 0)) >= position:
            return
        update = self._update_position.bind(stamp.timestamp_us, position_ms, stamp.segment)
        await self._session.write([update])
        self._positions[stamp.segment] = max(self._positions.get(stamp.segment, (0, 0)), position)

    async def zone_data(self, segments: Sequence[int]) -> dict[int, str]:
        """The saved digests."""
        rows = await self._session.read_all(
            self._select_zone_data.bind(part) for part in chunks(segments, IN_KEYS)
        )
        return dict.fromkeys(segments, "") | dict(rows)

    async def save_zone_data(self, stamp: WriteStamp, digest: str) -> None:
        """Saves a digest."""
        update = self._update_zone_data.bind(stamp.timestamp_us, digest, stamp.segment)
        await self._session.write([update])

    async def first_fire_ms(self, segment: int, after_ms: int) -> int | None:
        """The next fire_ms of a segment: hour by hour of those that are registered."""
        return await self._entries.first_ms(segment, after_ms)

    async def drop_before(self, stamp: WriteStamp, before_ms: int) -> Dropped:
        """Drops finished buckets; the inbox expires by itself.

        With it goes what is due of the removal of old jobs of the segment: both are an owner's
        housekeeping.
        """
        dropped = await self._entries.drop_before(stamp, before_ms)
        return Dropped(dropped, await self._sweeper.sweep(stamp.segment))
