"""The client: JobService as coroutines and async iterators, with time-outs, retries and errors."""

import asyncio
import uuid
from collections.abc import AsyncGenerator, Iterable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

import grpc
from google.protobuf import field_mask_pb2, message, timestamp_pb2

from tickwheel.client.channel import open_channel
from tickwheel.client.errors import ApiError
from tickwheel.client.retry import RetryPolicy, may_retry
from tickwheel.client.watch import watch_runs
from tickwheel.v1 import (
    cluster_service_pb2,
    cluster_service_pb2_grpc,
    executor_service_pb2,
    executor_service_pb2_grpc,
    job_pb2,
    job_service_pb2,
    job_service_pb2_grpc,
    run_pb2,
    schedule_pb2,
    target_pb2,
)

if TYPE_CHECKING:
    from grpc.aio import UnaryUnaryMultiCallable

    from tickwheel.v1.cluster_service_pb2_grpc import ClusterServiceAsyncStub
    from tickwheel.v1.executor_service_pb2_grpc import ExecutorServiceAsyncStub
    from tickwheel.v1.job_service_pb2_grpc import JobServiceAsyncStub

_Request = TypeVar("_Request", bound=message.Message)
_Response = TypeVar("_Response", bound=message.Message)


class Client:
    """Talks to the api of one cluster, or of `tickwheel dev`, over one channel.

    Make it inside a running event loop and close it, best by `async with`. Names are full ones
    (`users/7/jobs/nightly`). Messages are those of `tickwheel.v1`; an answer is the caller's own.

    Every method raises ApiError where the call is refused or fails; JobService in the contract
    says with which reasons. A call that finds no server is repeated as `retry` says, unless it
    cannot be known whether a first attempt was carried out and a second would not be the same:
    a deletion, and a change that names an etag. Creations and manual runs carry a request_id,
    made here where the caller gives none, so that they may be repeated.

    Args:
        address: `host:port` of the api.
        timeout: seconds that a call may take, all its attempts together; not of a watch.
        retry: how calls are repeated.
    """

    def __init__(
        self,
        address: str = "127.0.0.1:7420",
        *,
        timeout: float = 30.0,
        retry: RetryPolicy | None = None,
    ) -> None:
        self._timeout = timeout
        self._retry = retry or RetryPolicy()
        self._channel = open_channel(address)
        self._jobs: JobServiceAsyncStub = job_service_pb2_grpc.JobServiceStub(self._channel)
        self._cluster: ClusterServiceAsyncStub = cluster_service_pb2_grpc.ClusterServiceStub(
            self._channel
        )
        self._executors: ExecutorServiceAsyncStub = executor_service_pb2_grpc.ExecutorServiceStub(
            self._channel
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the channel; calls and watches that are under way are cancelled."""
        await self._channel.close()

    # Jobs

    async def create_job(
        self,
        parent: str,
        job: job_pb2.Job,
        *,
        job_id: str = "",
        request_id: str = "",
        validate_only: bool = False,
    ) -> job_pb2.Job:
        """Create a job; answered once it is stored for good.

        Args:
            parent: `users/{user}`, the owner.
            job: what shall happen, and when; its `name` and what is output only are ignored.
            job_id: the last part of its name. Default: the server makes one.
            request_id: the same one and the same job twice are one job. Default: a fresh one.
            validate_only: check and answer, store nothing.
        """
        request = job_service_pb2.CreateJobRequest(
            parent=parent,
            job=job,
            job_id=job_id,
            request_id=request_id or _new_request_id(),
            validate_only=validate_only,
        )
        return await self._call(self._jobs.CreateJob, request)

    async def batch_create_jobs(
        self, parent: str, requests: Iterable[job_service_pb2.CreateJobRequest]
    ) -> list[job_pb2.Job | ApiError]:
        """Create up to 1,000 jobs of one owner, each stored or refused by itself.

        Args:
            parent: `users/{user}`, the owner of all of them.
            requests: what `create_job` would be called with; `parent` may be left out.

        Returns:
            For each request, in order, the job or why it was refused (not raised).
        """
        batch = job_service_pb2.BatchCreateJobsRequest(parent=parent, requests=requests)
        for request in batch.requests:
            request.request_id = request.request_id or _new_request_id()
        response = await self._call(self._jobs.BatchCreateJobs, batch)
        return [
            ApiError.from_status(result.error) if result.HasField("error") else result.job
            for result in response.results
        ]

    async def get_job(self, name: str) -> job_pb2.Job:
        """A job with its next run times and its recent runs."""
        return await self._call(self._jobs.GetJob, job_service_pb2.GetJobRequest(name=name))

    async def list_jobs(
        self, parent: str, *, filter: str = "", page_size: int = 0
    ) -> AsyncGenerator[job_pb2.Job, None]:
        """All jobs of an owner, page by page as the caller goes on.

        Args:
            parent: `users/{user}`, or `users/-` for all owners.
            filter: such as `state = ACTIVE AND labels.team = "billing"` (AIP-160).
            page_size: jobs in an answer, 1 to 1,000. Default: 50.
        """
        request = job_service_pb2.ListJobsRequest(parent=parent, filter=filter, page_size=page_size)
        while True:
            page = await self._call(self._jobs.ListJobs, request)
            for job in page.jobs:
                yield job
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def update_job(
        self, job: job_pb2.Job, update_mask: Sequence[str] | None = None
    ) -> job_pb2.Job:
        """Change a job; answered once no occurrence can fire any more as it was before.

        Args:
            job: its `name` and the new values; with an `etag` only if that is the present one.
            update_mask: the fields to change, such as `target.payload`. Default: those that are
                set in `job`.
        """
        request = job_service_pb2.UpdateJobRequest(job=job)
        if update_mask is not None:
            request.update_mask.CopyFrom(field_mask_pb2.FieldMask(paths=update_mask))
        return await self._call(self._jobs.UpdateJob, request, repeatable=not job.etag)

    async def delete_job(self, name: str, *, etag: str = "") -> None:
        """Delete a job; answered once no occurrence can fire any more.

        Args:
            name: of the job.
            etag: delete only if it is the present one.
        """
        request = job_service_pb2.DeleteJobRequest(name=name, etag=etag)
        await self._call(self._jobs.DeleteJob, request, repeatable=False)

    async def pause_job(self, name: str, *, reason: str = "", etag: str = "") -> job_pb2.Job:
        """Pause a job: what comes due from now on is skipped.

        Args:
            name: of the job.
            reason: why, for people.
            etag: pause only if it is the present one.
        """
        request = job_service_pb2.PauseJobRequest(name=name, reason=reason, etag=etag)
        return await self._call(self._jobs.PauseJob, request, repeatable=not etag)

    async def resume_job(self, name: str, *, etag: str = "") -> job_pb2.Job:
        """Make a paused job active again; what came due meanwhile stays skipped.

        Args:
            name: of the job.
            etag: resume only if it is the present one.
        """
        request = job_service_pb2.ResumeJobRequest(name=name, etag=etag)
        return await self._call(self._jobs.ResumeJob, request, repeatable=not etag)

    async def run_job(
        self,
        name: str,
        *,
        payload: target_pb2.Payload | None = None,
        overlap_policy: job_pb2.Overlap = job_pb2.OVERLAP_UNSPECIFIED,
        request_id: str = "",
    ) -> run_pb2.Run:
        """Run a job now, beside its schedule, also when it is paused or completed.

        Args:
            name: of the job.
            payload: published by this run. Default: the job's.
            overlap_policy: for this run. Default: the job's.
            request_id: the same one twice is one run. Default: a fresh one.
        """
        request = job_service_pb2.RunJobRequest(
            name=name,
            payload=payload,
            overlap_policy=overlap_policy,
            request_id=request_id or _new_request_id(),
        )
        return await self._call(self._jobs.RunJob, request)

    async def backfill_job(
        self,
        name: str,
        start_time: timestamp_pb2.Timestamp,
        end_time: timestamp_pb2.Timestamp,
        *,
        overlap_policy: job_pb2.Overlap = job_pb2.OVERLAP_UNSPECIFIED,
        request_id: str = "",
    ) -> job_service_pb2.BackfillJobResponse:
        """Run the occurrences of a past range in order; answered once that is stored.

        Args:
            name: of the job.
            start_time: the first nominal instant that belongs to the range.
            end_time: the range ends before this instant.
            overlap_policy: for these runs. Default: the job's.
            request_id: the same one twice is one backfill. Default: a fresh one.
        """
        request = job_service_pb2.BackfillJobRequest(
            name=name,
            start_time=start_time,
            end_time=end_time,
            overlap_policy=overlap_policy,
            request_id=request_id or _new_request_id(),
        )
        return await self._call(self._jobs.BackfillJob, request)

    async def preview_schedule(
        self,
        schedule: schedule_pb2.Schedule,
        *,
        start_time: timestamp_pb2.Timestamp | None = None,
        count: int | None = None,
    ) -> job_service_pb2.PreviewScheduleResponse:
        """The occurrences of a schedule, without a job.

        Args:
            schedule: to look at.
            start_time: occurrences strictly after this instant. Default: now.
            count: how many, 1 to 1,000. Default: 10.
        """
        request = job_service_pb2.PreviewScheduleRequest(
            schedule=schedule, start_time=start_time, count=count
        )
        return await self._call(self._jobs.PreviewSchedule, request)

    # Runs

    async def get_run(self, name: str) -> run_pb2.Run:
        """A run (`users/{user}/jobs/{job}/runs/{run}`)."""
        return await self._call(self._jobs.GetRun, job_service_pb2.GetRunRequest(name=name))

    async def cancel_run(self, name: str, *, reason: str = "") -> run_pb2.Run:
        """Cancel a run; a published one ends when its executor says so or its time runs out.

        Args:
            name: of the run.
            reason: why, for people.
        """
        request = job_service_pb2.CancelRunRequest(name=name, reason=reason)
        return await self._call(self._jobs.CancelRun, request)

    async def retry_run(self, name: str, *, request_id: str = "") -> run_pb2.Run:
        """Make a new run of one that has ended; the old one stays as it is.

        Args:
            name: of the run that has ended.
            request_id: the same one twice is one run. Default: a fresh one.
        """
        request = job_service_pb2.RetryRunRequest(
            name=name, request_id=request_id or _new_request_id()
        )
        return await self._call(self._jobs.RetryRun, request)

    async def list_runs(
        self, parent: str, *, filter: str = "", page_size: int = 0
    ) -> AsyncGenerator[run_pb2.Run, None]:
        """Runs, newest first, page by page as the caller goes on.

        Args:
            parent: `users/{user}/jobs/{job}`; `-` in either place stands for all.
            filter: such as `state = FAILED AND schedule_time >= "2026-11-23T00:00:00Z"`.
            page_size: runs in an answer, 1 to 1,000. Default: 50.
        """
        request = job_service_pb2.ListRunsRequest(parent=parent, filter=filter, page_size=page_size)
        while True:
            page = await self._call(self._jobs.ListRuns, request)
            for run in page.runs:
                yield run
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def explain_job(
        self,
        name: str,
        *,
        start_time: timestamp_pb2.Timestamp | None = None,
        end_time: timestamp_pb2.Timestamp | None = None,
        page_size: int = 0,
    ) -> AsyncGenerator[job_service_pb2.Occurrence, None]:
        """What happened to each occurrence of a range and why, or will; oldest first.

        Args:
            name: of the job, which may have been deleted.
            start_time: the range begins here. Default: 24 hours before its end.
            end_time: and ends before this. Default: 24 hours after its start, or in an hour.
            page_size: occurrences in an answer, 1 to 1,000. Default: 50.
        """
        request = job_service_pb2.ExplainJobRequest(
            name=name, start_time=start_time, end_time=end_time, page_size=page_size
        )
        while True:
            page = await self._call(self._jobs.ExplainJob, request)
            for occurrence in page.occurrences:
                yield occurrence
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    def watch_runs(
        self, parent: str, *, filter: str = "", resume_token: str = ""
    ) -> AsyncGenerator[job_service_pb2.WatchRunsResponse, None]:
        """Runs as they are made and change, for as long as the caller listens.

        Resumes by itself when the connection breaks. Each change of state comes at least once,
        those of one run in order. The first message comes at once, without a `run`: what happens
        after it is not missed. Close it with `contextlib.aclosing` where it is left early.

        Args:
            parent: `users/{user}/jobs/{job}`; `-` in either place stands for all.
            filter: as for `list_runs`.
            resume_token: of the last message of an earlier watch, to go on after it. Default:
                only what changes from now on.
        """
        request = job_service_pb2.WatchRunsRequest(
            parent=parent, filter=filter, resume_token=resume_token
        )
        return watch_runs(self._jobs, request, self._retry)

    # Records of the embedded log

    # Servers

    async def get_cluster(self) -> cluster_service_pb2.Cluster:
        """The schedulers and workers, as they are now."""
        request = cluster_service_pb2.GetClusterRequest()
        return await self._call(self._cluster.GetCluster, request)

    async def drain_worker(self, name: str) -> cluster_service_pb2.Worker:
        """Tell a worker (`cluster/workers/{worker}`) to take no more work, and to end."""
        request = cluster_service_pb2.DrainWorkerRequest(name=name)
        return await self._call(self._cluster.DrainWorker, request)

    async def pull_records(
        self, request: executor_service_pb2.PullRecordsRequest
    ) -> Sequence[executor_service_pb2.Record]:
        """Records of a topic of the embedded log that its group has not acknowledged.

        Raises:
            ApiError: also with the reason ENGINE_UNSUPPORTED, where the log is Kafka: consume
                the topic there.
        """
        response = await self._call(
            self._executors.PullRecords,
            request,
            longer=request.wait.ToMilliseconds() / 1000,
        )
        return response.records

    async def ack_records(
        self, topic: str, group: str, records: Iterable[executor_service_pb2.Record]
    ) -> None:
        """Acknowledge records for a group, which are then not handed out to it again."""
        request = executor_service_pb2.AckRecordsRequest(
            topic=topic,
            group=group,
            records=(
                executor_service_pb2.RecordPosition(partition=each.partition, offset=each.offset)
                for each in records
            ),
        )
        await self._call(self._executors.AckRecords, request)

    async def _call(
        self,
        method: "UnaryUnaryMultiCallable[_Request, _Response]",
        request: _Request,
        *,
        repeatable: bool = True,
        longer: float = 0.0,
    ) -> _Response:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._timeout + longer
        attempt = 1
        while True:
            try:
                return await method(request, timeout=deadline - loop.time())
            except grpc.aio.AioRpcError as error:
                failure = ApiError.from_rpc_error(error)
                wait = self._retry.wait(attempt, failure.retry_delay)
                if (
                    not may_retry(failure, repeatable=repeatable)
                    or attempt >= self._retry.max_attempts
                    or loop.time() + wait >= deadline
                ):
                    raise failure from error
            attempt += 1
            await asyncio.sleep(wait)


def _new_request_id() -> str:
    return str(uuid.uuid4())
