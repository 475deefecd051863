"""The port to the log that records are published to."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple


class RunId(NamedTuple):
    """What there is one record of: one attempt of one run, or the run's dead letter."""

    job_uid: str
    run_id: str
    #: From 1; of a dead letter, the last one.
    attempt: int
    dead_letter: bool = False


class Permit:
    """Until when records may be given to the log.

    A scheduler has one, so that one heartbeat extends it for all that it has assigned. Within it
    each epoch of a segment has one of its own, which ends for good once a higher epoch is known.
    """

    __slots__ = ("until_ms", "within")

    def __init__(self, until_ms: int = 0, within: "Permit | None" = None) -> None:
        #: On the worker's steady clock, exclusive, in milliseconds.
        self.until_ms = until_ms
        #: Has to hold as well.
        self.within = within

    def holds(self, steady_ms: int) -> bool:
        """Whether records may be given to the log at this instant of the steady clock."""
        return steady_ms < self.until_ms and (self.within is None or self.within.holds(steady_ms))


@dataclass(slots=True, eq=False)
class Record:
    """One record as it goes on the log; everything that can be is computed before it is due.

    Nobody changes it, but for what its publisher keeps in `prepared`.
    """

    #: Whose record it is; at most one record of it is with the publisher at a time.
    run: RunId
    topic: str
    key: bytes | None
    #: In this order.
    headers: list[tuple[str, bytes]]
    value: bytes
    permit: Permit
    #: Not given to the log from this instant of the worker's steady clock on, in milliseconds: a
    #: wall clock that is put ahead lets nothing expire.
    expire_ms: int
    #: What the publisher has made of it ahead of its instant; see `Publisher.expect`.
    prepared: object = None

    @property
    def size(self) -> int:
        """Its weight in bytes: key, headers and value."""
        headers = sum(map(len, chain.from_iterable(self.headers)))
        return len(self.key or b"") + headers + len(self.value)


class Ack(NamedTuple):
    """The log has it."""

    partition: int
    #: -1 where the log knows only that it has it already.
    offset: int
    #: The log's own stamp, or else when its acknowledgement arrived; Unix milliseconds.
    publish_ms: int


class Refused(NamedTuple):
    """The log does not take it and never will: size, topic, rights."""

    message: str


class Unavailable(NamedTuple):
    """It is not known to be on the log; the sender may give it again.

    Also the answer where the permit or the record had expired before it could be given.
    """

    message: str


Result = Ack | Refused | Unavailable

#: Told what became of records: the results are in the order of the records. Called on the event
#: loop, with any number of records at a time; must not block.
Report = Callable[[Sequence[Record], Sequence[Result]], None]


class Publisher(ABC):
    """Puts records on a log.

    Contract, in this order: `start` once; then `expect` and `publish` at will; then `close` or
    `abort`. `publish` and `expect` may be called while the log cannot be reached.
    """

    @abstractmethod
    async def start(self, report: Report) -> None:
        """Begins. Does not wait until the log can be reached; see `ready`.

        Args:
            report: is told the result of each record, exactly once for each time it was given.
        """

    @property
    @abstractmethod
    def ready(self) -> bool:
        """Whether the log could be reached when it was last tried."""

    def expect(self, records: Sequence[Record]) -> None:  # noqa: B027
        """Tells of records that will be published later, so that nothing need be looked up then.

        Does nothing unless the engine has something to prepare. Must not block.
        """

    @abstractmethod
    async def publish(self, records: Sequence[Record]) -> None:
        """Takes records over and returns without waiting for the log.

        A record is given to the log only while its permit holds and before `expire_ms`, both
        looked at immediately before it is given, and again before each repetition; a record for
        which one of them has passed is reported as Unavailable. Errors of the log that pass are
        retried; what is final is reported. Records of one call and one key keep their order.

        Never raises for what the log answers.
        """

    @abstractmethod
    async def abort(self) -> None:
        """Throws away what was not yet acknowledged, without flushing, and all connections.

        Everything outstanding is reported as Unavailable, though the log may have it. The
        publisher is closed afterwards.
        """

    @abstractmethod
    async def close(self) -> None:
        """Waits until everything outstanding is reported, then lets go of all resources."""
