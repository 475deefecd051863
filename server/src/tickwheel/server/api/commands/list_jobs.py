"""ListJobs."""

from dataclasses import dataclass

from tickwheel.server.api.filter import JobFilter
from tickwheel.server.api.limits import ApiLimits
from tickwheel.server.api.paging import JSON_GROWTH, PageWanted, fill_page
from tickwheel.server.api.room import Held
from tickwheel.server.domain.job import Job, PayloadKind
from tickwheel.server.domain.names import WILDCARD
from tickwheel.server.store.port import Page, Store

#: What is answered beside spec and payload: name, uid, times.
_REST_BYTES = 512


@dataclass(frozen=True, slots=True)
class ListJobs:
    """Lists the jobs of one owner or of all."""

    store: Store
    limits: ApiLimits

    async def run(
        self, user: str, wanted: JobFilter, cursor: bytes, count: int, held: Held
    ) -> Page[Job]:
        """One page.

        Args:
            user: the owner; `-` for all.
            wanted: which jobs.
            cursor: where the page before ended.
            count: how many at most.
            held: where its bytes are counted.

        Raises:
            ValueError: the cursor is not one of the store's.
            Overloaded: there is no room for it beside other pages.
        """
        owner = None if user == WILDCARD else user
        return await fill_page(
            lambda at, limit: self.store.jobs.list(owner, at, limit),
            cursor,
            PageWanted(
                count=count,
                max_bytes=self.limits.max_page_bytes,
                max_rows=self.limits.max_scan_rows,
                matches=wanted.matches if wanted else None,
                size_of=_size,
                held=held,
            ),
        )


def _size(job: Job) -> int:
    growth = JSON_GROWTH if job.payload.kind is PayloadKind.JSON else 1
    return job.spec.ByteSize() + len(job.payload.data) * growth + _REST_BYTES
