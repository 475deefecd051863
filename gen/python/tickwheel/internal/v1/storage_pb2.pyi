from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class JobRecord(_message.Message):
    __slots__ = ("user", "uid", "job_id", "segment", "spec", "payload_kind", "payload", "payload_version", "version", "generation", "paused", "pause_reason", "completed_generation", "complete_ms", "create_ms", "update_ms", "schedule_from_ms", "delete_ms", "traceparent")
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
    TRACEPARENT_FIELD_NUMBER: _ClassVar[int]
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
    traceparent: str
    def __init__(self, user: _Optional[str] = ..., uid: _Optional[str] = ..., job_id: _Optional[str] = ..., segment: _Optional[int] = ..., spec: _Optional[bytes] = ..., payload_kind: _Optional[int] = ..., payload: _Optional[bytes] = ..., payload_version: _Optional[int] = ..., version: _Optional[int] = ..., generation: _Optional[int] = ..., paused: _Optional[bool] = ..., pause_reason: _Optional[str] = ..., completed_generation: _Optional[int] = ..., complete_ms: _Optional[int] = ..., create_ms: _Optional[int] = ..., update_ms: _Optional[int] = ..., schedule_from_ms: _Optional[int] = ..., delete_ms: _Optional[int] = ..., traceparent: _Optional[str] = ...) -> None: ...

class RunRecord(_message.Message):
    __slots__ = ("user", "job_id", "job_uid", "run_id", "segment", "state", "trigger", "schedule_ms", "due_ms", "update_ms", "revision", "publish_ms", "start_ms", "end_ms", "attempt", "epoch", "worker", "topic", "partition_plus_1", "offset_plus_1", "error", "skip_reason", "skipped_count", "first_schedule_ms", "last_schedule_ms", "traceparent", "retention_ms", "create_ms", "attempt_due_ms", "fence", "executor", "cancel_requested", "next_attempt_ms", "error_type", "error_details", "progress_fraction", "progress_message", "progress_ms", "result", "retried_run", "backfill_id", "blocking_run", "dead_letter_topic", "overlap_policy", "detail", "past_attempts", "held_by", "held_ms")
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
    CREATE_MS_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_DUE_MS_FIELD_NUMBER: _ClassVar[int]
    FENCE_FIELD_NUMBER: _ClassVar[int]
    EXECUTOR_FIELD_NUMBER: _ClassVar[int]
    CANCEL_REQUESTED_FIELD_NUMBER: _ClassVar[int]
    NEXT_ATTEMPT_MS_FIELD_NUMBER: _ClassVar[int]
    ERROR_TYPE_FIELD_NUMBER: _ClassVar[int]
    ERROR_DETAILS_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FRACTION_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_MS_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    RETRIED_RUN_FIELD_NUMBER: _ClassVar[int]
    BACKFILL_ID_FIELD_NUMBER: _ClassVar[int]
    BLOCKING_RUN_FIELD_NUMBER: _ClassVar[int]
    DEAD_LETTER_TOPIC_FIELD_NUMBER: _ClassVar[int]
    OVERLAP_POLICY_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    PAST_ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    HELD_BY_FIELD_NUMBER: _ClassVar[int]
    HELD_MS_FIELD_NUMBER: _ClassVar[int]
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
    create_ms: int
    attempt_due_ms: int
    fence: int
    executor: str
    cancel_requested: bool
    next_attempt_ms: int
    error_type: str
    error_details: str
    progress_fraction: float
    progress_message: str
    progress_ms: int
    result: bytes
    retried_run: str
    backfill_id: str
    blocking_run: str
    dead_letter_topic: str
    overlap_policy: int
    detail: bytes
    past_attempts: _containers.RepeatedCompositeFieldContainer[AttemptRecord]
    held_by: int
    held_ms: int
    def __init__(self, user: _Optional[str] = ..., job_id: _Optional[str] = ..., job_uid: _Optional[str] = ..., run_id: _Optional[str] = ..., segment: _Optional[int] = ..., state: _Optional[int] = ..., trigger: _Optional[int] = ..., schedule_ms: _Optional[int] = ..., due_ms: _Optional[int] = ..., update_ms: _Optional[int] = ..., revision: _Optional[int] = ..., publish_ms: _Optional[int] = ..., start_ms: _Optional[int] = ..., end_ms: _Optional[int] = ..., attempt: _Optional[int] = ..., epoch: _Optional[int] = ..., worker: _Optional[str] = ..., topic: _Optional[str] = ..., partition_plus_1: _Optional[int] = ..., offset_plus_1: _Optional[int] = ..., error: _Optional[str] = ..., skip_reason: _Optional[int] = ..., skipped_count: _Optional[int] = ..., first_schedule_ms: _Optional[int] = ..., last_schedule_ms: _Optional[int] = ..., traceparent: _Optional[str] = ..., retention_ms: _Optional[int] = ..., create_ms: _Optional[int] = ..., attempt_due_ms: _Optional[int] = ..., fence: _Optional[int] = ..., executor: _Optional[str] = ..., cancel_requested: _Optional[bool] = ..., next_attempt_ms: _Optional[int] = ..., error_type: _Optional[str] = ..., error_details: _Optional[str] = ..., progress_fraction: _Optional[float] = ..., progress_message: _Optional[str] = ..., progress_ms: _Optional[int] = ..., result: _Optional[bytes] = ..., retried_run: _Optional[str] = ..., backfill_id: _Optional[str] = ..., blocking_run: _Optional[str] = ..., dead_letter_topic: _Optional[str] = ..., overlap_policy: _Optional[int] = ..., detail: _Optional[bytes] = ..., past_attempts: _Optional[_Iterable[_Union[AttemptRecord, _Mapping]]] = ..., held_by: _Optional[int] = ..., held_ms: _Optional[int] = ...) -> None: ...

