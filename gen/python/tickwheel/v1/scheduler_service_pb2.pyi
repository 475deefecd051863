from buf.validate import validate_pb2 as _validate_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ConnectRequest(_message.Message):
    __slots__ = ("hello", "heartbeat", "outcomes", "revocation_ack", "drain")
    HELLO_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    OUTCOMES_FIELD_NUMBER: _ClassVar[int]
    REVOCATION_ACK_FIELD_NUMBER: _ClassVar[int]
    DRAIN_FIELD_NUMBER: _ClassVar[int]
    hello: Hello
    heartbeat: Heartbeat
    outcomes: Outcomes
    revocation_ack: RevocationAck
    drain: WorkerDrain
    def __init__(self, hello: _Optional[_Union[Hello, _Mapping]] = ..., heartbeat: _Optional[_Union[Heartbeat, _Mapping]] = ..., outcomes: _Optional[_Union[Outcomes, _Mapping]] = ..., revocation_ack: _Optional[_Union[RevocationAck, _Mapping]] = ..., drain: _Optional[_Union[WorkerDrain, _Mapping]] = ...) -> None: ...

class ConnectResponse(_message.Message):
    __slots__ = ("welcome", "heartbeat_ack", "segments", "assignments", "revocation", "outcome_acks", "topology", "drain", "stop")
    WELCOME_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_ACK_FIELD_NUMBER: _ClassVar[int]
    SEGMENTS_FIELD_NUMBER: _ClassVar[int]
    ASSIGNMENTS_FIELD_NUMBER: _ClassVar[int]
    REVOCATION_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_ACKS_FIELD_NUMBER: _ClassVar[int]
    TOPOLOGY_FIELD_NUMBER: _ClassVar[int]
    DRAIN_FIELD_NUMBER: _ClassVar[int]
    STOP_FIELD_NUMBER: _ClassVar[int]
    welcome: Welcome
    heartbeat_ack: HeartbeatAck
    segments: Segments
    assignments: Assignments
    revocation: Revocation
    outcome_acks: OutcomeAcks
    topology: Topology
    drain: SchedulerDrain
    stop: WorkerStop
    def __init__(self, welcome: _Optional[_Union[Welcome, _Mapping]] = ..., heartbeat_ack: _Optional[_Union[HeartbeatAck, _Mapping]] = ..., segments: _Optional[_Union[Segments, _Mapping]] = ..., assignments: _Optional[_Union[Assignments, _Mapping]] = ..., revocation: _Optional[_Union[Revocation, _Mapping]] = ..., outcome_acks: _Optional[_Union[OutcomeAcks, _Mapping]] = ..., topology: _Optional[_Union[Topology, _Mapping]] = ..., drain: _Optional[_Union[SchedulerDrain, _Mapping]] = ..., stop: _Optional[_Union[WorkerStop, _Mapping]] = ...) -> None: ...

class Hello(_message.Message):
    __slots__ = ("worker_id", "protocol_version", "version", "held", "window", "clock", "host")
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_VERSION_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    HELD_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    CLOCK_FIELD_NUMBER: _ClassVar[int]
    HOST_FIELD_NUMBER: _ClassVar[int]
    worker_id: str
    protocol_version: int
    version: str
    held: _containers.RepeatedCompositeFieldContainer[Held]
    window: Window
    clock: Clock
    host: str
    def __init__(self, worker_id: _Optional[str] = ..., protocol_version: _Optional[int] = ..., version: _Optional[str] = ..., held: _Optional[_Iterable[_Union[Held, _Mapping]]] = ..., window: _Optional[_Union[Window, _Mapping]] = ..., clock: _Optional[_Union[Clock, _Mapping]] = ..., host: _Optional[str] = ...) -> None: ...

class Held(_message.Message):
    __slots__ = ("key", "epoch")
    KEY_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    key: RunKey
    epoch: int
    def __init__(self, key: _Optional[_Union[RunKey, _Mapping]] = ..., epoch: _Optional[int] = ...) -> None: ...

class RunKey(_message.Message):
    __slots__ = ("job_uid", "run_id", "attempt", "segment", "dead_letter")
    JOB_UID_FIELD_NUMBER: _ClassVar[int]
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    SEGMENT_FIELD_NUMBER: _ClassVar[int]
    DEAD_LETTER_FIELD_NUMBER: _ClassVar[int]
    job_uid: str
    run_id: str
    attempt: int
    segment: int
    dead_letter: bool
    def __init__(self, job_uid: _Optional[str] = ..., run_id: _Optional[str] = ..., attempt: _Optional[int] = ..., segment: _Optional[int] = ..., dead_letter: _Optional[bool] = ...) -> None: ...

