import datetime

from buf.validate import validate_pb2 as _validate_pb2
from google.api import annotations_pb2 as _annotations_pb2
from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.api import resource_pb2 as _resource_pb2
from google.protobuf import empty_pb2 as _empty_pb2
from google.protobuf import field_mask_pb2 as _field_mask_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.rpc import status_pb2 as _status_pb2
from tickwheel.v1 import job_pb2 as _job_pb2
from tickwheel.v1 import run_pb2 as _run_pb2
from tickwheel.v1 import schedule_pb2 as _schedule_pb2
from tickwheel.v1 import target_pb2 as _target_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class OccurrenceOutcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OCCURRENCE_OUTCOME_UNSPECIFIED: _ClassVar[OccurrenceOutcome]
    OCCURRENCE_OUTCOME_EXPECTED: _ClassVar[OccurrenceOutcome]
    OCCURRENCE_OUTCOME_IN_PROGRESS: _ClassVar[OccurrenceOutcome]
    OCCURRENCE_OUTCOME_SUCCEEDED: _ClassVar[OccurrenceOutcome]
    OCCURRENCE_OUTCOME_FAILED: _ClassVar[OccurrenceOutcome]
    OCCURRENCE_OUTCOME_CANCELLED: _ClassVar[OccurrenceOutcome]
    OCCURRENCE_OUTCOME_SKIPPED: _ClassVar[OccurrenceOutcome]
    OCCURRENCE_OUTCOME_NOT_SCHEDULED: _ClassVar[OccurrenceOutcome]
    OCCURRENCE_OUTCOME_MISSING: _ClassVar[OccurrenceOutcome]
    OCCURRENCE_OUTCOME_UNKNOWN: _ClassVar[OccurrenceOutcome]

class OccurrenceReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OCCURRENCE_REASON_UNSPECIFIED: _ClassVar[OccurrenceReason]
    OCCURRENCE_REASON_ON_TIME: _ClassVar[OccurrenceReason]
    OCCURRENCE_REASON_LATE: _ClassVar[OccurrenceReason]
    OCCURRENCE_REASON_CAUGHT_UP: _ClassVar[OccurrenceReason]
    OCCURRENCE_REASON_WAITED: _ClassVar[OccurrenceReason]
    OCCURRENCE_REASON_ATTEMPTS_FAILED: _ClassVar[OccurrenceReason]
    OCCURRENCE_REASON_TIMED_OUT: _ClassVar[OccurrenceReason]
    OCCURRENCE_REASON_PUBLISH_FAILED: _ClassVar[OccurrenceReason]
    OCCURRENCE_REASON_CANCELLED: _ClassVar[OccurrenceReason]
    OCCURRENCE_REASON_OVERLAP: _ClassVar[OccurrenceReason]
    OCCURRENCE_REASON_BUFFER_FULL: _ClassVar[OccurrenceReason]
    OCCURRENCE_REASON_CATCH_UP_WINDOW: _ClassVar[OccurrenceReason]
    OCCURRENCE_REASON_PAUSED: _ClassVar[OccurrenceReason]
    OCCURRENCE_REASON_BEFORE_CREATION: _ClassVar[OccurrenceReason]
    OCCURRENCE_REASON_UPDATED: _ClassVar[OccurrenceReason]
    OCCURRENCE_REASON_DELETED: _ClassVar[OccurrenceReason]
    OCCURRENCE_REASON_DST_GAP: _ClassVar[OccurrenceReason]
    OCCURRENCE_REASON_DST_OVERLAP: _ClassVar[OccurrenceReason]
    OCCURRENCE_REASON_EXCLUDED: _ClassVar[OccurrenceReason]
    OCCURRENCE_REASON_OUT_OF_RANGE: _ClassVar[OccurrenceReason]
    OCCURRENCE_REASON_MAX_RUNS: _ClassVar[OccurrenceReason]
    OCCURRENCE_REASON_OUTAGE: _ClassVar[OccurrenceReason]
    OCCURRENCE_REASON_AHEAD: _ClassVar[OccurrenceReason]
    OCCURRENCE_REASON_RETENTION: _ClassVar[OccurrenceReason]
