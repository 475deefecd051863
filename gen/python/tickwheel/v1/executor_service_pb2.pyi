import datetime

from buf.validate import validate_pb2 as _validate_pb2
from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.api import resource_pb2 as _resource_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.rpc import status_pb2 as _status_pb2
from tickwheel.v1 import run_pb2 as _run_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RunAttempt(_message.Message):
    __slots__ = ("run", "job_uid", "attempt", "fence")
    RUN_FIELD_NUMBER: _ClassVar[int]
    JOB_UID_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    FENCE_FIELD_NUMBER: _ClassVar[int]
    run: str
    job_uid: str
    attempt: int
    fence: int
    def __init__(self, run: _Optional[str] = ..., job_uid: _Optional[str] = ..., attempt: _Optional[int] = ..., fence: _Optional[int] = ...) -> None: ...

class StartRunsRequest(_message.Message):
    __slots__ = ("runs", "executor")
    RUNS_FIELD_NUMBER: _ClassVar[int]
    EXECUTOR_FIELD_NUMBER: _ClassVar[int]
    runs: _containers.RepeatedCompositeFieldContainer[StartRun]
    executor: str
    def __init__(self, runs: _Optional[_Iterable[_Union[StartRun, _Mapping]]] = ..., executor: _Optional[str] = ...) -> None: ...

class StartRun(_message.Message):
    __slots__ = ("attempt",)
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    attempt: RunAttempt
    def __init__(self, attempt: _Optional[_Union[RunAttempt, _Mapping]] = ...) -> None: ...

class StartRunsResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[StartRunResult]
    def __init__(self, results: _Optional[_Iterable[_Union[StartRunResult, _Mapping]]] = ...) -> None: ...

class StartRunResult(_message.Message):
    __slots__ = ("error", "timeout_time", "heartbeat_interval", "cancel_requested")
    ERROR_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_TIME_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    CANCEL_REQUESTED_FIELD_NUMBER: _ClassVar[int]
    error: _status_pb2.Status
    timeout_time: _timestamp_pb2.Timestamp
    heartbeat_interval: _duration_pb2.Duration
    cancel_requested: bool
    def __init__(self, error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ..., timeout_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., heartbeat_interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., cancel_requested: _Optional[bool] = ...) -> None: ...

class HeartbeatRunsRequest(_message.Message):
    __slots__ = ("runs", "executor")
    RUNS_FIELD_NUMBER: _ClassVar[int]
    EXECUTOR_FIELD_NUMBER: _ClassVar[int]
    runs: _containers.RepeatedCompositeFieldContainer[HeartbeatRun]
    executor: str
    def __init__(self, runs: _Optional[_Iterable[_Union[HeartbeatRun, _Mapping]]] = ..., executor: _Optional[str] = ...) -> None: ...

class HeartbeatRun(_message.Message):
    __slots__ = ("attempt", "progress")
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    attempt: RunAttempt
    progress: _run_pb2.Progress
    def __init__(self, attempt: _Optional[_Union[RunAttempt, _Mapping]] = ..., progress: _Optional[_Union[_run_pb2.Progress, _Mapping]] = ...) -> None: ...

class HeartbeatRunsResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[HeartbeatRunResult]
    def __init__(self, results: _Optional[_Iterable[_Union[HeartbeatRunResult, _Mapping]]] = ...) -> None: ...

class HeartbeatRunResult(_message.Message):
    __slots__ = ("error", "cancel_requested")
    ERROR_FIELD_NUMBER: _ClassVar[int]
    CANCEL_REQUESTED_FIELD_NUMBER: _ClassVar[int]
    error: _status_pb2.Status
    cancel_requested: bool
    def __init__(self, error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ..., cancel_requested: _Optional[bool] = ...) -> None: ...

class FinishRunsRequest(_message.Message):
    __slots__ = ("runs", "executor")
    RUNS_FIELD_NUMBER: _ClassVar[int]
    EXECUTOR_FIELD_NUMBER: _ClassVar[int]
    runs: _containers.RepeatedCompositeFieldContainer[FinishRun]
    executor: str
    def __init__(self, runs: _Optional[_Iterable[_Union[FinishRun, _Mapping]]] = ..., executor: _Optional[str] = ...) -> None: ...

