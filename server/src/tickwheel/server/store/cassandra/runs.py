"""RunStore on Cassandra: the log is what counts, the history follows from it."""

from collections.abc import Sequence
from typing import Final

from tickwheel.server.domain.lease import WriteStamp
from tickwheel.server.domain.run import Run
from tickwheel.server.store.cassandra.log_pages import LogPages
from tickwheel.server.store.cassandra.run_log import LogRow, Place, RunLog
from tickwheel.server.store.cassandra.session import CassandraSession
from tickwheel.server.store.cassandra.task_history import TaskHistory
from tickwheel.server.store.codec import LOGGED_KEPT_MS, decode_run, encode_run
from tickwheel.server.store.port import Page, RunStore

#: Rows of the log that one page looks through at most before it is answered as it is.
SCAN_ROWS: Final = 5_000


class CassandraRuns(RunStore):
    """Runs, in the log and in their present states."""

    def __init__(
        self, session: CassandraSession, log: RunLog, pages: LogPages, history: TaskHistory
    ) -> None:
        self._session = session
        self._log = log
        self._pages = pages
        self._history = history

    async def record(self, stamp: WriteStamp, runs: Sequence[Run]) -> None:
        """Writes the log, then the history.

        Where the history alone fails, the error is raised all the same: the owner keeps its
        records until they are written and repeats them, which changes nothing in the log.
        """
        if not runs:
            return
        encoded = await self._session.mapped(lambda run: (run, encode_run(run)), runs)
        await self._log.append(stamp, encoded)
        await self._history.put(stamp.epoch, encoded)

    async def get(self, job_uid: str, run_id: str) -> Run | None:
        """A run in its present state."""
        return await self._history.get(job_uid, run_id)

    async def get_many(self, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Run]:
        """Runs in their present states."""
        return await self._history.get_many(keys)

    async def list_job(
        self,
        job_uid: str,
        cursor: bytes,
        limit: int,
        *,
        start_ms: int = 0,
        end_ms: int = 1 << 60,
    ) -> Page[Run]:
        """Runs of a job."""
        return await self._history.page(job_uid, cursor, limit, start_ms, end_ms)

    async def list_log(self, user: str | None, cursor: bytes, limit: int) -> Page[Run]:
        """Runs across jobs, by the place in the log of their first state."""
        last = Place.of_cursor(cursor)
        firsts: list[LogRow] = []
        scanned = 0
        async for rows in self._log.backwards(last, limit):
            for row in rows:
                if len(firsts) == limit:
                    return Page(await self._present(firsts), last.cursor())
                last = row.place
                if row.place.revision == 1 and user in (None, row.user):
                    firsts.append(row)
            scanned += len(rows)
            if scanned >= SCAN_ROWS:
                return Page(await self._present(firsts), last.cursor())
        return Page(await self._present(firsts), None)

    async def _present(self, firsts: Sequence[LogRow]) -> list[Run]:
        """The runs of first states, as they are now; a final one has not changed since.

        One that is not in the history any more has outlived its retention, which may be shorter
        than the log's.
        """
        runs = [decode_run(row.record) for row in firsts]
        present = await self._history.get_many(
            (run.job_uid, run.run_id) for run in runs if not _stays(run)
        )
        told = [run if _stays(run) else present.get((run.job_uid, run.run_id)) for run in runs]
        return [run for run in told if run is not None]

    async def read_log(self, segments: Sequence[int], since_ms: int) -> list[Run]:
        """States recorded from an instant on."""
        return await self._log.since(segments, since_ms)

    async def page_log(
        self,
        segment: int,
        cursor: bytes,
        limit: int,
        *,
        start_ms: int = 0,
        end_ms: int = 1 << 60,
    ) -> Page[Run]:
        """States of a segment as they stand, oldest first."""
        runs, last = await self._pages.read(segment, cursor, limit, start_ms, end_ms)
        return Page(runs, None if last is None else last.cursor())


def _stays(run: Run) -> bool:
    """Whether the log tells all there is to know of a run for as long as it has it."""
    return run.state.is_final and run.retention_ms >= LOGGED_KEPT_MS
