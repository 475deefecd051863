"""Since when a run could go that has waited for others of its job.

Each may have to wait for up to a thousand before it, for as long as these take: that it is as it
was for hours says nothing. What was before it has to have stood still for as long.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tickwheel.server.domain.job import Job
from tickwheel.server.domain.run import Run, RunState, Trigger
from tickwheel.server.store.port import Store

_PAGE_RUNS: Final = 100


def waits(run: Run) -> bool:
    """Whether a run waits for others of its job, as far as its record tells: or it is handed out.

    That its turn has come is not recorded before it is published.
    """
    return run.state is RunState.PENDING and bool(run.blocking_run) and run.attempt == 1


@dataclass(slots=True)
class Queue:
    """What of one job is before its runs that wait. They are asked for in order of `place_ms`."""

    store: Store
    job: Job
    #: Of those that have left the queue, up to which instant that was looked for, and when the last
    #: of them changed.
    looked_to_ms: int = 0
    left_ms: int = 0
    #: Unfinished runs of the job that do not wait, once they were looked for.
    at_work: Sequence[Run] | None = None

    async def could_go_ms(self, run: Run) -> int:
        """The last instant at which a run that waits, or one that was before it, has changed."""
        at_work = await self._at_work()
        left_ms = await self._left_ms(place_ms(run))
        return max(
            run.update_ms,
            left_ms,
            # Retries and backfills have instants of long ago.
            *(one.update_ms for one in at_work if _was_before(one, run)),
        )

    async def _at_work(self) -> Sequence[Run]:
        if self.at_work is None:
            uid = self.job.uid
            rows = await self.store.open_runs.read([self.job.segment])
            # A row may be older than its run.
            keys = sorted({(uid, row.run_id) for row in rows if row.job_uid == uid})
            runs = await self.store.runs.get_many(keys) if keys else {}
            self.at_work = [run for run in runs.values() if not (run.state.is_final or waits(run))]
        return self.at_work

    async def _left_ms(self, before_ms: int) -> int:
        """When the last run changed that bears an earlier instant and does not wait any more.

        Of these only the newest ones are looked at: those before them have left earlier.
        """
        cursor: bytes | None = b""
        while cursor is not None and self.looked_to_ms < before_ms:
            page = await self.store.runs.list_job(
                self.job.uid, cursor, _PAGE_RUNS, start_ms=self.looked_to_ms, end_ms=before_ms
            )
            left = [run.update_ms for run in page.items if _has_left(run)]
            if left:
                self.left_ms = max(self.left_ms, *left)
                break
            cursor = page.cursor
        self.looked_to_ms = max(self.looked_to_ms, before_ms)
        return self.left_ms


def place_ms(run: Run) -> int:
    """Runs that bear earlier instants than this are before one that waits."""
    # Those of the schedule wait in its order, others from when they were asked for.
    return run.schedule_ms if run.trigger is Trigger.SCHEDULE else run.create_ms


def _was_before(one: Run, run: Run) -> bool:
    return one.create_ms <= run.create_ms or one.due_ms <= run.due_ms


def _has_left(run: Run) -> bool:
    """Whether a run had its turn: others could not go until it ended."""
    if run.state is RunState.SKIPPED or waits(run):
        return False
    # Cancelled where it waited.
    return run.state is not RunState.CANCELLED or bool(run.publish_ms)
