from google.rpc import status_pb2 as _status_pb2
from tickwheel.v1 import cluster_service_pb2 as _cluster_service_pb2
from tickwheel.v1 import executor_service_pb2 as _executor_service_pb2
from tickwheel.v1 import run_pb2 as _run_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class JobRef(_message.Message):
    __slots__ = ("user", "job_uid", "segment", "version", "job_id")
    USER_FIELD_NUMBER: _ClassVar[int]
    JOB_UID_FIELD_NUMBER: _ClassVar[int]
    SEGMENT_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    user: str
    job_uid: str
    segment: int
    version: int
    job_id: str
    def __init__(self, user: _Optional[str] = ..., job_uid: _Optional[str] = ..., segment: _Optional[int] = ..., version: _Optional[int] = ..., job_id: _Optional[str] = ...) -> None: ...

class NotifyJobsRequest(_message.Message):
    __slots__ = ("jobs",)
    JOBS_FIELD_NUMBER: _ClassVar[int]
    jobs: _containers.RepeatedCompositeFieldContainer[JobRef]
    def __init__(self, jobs: _Optional[_Iterable[_Union[JobRef, _Mapping]]] = ...) -> None: ...

class NotifyJobsResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[_status_pb2.Status]
    def __init__(self, results: _Optional[_Iterable[_Union[_status_pb2.Status, _Mapping]]] = ...) -> None: ...

class TriggerRunRequest(_message.Message):
    __slots__ = ("job", "run_id", "schedule_ms", "payload_given", "payload", "content_type", "overlap_policy", "traceparent", "payload_kind", "retried_run", "request_id", "request_digest")
    JOB_FIELD_NUMBER: _ClassVar[int]
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    SCHEDULE_MS_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_GIVEN_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    CONTENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    OVERLAP_POLICY_FIELD_NUMBER: _ClassVar[int]
    TRACEPARENT_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_KIND_FIELD_NUMBER: _ClassVar[int]
    RETRIED_RUN_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_DIGEST_FIELD_NUMBER: _ClassVar[int]
    job: JobRef
    run_id: str
    schedule_ms: int
    payload_given: bool
    payload: bytes
    content_type: str
    overlap_policy: int
    traceparent: str
    payload_kind: int
    retried_run: str
    request_id: str
    request_digest: bytes
    def __init__(self, job: _Optional[_Union[JobRef, _Mapping]] = ..., run_id: _Optional[str] = ..., schedule_ms: _Optional[int] = ..., payload_given: _Optional[bool] = ..., payload: _Optional[bytes] = ..., content_type: _Optional[str] = ..., overlap_policy: _Optional[int] = ..., traceparent: _Optional[str] = ..., payload_kind: _Optional[int] = ..., retried_run: _Optional[str] = ..., request_id: _Optional[str] = ..., request_digest: _Optional[bytes] = ...) -> None: ...

class TriggerRunResponse(_message.Message):
    __slots__ = ("run",)
    RUN_FIELD_NUMBER: _ClassVar[int]
    run: _run_pb2.Run
    def __init__(self, run: _Optional[_Union[_run_pb2.Run, _Mapping]] = ...) -> None: ...

