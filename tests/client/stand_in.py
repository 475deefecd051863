"""A small api, served by a real gRPC server: keeps jobs in memory and fails when it is told to.

It knows nothing of schedules: runs are what a test says.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import grpc
from google.protobuf import any_pb2, duration_pb2, empty_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from tickwheel.v1 import (
    executor_service_pb2,
    executor_service_pb2_grpc,
    job_pb2,
    job_service_pb2,
    job_service_pb2_grpc,
    run_pb2,
)

PAGE = 2

_Item = TypeVar("_Item")

Context = grpc.aio.ServicerContext[Any, Any]


def status(
    code: grpc.StatusCode,
    reason: str,
    message: str = "no",
    *,
    fields: Sequence[tuple[str, str]] = (),
    retry_delay_ms: int | None = None,
) -> status_pb2.Status:
    """What the api answers when it refuses (AIP-193)."""
    details: list[Message] = [
        error_details_pb2.ErrorInfo(
            reason=reason, domain="tickwheel.dev", metadata={"from": "stand-in"}
        )
    ]
    if fields:
        violation = error_details_pb2.BadRequest.FieldViolation
        details.append(
            error_details_pb2.BadRequest(
                field_violations=[violation(field=name, description=why) for name, why in fields]
            )
        )
    if retry_delay_ms is not None:
        delay = duration_pb2.Duration()
        delay.FromMilliseconds(retry_delay_ms)
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    packed: list[any_pb2.Any] = []
    for detail in details:
        packed.append(any_pb2.Any())
        packed[-1].Pack(detail)
    return status_pb2.Status(code=code.value[0], message=message, details=packed)


UNAVAILABLE = status(grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE")


async def refuse(context: Context, refusal: status_pb2.Status) -> None:
    await context.abort_with_status(
        rpc_status.to_status(refusal)  # pyright: ignore[reportUnknownMemberType]
    )


class StandIn(
    job_service_pb2_grpc.JobServiceServicer, executor_service_pb2_grpc.ExecutorServiceServicer
):
    """What a test prepares before, and looks at after."""

    def __init__(self) -> None:
        self.jobs: dict[str, job_pb2.Job] = {}
        self.runs: list[run_pb2.Run] = []
        self.occurrences: Sequence[int] = ()
        """What there is to explain, in Unix seconds."""
        self.calls: defaultdict[str, list[Any]] = defaultdict(list)
        self.refusals: defaultdict[str, deque[status_pb2.Status]] = defaultdict(deque)
        """Answered by the method of that name, one a call, before it goes on as usual."""
        self.lost_answers: defaultdict[str, int] = defaultdict(int)
        """So many calls of the method are carried out and then answered UNAVAILABLE."""
        self.records: list[executor_service_pb2.Record] | None = None
        """The embedded log; None where the log is Kafka."""
        self._taken = 0
        self.changed = asyncio.Condition()
        self.breaks = 0
        """Grows to break off the watches that are under way."""

    async def change(self, *runs: run_pb2.Run) -> None:
        """Runs are made, or change, in this order."""
        async with self.changed:
            self.runs.extend(runs)
            self.changed.notify_all()

    async def break_off(self) -> None:
        async with self.changed:
            self.breaks += 1
            self.changed.notify_all()

    async def append(self, *records: executor_service_pb2.Record) -> None:
        async with self.changed:
            assert self.records is not None
            self.records.extend(records)
            self.changed.notify_all()

    async def _begin(self, method: str, request: Message, context: Context) -> None:
        self.calls[method].append(request)
        if self.refusals[method]:
            await refuse(context, self.refusals[method].popleft())

    async def _end(self, method: str, context: Context) -> None:
        if self.lost_answers[method]:
            self.lost_answers[method] -= 1
            await refuse(context, UNAVAILABLE)

    async def _job(self, name: str, context: Context) -> job_pb2.Job:
        if name not in self.jobs:
            gone = status(grpc.StatusCode.NOT_FOUND, "JOB_NOT_FOUND", f"there is no job {name}")
            await refuse(context, gone)
        return self.jobs[name]

    def _create(self, parent: str, request: job_service_pb2.CreateJobRequest) -> job_pb2.Job:
        name = f"{parent}/jobs/{request.job_id or request.request_id}"
        if name not in self.jobs:
            job = job_pb2.Job()
            job.CopyFrom(request.job)
            job.name = name
            job.state = job_pb2.JOB_STATE_ACTIVE
            if job.schedule.HasField("at"):
                job.next_run_times.add().CopyFrom(job.schedule.at)
            self.jobs[name] = job
        return self.jobs[name]

    async def CreateJob(
        self, request: job_service_pb2.CreateJobRequest, context: Context
    ) -> job_pb2.Job:
        await self._begin("CreateJob", request, context)
        job = self._create(request.parent, request)
        await self._end("CreateJob", context)
        return job

    async def BatchCreateJobs(
        self, request: job_service_pb2.BatchCreateJobsRequest, context: Context
    ) -> job_service_pb2.BatchCreateJobsResponse:
        await self._begin("BatchCreateJobs", request, context)
        response = job_service_pb2.BatchCreateJobsResponse()
        for each in request.requests:
            if each.job.target.topic:
                response.results.add(job=self._create(request.parent, each))
            else:
                response.results.add(
                    error=status(
                        grpc.StatusCode.INVALID_ARGUMENT,
                        "FIELD_REQUIRED",
                        fields=[("job.target.topic", "is required")],
                    )
                )
        return response

    async def GetJob(self, request: job_service_pb2.GetJobRequest, context: Context) -> job_pb2.Job:
        await self._begin("GetJob", request, context)
        return await self._job(request.name, context)

    async def ListJobs(
        self, request: job_service_pb2.ListJobsRequest, context: Context
    ) -> job_service_pb2.ListJobsResponse:
        await self._begin("ListJobs", request, context)
        page, token = _page(list(self.jobs.values()), request.page_token)
        return job_service_pb2.ListJobsResponse(jobs=page, next_page_token=token)

    async def UpdateJob(
        self, request: job_service_pb2.UpdateJobRequest, context: Context
    ) -> job_pb2.Job:
        await self._begin("UpdateJob", request, context)
        job = await self._job(request.job.name, context)
        request.update_mask.MergeMessage(request.job, job)
        return job

    async def DeleteJob(
        self, request: job_service_pb2.DeleteJobRequest, context: Context
    ) -> empty_pb2.Empty:
        await self._begin("DeleteJob", request, context)
        await self._job(request.name, context)
        del self.jobs[request.name]
        return empty_pb2.Empty()

    async def PauseJob(
        self, request: job_service_pb2.PauseJobRequest, context: Context
    ) -> job_pb2.Job:
        await self._begin("PauseJob", request, context)
        job = await self._job(request.name, context)
        job.state = job_pb2.JOB_STATE_PAUSED
        job.pause_reason = request.reason
        return job

    async def ResumeJob(
        self, request: job_service_pb2.ResumeJobRequest, context: Context
    ) -> job_pb2.Job:
        await self._begin("ResumeJob", request, context)
        job = await self._job(request.name, context)
        job.state = job_pb2.JOB_STATE_ACTIVE
        job.pause_reason = ""
        return job

    async def RunJob(self, request: job_service_pb2.RunJobRequest, context: Context) -> run_pb2.Run:
        await self._begin("RunJob", request, context)
        await self._job(request.name, context)
        return run_pb2.Run(
            name=f"{request.name}/runs/20261123T120000000Z-m-abcd1234",
            state=run_pb2.RUN_STATE_PENDING,
        )

    async def ExplainJob(
        self, request: job_service_pb2.ExplainJobRequest, context: Context
    ) -> job_service_pb2.ExplainJobResponse:
        await self._begin("ExplainJob", request, context)
        until_s = request.end_time.seconds or 1 << 33
        found = [at_s for at_s in self.occurrences if request.start_time.seconds <= at_s < until_s]
        return job_service_pb2.ExplainJobResponse(
            occurrences=[{"schedule_time": {"seconds": at_s}} for at_s in found]
        )

    async def PreviewSchedule(
        self, request: job_service_pb2.PreviewScheduleRequest, context: Context
    ) -> job_service_pb2.PreviewScheduleResponse:
        await self._begin("PreviewSchedule", request, context)
        response = job_service_pb2.PreviewScheduleResponse(
            notes=["the clock goes back"], description="every day"
        )
        for day in range(request.count):
            response.times.add(seconds=request.start_time.seconds + (day + 1) * 86_400)
        return response

    async def GetRun(self, request: job_service_pb2.GetRunRequest, context: Context) -> run_pb2.Run:
        await self._begin("GetRun", request, context)
        for run in reversed(self.runs):
            if run.name == request.name:
                return run
        await refuse(context, status(grpc.StatusCode.NOT_FOUND, "RUN_NOT_FOUND", "no such run"))
        raise AssertionError

    async def ListRuns(
        self, request: job_service_pb2.ListRunsRequest, context: Context
    ) -> job_service_pb2.ListRunsResponse:
        await self._begin("ListRuns", request, context)
        page, token = _page(self.runs, request.page_token)
        return job_service_pb2.ListRunsResponse(runs=page, next_page_token=token)

    async def WatchRuns(
        self, request: job_service_pb2.WatchRunsRequest, context: Context
    ) -> AsyncIterator[job_service_pb2.WatchRunsResponse]:
        await self._begin("WatchRuns", request, context)
        position = int(request.resume_token or len(self.runs))
        breaks = self.breaks
        yield job_service_pb2.WatchRunsResponse(resume_token=str(position))
        while True:
            async with self.changed:
                while len(self.runs) <= position and self.breaks == breaks:
                    await self.changed.wait()
            if self.breaks > breaks:
                await refuse(context, status(grpc.StatusCode.UNAVAILABLE, "SERVER_STOPPING"))
            position += 1
            yield job_service_pb2.WatchRunsResponse(
                run=self.runs[position - 1], resume_token=str(position)
            )

    async def PullRecords(
        self, request: executor_service_pb2.PullRecordsRequest, context: Context
    ) -> executor_service_pb2.PullRecordsResponse:
        if self.records is None:
            await refuse(
                context, status(grpc.StatusCode.UNIMPLEMENTED, "ENGINE_UNSUPPORTED", "it is Kafka")
            )
            raise AssertionError
        first_pull = not any(each.group == request.group for each in self.calls["PullRecords"])
        await self._begin("PullRecords", request, context)
        if first_pull:
            self._taken = len(self.records) if request.start_at_end else 0
        async with self.changed:
            try:
                async with asyncio.timeout(request.wait.ToMilliseconds() / 1000):
                    await self.changed.wait_for(lambda: len(self.records or ()) > self._taken)
            except TimeoutError:
                pass
        pulled = self.records[self._taken :]
        self._taken = len(self.records)
        return executor_service_pb2.PullRecordsResponse(records=pulled)

    async def AckRecords(
        self, request: executor_service_pb2.AckRecordsRequest, context: Context
    ) -> executor_service_pb2.AckRecordsResponse:
        await self._begin("AckRecords", request, context)
        return executor_service_pb2.AckRecordsResponse()

    @asynccontextmanager
    async def serve(self, port: int = 0) -> AsyncGenerator[str, None]:
        """Serve on loopback, as `host:port`; leaving it cuts every call off."""
        server = grpc.aio.server(
            options=[
                ("grpc.max_send_message_length", -1),
                ("grpc.max_receive_message_length", -1),
                ("grpc.so_reuseport", 0),
            ]
        )
        job_service_pb2_grpc.add_JobServiceServicer_to_server(self, server)
        executor_service_pb2_grpc.add_ExecutorServiceServicer_to_server(self, server)
        bound = server.add_insecure_port(f"127.0.0.1:{port}")
        await server.start()
        try:
            yield f"127.0.0.1:{bound}"
        finally:
            await server.stop(None)


def _page(items: list[_Item], token: str) -> tuple[list[_Item], str]:
    begin = int(token or 0)
    end = begin + PAGE
    return items[begin:end], str(end) if end < len(items) else ""
