"""The run log, and each run's present state."""

import json
from collections.abc import Sequence
from functools import partial
from itertools import islice
from typing import Any, Final, cast

from typing_extensions import override

from simulator.store.cells import Cells, LogKey
from simulator.store.link import Kind, WritingLink
from tickwheel.server.domain.lease import WriteStamp
from tickwheel.server.domain.run import Run
from tickwheel.server.store.ghosts import without_ghosts
from tickwheel.server.store.port import Page, RunStore


class SimRunStore(RunStore):
    """As the port says: the log is written first, the history follows."""

    def __init__(self, cells: Cells, link: WritingLink) -> None:
        self._cells = cells
        self._link = link

    @override
    async def record(self, stamp: WriteStamp, runs: Sequence[Run]) -> None:
        log = self._cells.segments.at(stamp.segment).log

        def append(run: Run) -> None:
            key = (run.update_ms, run.job_uid, run.run_id, run.revision)
            log.put(key, stamp.timestamp_us, (stamp.epoch, run))
            lease = self._cells.leases.get(stamp.segment)
            is_in_time = lease is not None and lease.epoch == stamp.epoch
            if is_in_time and run.state.is_final:
                self._cells.ends_in_time.append(run)

        def follow(run: Run) -> None:
            of_job = self._cells.history.setdefault(run.job_uid, {})
            rank = (stamp.epoch, run.revision)
            former = of_job.get(run.run_id)
            if former is None or former[0] <= rank:
                of_job[run.run_id] = (rank, run)

        if runs:
            await self._link.write([partial(append, run) for run in runs])
            await self._link.write([partial(follow, run) for run in runs])

    @override
    async def get(self, job_uid: str, run_id: str) -> Run | None:
        def read() -> Run | None:
            found = self._cells.history.get(job_uid, {}).get(run_id)
            return None if found is None else found[1]

        return await self._link.call(Kind.READ, read)

    @override
    async def get_many(self, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Run]:
        def read() -> dict[tuple[str, str], Run]:
            found = [(key, self._cells.history.get(key[0], {}).get(key[1])) for key in keys]
            return {key: state[1] for key, state in found if state is not None}

        return await self._link.call(Kind.READ, read) if keys else {}

    @override
    async def list_job(
        self,
        job_uid: str,
        cursor: bytes,
        limit: int,
        *,
        start_ms: int = 0,
        end_ms: int = 1 << 60,
    ) -> Page[Run]:
        bound = _decode(cursor, "h") if cursor else [end_ms, ""]

        def read() -> list[Run]:
            of_job = self._cells.history.get(job_uid, {})
            found = [
                run
                for _, run in of_job.values()
                if start_ms <= run.schedule_ms < end_ms and [run.schedule_ms, run.run_id] < bound
            ]
            found.sort(key=lambda run: (run.schedule_ms, run.run_id), reverse=True)
            return found[: limit + 1]

        runs = await self._link.call(Kind.READ, read)
        if len(runs) <= limit:
            return Page(runs, None)
        last = runs[limit - 1]
        return Page(runs[:limit], _encode("h", [last.schedule_ms, last.run_id]))

    @override
    async def list_log(self, user: str | None, cursor: bytes, limit: int) -> Page[Run]:
        bound: list[Any] = _decode(cursor, "r") if cursor else [1 << 62, "", ""]

        def read() -> list[tuple[list[Any], Run]]:
            found = [
                ([key[0], key[1], key[2]], run)
                for segment in self._cells.segments
                for key, _, (_, run) in segment.log.between((0,), (bound[0] + 1,))
                if run.revision == 1 and user in (None, run.user)
            ]
            found = [item for item in found if item[0] < bound]
            found.sort(key=lambda item: item[0], reverse=True)
            return [
                (place, self._cells.history.get(run.job_uid, {}).get(run.run_id, ((), run))[1])
                for place, run in found[: limit + 1]
            ]

        runs = await self._link.call(Kind.READ, read)
        page = [run for _, run in runs[:limit]]
        return Page(page, None if len(runs) <= limit else _encode("r", runs[limit - 1][0]))

    @override
    async def read_log(self, segments: Sequence[int], since_ms: int) -> list[Run]:
        def read() -> list[tuple[int, Run]]:
            return [
                row[2]
                for segment in segments
                for row in self._cells.segments.at(segment).log.between((since_ms,), _ALL)
            ]

        return without_ghosts(await self._link.call(Kind.READ, read))

    @override
    async def page_log(
        self,
        segment: int,
        cursor: bytes,
        limit: int,
        *,
        start_ms: int = 0,
        end_ms: int = 1 << 60,
    ) -> Page[Run]:
        after = tuple(_decode(cursor, "s")) if cursor else (start_ms,)

        def read() -> list[tuple[LogKey, Run]]:
            rows = self._cells.segments.at(segment).log.between(after, (end_ms,))
            found = ((key, run) for key, _, (_, run) in rows if key != after)
            return list(islice(found, limit + 1))

        found = await self._link.call(Kind.READ, read)
        runs = [run for _, run in found[:limit]]
        more = _encode("s", list(found[limit - 1][0])) if len(found) > limit else None
        return Page(runs, more)


_ALL: Final = (1 << 62,)


def _encode(kind: str, place: list[Any]) -> bytes:
    return json.dumps([kind, *place]).encode()


def _decode(cursor: bytes, kind: str) -> list[Any]:
    found: Any = json.loads(cursor)
    if not isinstance(found, list):
        raise ValueError("not a cursor")
    of_kind, *place = cast("list[Any]", found)
    if of_kind != kind:
        raise ValueError("not a cursor of this list")
    return place
