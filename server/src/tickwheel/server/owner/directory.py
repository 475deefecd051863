"""Finds the owner of a job's segment in the leases, and speaks to it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from typing import Protocol, TypeVar

import structlog

from tickwheel.internal.v1 import owner_service_pb2 as pb
from tickwheel.server.domain.clock import Clock
from tickwheel.server.domain.errors import ChangeUnconfirmed, SegmentUnowned, StoreUnavailable
from tickwheel.server.domain.job import Job
from tickwheel.server.owner.port import BackfillRequest, Owners, TriggerRequest
from tickwheel.server.owner.refusals import refusal_of
from tickwheel.server.store.port import LeaseStore
from tickwheel.v1 import errors_pb2, run_pb2

_log = structlog.get_logger(__name__)

#: How long a change may wait for its confirmation, in ms: longer than the owner itself takes.
CONFIRM_MS = 6_000
#: How long what the leases said is believed, in ms; an owner that refuses ends it sooner.
BELIEVE_MS = 2_000
RETRY_S = 0.1
MAX_REFS = 1_000
#: New jobs of which owners are being told at once; of more the inbox alone tells.
MAX_ANNOUNCED = 10_000
#: Of one call with reports. An api takes as much at once as an owner does, and adds to it.
MAX_REPORT_BYTES = 4 << 20

T = TypeVar("T")


class OwnerEndpoint(Protocol):
    """One scheduler, in this process or in another; OwnerService says what each method does.

    Each raises SegmentUnowned where it is not the owner or does not answer: nothing was done.
    """

    async def notify(self, request: pb.NotifyJobsRequest) -> pb.NotifyJobsResponse:
        """As OwnerService.NotifyJobs."""
        ...

    async def trigger(self, request: pb.TriggerRunRequest) -> run_pb2.Run:
        """As OwnerService.TriggerRun."""
        ...

    async def cancel(self, request: pb.CancelRunRequest) -> run_pb2.Run:
        """As OwnerService.CancelRun."""
        ...

    async def backfill(self, request: pb.StartBackfillRequest) -> None:
        """As OwnerService.StartBackfill."""
        ...

    async def report(self, request: pb.ReportRunsRequest) -> pb.ReportRunsResponse:
        """As OwnerService.ReportRuns."""
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
        #: Readings of the leases that were begun, and the one that is believed.
        self._reads = 0
        self._read = 0
        self._announcing: set[asyncio.Task[None]] = set()
        #: Jobs in what is being announced.
        self._announced = 0

    def announce(self, jobs: Sequence[Job]) -> None:
        """Tells the owners, without waiting; the inbox has the same news.

        Not all of it, where owners are slow to answer: what waits for them must not pile up.
        """
        if self._announced >= MAX_ANNOUNCED:
            return
        # Without the jobs, whose payloads are not told.
        refs = [_ref(job) for job in jobs]
        self._announced += len(refs)
        task = asyncio.get_running_loop().create_task(self._announce(refs))
        self._announcing.add(task)
        task.add_done_callback(self._announcing.discard)

    async def _announce(self, refs: Sequence[pb.JobRef]) -> None:
        try:
            for address, group in (await self._by_address(refs)).items():
                for start in range(0, len(group), MAX_REFS):
                    request = pb.NotifyJobsRequest(jobs=group[start : start + MAX_REFS])
                    await self._dial(address).notify(request)
        except (SegmentUnowned, StoreUnavailable) as error:
            _log.debug("announcement not delivered; the inbox has it", error=error.message)
            self._fresh_until_ms = 0
        finally:
            self._announced -= len(refs)

    async def confirm(self, job: Job) -> None:
        """Asks the owner until it confirms, or time runs out."""
        deadline = self._clock.steady_ms() + CONFIRM_MS
        before = self._reads
        while self._clock.steady_ms() < deadline:
            try:
                address = await self._address_of(job.segment)
                if address is not None:
                    response = await self._dial(address).notify(
                        pb.NotifyJobsRequest(jobs=[_ref(job)])
                    )
                    if response.results[0].code == 0:
                        return
                elif self._read > before:
                    # Given back cleanly, and not taken since the change was stored: whoever takes
                    # it reads the job as it is now.
                    return
                else:
                    self._fresh_until_ms = 0
                    continue
            except (SegmentUnowned, StoreUnavailable) as error:
                _log.debug("owner not reached", job=str(job.name), error=error.message)
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
            retried_run=request.retried_run,
            request_id=request.request_id,
            request_digest=request.request_digest,
        )
        return await self._ask(request.job.segment, lambda owner: owner.trigger(message))

    async def backfill(self, request: BackfillRequest) -> None:
        """Asks the owner likewise."""
        message = pb.StartBackfillRequest(
            job=_ref(request.job),
            backfill_id=request.backfill_id,
            first_ms=request.first_ms,
            end_ms=request.end_ms,
            overlap_policy=request.overlap_policy,
            generation=request.generation or request.job.generation,
            traceparent=request.traceparent,
        )
        await self._ask(request.job.segment, lambda owner: owner.backfill(message))

    async def cancel(self, job: Job, run_id: str, reason: str) -> run_pb2.Run:
        """Asks the owner likewise."""
        message = pb.CancelRunRequest(job=_ref(job), run_id=run_id, reason=reason)
        return await self._ask(job.segment, lambda owner: owner.cancel(message))

    async def _ask(self, segment: int, question: Callable[[OwnerEndpoint], Awaitable[T]]) -> T:
        try:
            return await question(await self._owner(segment))
        except SegmentUnowned:
            self._fresh_until_ms = 0
            return await question(await self._owner(segment))

    async def _owner(self, segment: int) -> OwnerEndpoint:
        address = await self._address_of(segment)
        if address is None:
            raise SegmentUnowned("no scheduler owns the job's segment just now")
        return self._dial(address)

    async def report(self, reports: Sequence[pb.RunReport]) -> list[pb.RunReportResult]:
        """Asks each owner for its share of the reports, all at once."""
        await self._refresh()
        unowned = refusal_of(SegmentUnowned("no scheduler owns the job's segment just now"))
        results = [pb.RunReportResult(refusal=unowned) for _ in reports]
        groups: dict[str, list[int]] = {}
        for index, report in enumerate(reports):
            address = self._addresses.get(report.job.segment)
            if address is not None:
                groups.setdefault(address, []).append(index)
        async with asyncio.TaskGroup() as tasks:
            for address, indices in groups.items():
                tasks.create_task(self._report_to(address, indices, reports, results))
        return results

    async def _report_to(
        self,
        address: str,
        indices: Sequence[int],
        reports: Sequence[pb.RunReport],
        results: list[pb.RunReportResult],
    ) -> None:
        answers: list[pb.RunReportResult] = []
        try:
            for request in _calls_of([reports[index] for index in indices]):
                answers += (await self._dial(address).report(request)).results
        except (SegmentUnowned, StoreUnavailable) as error:
            self._fresh_until_ms = 0
            refused = pb.RunReportResult(refusal=refusal_of(error))
            answers += [refused] * (len(indices) - len(answers))
        for index, answer in zip(indices, answers, strict=True):
            if answer.refusal.reason == errors_pb2.SEGMENT_UNOWNED:
                self._fresh_until_ms = 0
            results[index] = answer

    async def _address_of(self, segment: int) -> str | None:
        await self._refresh()
        return self._addresses.get(segment)

    async def _by_address(self, refs: Iterable[pb.JobRef]) -> dict[str, list[pb.JobRef]]:
        await self._refresh()
        grouped: dict[str, list[pb.JobRef]] = {}
        for ref in refs:
            address = self._addresses.get(ref.segment)
            if address is not None:
                grouped.setdefault(address, []).append(ref)
        return grouped

    async def _refresh(self) -> None:
        now = self._clock.steady_ms()
        if now < self._fresh_until_ms:
            return
        self._reads += 1
        number = self._reads
        leases = await self._leases.segments()
        if number > self._read:
            self._addresses = {lease.segment: lease.address for lease in leases if lease.session_id}
            self._read = number
            self._fresh_until_ms = now + BELIEVE_MS


def _calls_of(reports: Iterable[pb.RunReport]) -> Iterator[pb.ReportRunsRequest]:
    """Reports in their order, in calls that each owner takes."""
    call: list[pb.RunReport] = []
    size = 0
    for report in reports:
        added = report.ByteSize()
        if call and size + added > MAX_REPORT_BYTES:
            yield pb.ReportRunsRequest(reports=call)
            call, size = [], 0
        call.append(report)
        size += added
    yield pb.ReportRunsRequest(reports=call)


def _ref(job: Job) -> pb.JobRef:
    return pb.JobRef(
        user=job.user,
        job_uid=job.uid,
        job_id=job.job_id,
        segment=job.segment,
        version=job.version,
    )
