"""What ought to happen: the occurrences of a job through all of its versions."""

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from tickwheel.server.audit.facts import FOR_EVER_MS, Subject, Version
from tickwheel.server.convert.schedule import schedule_of


@dataclass(frozen=True, slots=True)
class Expected:
    """One occurrence, and what may become of it."""

    schedule_ms: int
    due_ms: int
    #: Of the job's generations, those whose schedule has it.
    generations: frozenset[int]
    #: The first version that may have held when it came due: content of an older one is outdated.
    first: int
    #: It may be published, or fail.
    may_fire: bool
    #: It may be skipped because the job was paused.
    may_pause: bool
    #: There may be no trace of it.
    may_be_absent: bool
    #: When the job was given another schedule, or was deleted: what still waits may be skipped for
    #: that; Unix milliseconds.
    ended_ms: int

    def together(self, other: "Expected") -> "Expected":
        """Both: two schedules of a job, of which either may have held, have the same instant."""
        return Expected(
            schedule_ms=self.schedule_ms,
            due_ms=min(self.due_ms, other.due_ms),
            generations=self.generations | other.generations,
            first=min(self.first, other.first),
            may_fire=self.may_fire or other.may_fire,
            may_pause=self.may_pause or other.may_pause,
            may_be_absent=self.may_be_absent and other.may_be_absent,
            ended_ms=min(self.ended_ms, other.ended_ms),
        )


@dataclass(slots=True)
class _Count:
    """Of occurrences that count towards `maxRuns`: at least and at most."""

    least: int = 0
    most: int = 0


@dataclass(frozen=True, slots=True)
class _Candidate:
    """An occurrence of one generation, before it is known whether `maxRuns` lets it be."""

    at_ms: int
    schedule_ms: int
    due_ms: int
    generation: int
    max_runs: int
    first: int
    is_active: bool
    is_paused: bool
    is_over: bool
    ended_ms: int


def expected(subject: Subject, start_ms: int, end_ms: int, clock_ms: int) -> Iterator[Expected]:
    """The occurrences that came due within a range, in the order in which they did.

    Args:
        subject: the job.
        start_ms: from here on, Unix milliseconds; where a job's runs are counted, some before it
            are given as well.
        end_ms: before this.
        clock_ms: by how much the clocks that decided may be off.
    """
    #: By generation: while one holds, nobody counts what those after it have.
    counts: dict[int, _Count] = {}
    candidates = [
        _candidates(subject.versions, numbers, start_ms, end_ms, clock_ms)
        for numbers in generations(subject)
    ]
    for one in heapq.merge(*candidates, key=lambda candidate: candidate.at_ms):
        known = [count for number, count in counts.items() if number <= one.generation]
        never = bool(one.max_runs) and sum(count.least for count in known) >= one.max_runs
        perhaps = bool(one.max_runs) and sum(count.most for count in known) >= one.max_runs
        count = counts.setdefault(one.generation, _Count())
        if not never:
            # Only what comes due while the job is active counts.
            count.most += one.is_active
            if not (one.is_paused or one.is_over or perhaps):
                count.least += 1
        yield Expected(
            schedule_ms=one.schedule_ms,
            due_ms=one.due_ms,
            generations=frozenset((one.generation,)),
            first=one.first,
            may_fire=one.is_active and not never,
            may_pause=one.is_paused and not never,
            may_be_absent=one.is_over or perhaps,
            ended_ms=one.ended_ms,
        )


def generations(subject: Subject) -> list[list[int]]:
    """The numbers of a job's versions, from 0, generation by generation; a deletion is of none."""
    living = (number for number, one in enumerate(subject.versions) if not one.job.delete_ms)
    by_generation = groupby(living, lambda number: subject.versions[number].job.generation)
    return [list(numbers) for _, numbers in by_generation]


def _candidates(
    versions: Sequence[Version],
    numbers: Sequence[int],
    start_ms: int,
    end_ms: int,
    clock_ms: int,
) -> Iterator[_Candidate]:
    """The occurrences of one generation, whose versions have these numbers."""
    job = versions[numbers[0]].job
    schedule = schedule_of(job)
    ended_ms = versions[numbers[-1] + 1].made_ms if numbers[-1] + 1 < len(versions) else FOR_EVER_MS
    from_ms = job.schedule_from_ms
    after_ms = from_ms - 1
    if schedule.spec.at_ms is not None:
        after_ms = schedule.spec.at_ms - 1
    elif not any(version.job.spec.schedule.max_runs for version in versions):
        after_ms = max(after_ms, start_ms - schedule.spec.jitter_ms - 1)
    nominal = schedule.next_after(after_ms)
    while nominal is not None:
        due_ms = schedule.due(nominal, salt=job.uid)
        # A one-off job whose instant is past comes due when it is created.
        came_ms = max(due_ms, from_ms)
        if came_ms >= end_ms:
            return
        possible = [
            number
            for number in range(len(versions))
            if _may_hold(versions, number, came_ms, clock_ms)
        ]
        mine = [number for number in possible if number in numbers]
        if not mine:
            return
        yield _Candidate(
            at_ms=came_ms,
            schedule_ms=nominal,
            due_ms=due_ms,
            generation=job.generation,
            max_runs=schedule.spec.max_runs,
            first=possible[0],
            is_active=any(not versions[number].job.paused for number in mine),
            is_paused=any(versions[number].job.paused for number in mine),
            is_over=possible[-1] > numbers[-1],
            ended_ms=ended_ms,
        )
        nominal = schedule.next_after(nominal)


def _may_hold(versions: Sequence[Version], number: int, at_ms: int, clock_ms: int) -> bool:
    """Whether a version may have been the one that held at an instant."""
    if number > 0:
        begun_ms = min(versions[number].made_ms, versions[number].sure_ms) - clock_ms
        if at_ms <= begun_ms:
            return False
    if number + 1 < len(versions):
        return at_ms <= last_held_ms(versions[number + 1], clock_ms)
    return True


def last_held_ms(following: Version, clock_ms: int) -> int:
    """The last instant at which the version before one may have held."""
    return max(following.made_ms, following.sure_ms) + clock_ms
