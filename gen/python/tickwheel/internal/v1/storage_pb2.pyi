from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class JobRecord(_message.Message):
    __slots__ = ("user", "uid", "job_id", "segment", "spec", "payload_kind", "payload", "payload_version", "version", "generation", "paused", "pause_reason", "completed_generation", "complete_ms", "create_ms", "update_ms", "schedule_from_ms", "delete_ms")
    USER_FIELD_NUMBER: _ClassVar[int]
    UID_FIELD_NUMBER: _ClassVar[int]
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    SEGMENT_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_KIND_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_VERSION_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    PAUSED_FIELD_NUMBER: _ClassVar[int]
    PAUSE_REASON_FIELD_NUMBER: _ClassVar[int]
    COMPLETED_GENERATION_FIELD_NUMBER: _ClassVar[int]
    COMPLETE_MS_FIELD_NUMBER: _ClassVar[int]
    CREATE_MS_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MS_FIELD_NUMBER: _ClassVar[int]
    SCHEDULE_FROM_MS_FIELD_NUMBER: _ClassVar[int]
    DELETE_MS_FIELD_NUMBER: _ClassVar[int]
    user: str
    uid: str
    job_id: str
    segment: int
    spec: bytes
    payload_kind: int
    payload: bytes
    payload_version: int
    version: int
    generation: int
    paused: bool
    pause_reason: str
    completed_generation: int
    complete_ms: int
    create_ms: int
    update_ms: int
    schedule_from_ms: int
    delete_ms: int
    def __init__(self, user: _Optional[str] = ..., uid: _Optional[str] = ..., job_id: _Optional[str] = ..., segment: _Optional[int] = ..., spec: _Optional[bytes] = ..., payload_kind: _Optional[int] = ..., payload: _Optional[bytes] = ..., payload_version: _Optional[int] = ..., version: _Optional[int] = ..., generation: _Optional[int] = ..., paused: _Optional[bool] = ..., pause_reason: _Optional[str] = ..., completed_generation: _Optional[int] = ..., complete_ms: _Optional[int] = ..., create_ms: _Optional[int] = ..., update_ms: _Optional[int] = ..., schedule_from_ms: _Optional[int] = ..., delete_ms: _Optional[int] = ...) -> None: ...

class RunRecord(_message.Message):
    __slots__ = ("user", "job_id", "job_uid", "run_id", "segment", "state", "trigger", "schedule_ms", "due_ms", "update_ms", "revision", "publish_ms", "start_ms", "end_ms", "attempt", "epoch", "worker", "topic", "partition_plus_1", "offset_plus_1", "error", "skip_reason", "skipped_count", "first_schedule_ms", "last_schedule_ms", "traceparent", "retention_ms")
    USER_FIELD_NUMBER: _ClassVar[int]
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    JOB_UID_FIELD_NUMBER: _ClassVar[int]
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    SEGMENT_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    TRIGGER_FIELD_NUMBER: _ClassVar[int]
    SCHEDULE_MS_FIELD_NUMBER: _ClassVar[int]
    DUE_MS_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MS_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    PUBLISH_MS_FIELD_NUMBER: _ClassVar[int]
    START_MS_FIELD_NUMBER: _ClassVar[int]
    END_MS_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    WORKER_FIELD_NUMBER: _ClassVar[int]
    TOPIC_FIELD_NUMBER: _ClassVar[int]
    PARTITION_PLUS_1_FIELD_NUMBER: _ClassVar[int]
    OFFSET_PLUS_1_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    SKIP_REASON_FIELD_NUMBER: _ClassVar[int]
    SKIPPED_COUNT_FIELD_NUMBER: _ClassVar[int]
    FIRST_SCHEDULE_MS_FIELD_NUMBER: _ClassVar[int]
    LAST_SCHEDULE_MS_FIELD_NUMBER: _ClassVar[int]
    TRACEPARENT_FIELD_NUMBER: _ClassVar[int]
    RETENTION_MS_FIELD_NUMBER: _ClassVar[int]
    user: str
    job_id: str
    job_uid: str
    run_id: str
    segment: int
    state: int
    trigger: int
    schedule_ms: int
    due_ms: int
    update_ms: int
    revision: int
    publish_ms: int
    start_ms: int
    end_ms: int
    attempt: int
    epoch: int
    worker: str
    topic: str
    partition_plus_1: int
    offset_plus_1: int
    error: str
    skip_reason: int
    skipped_count: int
    first_schedule_ms: int
    last_schedule_ms: int
    traceparent: str
    retention_ms: int
    def __init__(self, user: _Optional[str] = ..., job_id: _Optional[str] = ..., job_uid: _Optional[str] = ..., run_id: _Optional[str] = ..., segment: _Optional[int] = ..., state: _Optional[int] = ..., trigger: _Optional[int] = ..., schedule_ms: _Optional[int] = ..., due_ms: _Optional[int] = ..., update_ms: _Optional[int] = ..., revision: _Optional[int] = ..., publish_ms: _Optional[int] = ..., start_ms: _Optional[int] = ..., end_ms: _Optional[int] = ..., attempt: _Optional[int] = ..., epoch: _Optional[int] = ..., worker: _Optional[str] = ..., topic: _Optional[str] = ..., partition_plus_1: _Optional[int] = ..., offset_plus_1: _Optional[int] = ..., error: _Optional[str] = ..., skip_reason: _Optional[int] = ..., skipped_count: _Optional[int] = ..., first_schedule_ms: _Optional[int] = ..., last_schedule_ms: _Optional[int] = ..., traceparent: _Optional[str] = ..., retention_ms: _Optional[int] = ...) -> None: ...

class EntryRecord(_message.Message):
    __slots__ = ("segment", "fire_ms", "user", "uid", "kind", "generation", "schedule_ms", "due_ms", "ordinal", "run_id", "attempt", "detail")
    SEGMENT_FIELD_NUMBER: _ClassVar[int]
    FIRE_MS_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    UID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    SCHEDULE_MS_FIELD_NUMBER: _ClassVar[int]
    DUE_MS_FIELD_NUMBER: _ClassVar[int]
    ORDINAL_FIELD_NUMBER: _ClassVar[int]
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    segment: int
    fire_ms: int
    user: str
    uid: str
    kind: int
    generation: int
    schedule_ms: int
    due_ms: int
    ordinal: int
    run_id: str
    attempt: int
    detail: bytes
    def __init__(self, segment: _Optional[int] = ..., fire_ms: _Optional[int] = ..., user: _Optional[str] = ..., uid: _Optional[str] = ..., kind: _Optional[int] = ..., generation: _Optional[int] = ..., schedule_ms: _Optional[int] = ..., due_ms: _Optional[int] = ..., ordinal: _Optional[int] = ..., run_id: _Optional[str] = ..., attempt: _Optional[int] = ..., detail: _Optional[bytes] = ...) -> None: ...

class InboxRecord(_message.Message):
    __slots__ = ("segment", "write_ms", "user", "uid", "version", "entry")
    SEGMENT_FIELD_NUMBER: _ClassVar[int]
    WRITE_MS_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    UID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    ENTRY_FIELD_NUMBER: _ClassVar[int]
    segment: int
    write_ms: int
    user: str
    uid: str
    version: int
    entry: EntryRecord
    def __init__(self, segment: _Optional[int] = ..., write_ms: _Optional[int] = ..., user: _Optional[str] = ..., uid: _Optional[str] = ..., version: _Optional[int] = ..., entry: _Optional[_Union[EntryRecord, _Mapping]] = ...) -> None: ...
