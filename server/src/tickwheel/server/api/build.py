"""Wiring of the api: from ports to servicers."""

from dataclasses import dataclass
from importlib.metadata import version

from tickwheel.server.api.admission import Admission
from tickwheel.server.api.answers import Answers
from tickwheel.server.api.cluster_servicer import ClusterServicer
from tickwheel.server.api.commands.backfill_job import BackfillJob
from tickwheel.server.api.commands.batch_create_jobs import BatchCreateJobs
from tickwheel.server.api.commands.cancel_run import CancelRun
from tickwheel.server.api.commands.change import JobChanger
from tickwheel.server.api.commands.create_job import CreateJob
from tickwheel.server.api.commands.creation import Creation
from tickwheel.server.api.commands.delete_job import DeleteJob
from tickwheel.server.api.commands.drain_worker import DrainWorker
from tickwheel.server.api.commands.explain_job import ExplainJob
from tickwheel.server.api.commands.get_cluster import GetCluster
from tickwheel.server.api.commands.get_job import GetJob
from tickwheel.server.api.commands.get_run import GetRun
from tickwheel.server.api.commands.list_jobs import ListJobs
from tickwheel.server.api.commands.list_runs import ListRuns
from tickwheel.server.api.commands.pause_job import PauseJob
from tickwheel.server.api.commands.preview_schedule import PreviewSchedule
from tickwheel.server.api.commands.report_runs import ReportRuns
from tickwheel.server.api.commands.resume_job import ResumeJob
from tickwheel.server.api.commands.retry_run import RetryRun
from tickwheel.server.api.commands.run_job import RunJob
from tickwheel.server.api.commands.update_job import UpdateJob
from tickwheel.server.api.commands.watch_runs import WatchRuns
from tickwheel.server.api.executor_servicer import ExecutorHandlers, ExecutorServicer
from tickwheel.server.api.handlers.ack_records import AckRecordsHandler
from tickwheel.server.api.handlers.backfill_job import BackfillJobHandler
from tickwheel.server.api.handlers.batch_create_jobs import BatchCreateJobsHandler
from tickwheel.server.api.handlers.cancel_run import CancelRunHandler
from tickwheel.server.api.handlers.create_job import CreateJobHandler
from tickwheel.server.api.handlers.delete_job import DeleteJobHandler
from tickwheel.server.api.handlers.drain_worker import DrainWorkerHandler
from tickwheel.server.api.handlers.explain_job import ExplainJobHandler
from tickwheel.server.api.handlers.finish_runs import FinishRunsHandler
from tickwheel.server.api.handlers.get_cluster import GetClusterHandler
from tickwheel.server.api.handlers.get_job import GetJobHandler
from tickwheel.server.api.handlers.get_run import GetRunHandler
from tickwheel.server.api.handlers.heartbeat_runs import HeartbeatRunsHandler
from tickwheel.server.api.handlers.list_jobs import ListJobsHandler
from tickwheel.server.api.handlers.list_runs import ListRunsHandler
from tickwheel.server.api.handlers.pause_job import PauseJobHandler
from tickwheel.server.api.handlers.preview_schedule import PreviewScheduleHandler
from tickwheel.server.api.handlers.pull_records import PullRecordsHandler
from tickwheel.server.api.handlers.resume_job import ResumeJobHandler
from tickwheel.server.api.handlers.retry_run import RetryRunHandler
from tickwheel.server.api.handlers.run_job import RunJobHandler
from tickwheel.server.api.handlers.start_runs import StartRunsHandler
from tickwheel.server.api.handlers.update_job import UpdateJobHandler
from tickwheel.server.api.handlers.watch_runs import WatchRunsHandler
from tickwheel.server.api.job_servicer import JobHandlers, JobServicer
from tickwheel.server.api.limits import ApiLimits
from tickwheel.server.api.records import Records
from tickwheel.server.api.room import Room
from tickwheel.server.api.segments import Segments
from tickwheel.server.api.server import Service
from tickwheel.server.api.watch.hub import RunHub
from tickwheel.server.domain.clock import Clock
from tickwheel.server.owner.port import Owners
from tickwheel.server.owner.schedulers import Schedulers
from tickwheel.server.store.port import Store
from tickwheel.v1 import (
    cluster_service_pb2_grpc,
    executor_service_pb2_grpc,
    job_service_pb2_grpc,
)


