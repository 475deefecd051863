"""One scheduler as the worker knows it: its clock, its permission, what it has assigned. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tickwheel.worker.clock import Moment
from tickwheel.worker.clockbound import ClockBound
from tickwheel.worker.held import Held
from tickwheel.worker.publisher.port import Permit
from tickwheel.worker.wheel import Wheel

#: A permission ends this long before the scheduler counts on its end, in milliseconds: what the
#: steady clocks of two machines may differ by over a lease, and a write to a socket.
PERMISSION_MARGIN_MS = 250
#: The clocks may differ by this much, in milliseconds; beyond it no work is taken.
CLOCK_BOUND_MS = 500
_FOR_EVER_MS = 1 << 62


@dataclass(slots=True, eq=False)
class Source:
    """A scheduler process. It outlives its stream, because what it assigned stays held."""

    scheduler_id: str
    #: The stream over which it is reached; None while there is none.
    stream: int | None = None
    lease_ms: int = 0
    #: When the last stream to it ended, on the steady clock.
    lost_ms: int = 0
    #: When it last said anything, on the steady clock.
    heard_ms: int = 0
    permit: Permit = field(default_factory=Permit)
    clock: ClockBound = field(default_factory=ClockBound)
    wheel: Wheel[Held] = field(default_factory=Wheel[Held])
    held_count: int = 0
    held_bytes: int = 0
    clocks_apart: bool = False
    topology: frozenset[str] = frozenset()
    #: The last heartbeat, and when each that is unanswered was sent, on the steady clock.
    sequence: int = 0
    sent_ms: dict[int, int] = field(default_factory=dict[int, int])
    #: Segments of the last Segments message, with their epochs.
    segments: dict[int, int] = field(default_factory=dict[int, int])
    #: The epoch of each segment under which something was assigned last, and its permit.
    fences: dict[int, tuple[int, Permit]] = field(default_factory=dict[int, tuple[int, Permit]])

    def reset(self, stream: int) -> None:
        """A new stream to it: what belonged to the old one is void, what is held stays.

        The permission stays as well: it was given for a time, not for a stream.
        """
        self.stream = stream
        self.sequence = 0
        self.sent_ms.clear()
        self.segments.clear()

    def beat(self, now: Moment) -> int:
        """Notes that a heartbeat is sent now; returns its sequence number."""
        self.sequence += 1
        self.sent_ms[self.sequence] = now.steady_ms
        return self.sequence

    def answered(self, sequence: int, wall_ms: int, permission_ms: int, now: Moment) -> None:
        """A heartbeat was answered: permission counts from when it was sent."""
        sent_ms = self.sent_ms.get(sequence)
        if sent_ms is None:
            return
        for earlier in [number for number in self.sent_ms if number <= sequence]:
            del self.sent_ms[earlier]
        self.clock.observe(wall_ms, sent_ms, now.steady_ms)
        self.permit.until_ms = sent_ms + permission_ms - PERMISSION_MARGIN_MS

    def permit_of(self, segment: int, epoch: int) -> Permit:
        """The permit of what it assigns under an epoch."""
        fence = self.fences.get(segment)
        if fence is None or fence[0] != epoch:
            fence = self.fences[segment] = (epoch, Permit(_FOR_EVER_MS, self.permit))
        return fence[1]

    def end_below(self, epochs: Mapping[int, int]) -> None:
        """Takes the permits of lower epochs away, also of what is with the publisher."""
        for segment in epochs.keys() & self.fences.keys():
            epoch, permit = self.fences[segment]
            if epoch < epochs[segment]:
                permit.until_ms = 0
                del self.fences[segment]

    def end_all(self) -> None:
        """Takes the permits of all that it has assigned away; what it assigns later has others."""
        for _, permit in self.fences.values():
            permit.until_ms = 0
        self.fences.clear()

    def check_clocks(self, now: Moment) -> int | None:
        """By how many milliseconds the clocks are apart where that has just changed, else None.

        0 means that they are near enough again.
        """
        apart_ms = self.clock.apart_ms(now.wall_ms, now.steady_ms)
        apart = abs(apart_ms) > CLOCK_BOUND_MS
        if apart == self.clocks_apart:
            return None
        self.clocks_apart = apart
        return apart_ms if apart else 0

    def time_ms(self, now: Moment) -> int | None:
        """The instant that both clocks, ours and the scheduler's, have reached for certain."""
        lower_ms = self.clock.lower_ms(now.steady_ms)
        return None if lower_ms is None else min(now.wall_ms, lower_ms)

    def steady_of(self, instant_ms: int, now: Moment) -> int:
        """Our steady clock at an instant of the scheduler's wall clock, as that goes now."""
        lower_ms = self.clock.lower_ms(now.steady_ms)
        return now.steady_ms + instant_ms - (now.wall_ms if lower_ms is None else lower_ms)

    def due_in_ms(self, now: Moment) -> int | None:
        """In how many milliseconds something is to be published, 0 for now; None for nothing.

        None also while there is no permission: an answer to a heartbeat comes before anything else.
        """
        next_ms = self.wheel.next_ms()
        time_ms = self.time_ms(now)
        if next_ms is None or time_ms is None or not self.permit.holds(now.steady_ms):
            return None
        return max(0, next_ms - time_ms)
