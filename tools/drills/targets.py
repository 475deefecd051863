"""What clients may expect, and whether it came: runs are matched to targets.

Pure. A target is an instant of a job at which it had to run, may have run, or must not have run,
by what its client was told and when.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

FOR_EVER_MS = 1 << 60


@dataclass(slots=True)
class Job:
    """A job whose creation was acknowledged. Instants in Unix milliseconds."""

    uid: str
    #: Of a one-off job its instant; of another one the first that is later than its creation.
    first_ms: int
    #: 0 for a one-off job.
    every_ms: int = 0
    #: When a client asked for it to stop (pause or deletion), and when it was told that it has.
    stop_asked_ms: int = FOR_EVER_MS
    stop_told_ms: int = FOR_EVER_MS
    #: When the client was told of its creation; what was due before is due by then.
    told_ms: int = 0

    def targets(self, until_ms: int) -> Iterator[tuple[int, bool]]:
        """Each instant before `until_ms`, and whether it has to run; else it may."""
        at_ms = self.first_ms
        while at_ms < until_ms and at_ms <= self.stop_told_ms:
            yield at_ms, at_ms < self.stop_asked_ms
            if not self.every_ms:
                return
            at_ms += self.every_ms


@dataclass(frozen=True, slots=True)
class Seen:
    """A record as a plain consumer sees it."""

    ce_id: str
    #: `ce_scheduletime`, Unix milliseconds.
    schedule_ms: int
    #: The broker's own stamp, Unix milliseconds.
    append_ms: int

    @property
    def uid(self) -> str:
        """The job's."""
        return self.ce_id.partition("/")[0]


@dataclass(slots=True)
class Verdict:
    """What was found."""

    due: int = 0
    published: int = 0
    #: Some of those that did not come, for people.
    missing: list[str] = field(default_factory=list[str])
    early: list[str] = field(default_factory=list[str])
    #: Records beyond the first of a target, all with its ce_id.
    duplicates: int = 0
    #: Records of a target with another ce_id than its first.
    doubled: list[str] = field(default_factory=list[str])
    #: Records that belong to no target.
    unwanted: list[str] = field(default_factory=list[str])
    #: Records beyond the first of a target that came after a process had woken that was replaced.
    stale: list[str] = field(default_factory=list[str])
    #: Lateness of the first record of each target, ms, by when it came.
    late: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])

    @property
    def holds(self) -> bool:
        """Whether every promise was kept."""
        return not (self.missing or self.early or self.doubled or self.unwanted or self.stale)

    def recovery_s(self, since_ms: int, normal_ms: int, until_ms: int = FOR_EVER_MS) -> float:
        """How long after an instant, and before another, the last record later than normal came."""
        last_ms = max(
            (at for at, late in self.late if late > normal_ms and at < until_ms), default=since_ms
        )
        return max(0, last_ms - since_ms) / 1000

    def resumed_s(self, since_ms: int) -> float:
        """How long after an instant the first record came; for ever where none did."""
        first_ms = min((at for at, _ in self.late if at >= since_ms), default=FOR_EVER_MS)
        return (first_ms - since_ms) / 1000


def judge(
    jobs: Iterable[Job], seen: Sequence[Seen], until_ms: int, woken_ms: int = FOR_EVER_MS
) -> Verdict:
    """Matches records to targets.

    Args:
        jobs: all whose creation was acknowledged.
        seen: all records; those of jobs that are not among `jobs` are passed over, since their
            clients were told nothing.
        until_ms: targets before this instant are judged.
        woken_ms: when a process woke that had been replaced.
    """
    verdict = Verdict()
    by_target: dict[tuple[str, int], list[Seen]] = {}
    for record in seen:
        by_target.setdefault((record.uid, record.schedule_ms), []).append(record)
    known: set[str] = set()
    for job in jobs:
        known.add(job.uid)
        for at_ms, must in job.targets(until_ms):
            records = by_target.pop((job.uid, at_ms), [])
            verdict.due += must or bool(records)
            if records:
                _match(verdict, job, at_ms, records, woken_ms)
            elif must:
                verdict.missing.append(f"{job.uid} due {at_ms}")
    for (uid, at_ms), records in by_target.items():
        if uid in known and at_ms < until_ms:
            verdict.unwanted.append(f"{records[0].ce_id} at {records[0].append_ms}")
    return verdict


def _match(verdict: Verdict, job: Job, at_ms: int, records: list[Seen], woken_ms: int) -> None:
    records.sort(key=lambda record: record.append_ms)
    first = records[0]
    verdict.published += 1
    verdict.late.append((first.append_ms, first.append_ms - max(at_ms, job.told_ms)))
    for record in records:
        if record.append_ms < at_ms:
            verdict.early.append(f"{record.ce_id} by {at_ms - record.append_ms} ms")
        if record.ce_id != first.ce_id:
            verdict.doubled.append(f"{record.ce_id} beside {first.ce_id}")
    verdict.duplicates += len(records) - 1
    verdict.stale += [
        f"{record.ce_id} {record.append_ms - first.append_ms} ms after the first one"
        for record in records[1:]
        if record.append_ms >= woken_ms
    ]
