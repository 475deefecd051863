"""A segment's run log page by page, however long it is, without what former owners wrote late.

Which of a former owner's states count is told by what a later one has recorded of the same run, and
that may stand anywhere behind it. Instead of the whole log the run's present state is looked at,
and only of runs that were recorded before the segment was last taken over. So no end is told that
the run did not come to; an unfinished state that a later owner did not know of may be.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Final

from tickwheel.server.domain.run import Run
from tickwheel.server.store.ghosts import without_ghosts
from tickwheel.server.store.port import RunStore, Store

#: Rows that are held at a time.
PAGE_ROWS: Final = 200


class LogReader:
    """Reads the log as it is told to clients."""

    def __init__(self, runs: RunStore, epochs: Mapping[int, int]) -> None:
        """See `open`."""
        self._runs = runs
        self._epochs = epochs

    @classmethod
    async def open(cls, store: Store) -> "LogReader":
        """A reader for once: of take-overs after this nothing is known.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        leases = await store.leases.segments()
        return cls(store.runs, {lease.segment: lease.epoch for lease in leases})

    async def pages(
        self, segment: int, start_ms: int, end_ms: int, wants: Callable[[Run], bool]
    ) -> AsyncIterator[list[Run]]:
        """States with `start_ms` <= update_ms < `end_ms`, oldest first; one page at least.

        Args:
            segment: whose log.
            start_ms: Unix milliseconds.
            end_ms: likewise.
            wants: only these are given; a page of others is empty.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        cursor: bytes | None = b""
        while cursor is not None:
            page = await self._runs.page_log(
                segment, cursor, PAGE_ROWS, start_ms=start_ms, end_ms=end_ms
            )
            cursor = page.cursor
            yield await self._told(segment, [run for run in page.items if wants(run)])

    async def _told(self, segment: int, runs: list[Run]) -> list[Run]:
        epoch = self._epochs.get(segment, 0)
        former = {(run.job_uid, run.run_id) for run in runs if run.epoch < epoch}
        if not former:
            return runs
        present = await self._runs.get_many(sorted(former))
        counting = without_ghosts(
            [(run.epoch, run) for run in runs], [(run.epoch, run) for run in present.values()]
        )
        return [
            run
            for run in counting
            if not _ends_otherwise(run, present.get((run.job_uid, run.run_id), run))
        ]


def _ends_otherwise(former: Run, present: Run) -> bool:
    """Whether a later owner has brought a run to another end, not knowing of the former one."""
    return (
        present.epoch > former.epoch
        and present.state.is_final
        and former.state.is_final
        and present.state is not former.state
    )
