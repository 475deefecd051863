"""One connected worker: what it holds, what it may take, until when it may publish. Pure."""

import itertools
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from tickwheel.server.scheduler.assignment import topic_of, weigh
from tickwheel.server.scheduler.live import AttemptKey, LiveRun, Phase
from tickwheel.v1 import scheduler_service_pb2 as pb

#: Readings of a worker's clock that are looked at: four seconds of heartbeats.
CLOCK_READINGS = 8


#: Part of a window that the runs of one user may fill: there is always room for another's.
USER_SHARE = 7 / 8
#: Likewise of one topic, whose users are several. One that cannot be written to keeps what it has
#: for an hour.
TOPIC_SHARE = 15 / 16


class _Place(NamedTuple):
    """What a run took of the window when it was handed out: its job may be changed meanwhile."""

    size: int
    user: str
    topic: str


@dataclass(slots=True, eq=False)
class _Shares:
    """What users, or topics, have of a window: each up to a part of it."""

    part: float
    counts: Counter[str] = field(default_factory=Counter[str])
    sizes: Counter[str] = field(default_factory=Counter[str])

    def has_room(self, name: str, size: int, window_count: int, window_bytes: int) -> bool:
        count = self.counts[name]
        return not count or (
            count < window_count * self.part and self.sizes[name] + size <= window_bytes * self.part
        )

    def take(self, name: str, size: int) -> None:
        self.counts[name] += 1
        self.sizes[name] += size

    def give_back(self, name: str, size: int) -> None:
        self.counts[name] -= 1
        self.sizes[name] -= size
        if not self.counts[name]:
            del self.counts[name], self.sizes[name]


