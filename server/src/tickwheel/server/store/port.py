"""The store port.

Rules for every engine:

- A call either does what it says, or raises StoreUnavailable (nothing was done) or OutcomeUnknown
  (it may have been done; doing it again is harmless: every write is idempotent).
- A WriteStamp proves that an owner writes. An engine refuses a stamp whose epoch is past with
  Fenced, or makes sure that the write loses to those of later epochs.
- Nothing blocks the event loop.
- Instants are Unix milliseconds, UTC. Pages end with a cursor, opaque bytes of the engine; an
  empty cursor asks for the first page, and None says that there is no further one.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from tickwheel.server.domain.job import Job
from tickwheel.server.domain.lease import SchedulerSession, SegmentLease, WriteStamp
from tickwheel.server.domain.names import JobKey
from tickwheel.server.domain.occurrence import InboxEntry, ScheduleEntry
from tickwheel.server.domain.run import Run
from tickwheel.server.domain.value import value

T = TypeVar("T")

#: Segments a store can be made with at most; see `domain.names.segment_of`.
MAX_SEGMENTS = 4_096

#: How far ahead of now a due instant may be and still go through the inbox as well, in ms. An
#: owner reads the schedule at most LOOK_AHEAD_MS ahead; between the two lies the longest time
#: that a write may take plus the clock bound, so no row can appear behind a reader unannounced.
INBOX_HORIZON_MS = 20_000
LOOK_AHEAD_MS = 5_000


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Items, and the cursor of what follows (None: nothing does)."""

    items: Sequence[T]
    cursor: bytes | None


@value
class NewJob:
    """A job to create, with its first schedule entry and, if that is due soon, the inbox's."""

    job: Job
    #: None where the schedule has no occurrence any more.
    entry: ScheduleEntry | None
    inbox: InboxEntry | None = None
    #: When the two were placed, by the caller's clock: an engine that writes them much later places
    #: them anew (see `announcing`). 0: they stay where they are.
    made_ms: int = 0
    #: True where the client chose the job id, which must then be free.
    id_chosen: bool = False
    #: AIP-155; empty for none.
    request_id: str = ""
    #: Digest of the request's content; the same request_id with another one is refused.
    request_digest: bytes = b""


@dataclass(frozen=True, slots=True)
class Created:
    """The job is stored. `repeated`: by an earlier call with the same request_id."""

    job: Job
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class IdTaken:
    """The chosen id belongs to a living job; nothing was stored."""


@dataclass(frozen=True, slots=True)
class IdContested:
    """Somebody else's creation of the chosen id is under way and does not end; nothing was stored.

    Another try may find it ended.
    """


@dataclass(frozen=True, slots=True)
class RequestReused:
    """The request_id came before with another content; nothing was stored."""


CreateResult = Created | IdTaken | IdContested | RequestReused


@dataclass(frozen=True, slots=True, kw_only=True)
class JobChange:
    """A change of one job, made only if it still has the version of `before`.

    The former state is kept with who, when and why, for explain and audit.
    """

    before: Job
    #: version is before's plus one; delete_ms set deletes.
    after: Job
    #: Written before the job row when the generation changed and there is an occurrence.
    entry: ScheduleEntry | None
    #: Written after the job row and before the call returns.
    inbox: InboxEntry
    #: Principal or address, for people.
    actor: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRecord:
    """One version in a job's past: how it was until `change_ms`, and what ended that."""

    job: Job
    change_ms: int
    actor: str
    reason: str


class JobStore(ABC):
    """Jobs by name and by key."""

    @abstractmethod
    async def create(self, new: Sequence[NewJob]) -> list[CreateResult]:
        """Stores jobs; one result each, in order; one item's refusal leaves the others alone.

        In this order per job: claim of request_id and id, schedule entry, inbox, job row. The job
        row is the commit point: an entry without it does not fire. Two items of one call with the
        same id or request_id are treated as if they had come one after the other.
        """

    @abstractmethod
    async def remember_request(self, user: str, key: str, digest: bytes, uid: str) -> bytes:
        """Remembers, for a day at least, a request about a job that makes none.

        Args:
            user: whose it is.
            key: names the request among the user's; longer than any request_id of a creation.
            digest: of its content, with what is to be known when it is repeated.
            uid: the job's.

        Returns:
            What the request of this key came with first.
        """

    @abstractmethod
    async def recall_request(self, user: str, key: str) -> bytes | None:
        """What `remember_request` was given first for a key; None where it was not, or long ago."""

    @abstractmethod
    async def find(self, user: str, job_id: str) -> Job | None:
        """The living job of that name."""

    @abstractmethod
    async def find_all(self, user: str, job_id: str) -> list[Job]:
        """The living job of that name first, then the deleted ones, newest first."""

    @abstractmethod
    async def get_many(self, keys: Iterable[JobKey]) -> dict[JobKey, Job]:
        """Jobs by key, also deleted ones within their retention; missing ones are left out.

        Grouped by partition: a thousand jobs that were created together are one read.
        """

    @abstractmethod
    async def list(self, user: str | None, cursor: bytes, limit: int) -> Page[Job]:
        """Living jobs of one user, newest first, or of all users (None), in any stable order.

        Raises:
            ValueError: the cursor is not one of this engine's.
        """

    @abstractmethod
    async def scan(self, cursor: bytes, limit: int) -> Page[Job]:
        """All jobs of all users, also deleted ones within their retention, in any stable order.

        Raises:
            ValueError: the cursor is not one of this engine's.
        """

    @abstractmethod
    async def change(self, change: JobChange) -> Job | None:
        """Makes a change; None (and nothing written) where the version is another by now.

        A deletion frees the job's id at once.
        """

    @abstractmethod
    async def announce(self, job: Job) -> None:
        """Tells the owner again of the job's last change, and of the entry that came with it.

        Whoever made the change may have ended, or lost the store, before it came to that.
        """

    @abstractmethod
    async def history(self, key: JobKey) -> Sequence[ChangeRecord]:
        """What the job was before each of its changes, oldest first."""

    @abstractmethod
    async def complete(
        self, stamp: WriteStamp, done: Sequence[tuple[JobKey, int]], complete_ms: int
    ) -> None:
        """Marks generations of jobs of the stamp's segment as completed.

        Harmless where the job has another generation by now. A completed job is kept for its
        retention from `complete_ms` on.
        """


