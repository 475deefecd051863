"""ListRuns."""

from dataclasses import dataclass, replace

from tickwheel.server.api.filter import RunFilter, Span
from tickwheel.server.api.limits import ApiLimits
from tickwheel.server.api.paging import JSON_GROWTH, PageWanted, fill_page
from tickwheel.server.api.room import Held
from tickwheel.server.domain.names import WILDCARD, JobName
from tickwheel.server.domain.run import Run
from tickwheel.server.store.port import Page, Store

#: Of one run's message, error included, in bytes.
_RUN_BYTES = 2_048
#: Of each attempt before the present one.
_ATTEMPT_BYTES = 512
#: Separates the uid of the job that a page ended in from the store's cursor.
_UID_BYTES = 36


@dataclass(frozen=True, slots=True)
class ListRuns:
    """Lists the runs of one job, of all jobs of an owner, or of all."""

    store: Store
    limits: ApiLimits

    async def run(
        self, parent: JobName, wanted: RunFilter, cursor: bytes, count: int, held: Held
    ) -> Page[Run]:
        """One page, newest first.

        Args:
            parent: whose runs; `-` in either part for all.
            wanted: which of them.
            cursor: where the page before ended.
            count: how many at most.
            held: where its bytes are counted.

        Raises:
            ValueError: the cursor is not one of the store's.
            Overloaded: there is no room for it beside other pages.
        """
        if WILDCARD in (parent.user, parent.job_id):
            return await self._across(parent, wanted, cursor, count, held)
        return await self._of_job(parent, wanted, cursor, count, held)

    async def _across(
        self, parent: JobName, wanted: RunFilter, cursor: bytes, count: int, held: Held
    ) -> Page[Run]:
        owner = None if parent.user == WILDCARD else parent.user

        def matches(run: Run) -> bool:
            return parent.job_id in (WILDCARD, run.job_id) and wanted.matches(run)

        page_wanted = self._wanted(count, wanted, self.limits.max_page_bytes, held)
        if parent.job_id != WILDCARD or wanted:
            page_wanted = replace(page_wanted, matches=matches)
        return await fill_page(
            lambda at, limit: self.store.runs.list_log(owner, at, limit), cursor, page_wanted
        )

    async def _of_job(
        self, parent: JobName, wanted: RunFilter, cursor: bytes, count: int, held: Held
    ) -> Page[Run]:
        """The living job's runs, then those of deleted jobs of that name, the newest job first."""
        uids = [job.uid for job in await self.store.jobs.find_all(parent.user, parent.job_id)]
        if cursor:
            uid = cursor[:_UID_BYTES].decode()
            if uid not in uids:
                # What the page before ended in is past its retention, and so is what followed.
                return Page((), None)
            uids = uids[uids.index(uid) :]
        cursor = cursor[_UID_BYTES:]
        items: list[Run] = []
        room = self.limits.max_page_bytes
        for index, uid in enumerate(uids):
            more = self._wanted(count - len(items), wanted, room, held)
            page = await self._of_uid(uid, wanted.scheduled, cursor, more)
            items += page.items
            room -= sum(map(_size, page.items))
            if page.cursor is not None:
                return Page(items, uid.encode() + page.cursor)
            if (len(items) == count or room <= 0) and index + 1 < len(uids):
                return Page(items, uids[index + 1].encode())
            cursor = b""
        return Page(items, None)

    async def _of_uid(
        self, uid: str, span: Span, cursor: bytes, wanted: PageWanted[Run]
    ) -> Page[Run]:

        async def read(at: bytes, limit: int) -> Page[Run]:
            return await self.store.runs.list_job(
                uid, at, limit, start_ms=span.start_ms, end_ms=span.end_ms
            )

        return await fill_page(read, cursor, wanted)

    def _wanted(self, count: int, wanted: RunFilter, room: int, held: Held) -> PageWanted[Run]:
        return PageWanted(
            count=count,
            max_bytes=room,
            max_rows=self.limits.max_scan_rows,
            matches=wanted.matches if wanted else None,
            size_of=_size,
            held=held,
        )


def _size(run: Run) -> int:
    past = sum(
        _ATTEMPT_BYTES + _bytes(attempt.error) + _bytes(attempt.error_details)
        for attempt in run.past_attempts
    )
    # An error stands on the run and on its attempt.
    own = 2 * (_bytes(run.error) + _bytes(run.error_details)) + JSON_GROWTH * len(run.result)
    return _RUN_BYTES + own + past


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())
