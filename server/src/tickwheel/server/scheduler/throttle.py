"""Limits over many jobs: runs in flight per user and topic, dispatch rate per topic. Pure.

Limits are meant for the whole cluster. Each scheduler heeds its share of them, by how many of the
segments it owns; jobs are spread over segments evenly, so the shares add up to the limit.
"""

import math
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tickwheel.server.scheduler.fairqueue import FairQueue
from tickwheel.server.scheduler.live import LiveRun

#: A topic that was quiet may be given as much at once as its rate allows in this time.
BURST_MS = 1_000
ALL = "*"
_LEAST_SHARE = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class DispatchLimits:
    """What the operator allows, for the whole cluster; 0 and absent mean no limit."""

    #: Unfinished COMPLETION_REPORTED runs of one user at once.
    in_flight_per_user: int = 0
    #: Likewise by topic; `*` stands for each that is not named.
    in_flight_per_topic: Mapping[str, float] = field(default_factory=dict[str, float])
    #: Runs per second by topic; `*` likewise.
    rate_per_topic: Mapping[str, float] = field(default_factory=dict[str, float])

    def topic_in_flight(self, topic: str) -> float:
        """The limit of a topic; 0 for none."""
        return self.in_flight_per_topic.get(topic, self.in_flight_per_topic.get(ALL, 0))

    def topic_rate(self, topic: str) -> float:
        """Runs per second of a topic; 0 for any."""
        return self.rate_per_topic.get(topic, self.rate_per_topic.get(ALL, 0))


class Throttle:
    """One scheduler's share of the limits."""

    def __init__(self, limits: DispatchLimits) -> None:
        self._limits = limits
        self._share = 1.0
        #: By topic, when the next run may go at the topic's rate, Unix milliseconds: a token
        #: bucket as the generic cell rate algorithm keeps it (ITU-T I.371).
        self._next_ms: dict[str, float] = {}
        self._users: Counter[str] = Counter()
        self._topics: Counter[str] = Counter()
        #: Runs that count: their segment, and the topic under which they do.
        self._counted: dict[tuple[str, str], tuple[int, LiveRun, str]] = {}
        #: By topic, as room is.
        self._parked = FairQueue(lambda run: run.job.spec.target.topic)
        self._room = False

    def set_share(self, owned: int, segments: int) -> None:
        """How many of all segments are ours."""
        self._share = owned / max(1, segments)
        self._room = True

    def is_paced(self, run: LiveRun) -> bool:
        """Whether the attempt has to wait for its topic's rate; once an attempt."""
        if run.paced_attempt == run.attempt or run.dead_letter:
            return False
        return self._limits.topic_rate(run.job.spec.target.topic) > 0

    def slot_ms(self, run: LiveRun) -> int:
        """When the topic's rate lets a run go that `is_paced`, not before its own instant."""
        topic = run.job.spec.target.topic
        # A bucket holds at least one run.
        earliest_ms = self._next_ms.get(topic, 0.0) - max(BURST_MS - self._step_ms(topic), 0)
        return max(run.fire_ms, math.ceil(earliest_ms))

    def pace(self, run: LiveRun) -> None:
        """Puts an attempt's instant off to its slot, which is taken then."""
        topic = run.job.spec.target.topic
        run.paced_attempt = run.attempt
        run.fire_ms = self.slot_ms(run)
        next_ms = max(self._next_ms.get(topic, 0.0), run.fire_ms)
        self._next_ms[topic] = next_ms + self._step_ms(topic)

    def _step_ms(self, topic: str) -> float:
        return 1_000 / (self._limits.topic_rate(topic) * max(self._share, _LEAST_SHARE))

    def admit(self, runs: Iterable[LiveRun], now_ms: int) -> list[LiveRun]:
        """Those that may be handed out now; the others are kept until there is room."""
        admitted: list[LiveRun] = []
        for run in runs:
            if run.name in self._counted or not self._is_limited(run):
                admitted.append(run)
            else:
                self._parked.add(run)
                self._room = True
        if self._parked and self._room:
            admitted.extend(self._unpark(now_ms))
        return admitted

    def next_ms(self) -> int | None:
        """When a run that is kept comes due; None where only an end makes room."""
        return min(
            (run.fire_ms for run in self._parked.heads() if not self._is_full(run)), default=None
        )

    def ended(self, run: LiveRun) -> None:
        """A run has ended: another may take its place."""
        counted = self._counted.pop(run.name, None)
        if counted is not None:
            self._users[run.job.user] -= 1
            self._topics[counted[2]] -= 1
            self._room = True

    def forget(self, segments: Iterable[int]) -> None:
        """These segments are not ours any more: their runs count elsewhere."""
        lost = set(segments)
        for segment, run, _ in list(self._counted.values()):
            if segment in lost:
                self.ended(run)
        self._parked.forget(lost)

    def resume(self, run: LiveRun) -> None:
        """A run that a former owner has handed out counts as well."""
        if self._is_limited(run):
            self._count(run)

    def _unpark(self, now_ms: int) -> list[LiveRun]:
        """Users in turn; none before it is due.

        A run that was handed out ahead would take the place of one that is due.
        """
        waiting = False

        def admit(run: LiveRun) -> bool:
            nonlocal waiting
            if run.fire_ms > now_ms:
                waiting = True
                return False
            if self._is_full(run):
                return False
            self._count(run)
            return True

        admitted = self._parked.take(sys.maxsize, now_ms, admit)
        self._room = waiting
        return admitted

    def _is_limited(self, run: LiveRun) -> bool:
        if not run.is_reported or run.dead_letter:
            return False
        limits = self._limits
        return bool(limits.in_flight_per_user or limits.topic_in_flight(run.job.spec.target.topic))

    def _is_full(self, run: LiveRun) -> bool:
        topic = run.job.spec.target.topic
        return self._is_reached(
            self._limits.in_flight_per_user, self._users[run.job.user]
        ) or self._is_reached(self._limits.topic_in_flight(topic), self._topics[topic])

    def _is_reached(self, limit: float, count: int) -> bool:
        return limit > 0 and count >= max(1, math.ceil(limit * self._share))

    def _count(self, run: LiveRun) -> None:
        topic = run.job.spec.target.topic
        if run.name in self._counted:
            return
        self._counted[run.name] = (run.job.segment, run, topic)
        self._users[run.job.user] += 1
        self._topics[topic] += 1
