"""The log as an audit reads it: from an instant on, as far as it goes, in the order it has."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from tickwheel.server.audit.facts import FOR_EVER_MS, LogRecord
from tickwheel.server.domain.names import USER_PATTERN, is_uuid7, run_id_instant_ms

#: `Partition.kept_ms` where the log has dropped all that there was.
NONE_KEPT_MS: Final = FOR_EVER_MS
#: Contents are compared by so many bytes of their SHA-256: they need not be kept.
DIGEST_BYTES: Final = 16


class LogError(Exception):
    """The log cannot be read; the text says why."""


@dataclass(frozen=True, slots=True)
class Partition:
    """What there is to read of a partition. Offsets."""

    topic: str
    number: int
    #: The first that is still kept.
    kept_from: int
    #: The first that may belong to the range.
    begin: int
    #: Behind the last that was there when the audit began.
    end: int
    #: When the first that is still kept was appended; 0: nothing was dropped. Unix milliseconds.
    kept_ms: int = 0


@dataclass(frozen=True, slots=True)
class Seen:
    """A record, if Tickwheel wrote it."""

    partition: int
    offset: int
    #: None: it is not Tickwheel's, or a dead letter.
    record: LogRecord | None
    user: str = ""


class AuditedLog(ABC):
    """A log with topics and partitions, read outside of any consumer group."""

    #: For people.
    name: str

    @abstractmethod
    async def partitions(self, topic: str, since_ms: int) -> Sequence[Partition]:
        """The partitions of a topic; none where there is no such topic.

        Args:
            topic: which.
            since_ms: what was appended before is not wanted; Unix milliseconds.

        Raises:
            LogError: the log does not answer.
        """

    @abstractmethod
    def read(self, partitions: Sequence[Partition]) -> AsyncGenerator[Sequence[Seen], None]:
        """The records of one topic's partitions from `begin` to before `end`, some at a time.

        Raises:
            LogError: the log does not answer.
        """

    @abstractmethod
    async def has_own_stamps(self, topic: str) -> bool:
        """Whether a record's time is when the log took it, not what its producer said."""

    @abstractmethod
    async def close(self) -> None:
        """Lets go of it."""


def digest(content: bytes) -> bytes:
    """What stands for a content."""
    return hashlib.sha256(content).digest()[:DIGEST_BYTES]


def seen(
    topic: str,
    partition: int,
    offset: int,
    append_ms: int,
    key: bytes,
    value: bytes,
    headers: Iterable[tuple[str, bytes]],
) -> Seen:
    """A record as its headers describe it. Its key and value are given by their digests."""
    # A user's own headers follow Tickwheel's and cannot have the same names.
    named = {name: content for name, content in headers if name in _HEADERS}
    if len(named) < len(_HEADERS):
        return Seen(partition, offset, None)
    try:
        uid, run_id, attempt = named["ce_id"].decode().split("/")
        record = LogRecord(
            topic=topic,
            partition=partition,
            offset=offset,
            given_ms=append_ms,
            uid=uid,
            run_id=run_id,
            attempt=int(attempt),
            fence=int(named["ce_fence"]),
            due_ms=round(datetime.fromisoformat(named["ce_time"].decode()).timestamp() * 1000),
            key=digest(key),
            value=digest(value),
        )
        user = named["ce_user"].decode()
    except ValueError:
        return Seen(partition, offset, None)
    if not is_uuid7(uid) or run_id_instant_ms(run_id) is None or not USER_PATTERN.fullmatch(user):
        return Seen(partition, offset, None)
    return Seen(partition, offset, record, user)


_HEADERS: Final = frozenset({"ce_id", "ce_fence", "ce_time", "ce_user"})
