"""Occurrences that nobody publishes for long, as their topic or any worker cannot be reached. Pure.

They go on by a row among the open runs: the schedule's row, which would hold its segment's position
back for an hour or more, goes on to the occurrence behind them. They still count towards what may
be open of their job or backfill, or there would be more of them each minute.
"""

from collections.abc import Iterator

from tickwheel.server.domain.occurrence import EntryKind
from tickwheel.server.scheduler.live import LiveRun

#: What has waited for so long, in ms, as nobody could publish it or it has to wait for others, goes
#: on without holding the position back; see also `cursors.rows`.
PATIENCE_MS = 60_000


class Lingering:
    """Those of one segment, by job and backfill, until their first attempt is over."""

    def __init__(self) -> None:
        self._runs: dict[str, dict[str, dict[str, LiveRun]]] = {}

    def __contains__(self, run: LiveRun) -> bool:
        return run.run_id in self._runs.get(run.job.uid, {}).get(run.backfill_id, {})

    def add(self, run: LiveRun) -> None:
        """One more, unless it is of no schedule and no backfill."""
        if run.kind in (EntryKind.SCHEDULE, EntryKind.BACKFILL):
            series = self._runs.setdefault(run.job.uid, {})
            series.setdefault(run.backfill_id, {})[run.run_id] = run

    def discard(self, run: LiveRun) -> None:
        """One that is on the log, tried again, ended or taken back; others are passed over."""
        series = self._runs.get(run.job.uid, {})
        runs = series.get(run.backfill_id, {})
        if runs.pop(run.run_id, None) is None or runs:
            return
        del series[run.backfill_id]
        if not series:
            del self._runs[run.job.uid]

    def count(self, uid: str, backfill_id: str) -> int:
        """How many there are of a job's schedules, or of one of its backfills."""
        return len(self._runs.get(uid, {}).get(backfill_id, ()))

    def backfilled(self, uid: str) -> Iterator[LiveRun]:
        """Those of a job's backfills, which go by the job as it is now."""
        for backfill_id, runs in list(self._runs.get(uid, {}).items()):
            if backfill_id:
                yield from list(runs.values())
