"""What the auditor is given."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tickwheel.server.domain.job import Job
from tickwheel.server.domain.names import JobKey
from tickwheel.server.store.port import ChangeRecord

#: A change that nobody was told to hold is given this long, in ms: an owner that did not hear of it
#: finds it in the sweep of a minute, and a write may come 15 s late.
UNSURE_MS = 75_000
#: A record whose publisher may begin nothing more comes on the log within this time, in ms: a lease
#: of 10 s and a request of 10 s that a cut connection repeats, three times over.
WIRE_MS = 60_000
FOR_EVER_MS = 1 << 60


@dataclass(frozen=True, slots=True)
class Version:
    """A job as it was for a while."""

    job: Job
    #: By the clock of the api that made it.
    made_ms: int
    #: From this instant on it holds: a client was told so, or has waited long enough.
    sure_ms: int


@dataclass(frozen=True, slots=True)
class Subject:
    """One job with all that it ever was, oldest version first."""

    versions: tuple[Version, ...]

    @property
    def job(self) -> Job:
        """The present version."""
        return self.versions[-1].job

    @property
    def key(self) -> JobKey:
        """Which job."""
        return self.job.key


@dataclass(frozen=True, slots=True)
class LogRecord:
    """A record on the log, as far as it matters here. Times in Unix milliseconds."""

    topic: str
    partition: int
    offset: int
    #: When its producer gave it to the log.
    given_ms: int
    #: The parts of `ce_id`.
    uid: str
    run_id: str
    attempt: int
    #: `ce_fence`.
    fence: int
    #: `ce_time`.
    due_ms: int
    key: bytes
    value: bytes
    #: Whoever gave it to the log knows that it is there and can tell, as far as is known.
    is_heard: bool = True
    #: Which owners of the segment were told of it: epoch, and when; as far as that is known.
    told: Sequence[tuple[int, int]] = ()

    @property
    def place(self) -> str:
        """Where it is, for people."""
        return f"{self.topic}/{self.partition}@{self.offset}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What is granted."""

    #: Occurrences due from here on are judged, and until there; Unix milliseconds.
    start_ms: int
    end_ms: int
    #: Nothing of the same range comes before it: what has begun earlier is looked at as well.
    is_first: bool = True
    #: By how much the clocks that decide may differ from the one that the facts are told in.
    clock_ms: int = 0
    #: From when to when something failed over, so that a record may be there twice; None: a record
    #: that is there twice with the same `ce_id` is only counted, unless its run had ended before.
    failovers: Sequence[tuple[int, int]] | None = None
    #: By segment its owners: epoch, and since when; ascending. Empty where it is not known.
    owners: Mapping[int, Sequence[tuple[int, int]]] = field(
        default_factory=dict[int, Sequence[tuple[int, int]]]
    )


def subject_of(
    job: Job, history: Sequence[ChangeRecord], sure: Mapping[int, int] | None = None
) -> Subject:
    """A job's past from what the store keeps of it.

    Args:
        job: as it is now.
        history: what it was before each change, oldest first.
        sure: by version, when a client was told that it, or a later one, holds.
    """
    told = dict(sure or {})
    versions: list[Version] = []
    holds_ms = FOR_EVER_MS
    for former in reversed([*(record.job for record in history), job]):
        made_ms = former.update_ms
        # What is told of a version holds for all before it.
        holds_ms = min(holds_ms, told.get(former.version, FOR_EVER_MS))
        is_first = former.version == 1
        sure_ms = made_ms if is_first else min(holds_ms, made_ms + UNSURE_MS)
        versions.append(Version(former, made_ms, sure_ms))
    return Subject(tuple(reversed(versions)))
