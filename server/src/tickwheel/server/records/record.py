"""What goes on the log, and what the log says of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

#: 7 days, Kafka's default.
_RETENTION_MS = 7 * 24 * 3600 * 1000


class Recordable(Protocol):
    """Anything with the parts of a record, so that a sender's own type needs no conversion."""

    @property
    def topic(self) -> str:
        """1-249 of letters, digits, `.`, `_`, `-`; neither `.` nor `..`."""
        ...

    @property
    def key(self) -> bytes | None:
        """Equal keys share a partition; None (or empty) goes to any."""
        ...

    @property
    def headers(self) -> Sequence[tuple[str, bytes]]:
        """In this order; a name may occur more than once."""
        ...

    @property
    def value(self) -> bytes:
        """The payload."""
        ...


@dataclass(frozen=True, slots=True)
class NewRecord:
    """A record to append."""

    topic: str
    key: bytes | None
    headers: Sequence[tuple[str, bytes]]
    value: bytes


class Appended(NamedTuple):
    """Where a record is on the log, and when it was put there."""

    partition: int
    offset: int
    #: Wall clock as its batch was written, Unix milliseconds; Kafka's LogAppendTime.
    append_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLimits:
    """How the log is laid out and bounded."""

    #: Of a new topic. Topics that exist keep theirs.
    partitions: int = 4
    #: Of one record with key, headers and framing; Kafka's default for `message.max.bytes`.
    max_record_bytes: int = 1_048_588
    #: Records older than this are dropped, and so are groups that were silent for as long.
    retention_ms: int = _RETENTION_MS
    #: The file grows no further (beside its write-ahead log); None: as far as the disk goes.
    max_file_bytes: int | None = None


class PartitionState(NamedTuple):
    """What a partition holds: offsets from `start` (inclusive) to `end` (exclusive)."""

    topic: str
    #: Unique in the log.
    id: int
    #: Within the topic, from 0.
    number: int
    start: int
    end: int
