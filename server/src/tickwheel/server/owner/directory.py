"""Finds the owner of a job's segment in the leases, and speaks to it."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

import structlog

from tickwheel.internal.v1 import owner_service_pb2 as pb
from tickwheel.server.domain.clock import Clock
from tickwheel.server.domain.errors import ChangeUnconfirmed, SegmentUnowned, StoreUnavailable
from tickwheel.server.domain.job import Job
from tickwheel.server.owner.port import Owners, TriggerRequest
from tickwheel.server.store.port import LeaseStore
from tickwheel.v1 import run_pb2

_log = structlog.get_logger(__name__)

#: How long a change may wait for its confirmation, in ms: longer than the owner itself takes.
CONFIRM_MS = 6_000
#: How long what the leases said is believed, in ms; an owner that refuses ends it sooner.
BELIEVE_MS = 2_000
RETRY_S = 0.1
MAX_REFS = 1_000


class OwnerEndpoint(Protocol):
    """One scheduler, in this process or in another."""

    async def notify(self, request: pb.NotifyJobsRequest) -> pb.NotifyJobsResponse:
        """As OwnerService.NotifyJobs.

        Raises:
            SegmentUnowned: it is not the owner, or does not answer.
        """
        ...

    async def trigger(self, request: pb.TriggerRunRequest) -> run_pb2.Run:
        """As OwnerService.TriggerRun.

        Raises:
            SegmentUnowned: it is not the owner, or does not answer; nothing was fired.
        """
        ...


class OwnerDirectory(Owners):
    """All owners, as the leases name them."""

    def __init__(
        self, leases: LeaseStore, clock: Clock, dial: Callable[[str], OwnerEndpoint]
    ) -> None:
        self._leases = leases
        self._clock = clock
        self._dial = dial
        self._addresses: dict[int, str] = {}
        self._fresh_until_ms = 0
        self._announcing: set[asyncio.Task[None]] = set()

    def announce(self, jobs: Sequence[Job]) -> None:
        """Tells the owners, without waiting; the inbox has the same news."""
        task = asyncio.get_running_loop().create_task(self._announce(jobs))
        self._announcing.add(task)
        task.add_done_callback(self._announcing.discard)

    async def _announce(self, jobs: Sequence[Job]) -> None:
        try:
            for address, group in (await self._by_address(jobs)).items():
                for start in range(0, len(group), MAX_REFS):
                    await self._dial(address).notify(_refs(group[start : start + MAX_REFS]))
        except (SegmentUnowned, StoreUnavailable) as error:
            _log.debug("announcement not delivered; the inbox has it", error=error.message)
            self._fresh_until_ms = 0

    async def confirm(self, job: Job) -> None:
        """Asks the owner until it confirms, or time runs out."""
        deadline = self._clock.steady_ms() + CONFIRM_MS
        while self._clock.steady_ms() < deadline:
            try:
                address = await self._address_of(job.segment)
                if address is None:
                    # Given back cleanly: whoever takes it reads the job as it is now.
                    return
                response = await self._dial(address).notify(_refs([job]))
                if response.results[0].code == 0:
                    return
            except (SegmentUnowned, StoreUnavailable) as error:
                _log.debug("owner not reached", job=job.uid, error=error.message)
            self._fresh_until_ms = 0
            await self._clock.sleep(RETRY_S)
        raise ChangeUnconfirmed(
            "the change is stored, but it could not be made sure in time that it holds for what "
            "is due just now; it may be repeated"
        )

    async def trigger(self, request: TriggerRequest) -> run_pb2.Run:
        """Asks the owner once, and once more where the leases were out of date."""
        payload = request.payload
        message = pb.TriggerRunRequest(
            job=_ref(request.job),
            run_id=request.run_id,
            schedule_ms=request.schedule_ms,
            payload_given=payload is not None,
            payload=payload.data if payload else b"",
            payload_kind=payload.kind if payload else 0,
            content_type=request.content_type,
            overlap_policy=request.overlap_policy,
            traceparent=request.traceparent,
        )
        try:
            return await self._trigger(request.job.segment, message)
        except SegmentUnowned:
            self._fresh_until_ms = 0
            return await self._trigger(request.job.segment, message)

    async def _trigger(self, segment: int, message: pb.TriggerRunRequest) -> run_pb2.Run:
        address = await self._address_of(segment)
        if address is None:
            raise SegmentUnowned("no scheduler owns the job's segment just now")
        return await self._dial(address).trigger(message)

    async def _address_of(self, segment: int) -> str | None:
        await self._refresh()
        return self._addresses.get(segment)

    async def _by_address(self, jobs: Iterable[Job]) -> dict[str, list[Job]]:
        await self._refresh()
        grouped: dict[str, list[Job]] = {}
        for job in jobs:
            address = self._addresses.get(job.segment)
            if address is not None:
                grouped.setdefault(address, []).append(job)
        return grouped

    async def _refresh(self) -> None:
        now = self._clock.steady_ms()
        if now < self._fresh_until_ms:
            return
        leases = await self._leases.segments()
        self._addresses = {lease.segment: lease.address for lease in leases if lease.session_id}
        self._fresh_until_ms = now + BELIEVE_MS


def _ref(job: Job) -> pb.JobRef:
    return pb.JobRef(user=job.user, job_uid=job.uid, segment=job.segment)


def _refs(jobs: Iterable[Job]) -> pb.NotifyJobsRequest:
    return pb.NotifyJobsRequest(jobs=[_ref(job) for job in jobs])
