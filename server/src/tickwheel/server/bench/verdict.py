"""What the records on a topic say about the occurrences that were to come, pure."""

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from tickwheel.server.bench.stats import Lateness, lateness


@dataclass(frozen=True, slots=True)
class Seen:
    """A record: its `ce_id`, and when the log says that it was appended, in Unix milliseconds."""

    ce_id: str
    append_ms: int


@dataclass(frozen=True, slots=True, order=True)
class Occurrence:
    """An instant of a job, which is to come to exactly one record."""

    uid: str
    due_ms: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of the occurrences."""

    expected: int
    missing: int
    #: Records beyond the first of an occurrence.
    twice: int
    #: Records of no occurrence that was expected.
    foreign: int
    #: Of the first record of each occurrence.
    lateness: Lateness | None
    first_ms: int | None
    last_ms: int | None


def occurrence(ce_id: str) -> Occurrence:
    """The occurrence that a record belongs to, from `<uid>/<run>/<attempt>`.

    Raises:
        ValueError: it is not of a scheduled run.
    """
    uid, run, _ = ce_id.split("/")
    at = datetime.strptime(run, "%Y%m%dT%H%M%S%fZ").replace(tzinfo=UTC)
    return Occurrence(uid, round(at.timestamp() * 1000))


def judge(expected: Collection[Occurrence], seen: Iterable[Seen]) -> Verdict:
    """Compares what was to come with the records that came."""
    return compare(expected, ((occurrence(each.ce_id), each.append_ms) for each in seen))


def compare(expected: Collection[Occurrence], came: Iterable[tuple[Occurrence, int]]) -> Verdict:
    """Compares what was to come with what came, and when; each counts by its earliest."""
    wanted = set(expected)
    times: Counter[Occurrence] = Counter()
    first: dict[Occurrence, int] = {}
    foreign = 0
    for which, at_ms in came:
        if which not in wanted:
            foreign += 1
            continue
        times[which] += 1
        first[which] = min(at_ms, first.get(which, at_ms))
    return Verdict(
        expected=len(wanted),
        missing=len(wanted) - len(first),
        twice=times.total() - len(times),
        foreign=foreign,
        lateness=lateness([at - which.due_ms for which, at in first.items()]),
        first_ms=min(first.values(), default=None),
        last_ms=max(first.values(), default=None),
    )
