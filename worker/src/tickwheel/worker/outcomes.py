"""Outcomes that no scheduler has acknowledged, and which stream each is to go to. Pure."""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass

from tickwheel.v1 import scheduler_service_pb2 as pb
from tickwheel.worker.held import Held, key_message
from tickwheel.worker.publisher.port import Ack, Refused, RunId, Unavailable


@dataclass(slots=True, eq=False)
class Finished:
    """An attempt that has been published, or will not be."""

    run: RunId
    segment: int
    outcome: pb.Outcome
    acknowledged: bool = False


class OutcomeBook:
    """Keeps outcomes until they are acknowledged, and remembers some for longer.

    The memory is there so that an assignment which is repeated because an acknowledgement or a
    report was lost is answered with its outcome, and not published again.
    """

    def __init__(self, remember: int) -> None:
        """Makes an empty book.

        Args:
            remember: how many acknowledged outcomes are remembered; the oldest go first.
        """
        self._remember = remember
        self._unacknowledged: dict[RunId, Finished] = {}
        self._remembered: OrderedDict[RunId, Finished] = OrderedDict()
        self._queues: dict[int, dict[RunId, Finished]] = {}

    @property
    def unacknowledged(self) -> int:
        """How many wait for an acknowledgement."""
        return len(self._unacknowledged)

    def find(self, run: RunId) -> Finished | None:
        """The outcome of an attempt, if it is known."""
        return self._unacknowledged.get(run) or self._remembered.get(run)

    def add(self, held: Held, result: Ack | Refused | Unavailable, now_ms: int) -> Finished:
        """Notes what became of an assignment.

        Args:
            held: the assignment.
            result: Unavailable stands for "time ran out while the log did not answer".
            now_ms: our wall clock.
        """
        finished = Finished(held.run, held.segment, _outcome(held, result, now_ms))
        self._unacknowledged[held.run] = finished
        return finished

    def acknowledge(self, runs: Iterable[RunId]) -> None:
        """A scheduler has stored these."""
        for run in runs:
            finished = self._unacknowledged.pop(run, None)
            if finished is None:
                continue
            finished.acknowledged = True
            self._remembered[run] = finished
        while len(self._remembered) > self._remember:
            self._remembered.popitem(last=False)

    def pending(self, segments: Iterable[int] | None = None) -> list[Finished]:
        """All that wait for an acknowledgement, or those of some segments, oldest first."""
        if segments is None:
            return list(self._unacknowledged.values())
        wanted = frozenset(segments)
        return [one for one in self._unacknowledged.values() if one.segment in wanted]

    def enqueue(self, stream: int, finished: Iterable[Finished]) -> None:
        """These are to be sent over a stream."""
        queue = self._queues.setdefault(stream, {})
        for one in finished:
            queue[one.run] = one

    def queued(self, stream: int) -> int:
        """How many wait to be sent over a stream."""
        return len(self._queues.get(stream, ()))

    def streams(self) -> list[int]:
        """The streams over which something waits to be sent."""
        return [stream for stream, queue in self._queues.items() if queue]

    def take(self, stream: int, limit: int) -> list[pb.Outcome]:
        """The next outcomes to send over a stream, in the order in which they came about."""
        queue = self._queues.get(stream)
        if not queue:
            return []
        runs = list(queue)[:limit]
        return [queue.pop(run).outcome for run in runs]

    def drop_stream(self, stream: int) -> None:
        """The stream has ended; what waits for it stays unacknowledged."""
        self._queues.pop(stream, None)


def _outcome(held: Held, result: Ack | Refused | Unavailable, now_ms: int) -> pb.Outcome:
    key = key_message(held.run, held.segment)
    match result:
        case Ack(partition, offset, publish_ms):
            published = pb.Published(publish_ms=publish_ms, partition=partition, offset=offset)
            return pb.Outcome(key=key, epoch=held.epoch, published=published)
        case Refused(message):
            failure = pb.PublishFailure(message=message, refused=True, fail_ms=now_ms)
        case Unavailable(message):
            failure = pb.PublishFailure(message=message, refused=False, fail_ms=now_ms)
    return pb.Outcome(key=key, epoch=held.epoch, failure=failure)