OCCURRENCE_OUTCOME_UNSPECIFIED: OccurrenceOutcome
OCCURRENCE_OUTCOME_EXPECTED: OccurrenceOutcome
OCCURRENCE_OUTCOME_IN_PROGRESS: OccurrenceOutcome
OCCURRENCE_OUTCOME_SUCCEEDED: OccurrenceOutcome
OCCURRENCE_OUTCOME_FAILED: OccurrenceOutcome
OCCURRENCE_OUTCOME_CANCELLED: OccurrenceOutcome
OCCURRENCE_OUTCOME_SKIPPED: OccurrenceOutcome
OCCURRENCE_OUTCOME_NOT_SCHEDULED: OccurrenceOutcome
OCCURRENCE_OUTCOME_MISSING: OccurrenceOutcome
OCCURRENCE_OUTCOME_UNKNOWN: OccurrenceOutcome
OCCURRENCE_REASON_UNSPECIFIED: OccurrenceReason
OCCURRENCE_REASON_ON_TIME: OccurrenceReason
OCCURRENCE_REASON_LATE: OccurrenceReason
OCCURRENCE_REASON_CAUGHT_UP: OccurrenceReason
OCCURRENCE_REASON_WAITED: OccurrenceReason
OCCURRENCE_REASON_ATTEMPTS_FAILED: OccurrenceReason
OCCURRENCE_REASON_TIMED_OUT: OccurrenceReason
OCCURRENCE_REASON_PUBLISH_FAILED: OccurrenceReason
OCCURRENCE_REASON_CANCELLED: OccurrenceReason
OCCURRENCE_REASON_OVERLAP: OccurrenceReason
OCCURRENCE_REASON_BUFFER_FULL: OccurrenceReason
OCCURRENCE_REASON_CATCH_UP_WINDOW: OccurrenceReason
OCCURRENCE_REASON_PAUSED: OccurrenceReason
OCCURRENCE_REASON_BEFORE_CREATION: OccurrenceReason
OCCURRENCE_REASON_UPDATED: OccurrenceReason
OCCURRENCE_REASON_DELETED: OccurrenceReason
OCCURRENCE_REASON_DST_GAP: OccurrenceReason
OCCURRENCE_REASON_DST_OVERLAP: OccurrenceReason
OCCURRENCE_REASON_EXCLUDED: OccurrenceReason
OCCURRENCE_REASON_OUT_OF_RANGE: OccurrenceReason
OCCURRENCE_REASON_MAX_RUNS: OccurrenceReason
OCCURRENCE_REASON_OUTAGE: OccurrenceReason
OCCURRENCE_REASON_AHEAD: OccurrenceReason
OCCURRENCE_REASON_RETENTION: OccurrenceReason

