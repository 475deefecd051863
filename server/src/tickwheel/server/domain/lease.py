"""Who owns which segment, and the stamp that every write of an owner carries."""

from dataclasses import dataclass

#: A session's lease ends so long after it was renewed last.
SESSION_LEASE_MS = 9_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerSession:
    """One living scheduler process, renewed as long as it lives.

    Others judge it by whether `beat` changes on their own steady clock, never by comparing wall
    clocks.
    """

    session_id: str
    #: `host:port` where its gRPC services are reached; `local` inside one process.
    address: str
    #: Grows by one with each renewal.
    beat: int
    #: No write of this session carries a later timestamp; Unix milliseconds.
    lease_until_ms: int
    #: Set by a clean stop: its segments may be taken at once.
    closed: bool = False
    #: Program version, for people.
    version: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentLease:
    """A segment's row: changes only where it is taken or given back, and `epoch` only grows.

    A new owner raises the epoch. One that takes its own segment again, as its session had run out,
    keeps it and raises the floor: whoever was about to take the segment finds another row.
    """

    segment: int
    #: 0 before anyone has owned it.
    epoch: int = 0
    #: Empty when it was given back.
    session_id: str = ""
    address: str = ""
    #: Writes from the taking on carry timestamps above this one; Unix microseconds.
    floor_us: int = 0


@dataclass(frozen=True, slots=True)
class WriteStamp:
    """Proof of ownership that goes with an owner's write.

    The timestamp is taken first, then the lease is checked, then the write is made with it; a
    write that comes late therefore loses to any write of the next epoch.
    """

    segment: int
    epoch: int
    timestamp_us: int
