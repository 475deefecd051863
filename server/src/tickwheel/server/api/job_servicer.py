"""JobService: each method to its handler."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import grpc.aio
from google.protobuf import empty_pb2

from tickwheel.server.api.caller import caller
from tickwheel.server.api.handlers.backfill_job import BackfillJobHandler
from tickwheel.server.api.handlers.batch_create_jobs import BatchCreateJobsHandler
from tickwheel.server.api.handlers.cancel_run import CancelRunHandler
from tickwheel.server.api.handlers.create_job import CreateJobHandler
from tickwheel.server.api.handlers.delete_job import DeleteJobHandler
from tickwheel.server.api.handlers.explain_job import ExplainJobHandler
from tickwheel.server.api.handlers.get_job import GetJobHandler
from tickwheel.server.api.handlers.get_run import GetRunHandler
from tickwheel.server.api.handlers.list_jobs import ListJobsHandler
from tickwheel.server.api.handlers.list_runs import ListRunsHandler
from tickwheel.server.api.handlers.pause_job import PauseJobHandler
from tickwheel.server.api.handlers.preview_schedule import PreviewScheduleHandler
from tickwheel.server.api.handlers.resume_job import ResumeJobHandler
from tickwheel.server.api.handlers.retry_run import RetryRunHandler
from tickwheel.server.api.handlers.run_job import RunJobHandler
from tickwheel.server.api.handlers.update_job import UpdateJobHandler
from tickwheel.server.api.handlers.watch_runs import WatchRunsHandler
from tickwheel.server.api.room import Room
from tickwheel.v1 import job_pb2, job_service_pb2, job_service_pb2_grpc, run_pb2

Context = grpc.aio.ServicerContext[Any, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobHandlers:
    """One for each method."""

    create_job: CreateJobHandler
    batch_create_jobs: BatchCreateJobsHandler
    get_job: GetJobHandler
    list_jobs: ListJobsHandler
    update_job: UpdateJobHandler
    delete_job: DeleteJobHandler
    pause_job: PauseJobHandler
    resume_job: ResumeJobHandler
    run_job: RunJobHandler
    backfill_job: BackfillJobHandler
    preview_schedule: PreviewScheduleHandler
    get_run: GetRunHandler
    list_runs: ListRunsHandler
    cancel_run: CancelRunHandler
    retry_run: RetryRunHandler
    watch_runs: WatchRunsHandler
    explain_job: ExplainJobHandler


class JobServicer(job_service_pb2_grpc.JobServiceServicer):
    """Routes calls; the contract says what each method does."""

    def __init__(self, handlers: JobHandlers, pages: Room) -> None:
        self._handlers = handlers
        self._pages = pages

    async def CreateJob(
        self, request: job_service_pb2.CreateJobRequest, context: Context
    ) -> job_pb2.Job:
        """See the contract."""
        return await self._handlers.create_job(request)

    async def BatchCreateJobs(
        self, request: job_service_pb2.BatchCreateJobsRequest, context: Context
    ) -> job_service_pb2.BatchCreateJobsResponse:
        """See the contract."""
        return await self._handlers.batch_create_jobs(request)

    async def GetJob(self, request: job_service_pb2.GetJobRequest, context: Context) -> job_pb2.Job:
        """See the contract."""
        return await self._handlers.get_job(request)

    async def ListJobs(
        self, request: job_service_pb2.ListJobsRequest, context: Context
    ) -> job_service_pb2.ListJobsResponse:
        """See the contract."""
        return await self._handlers.list_jobs(request, self._pages.until_over(context))

    async def UpdateJob(
        self, request: job_service_pb2.UpdateJobRequest, context: Context
    ) -> job_pb2.Job:
        """See the contract."""
        return await self._handlers.update_job(request, caller(context))

    async def DeleteJob(
        self, request: job_service_pb2.DeleteJobRequest, context: Context
    ) -> empty_pb2.Empty:
        """See the contract."""
        return await self._handlers.delete_job(request, caller(context))

    async def PauseJob(
        self, request: job_service_pb2.PauseJobRequest, context: Context
    ) -> job_pb2.Job:
        """See the contract."""
        return await self._handlers.pause_job(request, caller(context))

    async def ResumeJob(
        self, request: job_service_pb2.ResumeJobRequest, context: Context
    ) -> job_pb2.Job:
        """See the contract."""
        return await self._handlers.resume_job(request, caller(context))

    async def RunJob(self, request: job_service_pb2.RunJobRequest, context: Context) -> run_pb2.Run:
        """See the contract."""
        return await self._handlers.run_job(request)

    async def BackfillJob(
        self, request: job_service_pb2.BackfillJobRequest, context: Context
    ) -> job_service_pb2.BackfillJobResponse:
        """See the contract."""
        return await self._handlers.backfill_job(request)

    async def PreviewSchedule(
        self, request: job_service_pb2.PreviewScheduleRequest, context: Context
    ) -> job_service_pb2.PreviewScheduleResponse:
        """See the contract."""
        return await self._handlers.preview_schedule(request)

    async def GetRun(self, request: job_service_pb2.GetRunRequest, context: Context) -> run_pb2.Run:
        """See the contract."""
        return await self._handlers.get_run(request)

    async def ListRuns(
        self, request: job_service_pb2.ListRunsRequest, context: Context
    ) -> job_service_pb2.ListRunsResponse:
        """See the contract."""
        return await self._handlers.list_runs(request, self._pages.until_over(context))

    async def CancelRun(
        self, request: job_service_pb2.CancelRunRequest, context: Context
    ) -> run_pb2.Run:
        """See the contract."""
        return await self._handlers.cancel_run(request)

    async def RetryRun(
        self, request: job_service_pb2.RetryRunRequest, context: Context
    ) -> run_pb2.Run:
        """See the contract."""
        return await self._handlers.retry_run(request)

    async def WatchRuns(
        self, request: job_service_pb2.WatchRunsRequest, context: Context
    ) -> AsyncIterator[job_service_pb2.WatchRunsResponse]:
        """See the contract."""
        async with aclosing(self._handlers.watch_runs(request)) as responses:
            async for response in responses:
                yield response

    async def ExplainJob(
        self, request: job_service_pb2.ExplainJobRequest, context: Context
    ) -> job_service_pb2.ExplainJobResponse:
        """See the contract."""
        return await self._handlers.explain_job(request)
