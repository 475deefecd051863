"""A whole api under test: real server, real store, a clock that is moved by hand."""

import asyncio
import heapq
from collections.abc import AsyncGenerator, Awaitable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import grpc
import grpc.aio
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from tickwheel.internal.v1 import owner_service_pb2
from tickwheel.server.api.build import Api, build_api
from tickwheel.server.api.limits import ApiLimits
from tickwheel.server.api.records import Records
from tickwheel.server.api.server import GrpcServer, start_grpc_server
from tickwheel.server.convert.run import run_message
from tickwheel.server.convert.schedule import schedule_of
from tickwheel.server.domain.clock import SystemClock
from tickwheel.server.domain.errors import RunNotFound, SegmentUnowned, TickwheelError
from tickwheel.server.domain.job import Job
from tickwheel.server.domain.lease import SchedulerSession, SegmentLease, WriteStamp
from tickwheel.server.domain.occurrence import ScheduleEntry
from tickwheel.server.domain.run import Run, RunState, Trigger
from tickwheel.server.owner.port import BackfillRequest, Owners, TriggerRequest
from tickwheel.server.owner.refusals import refusal_of
from tickwheel.server.owner.schedulers import CensusEndpoint, Schedulers
from tickwheel.server.scheduler.override import encode_override
from tickwheel.server.store.port import Store
from tickwheel.v1 import (
    cluster_service_pb2_grpc,
    executor_service_pb2_grpc,
    job_pb2,
    job_service_pb2,
    job_service_pb2_grpc,
    run_pb2,
)

PARENT = "users/7"
SESSION = "test-owner"


class HandClock:
    """Begins now, and goes on only when it is told to."""

    def __init__(self) -> None:
        self._now_us = SystemClock().now_us()
        self._set_back_us = 0
        self._sleepers: list[tuple[int, int, asyncio.Event]] = []
        self._serial = 0

    def now_ms(self) -> int:
        return (self._now_us - self._set_back_us) // 1000

    def now_us(self) -> int:
        self._now_us += 1
        return self._now_us - self._set_back_us

    def steady_ms(self) -> int:
        return self._now_us // 1000

    def set_back(self, ms: int) -> None:
        """Puts the wall clock back; the steady one goes on."""
        self._set_back_us += ms * 1000

    async def sleep(self, seconds: float) -> None:
        self._serial += 1
        woken = asyncio.Event()
        until = self._now_us + round(seconds * 1_000_000)
        heapq.heappush(self._sleepers, (until, self._serial, woken))
        await woken.wait()

    def advance(self, ms: int) -> None:
        self._now_us += ms * 1000
        while self._sleepers and self._sleepers[0][0] <= self._now_us:
            heapq.heappop(self._sleepers)[2].set()