class Window(_message.Message):
    __slots__ = ("max_count", "max_bytes")
    MAX_COUNT_FIELD_NUMBER: _ClassVar[int]
    MAX_BYTES_FIELD_NUMBER: _ClassVar[int]
    max_count: int
    max_bytes: int
    def __init__(self, max_count: _Optional[int] = ..., max_bytes: _Optional[int] = ...) -> None: ...

class Clock(_message.Message):
    __slots__ = ("wall_ms", "steady_ms")
    WALL_MS_FIELD_NUMBER: _ClassVar[int]
    STEADY_MS_FIELD_NUMBER: _ClassVar[int]
    wall_ms: int
    steady_ms: int
    def __init__(self, wall_ms: _Optional[int] = ..., steady_ms: _Optional[int] = ...) -> None: ...

class Heartbeat(_message.Message):
    __slots__ = ("sequence", "clock", "held_count", "held_bytes", "window")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    CLOCK_FIELD_NUMBER: _ClassVar[int]
    HELD_COUNT_FIELD_NUMBER: _ClassVar[int]
    HELD_BYTES_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    clock: Clock
    held_count: int
    held_bytes: int
    window: Window
    def __init__(self, sequence: _Optional[int] = ..., clock: _Optional[_Union[Clock, _Mapping]] = ..., held_count: _Optional[int] = ..., held_bytes: _Optional[int] = ..., window: _Optional[_Union[Window, _Mapping]] = ...) -> None: ...

class HeartbeatAck(_message.Message):
    __slots__ = ("sequence", "clock", "permission_ms")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    CLOCK_FIELD_NUMBER: _ClassVar[int]
    PERMISSION_MS_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    clock: Clock
    permission_ms: int
    def __init__(self, sequence: _Optional[int] = ..., clock: _Optional[_Union[Clock, _Mapping]] = ..., permission_ms: _Optional[int] = ...) -> None: ...

class Welcome(_message.Message):
    __slots__ = ("scheduler_id", "protocol_version", "heartbeat_interval_ms", "lease_ms", "clock")
    SCHEDULER_ID_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_VERSION_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_INTERVAL_MS_FIELD_NUMBER: _ClassVar[int]
    LEASE_MS_FIELD_NUMBER: _ClassVar[int]
    CLOCK_FIELD_NUMBER: _ClassVar[int]
    scheduler_id: str
    protocol_version: int
    heartbeat_interval_ms: int
    lease_ms: int
    clock: Clock
    def __init__(self, scheduler_id: _Optional[str] = ..., protocol_version: _Optional[int] = ..., heartbeat_interval_ms: _Optional[int] = ..., lease_ms: _Optional[int] = ..., clock: _Optional[_Union[Clock, _Mapping]] = ...) -> None: ...

class Segments(_message.Message):
    __slots__ = ("segments",)
    SEGMENTS_FIELD_NUMBER: _ClassVar[int]
    segments: _containers.RepeatedCompositeFieldContainer[SegmentEpoch]
    def __init__(self, segments: _Optional[_Iterable[_Union[SegmentEpoch, _Mapping]]] = ...) -> None: ...

class SegmentEpoch(_message.Message):
    __slots__ = ("segment", "epoch")
    SEGMENT_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    segment: int
    epoch: int
    def __init__(self, segment: _Optional[int] = ..., epoch: _Optional[int] = ...) -> None: ...

class Assignments(_message.Message):
    __slots__ = ("assignments",)
    ASSIGNMENTS_FIELD_NUMBER: _ClassVar[int]
    assignments: _containers.RepeatedCompositeFieldContainer[Assignment]
    def __init__(self, assignments: _Optional[_Iterable[_Union[Assignment, _Mapping]]] = ...) -> None: ...

class Assignment(_message.Message):
    __slots__ = ("key", "epoch", "due_ms", "schedule_ms", "expire_ms", "job_name", "topic", "key_text", "type", "content_type", "headers", "payload", "traceparent", "priority")
    class HeadersEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    KEY_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    DUE_MS_FIELD_NUMBER: _ClassVar[int]
    SCHEDULE_MS_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_MS_FIELD_NUMBER: _ClassVar[int]
    JOB_NAME_FIELD_NUMBER: _ClassVar[int]
    TOPIC_FIELD_NUMBER: _ClassVar[int]
    KEY_TEXT_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    CONTENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    HEADERS_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    TRACEPARENT_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    key: RunKey
    epoch: int
    due_ms: int
    schedule_ms: int
    expire_ms: int
    job_name: str
    topic: str
    key_text: str
    type: str
    content_type: str
    headers: _containers.ScalarMap[str, str]
    payload: bytes
    traceparent: str
    priority: int
    def __init__(self, key: _Optional[_Union[RunKey, _Mapping]] = ..., epoch: _Optional[int] = ..., due_ms: _Optional[int] = ..., schedule_ms: _Optional[int] = ..., expire_ms: _Optional[int] = ..., job_name: _Optional[str] = ..., topic: _Optional[str] = ..., key_text: _Optional[str] = ..., type: _Optional[str] = ..., content_type: _Optional[str] = ..., headers: _Optional[_Mapping[str, str]] = ..., payload: _Optional[bytes] = ..., traceparent: _Optional[str] = ..., priority: _Optional[int] = ...) -> None: ...

