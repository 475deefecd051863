"""Runs that outlive their schedule entries."""

from collections.abc import Iterable, Sequence
from functools import partial

from typing_extensions import override

from simulator.store.cells import Cells
from simulator.store.link import Kind, WritingLink
from tickwheel.server.domain.lease import WriteStamp
from tickwheel.server.domain.run import Run
from tickwheel.server.store.port import OpenRunStore


class SimOpenRunStore(OpenRunStore):
    """As the port says; nothing has to be tidied."""

    def __init__(self, cells: Cells, link: WritingLink) -> None:
        self._cells = cells
        self._link = link

    @override
    async def put(self, stamp: WriteStamp, runs: Sequence[Run]) -> None:
        await self._write(stamp, [(run, run) for run in runs])

    @override
    async def remove(self, stamp: WriteStamp, runs: Sequence[Run]) -> None:
        await self._write(stamp, [(run, None) for run in runs])

    async def _write(self, stamp: WriteStamp, rows: Sequence[tuple[Run, Run | None]]) -> None:
        table = self._cells.segments.at(stamp.segment).open_runs

        def write(run: Run, value: Run | None) -> None:
            table.put((run.create_ms, run.job_uid, run.run_id), stamp.timestamp_us, value)

        if rows:
            await self._link.write([partial(write, *row) for row in rows])

    @override
    async def read(self, segments: Sequence[int]) -> list[Run]:
        def read() -> list[Run]:
            return [
                run
                for segment in segments
                for _, _, run in self._cells.segments.at(segment).open_runs.between(
                    (0,), (1 << 62,)
                )
            ]

        return await self._link.call(Kind.READ, read) if segments else []

    @override
    async def tidy(self, stamp: WriteStamp, create_ms: Iterable[int]) -> None:
        """Nothing is kept of times at which no run was created."""