class AttemptRecord(_message.Message):
    __slots__ = ("attempt", "state", "due_ms", "publish_ms", "start_ms", "end_ms", "worker", "executor", "topic", "partition_plus_1", "offset_plus_1", "fence", "error", "error_type", "error_details", "held_by", "held_ms")
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    DUE_MS_FIELD_NUMBER: _ClassVar[int]
    PUBLISH_MS_FIELD_NUMBER: _ClassVar[int]
    START_MS_FIELD_NUMBER: _ClassVar[int]
    END_MS_FIELD_NUMBER: _ClassVar[int]
    WORKER_FIELD_NUMBER: _ClassVar[int]
    EXECUTOR_FIELD_NUMBER: _ClassVar[int]
    TOPIC_FIELD_NUMBER: _ClassVar[int]
    PARTITION_PLUS_1_FIELD_NUMBER: _ClassVar[int]
    OFFSET_PLUS_1_FIELD_NUMBER: _ClassVar[int]
    FENCE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    ERROR_TYPE_FIELD_NUMBER: _ClassVar[int]
    ERROR_DETAILS_FIELD_NUMBER: _ClassVar[int]
    HELD_BY_FIELD_NUMBER: _ClassVar[int]
    HELD_MS_FIELD_NUMBER: _ClassVar[int]
    attempt: int
    state: int
    due_ms: int
    publish_ms: int
    start_ms: int
    end_ms: int
    worker: str
    executor: str
    topic: str
    partition_plus_1: int
    offset_plus_1: int
    fence: int
    error: str
    error_type: str
    error_details: str
    held_by: int
    held_ms: int
    def __init__(self, attempt: _Optional[int] = ..., state: _Optional[int] = ..., due_ms: _Optional[int] = ..., publish_ms: _Optional[int] = ..., start_ms: _Optional[int] = ..., end_ms: _Optional[int] = ..., worker: _Optional[str] = ..., executor: _Optional[str] = ..., topic: _Optional[str] = ..., partition_plus_1: _Optional[int] = ..., offset_plus_1: _Optional[int] = ..., fence: _Optional[int] = ..., error: _Optional[str] = ..., error_type: _Optional[str] = ..., error_details: _Optional[str] = ..., held_by: _Optional[int] = ..., held_ms: _Optional[int] = ...) -> None: ...

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

class BackfillRecord(_message.Message):
    __slots__ = ("end_ms", "overlap_policy", "traceparent")
    END_MS_FIELD_NUMBER: _ClassVar[int]
    OVERLAP_POLICY_FIELD_NUMBER: _ClassVar[int]
    TRACEPARENT_FIELD_NUMBER: _ClassVar[int]
    end_ms: int
    overlap_policy: int
    traceparent: str
    def __init__(self, end_ms: _Optional[int] = ..., overlap_policy: _Optional[int] = ..., traceparent: _Optional[str] = ...) -> None: ...
