"""Records that stand for many skipped occurrences: of which schedule, and whether they add up.

A scheduler extends such a record from one occurrence of a schedule to the next, and begins another
one behind each that it does not skip. So it stands for all that its schedule has from its first to
its last, wherever that is: each of its states can be counted by itself, whole, also while it grows.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

from tickwheel.server.audit.expected import Expected, generations, last_held_ms
from tickwheel.server.audit.facts import FOR_EVER_MS, Subject
from tickwheel.server.convert.schedule import schedule_of
from tickwheel.server.domain.job import Job
from tickwheel.server.domain.run import Run
from tickwheel.server.schedule import Schedule
from tickwheel.server.schedule.instants import format_instant


@dataclass(frozen=True, slots=True)
class Generation:
    """A job while it had one schedule."""

    job: Job
    schedule: Schedule
    #: What comes due later is not of it.
    until_ms: int

    @classmethod
    def all_of(cls, subject: Subject, clock_ms: int) -> list[Self]:
        """Those of a job, oldest first; `clock_ms` as in Rules."""
        versions = subject.versions
        found: list[Self] = []
        for numbers in generations(subject):
            job, behind = versions[numbers[0]].job, versions[numbers[-1] + 1 :]
            until_ms = last_held_ms(behind[0], clock_ms) if behind else FOR_EVER_MS
            found.append(cls(job, schedule_of(job), until_ms))
        return found

    def has(self, nominal_ms: int) -> bool:
        """Whether it has an occurrence, and may have held when that came due."""
        # A one-off job runs at its instant though that was past.
        is_before = self.schedule.spec.at_ms is None and nominal_ms < self.job.schedule_from_ms
        return (
            not is_before
            and self.came_ms(nominal_ms) <= self.until_ms
            and self.schedule.occurs_at(nominal_ms)
        )

    def came_ms(self, nominal_ms: int) -> int:
        """When an occurrence came due: a one-off job's past instant, when it was given."""
        return max(self.due_ms(nominal_ms), self.job.schedule_from_ms)

    def due_ms(self, nominal_ms: int) -> int:
        """When an occurrence was due."""
        return self.schedule.due(nominal_ms, salt=self.job.uid)

    def count(self, first_ms: int, last_ms: int, most: int) -> int:
        """How many occurrences it has from one instant to another; up to `most`."""
        return self.schedule.count(first_ms, min(last_ms, self.until_ms) + 1, most)


@dataclass(frozen=True, slots=True)
class Stretch:
    """A record that stands for several skipped occurrences."""

    run: Run
    #: Of which it may be: those that have its first occurrence.
    owners: Sequence[Generation]
    #: Their numbers.
    generations: frozenset[int]

    @classmethod
    def of(cls, run: Run, generations: Iterable[Generation]) -> Self:
        """Finds out of which of a job's generations a record is."""
        owners = [one for one in generations if one.has(run.first_schedule_ms)]
        return cls(run, owners, frozenset(one.job.generation for one in owners))

    def covers(self, one: Expected) -> bool:
        """Whether an occurrence is one of those it stands for."""
        first_ms, last_ms = self.run.first_schedule_ms, self.run.last_schedule_ms
        return first_ms <= one.schedule_ms <= last_ms and bool(self.generations & one.generations)

    def reaches(self, at_ms: int) -> bool:
        """Whether the last that it stands for came due at an instant, or later."""
        last_ms = self.run.last_schedule_ms
        return last_ms >= at_ms or any(one.due_ms(last_ms) >= at_ms for one in self.owners)

    def miscount(self) -> str:
        """What is wrong with how many it says that there are; empty where it is right."""
        run, said = self.run, self.run.skipped_count
        first_ms, last_ms = run.first_schedule_ms, run.last_schedule_ms
        # One that had ended by then may have as many of its own by chance.
        whole = [one for one in self.owners if one.has(last_ms)]
        if not whole:
            return f"stands for {format_instant(last_ms)}, which its schedule does not have"
        counts = [one.count(first_ms, last_ms, said + 1) for one in whole]
        if said in counts:
            return ""
        there = max(counts)
        more = " or more" if there > said else ""
        return f"stands for {said} skipped occurrences, of {there}{more} there"
