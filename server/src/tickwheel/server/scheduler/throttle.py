"""Limits over many jobs: runs in flight per user and topic, dispatch rate per topic. Pure.

Limits are meant for the whole cluster. Each scheduler heeds its share of them, by how many of the
segments it owns; jobs are spread over segments evenly, so the shares add up to the limit.
"""

import math
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tickwheel.server.domain.run import Limit
from tickwheel.server.scheduler.fairqueue import FairQueue
from tickwheel.server.scheduler.live import LiveRun

#: A topic that was quiet may be given as much at once as its rate allows in this time.
BURST_MS = 1_000
ALL = "*"
_LEAST_SHARE = 1e-6
#: So many topics are remembered whatever they are.
_FEW = 1_000


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
    """One scheduler's share of the limits; as a `Gate` it says which one holds a run back."""

    def __init__(self, limits: DispatchLimits) -> None:
        self._limits = limits
        self._share = 1.0
        #: By topic, when the next run may go at the topic's rate, Unix milliseconds: a token
        #: bucket as the generic cell rate algorithm keeps it (ITU-T I.371).
        self._next_ms: dict[str, float] = {}
        #: So many of them were ahead of their rate when it was last looked, or few.
        self._topics_owing = _FEW
        self._users: Counter[str] = Counter()
        self._topics: Counter[str] = Counter()
        #: Runs that count: their segment, and the topic under which they do.
        self._counted: dict[tuple[str, str], tuple[int, LiveRun, str]] = {}
        #: By topic, as room is.
        self._parked = FairQueue(lambda run: run.job.spec.target.topic)
        self._room = False
        #: By limit, and user or topic, until when it was reached; while something waits for room.
        self._reached_until: dict[tuple[Limit, str], int] = {}

    def set_share(self, owned: int, segments: int, now_ms: int) -> None:
        """How many of all segments are ours."""
        share = max(owned / max(1, segments), _LEAST_SHARE)
        if share == self._share:
            return
        for user in self._users:
            self._note_room(user, "", now_ms)
        for topic in self._topics:
            self._note_room("", topic, now_ms)
        # What has gone ahead of its rate waits for as long as the new rate takes for it.
        slower = self._share / share
        self._next_ms = {
            topic: now_ms + (next_ms - now_ms) * slower
            for topic, next_ms in self._next_ms.items()
            if next_ms > now_ms
        }
        self._share = share
        self._room = True

    def is_paced(self, run: LiveRun) -> bool:
        """Whether the attempt has to wait for its topic's rate; once an attempt."""
        if run.paced_attempt == run.attempt or run.dead_letter:
            return False
        return self._limits.topic_rate(run.job.spec.target.topic) > 0

    def slot_ms(self, run: LiveRun, now_ms: int) -> int:
        """When the topic's rate lets a run go that `is_paced`: its own instant, or a later one."""
        topic = run.job.spec.target.topic
        # A bucket holds at least one run.
        earliest_ms = self._next_ms.get(topic, 0.0) - max(BURST_MS - self._step_ms(topic), 0)
        # What is long due takes its slot in the present: none is left of the past.
        is_free = earliest_ms <= max(run.fire_ms, now_ms)
        return run.fire_ms if is_free else math.ceil(earliest_ms)

    def pace(self, run: LiveRun, now_ms: int) -> None:
        """Puts an attempt's instant off to its slot, which is taken then."""
        topic = run.job.spec.target.topic
        run.paced_attempt = run.attempt
        run.gate = None
        slot_ms = self.slot_ms(run, now_ms)
        run.let_go(Limit.TOPIC_RATE, slot_ms)
        next_ms = max(self._next_ms.get(topic, 0.0), slot_ms, now_ms)
        self._next_ms[topic] = next_ms + self._step_ms(topic)
        if len(self._next_ms) > 2 * self._topics_owing:
            # A topic that was quiet for long enough has its whole burst, like one never seen.
            self._next_ms = {name: at for name, at in self._next_ms.items() if at > now_ms}
            self._topics_owing = max(len(self._next_ms), _FEW)

    def _step_ms(self, topic: str) -> float:
        return 1_000 / (self._limits.topic_rate(topic) * self._share)

    def admit(self, runs: Iterable[LiveRun], now_ms: int) -> list[LiveRun]:
        """Those that may be handed out now; the others are kept until there is room."""
        admitted: list[LiveRun] = []
        for run in runs:
            if run.name in self._counted or not self._is_limited(run):
                run.gate = None
                admitted.append(run)
            else:
                run.gate = self
                self._parked.add(run)
                self._room = True
        if self._parked and self._room:
            admitted.extend(self._unpark(now_ms))
        return admitted

    def next_ms(self) -> int | None:
        """When a run that is kept comes due; None where only an end makes room."""
        return min(
            (run.fire_ms for run in self._parked.heads() if self._full(run) is Limit.NONE),
            default=None,
        )

    def holds(self, run: LiveRun, now_ms: int) -> Limit:
        """Which limit keeps a run that is due."""
        if not self.is_paced(run):
            return self._full(run)
        return Limit.TOPIC_RATE if self.slot_ms(run, now_ms) > now_ms else Limit.NONE

    def ended(self, run: LiveRun, now_ms: int) -> None:
        """A run has ended: another may take its place."""
        counted = self._counted.pop(run.name, None)
        if counted is not None:
            user, topic = run.job.user, counted[2]
            self._note_room(user, topic, now_ms)
            for counts, name in ((self._users, user), (self._topics, topic)):
                counts[name] -= 1
                if not counts[name]:
                    del counts[name]
            self._room = True

    def dropped(self, run: LiveRun, now_ms: int) -> None:
        """A run was taken back: nobody has it, and perhaps it is not computed again."""
        counted = self._counted.get(run.name)
        if counted is not None and counted[1] is run:
            self.ended(run, now_ms)

    def _note_room(self, user: str, topic: str, now_ms: int) -> None:
        """A limit that is reached is about to be so no longer; what waits for it was held back."""
        if not self._parked:
            return
        if self._is_user_full(user):
            self._reached_until[Limit.USER_IN_FLIGHT, user] = now_ms
        if self._is_topic_full(topic):
            self._reached_until[Limit.TOPIC_IN_FLIGHT, topic] = now_ms

    def forget(self, segments: Iterable[int], now_ms: int) -> None:
        """These segments are not ours any more: their runs count elsewhere."""
        lost = set(segments)
        for segment, run, _ in list(self._counted.values()):
            if segment in lost:
                self.ended(run, now_ms)
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
            if self._full(run) is not Limit.NONE:
                return False
            self._let_go(run)
            self._count(run)
            return True

        admitted = self._parked.take(sys.maxsize, now_ms, admit)
        self._room = waiting
        if not self._parked:
            self._reached_until = {}
        return admitted

    def _let_go(self, run: LiveRun) -> None:
        run.gate = None
        limits = (
            (Limit.USER_IN_FLIGHT, run.job.user),
            (Limit.TOPIC_IN_FLIGHT, run.job.spec.target.topic),
        )
        until_ms, limit = max((self._reached_until.get(key, 0), key[0]) for key in limits)
        run.let_go(limit, until_ms)

    def _is_limited(self, run: LiveRun) -> bool:
        if not run.is_reported or run.dead_letter:
            return False
        limits = self._limits
        return bool(limits.in_flight_per_user or limits.topic_in_flight(run.job.spec.target.topic))

    def _full(self, run: LiveRun) -> Limit:
        """Which limit on runs in flight is reached; NONE: there is room."""
        if self._is_user_full(run.job.user):
            return Limit.USER_IN_FLIGHT
        is_full = self._is_topic_full(run.job.spec.target.topic)
        return Limit.TOPIC_IN_FLIGHT if is_full else Limit.NONE

    def _is_user_full(self, user: str) -> bool:
        return self._is_reached(self._limits.in_flight_per_user, self._users[user])

    def _is_topic_full(self, topic: str) -> bool:
        return self._is_reached(self._limits.topic_in_flight(topic), self._topics[topic])

    def _is_reached(self, limit: float, count: int) -> bool:
        return limit > 0 and count >= max(1, math.ceil(limit * self._share))

    def _count(self, run: LiveRun) -> None:
        topic = run.job.spec.target.topic
        if run.name in self._counted:
            return
        self._counted[run.name] = (run.job.segment, run, topic)
        self._users[run.job.user] += 1
        self._topics[topic] += 1