class FinishRun(_message.Message):
    __slots__ = ("attempt", "state", "retryable", "result", "error", "progress")
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    RETRYABLE_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    attempt: RunAttempt
    state: _run_pb2.RunState
    retryable: bool
    result: _struct_pb2.Value
    error: _run_pb2.RunError
    progress: _run_pb2.Progress
    def __init__(self, attempt: _Optional[_Union[RunAttempt, _Mapping]] = ..., state: _Optional[_Union[_run_pb2.RunState, str]] = ..., retryable: _Optional[bool] = ..., result: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ..., error: _Optional[_Union[_run_pb2.RunError, _Mapping]] = ..., progress: _Optional[_Union[_run_pb2.Progress, _Mapping]] = ...) -> None: ...

class FinishRunsResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[FinishRunResult]
    def __init__(self, results: _Optional[_Iterable[_Union[FinishRunResult, _Mapping]]] = ...) -> None: ...

class FinishRunResult(_message.Message):
    __slots__ = ("error",)
    ERROR_FIELD_NUMBER: _ClassVar[int]
    error: _status_pb2.Status
    def __init__(self, error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...

class PullRecordsRequest(_message.Message):
    __slots__ = ("topic", "group", "max", "wait", "consumer", "session_timeout", "start_at_end")
    TOPIC_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    MAX_FIELD_NUMBER: _ClassVar[int]
    WAIT_FIELD_NUMBER: _ClassVar[int]
    CONSUMER_FIELD_NUMBER: _ClassVar[int]
    SESSION_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    START_AT_END_FIELD_NUMBER: _ClassVar[int]
    topic: str
    group: str
    max: int
    wait: _duration_pb2.Duration
    consumer: str
    session_timeout: _duration_pb2.Duration
    start_at_end: bool
    def __init__(self, topic: _Optional[str] = ..., group: _Optional[str] = ..., max: _Optional[int] = ..., wait: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., consumer: _Optional[str] = ..., session_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., start_at_end: _Optional[bool] = ...) -> None: ...

class PullRecordsResponse(_message.Message):
    __slots__ = ("records",)
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    records: _containers.RepeatedCompositeFieldContainer[Record]
    def __init__(self, records: _Optional[_Iterable[_Union[Record, _Mapping]]] = ...) -> None: ...

class Record(_message.Message):
    __slots__ = ("topic", "partition", "offset", "append_time", "key", "value", "headers")
    TOPIC_FIELD_NUMBER: _ClassVar[int]
    PARTITION_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    APPEND_TIME_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    HEADERS_FIELD_NUMBER: _ClassVar[int]
    topic: str
    partition: int
    offset: int
    append_time: _timestamp_pb2.Timestamp
    key: bytes
    value: bytes
    headers: _containers.RepeatedCompositeFieldContainer[RecordHeader]
    def __init__(self, topic: _Optional[str] = ..., partition: _Optional[int] = ..., offset: _Optional[int] = ..., append_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., key: _Optional[bytes] = ..., value: _Optional[bytes] = ..., headers: _Optional[_Iterable[_Union[RecordHeader, _Mapping]]] = ...) -> None: ...

class RecordHeader(_message.Message):
    __slots__ = ("key", "value")
    KEY_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    key: str
    value: bytes
    def __init__(self, key: _Optional[str] = ..., value: _Optional[bytes] = ...) -> None: ...

class AckRecordsRequest(_message.Message):
    __slots__ = ("topic", "group", "records")
    TOPIC_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    topic: str
    group: str
    records: _containers.RepeatedCompositeFieldContainer[RecordPosition]
    def __init__(self, topic: _Optional[str] = ..., group: _Optional[str] = ..., records: _Optional[_Iterable[_Union[RecordPosition, _Mapping]]] = ...) -> None: ...

class RecordPosition(_message.Message):
    __slots__ = ("partition", "offset")
    PARTITION_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    partition: int
    offset: int
    def __init__(self, partition: _Optional[int] = ..., offset: _Optional[int] = ...) -> None: ...

class AckRecordsResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
