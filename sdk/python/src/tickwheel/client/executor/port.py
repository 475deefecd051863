"""Where records come from, as the executor sees it; Kafka and the embedded log are behind it."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Delivery:
    """A record that was taken from the log."""

    topic: str
    partition: int
    offset: int
    key: bytes
    value: bytes
    headers: Sequence[tuple[str, bytes]]
    """In order; a name may occur more than once."""
    reading: int = 0
    """How often the partition had gone back before. At the same offset of a later reading there may
    be another record."""


class Taker(Protocol):
    """What a source gives records to. Belongs to the event loop."""

    def room(self, topic: str) -> int:
        """How many more records of a topic may be put now."""
        ...

    def put(self, delivery: Delivery) -> None:
        """Takes over a record, of a topic that has room."""
        ...

    async def wait_for_room(self, topic: str) -> None:
        """Until a topic has room."""
        ...

    def in_work(self) -> Collection[Delivery]:
        """The records that are being worked on; not those that wait for their turn."""
        ...

    async def let_go(self, timeout: float) -> None:
        """Forgets the records that wait, and waits for those that are being worked on.

        Args:
            timeout: seconds after which it returns with some of them still in work.
        """
        ...

    def hand_over(self, gone: Callable[[Delivery], bool]) -> None:
        """Stops work on the records of which `gone` is true: others have been given them.

        They are finished all the same where it is too late to stop.
        """
        ...


class RecordSource(Protocol):
    """A consumer in a group. At least once: what is not finished is handed out again.

    In this order: `run`, from when on `finished` or `unfinished` is called for each record; `stop`,
    which makes `run` return, while the group still counts this consumer in; `close`.
    """

    @property
    def system(self) -> str:
        """What the log is, as `messaging.system` of OpenTelemetry has it."""
        ...

    def describe(self) -> str:
        """Which log it is, for people."""
        ...

    async def run(self, taker: Taker) -> None:
        """Takes records as long as there is room for them.

        Raises:
            ExecutorError: the log refuses for good.
        """
        ...

    def finished(self, delivery: Delivery) -> None:
        """Notes that a record need not be handed out again to anyone."""
        ...

    def unfinished(self, delivery: Delivery) -> None:
        """Notes that work on a record was given up, and somebody has to do it again."""
        ...

    def stop(self) -> None:
        """Takes no more records, but stays in the group."""
        ...

    async def close(self) -> None:
        """Stores what is finished and leaves the group; the rest is handed out again at once."""
        ...
