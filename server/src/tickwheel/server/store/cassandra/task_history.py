"""`task_history`: each run in its present state, by job and week, newest first.

A row is overwritten by each later state of its run. Which is later is not a matter of arrival:
a row's time of writing is made of the run's nominal instant, the epoch and the revision, so that
a higher (epoch, revision) always wins, whoever writes it and however late.
"""

import struct
from collections.abc import Iterable, Sequence
from typing import Final

from tickwheel.server.domain.clock import Clock
from tickwheel.server.domain.names import uid_ms
from tickwheel.server.domain.run import Run
from tickwheel.server.store.cassandra.driver import Bound, Driver, Kind
from tickwheel.server.store.cassandra.partition import (
    execution_ms,
    named_instant_ms,
    week_of,
)
from tickwheel.server.store.cassandra.registry import Registry
from tickwheel.server.store.cassandra.session import IN_KEYS, CassandraSession, chunks
from tickwheel.server.store.cassandra.ttl import LONGEST_TTL_S, run_ttl_s, ttl_s
from tickwheel.server.store.codec import decode_run
from tickwheel.server.store.port import Page

#: Revisions of a run within one epoch, at most.
EPOCH_US: Final = 1 << 20

_PLACE: Final = struct.Struct(">q")


class TaskHistory:
    """Rows of `task_history`, and `history_weeks` for weeks that do not follow from the uid."""

    def __init__(self, driver: Driver, session: CassandraSession, clock: Clock) -> None:
        self._session = session
        self._clock = clock
        self._weeks: Registry[tuple[str, int]] = Registry(session)
        self._insert = driver.prepare(
            "INSERT INTO task_history (job_id, week, execution_time, run_id, status, retry_count, "
            "last_update_time, record) VALUES (?, ?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP ? AND TTL ?",
            Kind.WRITE,
        )
        self._insert_week = driver.prepare(
            "INSERT INTO history_weeks (job_id, week) VALUES (?, ?) USING TTL ?", Kind.WRITE
        )
        self._select_weeks = driver.prepare(
            "SELECT week FROM history_weeks WHERE job_id = ? AND week <= ? AND week >= ?", Kind.READ
        )
        self._select_one = driver.prepare(
            "SELECT record FROM task_history WHERE job_id = ? AND week = ? "
            "AND execution_time = ? AND run_id = ?",
            Kind.READ,
        )
        self._select_of_job = driver.prepare(
            "SELECT record FROM task_history WHERE job_id = ? AND week = ? "
            "AND (execution_time, run_id) IN ?",
            Kind.READ,
        )
        self._select_of_jobs = driver.prepare(
            "SELECT record FROM task_history WHERE job_id IN ? AND week = ? "
            "AND execution_time = ? AND run_id = ?",
            Kind.READ,
        )
        self._select = driver.prepare(
            "SELECT record FROM task_history WHERE job_id = ? AND week IN ? "
            "AND (execution_time, run_id) < (?, ?) AND (execution_time) >= (?) "
            "PER PARTITION LIMIT ?",
            Kind.READ,
        )

    async def put(self, epoch: int, runs: Sequence[tuple[Run, bytes]]) -> None:
        """Writes states of runs, given with their records."""
        placed = [(run, record, execution_ms(run)) for run, record in runs]
        now_ms = self._clock.now_ms()
        this_week = week_of(now_ms)
        unusual = {
            (run.job_uid, week_of(at_ms))
            for run, _, at_ms in placed
            if not week_of(uid_ms(run.job_uid)) <= week_of(at_ms) <= this_week
        }
        await self._weeks.write(
            {
                key: (self._insert_week.bind(*key, ttl_s(LONGEST_TTL_S, now_ms)), 1)
                for key in unusual
                if not self._weeks.knows(key)
            }
        )

        def row(place: tuple[Run, bytes, int]) -> Bound:
            run, record, at_ms = place
            return self._insert.bind(
                run.job_uid,
                week_of(at_ms),
                at_ms,
                run.run_id,
                run.state.name,
                run.attempt - 1,
                run.update_ms,
                record,
                at_ms * 1000 + epoch * EPOCH_US + run.revision,
                run_ttl_s(run, now_ms),
            )

        await self._session.write(await self._session.mapped(row, placed))

    async def get(self, job_uid: str, run_id: str) -> Run | None:
        """A run in its present state."""
        at_ms = named_instant_ms(run_id)
        if at_ms is None:
            return None
        row = await self._session.one(self._select_one.bind(job_uid, week_of(at_ms), at_ms, run_id))
        return None if row is None else decode_run(row[0])

    async def get_many(self, keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Run]:
        """Runs by (job uid, run id) in their present states.

        What is asked for together is mostly of one instant, when many jobs' runs have the same
        id, or of one job: both are read a statement for many, and nothing beside is.
        """
        by_run: dict[str, list[str]] = {}
        for job_uid, run_id in set(keys):
            by_run.setdefault(run_id, []).append(job_uid)
        reads: list[Bound] = []
        places: dict[tuple[str, int], list[tuple[int, str]]] = {}
        for run_id, uids in by_run.items():
            at_ms = named_instant_ms(run_id)
            if at_ms is None:
                continue
            week = week_of(at_ms)
            if len(uids) == 1:
                places.setdefault((uids[0], week), []).append((at_ms, run_id))
            else:
                reads += [
                    self._select_of_jobs.bind(part, week, at_ms, run_id)
                    for part in chunks(uids, IN_KEYS)
                ]
        reads += [
            self._select_of_job.bind(job_uid, week, part)
            for (job_uid, week), members in places.items()
            for part in chunks(members, IN_KEYS)
        ]
        rows = await self._session.read_all(reads)
        runs = await self._session.mapped(lambda row: decode_run(row[0]), rows)
        return {(run.job_uid, run.run_id): run for run in runs}

    async def page(
        self, job_uid: str, cursor: bytes, limit: int, start_ms: int, end_ms: int
    ) -> Page[Run]:
        """Runs of a job within a range, newest first."""
        bound = _bound(cursor) if cursor else (end_ms, "")
        weeks = await self._candidates(job_uid, start_ms, min(bound[0], end_ms))
        runs: list[Run] = []
        width = 1
        while weeks and len(runs) <= limit:
            some, weeks = weeks[:width], weeks[width:]
            width = min(4 * width, IN_KEYS)
            rows = await self._session.read(
                self._select.bind(job_uid, some, *bound, start_ms, limit + 1)
            )
            runs += sorted(
                (decode_run(row[0]) for row in rows),
                key=lambda run: (execution_ms(run), run.run_id),
                reverse=True,
            )
        if len(runs) <= limit:
            return Page(runs, None)
        runs = runs[:limit]
        return Page(runs, _cursor(runs[-1]))

    async def _candidates(self, job_uid: str, start_ms: int, end_ms: int) -> list[int]:
        """Weeks that can hold runs: since the job's creation, and what was registered."""
        first, last = week_of(max(0, start_ms)), week_of(min(end_ms, _FAR_MS))
        registered = await self._session.read(self._select_weeks.bind(job_uid, last, first))
        present = week_of(self._clock.now_ms()) + 1
        usual = range(max(first, week_of(uid_ms(job_uid))), min(last, present) + 1)
        return sorted({*usual, *(row[0] for row in registered)}, reverse=True)


#: The year 9999.
_FAR_MS: Final = 253_402_300_799_999


def _cursor(run: Run) -> bytes:
    return b"h" + _PLACE.pack(execution_ms(run)) + run.run_id.encode()


def _bound(cursor: bytes) -> tuple[int, str]:
    if cursor[:1] != b"h" or len(cursor) < 1 + _PLACE.size:
        raise ValueError("the page cursor is not one of this store")
    (at_ms,) = _PLACE.unpack_from(cursor, 1)
    if abs(at_ms) > _FAR_MS:
        raise ValueError("the page cursor has an instant of no year")
    return at_ms, cursor[1 + _PLACE.size :].decode()
