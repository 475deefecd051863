"""Open runs: `open_runs` by segment and minute of creation, and the index of these minutes.

Most runs end soon after they were made, so a minute's partition fills with tombstones, and then is
done with. Who takes a segment over reads the minutes that `open_run_buckets` names and no others;
`tidy` takes out of it those in which no run is open any more.

Times of writing. Rows and their removals have the stamp's; a former owner's late ones lose. A
`tidy` deletes with a time that lies TIDY_US before its stamp, and a write relies on an index row
that is RENEW_US older than itself at most. So no index row goes that a write which is younger than
the stamp, or under way beside it, relies on, and this without any word between the two.
"""

from bisect import bisect
from collections.abc import Iterable, Sequence
from typing import Final

from tickwheel.server.domain.lease import WriteStamp
from tickwheel.server.domain.run import Run
from tickwheel.server.store.cassandra.driver import Bound, Driver, Kind
from tickwheel.server.store.cassandra.partition import bucket_of
from tickwheel.server.store.cassandra.registry import Registry
from tickwheel.server.store.cassandra.session import IN_KEYS, CassandraSession, chunks
from tickwheel.server.store.codec import decode_run, encode_run
from tickwheel.server.store.port import OpenRunStore

#: What was written less than this before a tidy's stamp is left alone.
TIDY_US: Final = 120_000_000
#: An index row is written again when the last time was this long before. Less than TIDY_US, by
#: more than the longest time that a write may be under way.
RENEW_US: Final = 60_000_000


class CassandraOpenRuns(OpenRunStore):
    """Runs that go on although their schedule entry is gone. Rows carry no TTL."""

    def __init__(self, driver: Driver, session: CassandraSession) -> None:
        self._session = session
        self._buckets: Registry[tuple[int, int]] = Registry(session)
        self._insert = driver.prepare(
            "INSERT INTO open_runs (segment, bucket, job_id, run_id, record) "
            "VALUES (?, ?, ?, ?, ?) USING TIMESTAMP ?",
            Kind.WRITE,
        )
        self._delete = driver.prepare(
            "DELETE FROM open_runs USING TIMESTAMP ? "
            "WHERE segment = ? AND bucket = ? AND job_id = ? AND run_id = ?",
            Kind.WRITE,
        )
        self._delete_buckets = driver.prepare(
            "DELETE FROM open_runs USING TIMESTAMP ? WHERE segment = ? AND bucket IN ?", Kind.WRITE
        )
        self._select = driver.prepare(
            "SELECT record FROM open_runs WHERE segment = ? AND bucket IN ?", Kind.READ
        )
        self._register = driver.prepare(
            "INSERT INTO open_run_buckets (segment, bucket) VALUES (?, ?) USING TIMESTAMP ?",
            Kind.WRITE,
        )
        self._unregister = driver.prepare(
            "DELETE FROM open_run_buckets USING TIMESTAMP ? "
            "WHERE segment = ? AND bucket > ? AND bucket < ?",
            Kind.WRITE,
        )
        self._select_registered = driver.prepare(
            "SELECT segment, bucket FROM open_run_buckets WHERE segment IN ?", Kind.READ
        )
        self._select_past = driver.prepare(
            "SELECT bucket FROM open_run_buckets WHERE segment = ? AND bucket < ?", Kind.READ
        )

    async def put(self, stamp: WriteStamp, runs: Sequence[Run]) -> None:
        """Writes open runs; of one that is given twice the last counts."""
        # Of two rows with one time of writing the greater bytes would stay.
        latest = list({(run.job_uid, run.run_id): run for run in runs}.values())
        await self._announce(stamp, {bucket_of(run.create_ms) for run in latest})

        def row(run: Run) -> Bound:
            return self._insert.bind(*_key(stamp, run), encode_run(run), stamp.timestamp_us)

        await self._session.write(await self._session.mapped(row, latest))

    async def _announce(self, stamp: WriteStamp, buckets: Iterable[int]) -> None:
        """Registers where rows are about to be written, unless that was done a short while ago."""
        written_us = stamp.timestamp_us
        await self._buckets.write(
            {
                key: (self._register.bind(*key, written_us), written_us)
                for key in ((stamp.segment, bucket) for bucket in buckets)
                if not self._buckets.knows(key, written_us - RENEW_US)
            }
        )

    async def remove(self, stamp: WriteStamp, runs: Sequence[Run]) -> None:
        """Deletes rows by their keys, which follow from the run."""
        await self._session.write(
            [self._delete.bind(stamp.timestamp_us, *_key(stamp, run)) for run in runs]
        )

    async def read(self, segments: Sequence[int]) -> list[Run]:
        """The rows of all minutes that are registered."""
        buckets: dict[int, list[int]] = {}
        for segment, bucket in await self._session.read_all(
            self._select_registered.bind(part) for part in chunks(segments, IN_KEYS)
        ):
            buckets.setdefault(segment, []).append(bucket)
        rows = await self._session.read_all(
            self._select.bind(segment, part)
            for segment, members in buckets.items()
            for part in chunks(members, IN_KEYS)
        )
        return await self._session.mapped(lambda row: decode_run(row[0]), rows)

    async def tidy(self, stamp: WriteStamp, create_ms: Iterable[int]) -> None:
        """Deletes the partitions of minutes that are done with, then takes them out of the index.

        Out of the index go whole stretches between minutes that stay: a stretch that reaches
        further takes the place of the former one's tombstone, so that they do not add up.
        """
        settled_us = stamp.timestamp_us - TIDY_US
        recent = bucket_of(settled_us // 1000)
        rows = await self._session.read(self._select_past.bind(stamp.segment, recent))
        kept = {bucket_of(instant_ms) for instant_ms in create_ms}
        done = sorted({row[0] for row in rows} - kept)
        if not done:
            return
        await self._session.write(
            [
                self._delete_buckets.bind(settled_us, stamp.segment, part)
                for part in chunks(done, IN_KEYS)
            ]
        )
        bounds = [-1, *sorted(bucket for bucket in kept if bucket < recent), recent]
        stretches = {bisect(bounds, bucket) for bucket in done}
        await self._session.write(
            [
                self._unregister.bind(settled_us, stamp.segment, bounds[at - 1], bounds[at])
                for at in stretches
            ]
        )


def _key(stamp: WriteStamp, run: Run) -> tuple[int, int, str, str]:
    return stamp.segment, bucket_of(run.create_ms), run.job_uid, run.run_id