class Spot(NamedTuple):
    """Where entries of one job may stand."""

    segment: int
    fire_ms: int
    uid: str


class Dropped(NamedTuple):
    """What was found to be done with."""

    buckets: int = 0
    """Parts of the schedule that are gone."""
    removals: int = 0
    """Jobs past their retention whose removal had ended halfway, and was carried through."""


class ScheduleStore(ABC):
    """What is to happen when, per segment, and the inbox beside it."""

    @abstractmethod
    async def read_due(
        self, segments: Sequence[int], start_ms: int, end_ms: int
    ) -> list[ScheduleEntry]:
        """Entries with `start_ms` <= fire_ms < `end_ms`, in order of fire_ms within a segment."""

    @abstractmethod
    async def read_at(self, spots: Iterable[Spot]) -> list[ScheduleEntry]:
        """Entries that stand at any of these, in no particular order.

        Costs what there is of these jobs, however many others are due at the same instants.
        """

    @abstractmethod
    async def advance(
        self, stamp: WriteStamp, put: Sequence[ScheduleEntry], remove: Sequence[ScheduleEntry]
    ) -> None:
        """Writes the entries of `put`, then deletes those of `remove`; all in one segment."""

    @abstractmethod
    async def read_inbox(
        self, segments: Sequence[int], since_ms: int, until_ms: int | None = None
    ) -> list[InboxEntry]:
        """Inbox entries with `since_ms` <= write_ms < `until_ms`, oldest first within a segment.

        None: to the newest.

        The same entry may be read many times: readers overlap their reads by the longest time a
        write may take plus the clock bound.
        """

    @abstractmethod
    async def positions(self, segments: Sequence[int]) -> dict[int, int]:
        """For each segment the instant before which all is done; 0 where none was ever saved."""

    @abstractmethod
    async def save_position(self, stamp: WriteStamp, position_ms: int) -> None:
        """Saves the stamp's segment's position; it never moves back within an epoch."""

    @abstractmethod
    async def zone_data(self, segments: Sequence[int]) -> dict[int, str]:
        """For each segment what was saved of it last; empty where nothing ever was."""

    @abstractmethod
    async def save_zone_data(self, stamp: WriteStamp, digest: str) -> None:
        """Saves by which time-zone data the SCHEDULE entries of the stamp's segment are derived."""

    @abstractmethod
    async def first_fire_ms(self, segment: int, after_ms: int) -> int | None:
        """A lower bound of the next fire_ms >= `after_ms` of the segment; None where it is empty.

        Makes take-over after a long outage cheap: empty stretches are not read bucket by bucket.
        """

    @abstractmethod
    async def drop_before(self, stamp: WriteStamp, before_ms: int) -> Dropped:
        """Drops all that was finished before `before_ms`: entries, inbox; removes jobs with it.

        A write that arrives later than this call, even into the past, is not swallowed.
        """


