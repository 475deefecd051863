import datetime

from buf.validate import validate_pb2 as _validate_pb2
from google.api import annotations_pb2 as _annotations_pb2
from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.api import resource_pb2 as _resource_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GetClusterRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class DrainWorkerRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class Cluster(_message.Message):
    __slots__ = ("name", "engine", "version", "read_time", "segment_count", "unowned_segments", "schedulers", "workers", "lag")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ENGINE_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    READ_TIME_FIELD_NUMBER: _ClassVar[int]
    SEGMENT_COUNT_FIELD_NUMBER: _ClassVar[int]
    UNOWNED_SEGMENTS_FIELD_NUMBER: _ClassVar[int]
    SCHEDULERS_FIELD_NUMBER: _ClassVar[int]
    WORKERS_FIELD_NUMBER: _ClassVar[int]
    LAG_FIELD_NUMBER: _ClassVar[int]
    name: str
    engine: str
    version: str
    read_time: _timestamp_pb2.Timestamp
    segment_count: int
    unowned_segments: _containers.RepeatedScalarFieldContainer[int]
    schedulers: _containers.RepeatedCompositeFieldContainer[Scheduler]
    workers: _containers.RepeatedCompositeFieldContainer[Worker]
    lag: _duration_pb2.Duration
    def __init__(self, name: _Optional[str] = ..., engine: _Optional[str] = ..., version: _Optional[str] = ..., read_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., segment_count: _Optional[int] = ..., unowned_segments: _Optional[_Iterable[int]] = ..., schedulers: _Optional[_Iterable[_Union[Scheduler, _Mapping]]] = ..., workers: _Optional[_Iterable[_Union[Worker, _Mapping]]] = ..., lag: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class Scheduler(_message.Message):
    __slots__ = ("name", "address", "version", "host", "start_time", "heartbeat_age", "segments", "lag", "pending_count", "draining", "answering")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    HOST_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_AGE_FIELD_NUMBER: _ClassVar[int]
    SEGMENTS_FIELD_NUMBER: _ClassVar[int]
    LAG_FIELD_NUMBER: _ClassVar[int]
    PENDING_COUNT_FIELD_NUMBER: _ClassVar[int]
    DRAINING_FIELD_NUMBER: _ClassVar[int]
    ANSWERING_FIELD_NUMBER: _ClassVar[int]
    name: str
    address: str
    version: str
    host: str
    start_time: _timestamp_pb2.Timestamp
    heartbeat_age: _duration_pb2.Duration
    segments: _containers.RepeatedCompositeFieldContainer[OwnedSegment]
    lag: _duration_pb2.Duration
    pending_count: int
    draining: bool
    answering: bool
    def __init__(self, name: _Optional[str] = ..., address: _Optional[str] = ..., version: _Optional[str] = ..., host: _Optional[str] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., heartbeat_age: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., segments: _Optional[_Iterable[_Union[OwnedSegment, _Mapping]]] = ..., lag: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., pending_count: _Optional[int] = ..., draining: _Optional[bool] = ..., answering: _Optional[bool] = ...) -> None: ...

class OwnedSegment(_message.Message):
    __slots__ = ("segment", "epoch", "worker")
    SEGMENT_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    WORKER_FIELD_NUMBER: _ClassVar[int]
    segment: int
    epoch: int
    worker: str
    def __init__(self, segment: _Optional[int] = ..., epoch: _Optional[int] = ..., worker: _Optional[str] = ...) -> None: ...

class Worker(_message.Message):
    __slots__ = ("name", "version", "host", "connect_time", "heartbeat_age", "segments", "held_count", "held_bytes", "clock_offset", "draining")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    HOST_FIELD_NUMBER: _ClassVar[int]
    CONNECT_TIME_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_AGE_FIELD_NUMBER: _ClassVar[int]
    SEGMENTS_FIELD_NUMBER: _ClassVar[int]
    HELD_COUNT_FIELD_NUMBER: _ClassVar[int]
    HELD_BYTES_FIELD_NUMBER: _ClassVar[int]
    CLOCK_OFFSET_FIELD_NUMBER: _ClassVar[int]
    DRAINING_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: str
    host: str
    connect_time: _timestamp_pb2.Timestamp
    heartbeat_age: _duration_pb2.Duration
    segments: _containers.RepeatedScalarFieldContainer[int]
    held_count: int
    held_bytes: int
    clock_offset: _duration_pb2.Duration
    draining: bool
    def __init__(self, name: _Optional[str] = ..., version: _Optional[str] = ..., host: _Optional[str] = ..., connect_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., heartbeat_age: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., segments: _Optional[_Iterable[int]] = ..., held_count: _Optional[int] = ..., held_bytes: _Optional[int] = ..., clock_offset: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., draining: _Optional[bool] = ...) -> None: ...
