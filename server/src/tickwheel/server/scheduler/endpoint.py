"""What the api may ask of a scheduler, for callers in the same process and behind gRPC."""

from typing import cast

from google.rpc import code_pb2, status_pb2

from tickwheel.internal.v1 import owner_service_pb2 as pb
from tickwheel.server.convert.report import report_of
from tickwheel.server.convert.run import run_message
from tickwheel.server.domain.errors import JobNotFound, TickwheelError
from tickwheel.server.domain.job import Job
from tickwheel.server.domain.names import JobKey
from tickwheel.server.domain.report import Answer
from tickwheel.server.owner.port import BackfillRequest, TriggerRequest
from tickwheel.server.owner.refusals import refusal_of
from tickwheel.server.scheduler.inbox import News
from tickwheel.server.scheduler.override import override_of
from tickwheel.server.scheduler.runtime import Scheduler
from tickwheel.server.store.port import Store
from tickwheel.v1 import job_pb2, run_pb2


class SchedulerEndpoint:
    """An OwnerEndpoint for a scheduler in this process."""

    def __init__(self, scheduler: Scheduler, store: Store) -> None:
        self._desk = scheduler.desk
        self._census = scheduler.census
        self._store = store

    async def notify(self, request: pb.NotifyJobsRequest) -> pb.NotifyJobsResponse:
        """As OwnerService.NotifyJobs."""
        news = [
            News(JobKey(job.user, job.job_uid), job.segment, job.version) for job in request.jobs
        ]
        settled = await self._desk.notify(news)
        return pb.NotifyJobsResponse(
            results=[
                status_pb2.Status(code=code_pb2.OK if sure else code_pb2.DEADLINE_EXCEEDED)
                for sure in settled
            ]
        )

    async def trigger(self, request: pb.TriggerRunRequest) -> run_pb2.Run:
        """As OwnerService.TriggerRun."""
        job = await self._living_job(request.job)
        override = override_of(request)
        run = await self._desk.trigger(
            TriggerRequest(
                job=job,
                run_id=request.run_id,
                schedule_ms=request.schedule_ms,
                payload=override.payload,
                content_type=override.content_type,
                overlap_policy=_overlap(request.overlap_policy),
                traceparent=override.traceparent,
                retried_run=override.retried_run,
                request_id=override.request_id,
                request_digest=override.request_digest,
            )
        )
        return run_message(run)

    async def backfill(self, request: pb.StartBackfillRequest) -> None:
        """As OwnerService.StartBackfill."""
        await self._desk.backfill(
            BackfillRequest(
                job=await self._living_job(request.job),
                backfill_id=request.backfill_id,
                first_ms=request.first_ms,
                end_ms=request.end_ms,
                overlap_policy=_overlap(request.overlap_policy),
                generation=request.generation,
                traceparent=request.traceparent,
            )
        )

    async def cancel(self, request: pb.CancelRunRequest) -> run_pb2.Run:
        """As OwnerService.CancelRun; also of a job that was deleted since."""
        job = await self._job(request.job)
        return run_message(await self._desk.cancel(job, request.run_id, request.reason))

    async def report(self, request: pb.ReportRunsRequest) -> pb.ReportRunsResponse:
        """As OwnerService.ReportRuns."""
        answers = await self._desk.report([report_of(report) for report in request.reports])
        return pb.ReportRunsResponse(results=[_result(answer) for answer in answers])

    async def describe(self) -> pb.DescribeSchedulerResponse:
        """As OwnerService.DescribeScheduler."""
        return self._census.describe()

    async def stop_worker(self, worker_id: str) -> pb.StopWorkerResponse:
        """As OwnerService.StopWorker."""
        return self._census.stop_worker(worker_id)

    async def _job(self, ref: pb.JobRef) -> Job:
        key = JobKey(ref.user, ref.job_uid)
        job = (await self._store.jobs.get_many([key])).get(key)
        if job is None:
            raise JobNotFound(f"no job with uid {key.uid}")
        return job

    async def _living_job(self, ref: pb.JobRef) -> Job:
        job = await self._job(ref)
        if job.delete_ms:
            raise JobNotFound(f"the job with uid {job.uid} was deleted")
        return job


def _overlap(number: int) -> "job_pb2.Overlap":
    return cast("job_pb2.Overlap", number)


def _result(answer: Answer | TickwheelError) -> pb.RunReportResult:
    if isinstance(answer, TickwheelError):
        return pb.RunReportResult(refusal=refusal_of(answer))
    return pb.RunReportResult(
        timeout_ms=answer.timeout_ms, cancel_requested=answer.cancel_requested
    )
