"""The inbox of each segment: what its owner is to look at again."""

from collections.abc import Sequence
from typing import Final

from tickwheel.server.domain.clock import Clock
from tickwheel.server.domain.occurrence import InboxEntry
from tickwheel.server.store.cassandra.driver import Bound, Driver, Kind
from tickwheel.server.store.cassandra.partition import HOUR_BUCKETS, bucket_of, hour_of
from tickwheel.server.store.cassandra.registry import Memory, Registry
from tickwheel.server.store.cassandra.session import IN_KEYS, CassandraSession, chunks
from tickwheel.server.store.codec import decode_inbox, encode_inbox

#: Readers look back seconds, after a hand-over minutes; a day is for people who look into it.
INBOX_TTL_S: Final = 86_400
#: An hour is announced for as long as the last row written in it.
HOUR_TTL_S: Final = INBOX_TTL_S + 2 * 3_600

#: A read of no more hours than this asks only after those of which it is not known that they hold
#: any; once they do they stay.
NEAR_HOURS: Final = 2


class Inbox:
    """Rows of `inbox`, and `inbox_hours`, which tells in which hours there are any."""

    def __init__(self, driver: Driver, session: CassandraSession, clock: Clock) -> None:
        self._session = session
        self._clock = clock
        self._hours: Registry[tuple[int, int]] = Registry(session)
        #: Those that were registered by others.
        self._found: Memory[tuple[int, int], bool] = Memory()
        self._insert = driver.prepare(
            "INSERT INTO inbox (segment, bucket, write_time, job_id, version, entry) "
            f"VALUES (?, ?, ?, ?, ?, ?) USING TTL {INBOX_TTL_S}",
            Kind.WRITE,
        )
        self._insert_hour = driver.prepare(
            f"INSERT INTO inbox_hours (segment, hour) VALUES (?, ?) USING TTL {HOUR_TTL_S}",
            Kind.WRITE,
        )
        self._select_hours = driver.prepare(
            "SELECT segment, hour FROM inbox_hours WHERE segment IN ? AND hour >= ?", Kind.READ
        )
        self._select = driver.prepare(
            "SELECT entry FROM inbox WHERE segment IN ? AND bucket IN ? AND write_time >= ?",
            Kind.READ,
        )

    async def announce(self, entries: Sequence[InboxEntry]) -> None:
        """Registers the hours of entries that are about to be written."""
        await self._hours.write(
            {
                key: (self._insert_hour.bind(*key), 1)
                for key in {(entry.segment, hour_of(entry.write_ms)) for entry in entries}
                if not self._hours.knows(key)
            }
        )

    def rows(self, entries: Sequence[InboxEntry]) -> list[Bound]:
        """The rows of announced entries."""
        return [
            self._insert.bind(
                entry.segment,
                bucket_of(entry.write_ms),
                entry.write_ms,
                entry.uid,
                entry.version,
                encode_inbox(entry),
            )
            for entry in entries
        ]

    async def put(self, entries: Sequence[InboxEntry]) -> None:
        """Announces and writes entries."""
        await self.announce(entries)
        await self._session.write(self.rows(entries))

    async def _hours_with_any(
        self, segments: Sequence[int], first: int, last: int
    ) -> dict[int, list[int]]:
        """By hour the segments that have entries in it; those that every read is about are kept."""
        near = range(first, last + 1) if last - first < NEAR_HOURS else ()
        there = {(each, hour) for hour in near for each in segments if self._known((each, hour))}
        asked = [each for each in segments if not near or any((each, h) not in there for h in near)]
        for segment, hour in await self._session.read_all(
            self._select_hours.bind(part, first) for part in chunks(asked, IN_KEYS)
        ):
            self._found.put((segment, hour), True)
            if hour <= last:
                there.add((segment, hour))
        hours: dict[int, list[int]] = {}
        for segment, hour in sorted(there):
            hours.setdefault(hour, []).append(segment)
        return hours

    def _known(self, hour: tuple[int, int]) -> bool:
        return self._hours.knows(hour) or self._found.get(hour) is not None

    async def read(
        self, segments: Sequence[int], since_ms: int, until_ms: int | None = None
    ) -> list[InboxEntry]:
        """Entries from an instant on, to before another, oldest first within a segment."""
        first_bucket = bucket_of(since_ms)
        # No writer's clock is ahead by more than the bucket after this one.
        last_bucket = max(first_bucket, bucket_of(self._clock.now_ms()) + 1)
        if until_ms is not None:
            last_bucket = min(last_bucket, bucket_of(until_ms - 1))
        hours = await self._hours_with_any(
            segments, first_bucket // HOUR_BUCKETS, last_bucket // HOUR_BUCKETS
        )
        reads: list[Bound] = []
        for hour, members in hours.items():
            start = max(hour * HOUR_BUCKETS, first_bucket)
            buckets = range(start, min((hour + 1) * HOUR_BUCKETS, last_bucket + 1))
            for some in chunks(buckets, IN_KEYS):
                width = max(1, IN_KEYS // len(some))
                reads += [
                    self._select.bind(part, some, since_ms) for part in chunks(members, width)
                ]
        rows = await self._session.read_all(reads)
        entries = await self._session.mapped(lambda row: decode_inbox(row[0]), rows)
        if until_ms is not None:
            entries = [entry for entry in entries if entry.write_ms < until_ms]
        entries.sort(key=lambda entry: (entry.segment, entry.write_ms, entry.uid, entry.version))
        return entries
