"""How much of a burst may wait inside the publisher, where nothing can overtake it. Pure.

Users take turns where records are taken out of the wheel. What the publisher has been given goes in
that order, so a storm that were given to it at once would hold up everybody until it is through.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from tickwheel.worker.publisher.port import Record

#: Records that the log may have to do with at once: enough to keep it busy.
MOST = 2_000
#: A topic of which nothing has come back for so long does not count: it would hold up all others.
STUCK_MS = 1_000


@dataclass(slots=True)
class _Topic:
    count: int
    heard_ms: int


class Outstanding:
    """Records that were given to the publisher and not reported yet, by topic."""

    def __init__(self) -> None:
        self._topics: dict[str, _Topic] = {}

    def given(self, records: Iterable[Record], steady_ms: int) -> None:
        """The publisher gets these."""
        for record in records:
            topic = self._topics.get(record.topic)
            if topic is None:
                topic = self._topics[record.topic] = _Topic(0, steady_ms)
            topic.count += 1

    def reported(self, records: Iterable[Record], steady_ms: int) -> None:
        """It has told what became of these."""
        for record in records:
            topic = self._topics.get(record.topic)
            if topic is None:
                continue
            topic.count -= 1
            topic.heard_ms = steady_ms
            if topic.count <= 0:
                del self._topics[record.topic]

    def is_full(self, steady_ms: int) -> bool:
        """Whether more of a burst has to wait."""
        moving = (
            topic.count for topic in self._topics.values() if steady_ms - topic.heard_ms < STUCK_MS
        )
        return sum(moving) >= MOST
