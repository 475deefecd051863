"""Outcomes that no scheduler has acknowledged, and which stream each is to go to. Pure."""

import itertools
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass

from tickwheel.v1 import scheduler_service_pb2 as pb
from tickwheel.worker.publisher.port import Ack, Refused, Result, RunId


@dataclass(slots=True, eq=False)
class Finished:
    """An attempt that has been published, or will not be."""

    run: RunId
    segment: int
    #: The owner of its job.
    user: str
    epoch: int
    #: Unavailable stands for "time ran out while the log did not answer".
    result: Result
    #: When it was told, Unix milliseconds.
    told_ms: int


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

    def add(self, finished: Finished) -> None:
        """Notes what became of an assignment."""
        self._unacknowledged[finished.run] = finished

    def acknowledge(self, runs: Iterable[RunId]) -> None:
        """A scheduler has stored these."""
        for run in runs:
            finished = self._unacknowledged.pop(run, None)
            if finished is not None:
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

    def take(self, stream: int, limit: int) -> pb.Outcomes | None:
        """The next outcomes to send over a stream, in the order in which they came about."""
        queue = self._queues.get(stream)
        if not queue:
            return None
        message = pb.Outcomes()
        for run in list(itertools.islice(queue, limit)):
            # Filled in place: passing nested messages to a constructor copies each of them.
            _fill(message.outcomes.add(), queue.pop(run))
        return message

    def drop_stream(self, stream: int) -> None:
        """The stream has ended; what waits for it stays unacknowledged."""
        self._queues.pop(stream, None)


def _fill(outcome: pb.Outcome, finished: Finished) -> None:
    run, key = finished.run, outcome.key
    key.job_uid = run.job_uid
    key.run_id = run.run_id
    key.attempt = run.attempt
    key.dead_letter = run.dead_letter
    key.segment = finished.segment
    outcome.epoch = finished.epoch
    outcome.user = finished.user
    result = finished.result
    if isinstance(result, Ack):
        published = outcome.published
        published.publish_ms = result.publish_ms
        published.partition = result.partition
        published.offset = result.offset
    else:
        failure = outcome.failure
        failure.message = result.message
        failure.refused = isinstance(result, Refused)
        failure.fail_ms = finished.told_ms