@dataclass(slots=True, eq=False)
class WorkerLink:
    """The scheduler's side of one worker's stream."""

    worker_id: str
    host: str
    version: str
    #: When it last said anything; of TimeAwake.
    heard_ms: int
    #: When its stream began; Unix milliseconds.
    connect_ms: int = 0
    #: When it was welcomed, which its heartbeats follow; of the steady clock.
    welcomed_ms: int = 0
    window_count: int = 0
    window_bytes: int = 0
    draining: bool = False
    #: It publishes nothing of ours after this; of TimeAwake.
    permitted_until_ms: int = 0
    segments: frozenset[int] = frozenset()
    held: dict[AttemptKey, LiveRun] = field(default_factory=dict[AttemptKey, LiveRun])
    held_bytes: int = 0
    _places: dict[AttemptKey, _Place] = field(default_factory=dict[AttemptKey, _Place])
    _users: _Shares = field(default_factory=lambda: _Shares(USER_SHARE))
    _topics: _Shares = field(default_factory=lambda: _Shares(TOPIC_SHARE))
    _clocks_apart_ms: deque[int] = field(default_factory=lambda: deque(maxlen=CLOCK_READINGS))
    #: Its steady clock is no further ahead of ours.
    _steady_ahead_ms: int | None = None
    _ahead_of_steady_ms: deque[int] = field(default_factory=lambda: deque(maxlen=CLOCK_READINGS))
    _revocations: dict[int, tuple[AttemptKey, ...]] = field(
        default_factory=dict[int, tuple[AttemptKey, ...]]
    )
    _serial: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def set_window(self, window: pb.Window) -> None:
        """How much it takes at once, from Hello or a heartbeat."""
        self.window_count = window.max_count
        self.window_bytes = window.max_bytes

    def read_clock(self, worker_ms: int, now_ms: int) -> None:
        """Notes the worker's wall clock as a message of it said, and ours on its arrival."""
        self._clocks_apart_ms.append(worker_ms - now_ms)

    def bound_clock(self, clock: pb.Clock, steady_ms: int) -> None:
        """Notes what a heartbeat of it says of its clocks, and our steady one on its arrival."""
        if self._steady_ahead_ms is None:
            self._steady_ahead_ms = clock.steady_ms - self.welcomed_ms
        most_ms = clock.wall_ms - clock.steady_ms + self._steady_ahead_ms
        # Over weeks the steady clocks may drift apart.
        self._ahead_of_steady_ms.append(max(most_ms, clock.wall_ms - steady_ms))

    @property
    def clocks_apart_ms(self) -> int:
        """How far its wall clock is ahead of ours; negative where it is behind.

        A message that was long under way, or waited for a busy process, makes the worker seem
        behind by as much, so of the last readings the greatest is the truest. A worker that is
        ahead is seen at once; one that is behind, and so is late and never early, a little later.
        """
        return max(self._clocks_apart_ms, default=0)

    @property
    def ahead_of_steady_ms(self) -> int | None:
        """How far its wall clock is ahead of our steady clock at most; None before a heartbeat.

        However long its messages were under way, or waited for us while we stood still: what its
        first heartbeat said of its clocks was so after it was welcomed. Against the steady clock a
        step of our own wall clock shows at once.
        """
        return max(self._ahead_of_steady_ms, default=None)

    def takes_work(self, clock_bound_ms: int) -> bool:
        """Whether it can be given segments: not draining, a window, and a clock near ours."""
        return (
            not self.draining
            and self.window_count > 0
            and abs(self.clocks_apart_ms) <= clock_bound_ms
        )

    def admit(self, run: LiveRun) -> bool:
        """Takes a run into its window; False: there is no room for it.

        The last eighth of the window is closed to a user who holds all of the rest, half of that
        to a topic.

        One run that is larger than the whole window is taken when nothing else is held.
        """
        if not self._has_room(run):
            return False
        self.keep(run)
        return True

    def _has_room(self, run: LiveRun) -> bool:
        if not self.held:
            return self.window_count > 0
        size, count, most = weigh(run), self.window_count, self.window_bytes
        return (
            len(self.held) < count
            and self.held_bytes + size <= most
            and self._users.has_room(run.job.user, size, count, most)
            and self._topics.has_room(topic_of(run), size, count, most)
        )

    def keep(self, run: LiveRun) -> None:
        """It holds the run and is to publish it, whether or not there was room for it."""
        run.phase = Phase.ASSIGNED
        self.hold(run)

    def hold(self, run: LiveRun) -> None:
        """It holds the run, whatever is to become of that."""
        run.worker = self.worker_id
        key = run.key
        if key not in self.held:
            place = self._places[key] = _Place(weigh(run), run.job.user, topic_of(run))
            self.held_bytes += place.size
            self._users.take(place.user, place.size)
            self._topics.take(place.topic, place.size)
        self.held[key] = run

    def let_go(self, key: AttemptKey) -> LiveRun | None:
        """It no longer holds the run."""
        run = self.held.pop(key, None)
        if run is not None:
            place = self._places.pop(key)
            self.held_bytes -= place.size
            self._users.give_back(place.user, place.size)
            self._topics.give_back(place.topic, place.size)
        return run

    def hand_over(self, key: AttemptKey) -> None:
        """The worker holds the run by another link from here on, which asks it again."""
        self.let_go(key)
        self._revocations = {
            number: tuple(one for one in keys if one != key)
            for number, keys in self._revocations.items()
        }

    def held_of(self, segments: Iterable[int]) -> list[LiveRun]:
        """What it holds of the segments."""
        wanted = set(segments)
        return [run for run in self.held.values() if run.job.segment in wanted]

    def revoke(self, keys: Iterable[AttemptKey]) -> int:
        """Notes that it is asked to drop runs; the number goes into the message."""
        number = next(self._serial)
        self._revocations[number] = tuple(keys)
        return number

    def confirm(self, number: int) -> tuple[AttemptKey, ...]:
        """It has answered a revocation; the keys it was about."""
        return self._revocations.pop(number, ())

    def unconfirmed(self) -> list[AttemptKey]:
        """Runs it was asked to drop and has not answered for."""
        return [key for keys in self._revocations.values() for key in keys]
