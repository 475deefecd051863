"""What the cluster holds: rows whose later time of writing wins, whatever the order of arrival."""

import bisect
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from tickwheel.server.domain.errors import StoreUnavailable
from tickwheel.server.domain.job import Job
from tickwheel.server.domain.lease import SchedulerSession, SegmentLease
from tickwheel.server.domain.names import JobKey
from tickwheel.server.domain.occurrence import InboxEntry, ScheduleEntry
from tickwheel.server.domain.run import Run

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

#: (fire_ms, uid, kind, schedule_ms, run_id, generation), as the table is clustered.
EntryKey = tuple[int, str, int, int, str, int]
#: (update_ms, uid, run_id, revision).
LogKey = tuple[int, str, str, int]


class Rows(Generic[K, V]):
    """A partition: rows in order of their keys. A deletion at the same time as a write wins."""

    __slots__ = ("_keys", "_order")

    def __init__(self) -> None:
        self._keys: dict[K, tuple[int, V | None]] = {}
        self._order: list[K] = []

    def put(self, key: K, written_us: int, value: V | None) -> None:
        """Writes a row, or deletes it (None)."""
        former = self._keys.get(key)
        if former is None:
            bisect.insort(self._order, key)  # pyright: ignore[reportArgumentType]
        elif written_us < former[0] or (written_us == former[0] and former[1] is None):
            return
        self._keys[key] = (written_us, value)

    def between(self, low: object, high: object) -> Iterator[tuple[K, int, V]]:
        """Rows with low <= key < high, in order: key, time of writing, value."""
        order = self._order
        start = bisect.bisect_left(order, low)  # pyright: ignore
        for key in order[start : bisect.bisect_left(order, high)]:  # pyright: ignore
            written_us, value = self._keys[key]
            if value is not None:
                yield key, written_us, value

    def forget(self, low: object, high: object) -> None:
        """Removes rows and deletions for good, as compaction does once nothing can be late."""
        order = self._order
        start, end = bisect.bisect_left(order, low), bisect.bisect_left(order, high)  # pyright: ignore
        for key in order[start:end]:
            del self._keys[key]
        del order[start:end]

    def __len__(self) -> int:
        return len(self._order)


@dataclass(slots=True)
class JobRow:
    """A job. Versions change by lightweight transactions; the completion is the owner's."""

    job: Job
    actor: str = ""
    reason: str = ""
    #: The entry of the present generation.
    entry: ScheduleEntry | None = None
    completed_us: int = 0
    completed_generation: int = 0
    complete_ms: int = 0


@dataclass(frozen=True, slots=True)
class Former:
    """A job in a former version, and who had made it so."""

    job: Job
    actor: str
    reason: str


@dataclass(frozen=True, slots=True)
class Request:
    """First use of a request_id."""

    digest: bytes
    uid: str
    create_ms: int
    entry: ScheduleEntry | None


@dataclass(slots=True)
class Segment:
    """All partitions of one segment."""

    entries: Rows[EntryKey, ScheduleEntry] = field(default_factory=Rows[EntryKey, ScheduleEntry])
    inbox: Rows[tuple[int, str, int], InboxEntry] = field(
        default_factory=Rows[tuple[int, str, int], InboxEntry]
    )
    open_runs: Rows[tuple[int, str, str], Run] = field(
        default_factory=Rows[tuple[int, str, str], Run]
    )
    log: Rows[LogKey, tuple[int, Run]] = field(default_factory=Rows[LogKey, tuple[int, Run]])
    position: tuple[int, int] = (0, 0)
    zone_data: tuple[int, str] = (0, "")


class Segments(list[Segment]):
    """Those of all segments; of some of them no replica may answer for a while."""

    def __init__(self, count: int) -> None:
        super().__init__(Segment() for _ in range(count))
        #: The segments of each partial outage that goes on.
        self.away: list[frozenset[int]] = []

    def at(self, segment: int) -> Segment:
        """The partitions of a segment, for a request.

        Raises:
            StoreUnavailable: they are away.
        """
        if any(segment in some for some in self.away):
            raise StoreUnavailable("no replica of the partition answers")
        return self[segment]


class Cells:
    """The whole keyspace."""

    def __init__(self, segments: int) -> None:
        self.segments = Segments(segments)
        self.jobs: dict[JobKey, JobRow] = {}
        #: Creations that begun no later than this never take effect.
        self.buried_us: dict[JobKey, int] = {}
        self.changes: dict[str, dict[int, Former]] = {}
        #: Whose a chosen name is, and since when (ms).
        self.ids: dict[tuple[str, str], tuple[str, int]] = {}
        self.named: dict[tuple[str, str], dict[str, None]] = {}
        self.requests: dict[tuple[str, str], Request] = {}
        #: By job and run: (epoch, revision) and the present state.
        self.history: dict[str, dict[str, tuple[tuple[int, int], Run]]] = {}
        #: Final states that the log had while who recorded them owned the segment: whoever came
        #: next could read them. For the judge.
        self.ends_in_time: list[Run] = []
        self.sessions: dict[str, SchedulerSession] = {}
        self.leases: dict[int, SegmentLease] = {}
        #: Told of each take-over, for the judge.
        self.on_taken: Callable[[SegmentLease], None] = _ignore


def _ignore(_lease: SegmentLease) -> None:
    pass