class RunStore(ABC):
    """The run log (append-only, by segment and time) and each run's present state."""

    @abstractmethod
    async def record(self, stamp: WriteStamp, runs: Sequence[Run]) -> None:
        """Appends to the run log of the stamp's segment and updates the runs' present states.

        The log is what counts: once this returns, recovery sees it. `Run.order` orders the states
        of one run.
        """

    @abstractmethod
    async def get(self, job_uid: str, run_id: str) -> Run | None:
        """A run in its present state."""

    @abstractmethod
    async def get_many(self, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Run]:
        """Runs by (job uid, run id), in their present states; missing ones are left out."""

    @abstractmethod
    async def list_job(
        self,
        job_uid: str,
        cursor: bytes,
        limit: int,
        *,
        start_ms: int = 0,
        end_ms: int = 1 << 60,
    ) -> Page[Run]:
        """Runs of one job in their present states, newest schedule_ms first, within the range.

        Raises:
            ValueError: the cursor is not one of this engine's.
        """

    @abstractmethod
    async def list_log(self, user: str | None, cursor: bytes, limit: int) -> Page[Run]:
        """Runs across jobs, of one user or all, each once, in its present state, newest first.

        Order is that in which the runs were first recorded. May return fewer than `limit`, even
        none, with a cursor.

        Raises:
            ValueError: the cursor is not one of this engine's.
        """

    @abstractmethod
    async def read_log(self, segments: Sequence[int], since_ms: int) -> list[Run]:
        """Log entries with update_ms >= `since_ms`, oldest first within a segment.

        All at once: for what was recorded in the last seconds, and by who must see it whole.
        """

    @abstractmethod
    async def page_log(
        self,
        segment: int,
        cursor: bytes,
        limit: int,
        *,
        start_ms: int = 0,
        end_ms: int = 1 << 60,
    ) -> Page[Run]:
        """Log entries of one segment with `start_ms` <= update_ms < `end_ms`, oldest first.

        Those of one instant come in a fixed order, those of one run by revision. The log as it
        stands: what a former owner wrote late is among it (see `log_reader`). What is written
        while it is paged through is there if its place lies ahead of the cursor.

        Raises:
            ValueError: the cursor is not one of this engine's.
        """


class OpenRunStore(ABC):
    """Runs that go on although their schedule entry is gone: waiting, published, running.

    A segment's owner reads them once, when it takes the segment over, and keeps them in memory
    from then on. What is stored here of a run may be older than its record in the run log; the
    higher `Run.order` counts. A row is placed by the run's `create_ms`, which never changes.
    """

    @abstractmethod
    async def put(self, stamp: WriteStamp, runs: Sequence[Run]) -> None:
        """Writes the open runs, each in place of what is there of it."""

    @abstractmethod
    async def remove(self, stamp: WriteStamp, runs: Sequence[Run]) -> None:
        """Removes runs that are open no more; those that are not there are passed over."""

    @abstractmethod
    async def read(self, segments: Sequence[int]) -> list[Run]:
        """All open runs of the segments, in no particular order."""

    @abstractmethod
    async def tidy(self, stamp: WriteStamp, create_ms: Iterable[int]) -> None:
        """Lets go of what an engine keeps of times at which no open run was created.

        Args:
            stamp: names the segment.
            create_ms: when the segment's open runs were created; the owner knows them all. Times
                within two minutes of the stamp are left alone.
        """


class LeaseStore(ABC):
    """Sessions of schedulers and leases of segments. All conditional writes are linearizable."""

    @abstractmethod
    async def segment_count(self) -> int:
        """How many segments this store was made with, 1 to 4,096."""

    @abstractmethod
    async def open_session(self, session: SchedulerSession) -> None:
        """Begins a session with the beat given.

        One of that id that is there already, which ran out while the store was away, is replaced.
        """

    @abstractmethod
    async def renew_session(self, session: SchedulerSession) -> bool:
        """Writes the session if its beat there is one less and it is not closed.

        False: it was ended.
        """

    @abstractmethod
    async def close_session(self, session_id: str) -> None:
        """Marks a session as closed by a clean stop."""

    @abstractmethod
    async def remove_session(self, session: SchedulerSession) -> bool:
        """Removes a dead session if its beat is still the given one; then it cannot be renewed."""

    @abstractmethod
    async def sessions(self) -> list[SchedulerSession]:
        """All sessions, also closed ones that were not yet removed."""

    @abstractmethod
    async def segments(self) -> list[SegmentLease]:
        """All segments, in order; ones that were never owned with epoch 0."""

    @abstractmethod
    async def take_segment(self, current: SegmentLease, new: SegmentLease) -> bool:
        """Replaces `current` by `new` if its epoch, session and floor are still as given.

        The epoch of `new` is one higher; or the same, with a higher floor, where an owner takes
        again what is its own. Either way one of many takers wins.
        """

    @abstractmethod
    async def release_segment(self, lease: SegmentLease) -> bool:
        """Clears session and address of a segment if it is still this session's and epoch's.

        Its floor becomes the given lease's: whoever releases it says how new its writes were.
        """


@dataclass(frozen=True, slots=True)
class Capability:
    """A difference between engines that a caller can notice, and why there is one."""

    name: str
    reason: str


class Store(ABC):
    """One engine."""

    jobs: JobStore
    schedule: ScheduleStore
    runs: RunStore
    open_runs: OpenRunStore
    leases: LeaseStore
    #: Name of the engine, as in TICKWHEEL_STORE.
    engine: str

    @abstractmethod
    async def ping(self) -> None:
        """Returns when the engine answers a trivial read; raises StoreUnavailable."""

    @abstractmethod
    async def close(self) -> None:
        """Finishes what is under way and lets go of everything. May be called twice."""
