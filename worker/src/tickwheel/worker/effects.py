"""What the core wants done. Plain values, carried out by the runtime in their order."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tickwheel.v1 import scheduler_service_pb2 as pb
from tickwheel.worker.publisher.port import Record


@dataclass(frozen=True, slots=True)
class Send:
    """Send a message over a stream."""

    stream: int
    message: pb.ConnectRequest


@dataclass(frozen=True, slots=True)
class CloseStream:
    """End a stream from our side."""

    stream: int
    reason: str


@dataclass(frozen=True, slots=True)
class ConnectTo:
    """Have a stream to each of these addresses (`host:port`), and open none to others."""

    addresses: frozenset[str]


@dataclass(frozen=True, slots=True)
class Expect:
    """Tell the publisher what it will be given later."""

    records: Sequence[Record]


@dataclass(frozen=True, slots=True)
class HeartbeatEvery:
    """Have the core asked for a heartbeat of this stream, now and then at this interval."""

    stream: int
    interval_ms: int


@dataclass(frozen=True, slots=True)
class Say:
    """Log something for people."""

    #: As in `logging`.
    level: int
    event: str
    fields: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class Retire:
    """An operator wants the worker to stop, in its own time."""


Effect = Send | CloseStream | ConnectTo | Expect | HeartbeatEvery | Say | Retire
