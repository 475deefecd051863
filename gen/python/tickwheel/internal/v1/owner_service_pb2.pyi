from google.rpc import status_pb2 as _status_pb2
from tickwheel.v1 import run_pb2 as _run_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class JobRef(_message.Message):
    __slots__ = ("user", "job_uid", "segment")
    USER_FIELD_NUMBER: _ClassVar[int]
    JOB_UID_FIELD_NUMBER: _ClassVar[int]
    SEGMENT_FIELD_NUMBER: _ClassVar[int]
    user: str
    job_uid: str
    segment: int
    def __init__(self, user: _Optional[str] = ..., job_uid: _Optional[str] = ..., segment: _Optional[int] = ...) -> None: ...

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
    __slots__ = ("job", "run_id", "schedule_ms", "payload_given", "payload", "content_type", "overlap_policy", "traceparent", "payload_kind")
    JOB_FIELD_NUMBER: _ClassVar[int]
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    SCHEDULE_MS_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_GIVEN_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    CONTENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    OVERLAP_POLICY_FIELD_NUMBER: _ClassVar[int]
    TRACEPARENT_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_KIND_FIELD_NUMBER: _ClassVar[int]
    job: JobRef
    run_id: str
    schedule_ms: int
    payload_given: bool
    payload: bytes
    content_type: str
    overlap_policy: int
    traceparent: str
    payload_kind: int
    def __init__(self, job: _Optional[_Union[JobRef, _Mapping]] = ..., run_id: _Optional[str] = ..., schedule_ms: _Optional[int] = ..., payload_given: _Optional[bool] = ..., payload: _Optional[bytes] = ..., content_type: _Optional[str] = ..., overlap_policy: _Optional[int] = ..., traceparent: _Optional[str] = ..., payload_kind: _Optional[int] = ...) -> None: ...

class TriggerRunResponse(_message.Message):
    __slots__ = ("run",)
    RUN_FIELD_NUMBER: _ClassVar[int]
    run: _run_pb2.Run
    def __init__(self, run: _Optional[_Union[_run_pb2.Run, _Mapping]] = ...) -> None: ...
