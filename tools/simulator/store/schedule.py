"""Schedule, inbox and positions."""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Final

from typing_extensions import override

from simulator.store.cells import Cells, EntryKey
from simulator.store.link import Kind, WritingLink
from tickwheel.server.domain.lease import WriteStamp
from tickwheel.server.domain.occurrence import InboxEntry, ScheduleEntry
from tickwheel.server.store.port import Dropped, ScheduleStore, Spot

#: How long a write may be under way after its time was taken; what is dropped whole is dropped
#: with a time before all that may still arrive (as in store/cassandra/entries.py).
LATE_US: Final = 15_000_000
API_SLACK_US: Final = 10_000_000


def entry_key(entry: ScheduleEntry) -> EntryKey:
    """Its place in the table."""
    return entry.place


def put_entries(cells: Cells, entries: Iterable[ScheduleEntry], written_us: int) -> None:
    """Writes rows of the schedule."""
    for entry in entries:
        cells.segments.at(entry.segment).entries.put(entry_key(entry), written_us, entry)


def remove_entries(cells: Cells, entries: Iterable[ScheduleEntry], written_us: int) -> None:
    """Deletes rows of the schedule that were written no later than that."""
    for entry in entries:
        cells.segments.at(entry.segment).entries.put(entry_key(entry), written_us, None)


def put_inbox(cells: Cells, entries: Iterable[InboxEntry]) -> None:
    """Writes rows of the inbox."""
    for entry in entries:
        key = (entry.write_ms, entry.uid, entry.version)
        cells.segments.at(entry.segment).inbox.put(key, 1, entry)


class SimScheduleStore(ScheduleStore):
    """As the port says."""

    def __init__(self, cells: Cells, link: WritingLink) -> None:
        self._cells = cells
        self._link = link
        self._positions: dict[int, tuple[int, int]] = {}

    @override
    async def read_due(
        self, segments: Sequence[int], start_ms: int, end_ms: int
    ) -> list[ScheduleEntry]:
        def read() -> list[ScheduleEntry]:
            return [
                entry
                for segment in segments
                for entry in _newest(
                    row[2]
                    for row in self._cells.segments.at(segment).entries.between(
                        (start_ms,), (end_ms,)
                    )
                )
            ]

        return await self._link.call(Kind.READ, read) if segments else []

    @override
    async def read_at(self, spots: Iterable[Spot]) -> list[ScheduleEntry]:
        def read() -> list[ScheduleEntry]:
            return [
                entry
                for spot in set(spots)
                for entry in _newest(
                    row[2]
                    for row in self._cells.segments.at(spot.segment).entries.between(
                        (spot.fire_ms, spot.uid), (spot.fire_ms + 1,)
                    )
                )
                if entry.uid == spot.uid
            ]

        return await self._link.call(Kind.READ, read)

    @override
    async def advance(
        self, stamp: WriteStamp, put: Sequence[ScheduleEntry], remove: Sequence[ScheduleEntry]
    ) -> None:
        at_us = stamp.timestamp_us
        if put:
            await self._link.write([partial(put_entries, self._cells, [one], at_us) for one in put])
        if remove:
            await self._link.write(
                [partial(remove_entries, self._cells, [one], at_us) for one in remove]
            )

    @override
    async def read_inbox(
        self, segments: Sequence[int], since_ms: int, until_ms: int | None = None
    ) -> list[InboxEntry]:
        end = _ALL if until_ms is None else (until_ms,)

        def read() -> list[InboxEntry]:
            return [
                row[2]
                for segment in segments
                for row in self._cells.segments.at(segment).inbox.between((since_ms,), end)
            ]

        return await self._link.call(Kind.READ, read)

    @override
    async def positions(self, segments: Sequence[int]) -> dict[int, int]:
        def read() -> dict[int, int]:
            return {segment: self._cells.segments.at(segment).position[1] for segment in segments}

        return await self._link.call(Kind.READ, read)

    @override
    async def save_position(self, stamp: WriteStamp, position_ms: int) -> None:
        position = (stamp.epoch, position_ms)
        if self._positions.get(stamp.segment, (0, 0)) >= position:
            return

        def write() -> None:
            segment = self._cells.segments.at(stamp.segment)
            segment.position = max(
                segment.position, (stamp.timestamp_us, position_ms), key=lambda cell: cell[0]
            )

        await self._link.call(Kind.WRITE, write)
        self._positions[stamp.segment] = max(self._positions.get(stamp.segment, (0, 0)), position)

    @override
    async def zone_data(self, segments: Sequence[int]) -> dict[int, str]:
        def read() -> dict[int, str]:
            return {segment: self._cells.segments.at(segment).zone_data[1] for segment in segments}

        return await self._link.call(Kind.READ, read)

    @override
    async def save_zone_data(self, stamp: WriteStamp, digest: str) -> None:
        def write() -> None:
            segment = self._cells.segments.at(stamp.segment)
            segment.zone_data = max(
                segment.zone_data, (stamp.timestamp_us, digest), key=lambda cell: cell[0]
            )

        await self._link.call(Kind.WRITE, write)

    @override
    async def first_fire_ms(self, segment: int, after_ms: int) -> int | None:
        def read() -> int | None:
            rows = self._cells.segments.at(segment).entries.between((after_ms,), _ALL)
            return next((key[0] for key, _, _ in rows), None)

        return await self._link.call(Kind.READ, read)

    @override
    async def drop_before(self, stamp: WriteStamp, before_ms: int) -> Dropped:
        settled_us = stamp.timestamp_us - API_SLACK_US
        entries = self._cells.segments.at(stamp.segment).entries

        def read() -> list[ScheduleEntry]:
            return [row[2] for row in entries.between((0,), (before_ms,)) if row[1] <= settled_us]

        found = await self._link.call(Kind.READ, read)
        if not found:
            return Dropped()
        await self._link.write(
            [partial(remove_entries, self._cells, [one], settled_us) for one in found]
        )
        return Dropped(1)


_ALL: Final = (1 << 62,)


def _newest(entries: Iterable[ScheduleEntry]) -> list[ScheduleEntry]:
    """Without those that an entry of a newer generation stands in place of."""
    kept: list[ScheduleEntry] = []
    for entry in entries:
        if kept and entry_key(kept[-1])[:-1] == entry_key(entry)[:-1]:
            kept[-1] = entry
        else:
            kept.append(entry)
    return kept