class CreateJobRequest(_message.Message):
    __slots__ = ("parent", "job", "job_id", "request_id", "validate_only")
    PARENT_FIELD_NUMBER: _ClassVar[int]
    JOB_FIELD_NUMBER: _ClassVar[int]
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    parent: str
    job: _job_pb2.Job
    job_id: str
    request_id: str
    validate_only: bool
    def __init__(self, parent: _Optional[str] = ..., job: _Optional[_Union[_job_pb2.Job, _Mapping]] = ..., job_id: _Optional[str] = ..., request_id: _Optional[str] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class BatchCreateJobsRequest(_message.Message):
    __slots__ = ("parent", "requests")
    PARENT_FIELD_NUMBER: _ClassVar[int]
    REQUESTS_FIELD_NUMBER: _ClassVar[int]
    parent: str
    requests: _containers.RepeatedCompositeFieldContainer[CreateJobRequest]
    def __init__(self, parent: _Optional[str] = ..., requests: _Optional[_Iterable[_Union[CreateJobRequest, _Mapping]]] = ...) -> None: ...

class BatchCreateJobsResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[BatchCreateJobsResult]
    def __init__(self, results: _Optional[_Iterable[_Union[BatchCreateJobsResult, _Mapping]]] = ...) -> None: ...

class BatchCreateJobsResult(_message.Message):
    __slots__ = ("job", "error")
    JOB_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    job: _job_pb2.Job
    error: _status_pb2.Status
    def __init__(self, job: _Optional[_Union[_job_pb2.Job, _Mapping]] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...

class GetJobRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class ListJobsRequest(_message.Message):
    __slots__ = ("parent", "page_size", "page_token", "filter")
    PARENT_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    parent: str
    page_size: int
    page_token: str
    filter: str
    def __init__(self, parent: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., filter: _Optional[str] = ...) -> None: ...

class ListJobsResponse(_message.Message):
    __slots__ = ("jobs", "next_page_token")
    JOBS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    jobs: _containers.RepeatedCompositeFieldContainer[_job_pb2.Job]
    next_page_token: str
    def __init__(self, jobs: _Optional[_Iterable[_Union[_job_pb2.Job, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class UpdateJobRequest(_message.Message):
    __slots__ = ("job", "update_mask")
    JOB_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    job: _job_pb2.Job
    update_mask: _field_mask_pb2.FieldMask
    def __init__(self, job: _Optional[_Union[_job_pb2.Job, _Mapping]] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class DeleteJobRequest(_message.Message):
    __slots__ = ("name", "etag")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    name: str
    etag: str
    def __init__(self, name: _Optional[str] = ..., etag: _Optional[str] = ...) -> None: ...

class PauseJobRequest(_message.Message):
    __slots__ = ("name", "reason", "etag")
    NAME_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    name: str
    reason: str
    etag: str
    def __init__(self, name: _Optional[str] = ..., reason: _Optional[str] = ..., etag: _Optional[str] = ...) -> None: ...

class ResumeJobRequest(_message.Message):
    __slots__ = ("name", "etag")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    name: str
    etag: str
    def __init__(self, name: _Optional[str] = ..., etag: _Optional[str] = ...) -> None: ...

class RunJobRequest(_message.Message):
    __slots__ = ("name", "request_id", "payload", "overlap_policy")
    NAME_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    OVERLAP_POLICY_FIELD_NUMBER: _ClassVar[int]
    name: str
    request_id: str
    payload: _target_pb2.Payload
    overlap_policy: _job_pb2.Overlap
    def __init__(self, name: _Optional[str] = ..., request_id: _Optional[str] = ..., payload: _Optional[_Union[_target_pb2.Payload, _Mapping]] = ..., overlap_policy: _Optional[_Union[_job_pb2.Overlap, str]] = ...) -> None: ...

class BackfillJobRequest(_message.Message):
    __slots__ = ("name", "start_time", "end_time", "overlap_policy", "request_id")
    NAME_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    OVERLAP_POLICY_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    name: str
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    overlap_policy: _job_pb2.Overlap
    request_id: str
    def __init__(self, name: _Optional[str] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., overlap_policy: _Optional[_Union[_job_pb2.Overlap, str]] = ..., request_id: _Optional[str] = ...) -> None: ...

class BackfillJobResponse(_message.Message):
    __slots__ = ("backfill_id", "count")
    BACKFILL_ID_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    backfill_id: str
    count: int
    def __init__(self, backfill_id: _Optional[str] = ..., count: _Optional[int] = ...) -> None: ...

class PreviewScheduleRequest(_message.Message):
    __slots__ = ("schedule", "start_time", "count")
    SCHEDULE_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    schedule: _schedule_pb2.Schedule
    start_time: _timestamp_pb2.Timestamp
    count: int
    def __init__(self, schedule: _Optional[_Union[_schedule_pb2.Schedule, _Mapping]] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., count: _Optional[int] = ...) -> None: ...

class PreviewScheduleResponse(_message.Message):
    __slots__ = ("times", "notes", "description")
    TIMES_FIELD_NUMBER: _ClassVar[int]
    NOTES_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    times: _containers.RepeatedCompositeFieldContainer[_timestamp_pb2.Timestamp]
    notes: _containers.RepeatedScalarFieldContainer[str]
    description: str
    def __init__(self, times: _Optional[_Iterable[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]]] = ..., notes: _Optional[_Iterable[str]] = ..., description: _Optional[str] = ...) -> None: ...

class GetRunRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class ListRunsRequest(_message.Message):
    __slots__ = ("parent", "page_size", "page_token", "filter")
    PARENT_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    parent: str
    page_size: int
    page_token: str
    filter: str
    def __init__(self, parent: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., filter: _Optional[str] = ...) -> None: ...

class ListRunsResponse(_message.Message):
    __slots__ = ("runs", "next_page_token")
    RUNS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    runs: _containers.RepeatedCompositeFieldContainer[_run_pb2.Run]
    next_page_token: str
    def __init__(self, runs: _Optional[_Iterable[_Union[_run_pb2.Run, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class CancelRunRequest(_message.Message):
    __slots__ = ("name", "reason")
    NAME_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    name: str
    reason: str
    def __init__(self, name: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class RetryRunRequest(_message.Message):
    __slots__ = ("name", "request_id")
    NAME_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    name: str
    request_id: str
    def __init__(self, name: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class WatchRunsRequest(_message.Message):
    __slots__ = ("parent", "filter", "resume_token")
    PARENT_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    RESUME_TOKEN_FIELD_NUMBER: _ClassVar[int]
    parent: str
    filter: str
    resume_token: str
    def __init__(self, parent: _Optional[str] = ..., filter: _Optional[str] = ..., resume_token: _Optional[str] = ...) -> None: ...

class WatchRunsResponse(_message.Message):
    __slots__ = ("run", "resume_token")
    RUN_FIELD_NUMBER: _ClassVar[int]
    RESUME_TOKEN_FIELD_NUMBER: _ClassVar[int]
    run: _run_pb2.Run
    resume_token: str
    def __init__(self, run: _Optional[_Union[_run_pb2.Run, _Mapping]] = ..., resume_token: _Optional[str] = ...) -> None: ...

class ExplainJobRequest(_message.Message):
    __slots__ = ("name", "start_time", "end_time", "page_size", "page_token")
    NAME_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    name: str
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    page_size: int
    page_token: str
    def __init__(self, name: _Optional[str] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ExplainJobResponse(_message.Message):
    __slots__ = ("occurrences", "next_page_token")
    OCCURRENCES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    occurrences: _containers.RepeatedCompositeFieldContainer[Occurrence]
    next_page_token: str
    def __init__(self, occurrences: _Optional[_Iterable[_Union[Occurrence, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class Occurrence(_message.Message):
    __slots__ = ("schedule_time", "outcome", "reason", "text", "run")
    SCHEDULE_TIME_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    RUN_FIELD_NUMBER: _ClassVar[int]
    schedule_time: _timestamp_pb2.Timestamp
    outcome: OccurrenceOutcome
    reason: OccurrenceReason
    text: str
    run: str
    def __init__(self, schedule_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., outcome: _Optional[_Union[OccurrenceOutcome, str]] = ..., reason: _Optional[_Union[OccurrenceReason, str]] = ..., text: _Optional[str] = ..., run: _Optional[str] = ...) -> None: ...
