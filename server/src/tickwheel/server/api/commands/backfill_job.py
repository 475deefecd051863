"""BackfillJob."""

import asyncio
import base64
import os
from dataclasses import dataclass
from hashlib import blake2b
from struct import Struct
from typing import NamedTuple

from tickwheel.server.api.errors import invalid
from tickwheel.server.convert.instants import timestamp_ms
from tickwheel.server.convert.schedule import schedule_of
from tickwheel.server.domain.clock import Clock
from tickwheel.server.domain.errors import JobNotFound, RequestIdReused
from tickwheel.server.domain.job import Job
from tickwheel.server.domain.names import JobName
from tickwheel.server.owner.port import BackfillRequest, Owners
from tickwheel.server.store.port import Store
from tickwheel.server.trace import current_traceparent
from tickwheel.v1 import errors_pb2, job_service_pb2

#: A range with more occurrences is refused, and asked for in parts: so many take up to 7 s of CPU
#: time to be counted, within the call.
MAX_OCCURRENCES = 2_000_000
#: Occurrences counted between two turns of the event loop.
_STRETCH = 500

_COUNTED = Struct(">QqQ")
#: Follows the key of a request whose backfill is begun.
_BEGUN = "/begun"


class _Counted(NamedTuple):
    """The occurrences of a range by the schedule that the job had when they were counted.

    It is remembered with the request: by the time that it is repeated the job may have another one,
    by which the backfill would begin elsewhere, and so once more.
    """

    generation: int
    #: The first one, Unix milliseconds; of no meaning where there is none.
    first_ms: int
    total: int


@dataclass(frozen=True, slots=True)
class BackfillJob:
    """Runs the occurrences of a past range."""

    store: Store
    owners: Owners
    clock: Clock

    async def run(
        self, name: JobName, request: job_service_pb2.BackfillJobRequest
    ) -> tuple[str, int]:
        """The backfill's id and how many occurrences it has, once it is stored.

        Raises:
            JobNotFound: there is no such job.
            RequestIdReused: the request_id came before with another range or policy.
            InvalidInput: the range is empty, reaches into the future, or holds too much.
            SegmentUnowned: no owner answers; nothing was begun.
        """
        start_ms, end_ms = timestamp_ms(request.start_time), timestamp_ms(request.end_time)
        if end_ms <= start_ms:
            raise invalid(errors_pb2.TIME_RANGE_INVALID, "endTime", "must be after startTime")
        if end_ms > self.clock.now_ms():
            raise invalid(errors_pb2.TIME_RANGE_INVALID, "endTime", "must not be in the future")
        job = await self.store.jobs.find(name.user, name.job_id)
        if job is None:
            raise JobNotFound(f"there is no job {name}", job=str(name))
        backfill_id = _id(request.request_id)
        key = _key(job.uid, request.request_id)
        if request.request_id:
            digest = _digest(f"{start_ms}/{end_ms}/{request.overlap_policy}")
            # By the schedule that the job has by now it may not be countable any more.
            before = await self.store.jobs.recall_request(job.user, key)
            if before is None:
                content = digest + _COUNTED.pack(*await _count(job, start_ms, end_ms))
                before = await self.store.jobs.remember_request(job.user, key, content, job.uid)
            if not before.startswith(digest):
                raise RequestIdReused(
                    "the request_id was used for a backfill of another range or overlap policy"
                )
            counted = _Counted(*_COUNTED.unpack(before[len(digest) :]))
            # Its owner knows a backfill by its row or its runs, which may be gone before this is.
            if await self.store.jobs.recall_request(job.user, key + _BEGUN) is not None:
                return backfill_id, counted.total
        else:
            counted = await _count(job, start_ms, end_ms)
        if counted.total:
            await self.owners.backfill(
                BackfillRequest(
                    job=job,
                    backfill_id=backfill_id,
                    first_ms=counted.first_ms,
                    end_ms=end_ms,
                    overlap_policy=request.overlap_policy,
                    generation=counted.generation,
                    traceparent=current_traceparent(),
                )
            )
            if request.request_id:
                await self.store.jobs.remember_request(job.user, key + _BEGUN, b"", job.uid)
        return backfill_id, counted.total


async def _count(job: Job, start_ms: int, end_ms: int) -> _Counted:
    """Counts the occurrences of a range; memory does not grow with them."""
    first_ms = count = 0
    for instant in schedule_of(job).between(start_ms, end_ms):
        if not count:
            first_ms = instant
        count += 1
        if count > MAX_OCCURRENCES:
            raise invalid(
                errors_pb2.TIME_RANGE_INVALID,
                "endTime",
                f"the range has more than {MAX_OCCURRENCES:,} occurrences; ask for it in parts",
            )
        if count % _STRETCH == 0:
            await asyncio.sleep(0)
    return _Counted(job.generation, first_ms, count)


def _key(uid: str, request_id: str) -> str:
    """Names the request: one of the same id that creates a job is another one."""
    return f"backfill/{blake2b(f'{uid}/{request_id}'.encode()).hexdigest()}"


def _digest(content: str) -> bytes:
    return blake2b(content.encode(), digest_size=16).digest()


def _id(request_id: str) -> str:
    """10 characters of [a-z2-7]: the same for the same request."""
    raw = blake2b(request_id.encode(), digest_size=6).digest() if request_id else os.urandom(6)
    return base64.b32encode(raw).decode().rstrip("=").lower()