class FakeOwners(Owners):
    """Owns everything, and remembers what it was told."""

    def __init__(self, store: Store, clock: HandClock) -> None:
        self._store = store
        self._clock = clock
        self._leases: dict[int, SegmentLease] = {}
        self.announced: list[Job] = []
        self.confirmed: list[Job] = []
        self.triggered: list[TriggerRequest] = []
        self.backfilled: list[BackfillRequest] = []
        self.cancelled: list[tuple[str, str]] = []
        self.reported: list[owner_service_pb2.RunReport] = []
        #: By address, what schedulers tell of themselves; others do not answer.
        self.endpoints: dict[str, CensusEndpoint] = {}
        #: Raised by the next calls.
        self.failure: TickwheelError | None = None

    async def open(self) -> None:
        await self._store.leases.open_session(
            SchedulerSession(
                session_id=SESSION,
                address="local",
                beat=1,
                lease_until_ms=self._clock.now_ms() + 86_400_000,
            )
        )

    def announce(self, jobs: Sequence[Job]) -> None:
        self.announced += jobs

    async def confirm(self, job: Job) -> None:
        if self.failure is not None:
            raise self.failure
        self.confirmed.append(job)

    async def trigger(self, request: TriggerRequest) -> run_pb2.Run:
        if self.failure is not None:
            raise self.failure
        self.triggered.append(request)
        run = self.run_of(
            request.job,
            request.schedule_ms,
            run_id=request.run_id,
            trigger=Trigger.RETRY if request.retried_run else Trigger.MANUAL,
            state=RunState.PENDING,
            retried_run=request.retried_run,
            detail=encode_override(request),
        )
        await self.record([run])
        return run_message(run)

    async def backfill(self, request: BackfillRequest) -> None:
        if self.failure is not None:
            raise self.failure
        self.backfilled.append(request)

    async def cancel(self, job: Job, run_id: str, reason: str) -> run_pb2.Run:
        if self.failure is not None:
            raise self.failure
        self.cancelled.append((run_id, reason))
        run = await self._store.runs.get(job.uid, run_id)
        if run is None:
            raise RunNotFound(f"there is no run {run_id}")
        return run_message(replace(run, state=RunState.CANCELLED))

    async def report(
        self, reports: Sequence[owner_service_pb2.RunReport]
    ) -> list[owner_service_pb2.RunReportResult]:
        self.reported += reports
        if self.failure is not None:
            refusal = refusal_of(self.failure)
            return [owner_service_pb2.RunReportResult(refusal=refusal) for _ in reports]
        return [owner_service_pb2.RunReportResult(timeout_ms=60_000) for _ in reports]

    def dial(self, address: str) -> CensusEndpoint:
        return self.endpoints.get(address, Silent())

    async def stamp(self, segment: int) -> WriteStamp:
        lease = self._leases.get(segment)
        if lease is None:
            current = (await self._store.leases.segments())[segment]
            lease = replace(current, epoch=current.epoch + 1, session_id=SESSION, address="local")
            assert await self._store.leases.take_segment(current, lease)
            self._leases[segment] = lease
        return WriteStamp(segment, lease.epoch, self._clock.now_us())

    async def record(self, runs: Sequence[Run]) -> None:
        """Stores states of runs as their owner would."""
        for segment in {run.segment for run in runs}:
            mine = [run for run in runs if run.segment == segment]
            await self._store.runs.record(await self.stamp(segment), mine)

    async def complete(self, job: Job) -> None:
        """Marks the job's present generation as done."""
        await self._store.jobs.complete(
            await self.stamp(job.segment), [(job.key, job.generation)], self._clock.now_ms()
        )

    async def advance(self, job: Job, entry: ScheduleEntry, *, ordinal: int) -> None:
        """Moves a job's entry on to its next occurrence, as the one with this ordinal."""
        nominal_ms = schedule_of(job).next_after(self._clock.now_ms() - 1)
        assert nominal_ms is not None
        new = replace(
            entry,
            schedule_ms=nominal_ms,
            due_ms=nominal_ms,
            fire_ms=nominal_ms,
            ordinal=ordinal,
        )
        await self._store.schedule.advance(await self.stamp(job.segment), [new], [entry])

    def run_of(
        self,
        job: Job,
        schedule_ms: int,
        *,
        run_id: str,
        trigger: Trigger = Trigger.SCHEDULE,
        state: RunState = RunState.SUCCEEDED,
        revision: int = 1,
        error: str = "",
        retried_run: str = "",
        detail: bytes = b"",
    ) -> Run:
        return Run(
            user=job.user,
            job_id=job.job_id,
            job_uid=job.uid,
            run_id=run_id,
            segment=job.segment,
            state=state,
            trigger=trigger,
            schedule_ms=schedule_ms,
            due_ms=schedule_ms,
            update_ms=self._clock.now_ms(),
            revision=revision,
            topic=job.spec.target.topic,
            error=error,
            create_ms=self._clock.now_ms(),
            retried_run=retried_run,
            detail=detail,
        )


class Silent:
    """A scheduler that does not answer."""

    async def describe(self) -> owner_service_pb2.DescribeSchedulerResponse:
        raise SegmentUnowned("no answer")

    async def stop_worker(self, worker_id: str) -> owner_service_pb2.StopWorkerResponse:
        raise SegmentUnowned("no answer")


