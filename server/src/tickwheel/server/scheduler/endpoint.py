"""What the api may ask of a scheduler, for callers in the same process and behind gRPC."""

from typing import cast

from google.rpc import code_pb2, status_pb2

from tickwheel.internal.v1 import owner_service_pb2 as pb
from tickwheel.server.convert.run import run_message
from tickwheel.server.domain.errors import JobNotFound
from tickwheel.server.domain.names import JobKey
from tickwheel.server.owner.port import TriggerRequest
from tickwheel.server.scheduler.override import override_of
from tickwheel.server.scheduler.runtime import Scheduler
from tickwheel.server.store.port import Store
from tickwheel.v1 import job_pb2, run_pb2


class SchedulerEndpoint:
    """An OwnerEndpoint for a scheduler in this process."""

    def __init__(self, scheduler: Scheduler, store: Store) -> None:
        self._scheduler = scheduler
        self._store = store

    async def notify(self, request: pb.NotifyJobsRequest) -> pb.NotifyJobsResponse:
        """As OwnerService.NotifyJobs."""
        jobs = [(JobKey(job.user, job.job_uid), job.segment) for job in request.jobs]
        settled = await self._scheduler.notify(jobs)
        return pb.NotifyJobsResponse(
            results=[
                status_pb2.Status(code=code_pb2.OK if sure else code_pb2.DEADLINE_EXCEEDED)
                for sure in settled
            ]
        )

    async def trigger(self, request: pb.TriggerRunRequest) -> run_pb2.Run:
        """As OwnerService.TriggerRun."""
        key = JobKey(request.job.user, request.job.job_uid)
        job = (await self._store.jobs.get_many([key])).get(key)
        if job is None or job.delete_ms:
            raise JobNotFound(f"no job with uid {key.uid}")
        override = override_of(request)
        run = await self._scheduler.trigger(
            TriggerRequest(
                job=job,
                run_id=request.run_id,
                schedule_ms=request.schedule_ms,
                payload=override.payload,
                content_type=override.content_type,
                overlap_policy=cast("job_pb2.Overlap", request.overlap_policy),
                traceparent=override.traceparent,
            )
        )
        return run_message(run)