class CancelRunRequest(_message.Message):
    __slots__ = ("job", "run_id", "reason")
    JOB_FIELD_NUMBER: _ClassVar[int]
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    job: JobRef
    run_id: str
    reason: str
    def __init__(self, job: _Optional[_Union[JobRef, _Mapping]] = ..., run_id: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class CancelRunResponse(_message.Message):
    __slots__ = ("run",)
    RUN_FIELD_NUMBER: _ClassVar[int]
    run: _run_pb2.Run
    def __init__(self, run: _Optional[_Union[_run_pb2.Run, _Mapping]] = ...) -> None: ...

class StartBackfillRequest(_message.Message):
    __slots__ = ("job", "backfill_id", "first_ms", "end_ms", "overlap_policy", "generation", "traceparent")
    JOB_FIELD_NUMBER: _ClassVar[int]
    BACKFILL_ID_FIELD_NUMBER: _ClassVar[int]
    FIRST_MS_FIELD_NUMBER: _ClassVar[int]
    END_MS_FIELD_NUMBER: _ClassVar[int]
    OVERLAP_POLICY_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    TRACEPARENT_FIELD_NUMBER: _ClassVar[int]
    job: JobRef
    backfill_id: str
    first_ms: int
    end_ms: int
    overlap_policy: int
    generation: int
    traceparent: str
    def __init__(self, job: _Optional[_Union[JobRef, _Mapping]] = ..., backfill_id: _Optional[str] = ..., first_ms: _Optional[int] = ..., end_ms: _Optional[int] = ..., overlap_policy: _Optional[int] = ..., generation: _Optional[int] = ..., traceparent: _Optional[str] = ...) -> None: ...

class StartBackfillResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ReportRunsRequest(_message.Message):
    __slots__ = ("reports",)
    REPORTS_FIELD_NUMBER: _ClassVar[int]
    reports: _containers.RepeatedCompositeFieldContainer[RunReport]
    def __init__(self, reports: _Optional[_Iterable[_Union[RunReport, _Mapping]]] = ...) -> None: ...

class RunReport(_message.Message):
    __slots__ = ("job", "start", "heartbeat", "finish", "executor")
    JOB_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    FINISH_FIELD_NUMBER: _ClassVar[int]
    EXECUTOR_FIELD_NUMBER: _ClassVar[int]
    job: JobRef
    start: _executor_service_pb2.StartRun
    heartbeat: _executor_service_pb2.HeartbeatRun
    finish: _executor_service_pb2.FinishRun
    executor: str
    def __init__(self, job: _Optional[_Union[JobRef, _Mapping]] = ..., start: _Optional[_Union[_executor_service_pb2.StartRun, _Mapping]] = ..., heartbeat: _Optional[_Union[_executor_service_pb2.HeartbeatRun, _Mapping]] = ..., finish: _Optional[_Union[_executor_service_pb2.FinishRun, _Mapping]] = ..., executor: _Optional[str] = ...) -> None: ...

class ReportRunsResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[RunReportResult]
    def __init__(self, results: _Optional[_Iterable[_Union[RunReportResult, _Mapping]]] = ...) -> None: ...

class RunReportResult(_message.Message):
    __slots__ = ("refusal", "timeout_ms", "cancel_requested")
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_MS_FIELD_NUMBER: _ClassVar[int]
    CANCEL_REQUESTED_FIELD_NUMBER: _ClassVar[int]
    refusal: ReportRefusal
    timeout_ms: int
    cancel_requested: bool
    def __init__(self, refusal: _Optional[_Union[ReportRefusal, _Mapping]] = ..., timeout_ms: _Optional[int] = ..., cancel_requested: _Optional[bool] = ...) -> None: ...

class ReportRefusal(_message.Message):
    __slots__ = ("reason", "message", "metadata")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    reason: int
    message: str
    metadata: _containers.ScalarMap[str, str]
    def __init__(self, reason: _Optional[int] = ..., message: _Optional[str] = ..., metadata: _Optional[_Mapping[str, str]] = ...) -> None: ...

class DescribeSchedulerRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class DescribeSchedulerResponse(_message.Message):
    __slots__ = ("scheduler", "workers")
    SCHEDULER_FIELD_NUMBER: _ClassVar[int]
    WORKERS_FIELD_NUMBER: _ClassVar[int]
    scheduler: _cluster_service_pb2.Scheduler
    workers: _containers.RepeatedCompositeFieldContainer[_cluster_service_pb2.Worker]
    def __init__(self, scheduler: _Optional[_Union[_cluster_service_pb2.Scheduler, _Mapping]] = ..., workers: _Optional[_Iterable[_Union[_cluster_service_pb2.Worker, _Mapping]]] = ...) -> None: ...

class StopWorkerRequest(_message.Message):
    __slots__ = ("worker_id",)
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    worker_id: str
    def __init__(self, worker_id: _Optional[str] = ...) -> None: ...

class StopWorkerResponse(_message.Message):
    __slots__ = ("worker",)
    WORKER_FIELD_NUMBER: _ClassVar[int]
    worker: _cluster_service_pb2.Worker
    def __init__(self, worker: _Optional[_Union[_cluster_service_pb2.Worker, _Mapping]] = ...) -> None: ...