@dataclass(frozen=True, slots=True)
class Api:
    """The api of one process."""

    services: tuple[Service, ...]
    hub: RunHub
    records: Records | None

    async def end_streams(self) -> None:
        """Ends all watches with UNAVAILABLE, and has pulls wait no longer."""
        if self.records is not None:
            self.records.stop()
        await self.hub.close()


def build_api(
    store: Store,
    owners: Owners,
    clock: Clock,
    limits: ApiLimits,
    schedulers: Schedulers,
    records: Records | None = None,
) -> Api:
    """Puts the api together; nothing is read or started yet.

    Args:
        store: the engine.
        owners: who fires.
        clock: the time.
        limits: how much is taken at once.
        schedulers: what there is of servers.
        records: the embedded log; None where the log is Kafka.
    """
    admission = Admission(limits.max_payload_bytes)
    answers = Answers(store, clock)
    segments = Segments(store.leases)
    creation = Creation(store, owners, clock, admission, segments)
    changer = JobChanger(store, owners, clock)
    hub = RunHub(store.runs, clock, limits)
    jobs = JobServicer(
        JobHandlers(
            create_job=CreateJobHandler(CreateJob(creation), answers),
            batch_create_jobs=BatchCreateJobsHandler(
                BatchCreateJobs(creation), answers, limits.max_message_bytes
            ),
            get_job=GetJobHandler(GetJob(store), answers),
            list_jobs=ListJobsHandler(ListJobs(store, limits), answers),
            update_job=UpdateJobHandler(UpdateJob(changer, admission), answers),
            delete_job=DeleteJobHandler(DeleteJob(changer)),
            pause_job=PauseJobHandler(PauseJob(changer), answers),
            resume_job=ResumeJobHandler(ResumeJob(changer), answers),
            run_job=RunJobHandler(RunJob(store, owners, clock, admission)),
            backfill_job=BackfillJobHandler(BackfillJob(store, owners, clock)),
            preview_schedule=PreviewScheduleHandler(PreviewSchedule(), clock),
            get_run=GetRunHandler(GetRun(store)),
            list_runs=ListRunsHandler(ListRuns(store, limits)),
            cancel_run=CancelRunHandler(CancelRun(store, owners)),
            retry_run=RetryRunHandler(RetryRun(store, owners, GetRun(store))),
            watch_runs=WatchRunsHandler(WatchRuns(store, clock, hub, segments), clock),
            explain_job=ExplainJobHandler(ExplainJob(store, schedulers, clock), clock),
        ),
        Room(limits.max_pages_bytes),
    )
    reports = ReportRuns(store, owners, segments)
    executors = ExecutorServicer(
        ExecutorHandlers(
            start_runs=StartRunsHandler(reports),
            heartbeat_runs=HeartbeatRunsHandler(reports),
            finish_runs=FinishRunsHandler(reports),
            pull_records=PullRecordsHandler(records),
            ack_records=AckRecordsHandler(records),
        )
    )
    engine = "cassandra-kafka" if records is None else "embedded"
    cluster = ClusterServicer(
        GetClusterHandler(GetCluster(schedulers, engine, version("tickwheel-server"))),
        DrainWorkerHandler(DrainWorker(schedulers, is_embedded=records is not None)),
    )
    return Api(
        (
            Service(
                "tickwheel.v1.JobService",
                lambda server: job_service_pb2_grpc.add_JobServiceServicer_to_server(jobs, server),
            ),
            Service(
                "tickwheel.v1.ExecutorService",
                lambda server: executor_service_pb2_grpc.add_ExecutorServiceServicer_to_server(
                    executors, server
                ),
            ),
            Service(
                "tickwheel.v1.ClusterService",
                lambda server: cluster_service_pb2_grpc.add_ClusterServiceServicer_to_server(
                    cluster, server
                ),
            ),
        ),
        hub,
        records,
    )
