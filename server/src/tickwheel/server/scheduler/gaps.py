"""Completes the history of runs after a take-over.

A state goes to the run log first, which recovery reads, and to the history next, which clients
read. An owner that ended in between leaves a run that nobody can see as it is; the owner after the
next one, which finds no more than its row and the history, would go on from a former state.
"""

import structlog

from tickwheel.server.domain.run import Run
from tickwheel.server.scheduler.apart import about, each_apart
from tickwheel.server.scheduler.context import SchedulerContext
from tickwheel.server.scheduler.holding import Holding
from tickwheel.server.scheduler.repairs import Mended

_log = structlog.get_logger(__name__)

#: Runs that are looked at with one call of the store.
CHUNK = 500


class HistoryGaps:
    """Compares what was recovered from the log with the history, and writes what is missing."""

    def __init__(self, context: SchedulerContext) -> None:
        self._runs = context.store.runs
        self._clock = context.clock
        self._keeper = context.keeper
        self._holdings = context.holdings
        self._repairs = context.repairs

    async def close(self) -> None:
        """Looks at some of what is still to be looked at."""
        unchecked = [one for one in self._holdings.values() if one.unchecked and one.ready]
        await each_apart(about(unchecked, self._close))

    async def _close(self, holding: Holding) -> None:
        await self._check(holding, holding.unchecked[:CHUNK])
        del holding.unchecked[:CHUNK]

    async def _check(self, holding: Holding, runs: list[Run]) -> None:
        known = await self._runs.get_many([(run.job_uid, run.run_id) for run in runs])
        now_ms = self._clock.now_ms()
        missing = [
            run
            for run in runs
            # The log keeps an end for longer than a short retention.
            if (not run.state.is_final or run.update_ms + run.retention_ms > now_ms)
            and not _is_told(known.get((run.job_uid, run.run_id)), run)
        ]
        if missing:
            stamp = self._keeper.stamp(holding.segment, holding.epoch)
            await self._runs.record(stamp, missing)
            self._repairs[Mended.HISTORY_GAP] += len(missing)
            _log.info("history completed", segment=holding.segment, runs=len(missing))


def _is_told(known: Run | None, run: Run) -> bool:
    return known is not None and known.order >= run.order