class ApiUnderTest:
    """Server, client and everything behind them."""

    def __init__(
        self, store: Store, clock: HandClock, owners: FakeOwners, api: Api, server: GrpcServer
    ) -> None:
        self.store = store
        self.clock = clock
        self.owners = owners
        self.api = api
        self.server = server
        self.address = f"127.0.0.1:{server.port}"
        self.channel = grpc.aio.insecure_channel(
            self.address, options=(("grpc.max_receive_message_length", 16 * 1024 * 1024),)
        )
        self.executors: executor_service_pb2_grpc.ExecutorServiceAsyncStub = (
            executor_service_pb2_grpc.ExecutorServiceStub(self.channel)
        )
        self.cluster: cluster_service_pb2_grpc.ClusterServiceAsyncStub = (
            cluster_service_pb2_grpc.ClusterServiceStub(self.channel)
        )
        self.jobs: job_service_pb2_grpc.JobServiceAsyncStub = job_service_pb2_grpc.JobServiceStub(
            self.channel
        )

    def at(self, in_ms: int = 3_600_000) -> job_pb2.Job:
        """A one-off job, due in so many milliseconds."""
        job = job_pb2.Job()
        job.schedule.at.FromMilliseconds(self.clock.now_ms() + in_ms)
        job.target.topic = "billing"
        return job

    async def create(
        self, job: job_pb2.Job, job_id: str = "", *, parent: str = PARENT, request_id: str = ""
    ) -> job_pb2.Job:
        return await self.jobs.CreateJob(
            job_service_pb2.CreateJobRequest(
                parent=parent, job=job, job_id=job_id, request_id=request_id
            )
        )

    async def stored(self, name: str) -> Job:
        """The job as the store has it."""
        _, user, _, job_id = name.split("/")
        job = await self.store.jobs.find(user, job_id)
        assert job is not None
        return job

    async def count(self) -> int:
        """How many jobs there are, of all users."""
        return len((await self.store.jobs.list(None, b"", 1000)).items)


@asynccontextmanager
async def serving(
    store: Store, clock: HandClock, limits: ApiLimits, records: Records | None = None
) -> AsyncGenerator[ApiUnderTest]:
    owners = FakeOwners(store, clock)
    await owners.open()
    schedulers = Schedulers(store.leases, clock, owners.dial)
    api = build_api(store, owners, clock, limits, schedulers, records)
    server = await start_grpc_server(api.services, "127.0.0.1:0", clock=clock, limits=limits)
    under_test = ApiUnderTest(store, clock, owners, api, server)
    try:
        yield under_test
    finally:
        await under_test.channel.close()
        await server.stop(2, api.end_streams)


class Refusal:
    """What a client was told, taken apart."""

    def __init__(self, status: status_pb2.Status) -> None:
        self.code = status.code
        self.message = status.message
        self.info = error_details_pb2.ErrorInfo()
        self.bad = error_details_pb2.BadRequest()
        self.retry = error_details_pb2.RetryInfo()
        for detail in status.details:
            assert any(detail.Unpack(kind) for kind in (self.info, self.bad, self.retry))

    @staticmethod
    def of(error: grpc.aio.AioRpcError) -> "Refusal":
        status: status_pb2.Status | None = rpc_status.from_call(error)  # pyright: ignore
        assert status is not None
        refusal = Refusal(status)  # pyright: ignore[reportUnknownArgumentType]
        assert error.code().value[0] == refusal.code
        return refusal

    @property
    def code_name(self) -> str:
        return next(code.name for code in grpc.StatusCode if code.value[0] == self.code)

    @property
    def reason(self) -> str:
        return self.info.reason

    @property
    def fields(self) -> list[str]:
        return [violation.field for violation in self.bad.field_violations]

    @property
    def summary(self) -> tuple[str, str, list[str]]:
        """Code, reason and fields."""
        return self.code_name, self.reason, self.fields


async def refused(call: Awaitable[object]) -> Refusal:
    """How a call is refused.

    Raises:
        AssertionError: it is not.
    """
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return Refusal.of(error)
    raise AssertionError("the call was not refused")
