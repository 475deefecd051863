"""What is known of occurrences before their cursor comes to them.

Former owners have begun them, or these or a cursor that was here before have skipped them.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tickwheel.server.domain.run import Run
from tickwheel.server.schedule import Schedule
from tickwheel.server.scheduler.skipping import schedules_of


class _Stretch(NamedTuple):
    """Occurrences that were recorded as skipped."""

    first_ms: int
    last_ms: int
    number: int
    #: When that was recorded last.
    at_ms: int
    #: Whose occurrences they are; None while only a former owner knew.
    schedule: Schedule | None

    def has(self, nominal_ms: int, schedule: Schedule) -> bool:
        """Whether an occurrence of a schedule is one of them."""
        if not self.first_ms <= nominal_ms <= self.last_ms:
            return False
        own = self.schedule
        return own is None or own is schedule or own.occurs_at(nominal_ms)


class Recovered:
    """What the cursors of one segment find done, or begun, when they come to an occurrence."""

    def __init__(self) -> None:
        #: By job and run id what was recorded as due and no more than that.
        self._begun: dict[str, dict[str, Run]] = {}
        #: Skipped stretches since the position, by job and backfill, then by run id and by whether
        #: a former owner has recorded it.
        self._skipped: dict[tuple[str, str], dict[tuple[str, bool], _Stretch]] = {}

    def remember(self, record: Run) -> None:
        """A run that is recorded as due and no more than that."""
        self._begun.setdefault(record.job_uid, {})[record.run_id] = record

    def has_begun(self, uid: str, run_id: str) -> bool:
        """Whether a run is recorded as due and no more than that."""
        return run_id in self._begun.get(uid, {})

    def begun_of(self, uid: str) -> list[Run]:
        """What is recorded of a job's runs as due and no more than that."""
        return list(self._begun.get(uid, {}).values())

    def begun_names(self) -> Iterator[tuple[str, str]]:
        """(job uid, run id) of what is recorded as due and no more than that."""
        return ((uid, run_id) for uid, runs in self._begun.items() for run_id in runs)

    def take_begun(self, uid: str, run_id: str) -> Run | None:
        """What is recorded of a run as due and no more than that; it is told once."""
        of_job = self._begun.get(uid)
        record = of_job.pop(run_id, None) if of_job else None
        if of_job is not None and not of_job:
            del self._begun[uid]
        return record

    def remember_skip(self, record: Run, schedule: Schedule | None = None) -> None:
        """A stretch that was recorded as skipped, maybe longer than before; of which schedule."""
        stretches = self._skipped.setdefault((record.job_uid, record.backfill_id), {})
        first_ms, last_ms = record.first_schedule_ms, record.last_schedule_ms
        count = record.skipped_count
        stretch = _Stretch(first_ms, last_ms, count, record.update_ms, schedule)
        stretches[record.run_id, schedule is None] = stretch

    def has_unattributed(self, uid: str) -> bool:
        """Whether a former owner has skipped something of a job, it is not known by which schedule.

        Not where it was a backfill, which has but one.
        """
        stretches = self._skipped.get((uid, ""), {})
        return any(stretch.schedule is None for stretch in stretches.values())

    def attribute(self, uid: str, schedules: Sequence[Schedule]) -> None:
        """Finds out which of a job's schedules has the occurrences that former owners skipped.

        Where it may be several it stays unknown: to each of them all are skipped.
        """
        stretches = self._skipped.get((uid, ""), {})
        for name, stretch in stretches.items():
            if stretch.schedule is None:
                its = schedules_of(stretch.first_ms, stretch.last_ms, stretch.number, schedules)
                if len(its) == 1:
                    stretches[name] = stretch._replace(schedule=its[0])

    def is_skipped(self, uid: str, backfill_id: str, nominal_ms: int, schedule: Schedule) -> bool:
        """Whether an occurrence of a schedule is recorded as skipped."""
        skipped = self._skipped.get((uid, backfill_id))
        if skipped is None:
            return False
        return any(stretch.has(nominal_ms, schedule) for stretch in skipped.values())

    def has_skipped(self, uid: str, nominal_ms: int, backfill_id: str) -> bool:
        """Whether an occurrence of whatever schedule is recorded as skipped, as far as is sure."""
        skipped = self._skipped.get((uid, backfill_id), {})
        return any(
            stretch.first_ms <= nominal_ms <= stretch.last_ms
            and (
                bool(backfill_id)
                or (stretch.schedule is not None and stretch.schedule.occurs_at(nominal_ms))
            )
            for stretch in skipped.values()
        )

    def skipped_to_ms(self, uid: str, backfill_id: str) -> int:
        """The last occurrence that is recorded as skipped; 0 for none."""
        skipped = self._skipped.get((uid, backfill_id), {})
        return max((stretch.last_ms for stretch in skipped.values()), default=0)

    def forget_before(self, position_ms: int) -> None:
        """Lets go of stretches that nobody comes to again who reads from a position on.

        What is caught up with lies before the position, though its row does not.
        """
        self._skipped = {
            which: kept
            for which, stretches in self._skipped.items()
            if (
                kept := {
                    name: stretch
                    for name, stretch in stretches.items()
                    if max(stretch.last_ms, stretch.at_ms) >= position_ms
                }
            )
        }