class Outcomes(_message.Message):
    __slots__ = ("outcomes",)
    OUTCOMES_FIELD_NUMBER: _ClassVar[int]
    outcomes: _containers.RepeatedCompositeFieldContainer[Outcome]
    def __init__(self, outcomes: _Optional[_Iterable[_Union[Outcome, _Mapping]]] = ...) -> None: ...

class Outcome(_message.Message):
    __slots__ = ("key", "epoch", "published", "failure", "user")
    KEY_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    PUBLISHED_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    key: RunKey
    epoch: int
    published: Published
    failure: PublishFailure
    user: str
    def __init__(self, key: _Optional[_Union[RunKey, _Mapping]] = ..., epoch: _Optional[int] = ..., published: _Optional[_Union[Published, _Mapping]] = ..., failure: _Optional[_Union[PublishFailure, _Mapping]] = ..., user: _Optional[str] = ...) -> None: ...

class Published(_message.Message):
    __slots__ = ("publish_ms", "partition", "offset")
    PUBLISH_MS_FIELD_NUMBER: _ClassVar[int]
    PARTITION_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    publish_ms: int
    partition: int
    offset: int
    def __init__(self, publish_ms: _Optional[int] = ..., partition: _Optional[int] = ..., offset: _Optional[int] = ...) -> None: ...

class PublishFailure(_message.Message):
    __slots__ = ("message", "refused", "fail_ms")
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    FAIL_MS_FIELD_NUMBER: _ClassVar[int]
    message: str
    refused: bool
    fail_ms: int
    def __init__(self, message: _Optional[str] = ..., refused: _Optional[bool] = ..., fail_ms: _Optional[int] = ...) -> None: ...

class OutcomeAcks(_message.Message):
    __slots__ = ("keys",)
    KEYS_FIELD_NUMBER: _ClassVar[int]
    keys: _containers.RepeatedCompositeFieldContainer[RunKey]
    def __init__(self, keys: _Optional[_Iterable[_Union[RunKey, _Mapping]]] = ...) -> None: ...

class Revocation(_message.Message):
    __slots__ = ("revocation_id", "job_uids", "segments", "keys")
    REVOCATION_ID_FIELD_NUMBER: _ClassVar[int]
    JOB_UIDS_FIELD_NUMBER: _ClassVar[int]
    SEGMENTS_FIELD_NUMBER: _ClassVar[int]
    KEYS_FIELD_NUMBER: _ClassVar[int]
    revocation_id: int
    job_uids: _containers.RepeatedScalarFieldContainer[str]
    segments: _containers.RepeatedCompositeFieldContainer[SegmentEpoch]
    keys: _containers.RepeatedCompositeFieldContainer[RunKey]
    def __init__(self, revocation_id: _Optional[int] = ..., job_uids: _Optional[_Iterable[str]] = ..., segments: _Optional[_Iterable[_Union[SegmentEpoch, _Mapping]]] = ..., keys: _Optional[_Iterable[_Union[RunKey, _Mapping]]] = ...) -> None: ...

class RevocationAck(_message.Message):
    __slots__ = ("revocation_id", "already_started")
    REVOCATION_ID_FIELD_NUMBER: _ClassVar[int]
    ALREADY_STARTED_FIELD_NUMBER: _ClassVar[int]
    revocation_id: int
    already_started: _containers.RepeatedCompositeFieldContainer[RunKey]
    def __init__(self, revocation_id: _Optional[int] = ..., already_started: _Optional[_Iterable[_Union[RunKey, _Mapping]]] = ...) -> None: ...

class Topology(_message.Message):
    __slots__ = ("scheduler_addresses",)
    SCHEDULER_ADDRESSES_FIELD_NUMBER: _ClassVar[int]
    scheduler_addresses: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, scheduler_addresses: _Optional[_Iterable[str]] = ...) -> None: ...

class WorkerDrain(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class SchedulerDrain(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class WorkerStop(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
