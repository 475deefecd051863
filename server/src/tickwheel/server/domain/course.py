"""What a job was when: which of its versions held at the instant at which an occurrence came due.

Pure. An owner that takes a job up late (after an outage, or at a take-over) finds it as it is now;
what came due before its last change is to be judged by what the job was then.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from tickwheel.server.domain.job import Job
from tickwheel.server.domain.occurrence import ScheduleEntry
from tickwheel.server.schedule import Schedule

FOR_EVER_MS = 1 << 62

#: Stretches of time, each after its first instant and up to and including its last.
Stretches = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Era:
    """One generation of a job: one schedule, from its change to the next one's, or to the end."""

    #: The job in the last of the generation's versions.
    job: Job
    #: What comes due later does not belong to it.
    until_ms: int = FOR_EVER_MS
    #: When it was paused.
    pauses: Stretches = ()


def eras(job: Job, former: Sequence[Job] = ()) -> Mapping[int, Era]:
    """The generations of a job, by number, oldest first.

    Args:
        job: as it is now.
        former: its former versions, oldest first. Where they are left out, what is said of the
            time before the job's last change is not to be relied on.
    """
    if not former:
        # Nearly all jobs are taken in as they were created.
        end_ms = job.delete_ms or FOR_EVER_MS
        paused = ((job.update_ms, end_ms),) if job.paused else ()
        return {job.generation: Era(job, end_ms, paused)}
    versions = [one for one in former if one.version < job.version]
    versions.append(job)
    ends = [one.update_ms for one in versions[1:]] + [FOR_EVER_MS]
    found: dict[int, Era] = {}
    living = [(one, end) for one, end in zip(versions, ends, strict=True) if not one.delete_ms] or [
        (job, job.delete_ms)
    ]
    for generation, group in groupby(living, key=lambda item: item[0].generation):
        members = list(group)
        last, until_ms = members[-1]
        pauses: list[tuple[int, int]] = []
        for one, end_ms in members:
            if not one.paused:
                continue
            if pauses and pauses[-1][1] == one.update_ms:
                pauses[-1] = (pauses[-1][0], end_ms)
            else:
                pauses.append((one.update_ms, end_ms))
        found[generation] = Era(last, until_ms, tuple(pauses))
    return found


def is_within(stretches: Sequence[tuple[int, int]], instant_ms: int) -> bool:
    """Whether an instant lies in one of the stretches."""
    # Nearly always there are none, and a generator takes ten times as long to say so.
    return bool(stretches) and any(after < instant_ms <= until for after, until in stretches)


def needs_past(job: Job, entry: ScheduleEntry) -> bool:
    """Whether the job as it is now does not tell all about the occurrences of a row."""
    if job.version == 1:
        return False
    return (
        entry.generation < job.generation
        or bool(job.delete_ms)
        or entry.due_ms <= job.update_ms
        or (entry.ordinal < 0 and bool(job.spec.schedule.max_runs))
    )


def first_of(job: Job, schedule: Schedule) -> int | None:
    """The first nominal occurrence of a job's present generation; None where there is none."""
    at_ms = schedule.spec.at_ms
    return schedule.next_after((job.schedule_from_ms if at_ms is None else at_ms) - 1)


def count_before(
    past: Mapping[int, Era], generation: int, cap: int, compile_schedule: Callable[[Job], Schedule]
) -> int:
    """How many occurrences of a job count towards `maxRuns` when a generation begins.

    Those that came due while the job was active, whatever became of them (product.md section 3).

    Args:
        past: all generations.
        generation: the one that begins.
        cap: it need not be known any more exactly from here on.
        compile_schedule: gives a job's schedule.
    """
    count = 0
    for number, era in past.items():
        if number >= generation:
            break
        schedule = compile_schedule(era.job)
        most = schedule.spec.max_runs or FOR_EVER_MS
        for _ in active(era, schedule):
            if count >= min(cap, most):
                break
            count += 1
    return min(count, cap)


def active(era: Era, schedule: Schedule) -> Iterator[int]:
    """The nominal occurrences of an era that came due while the job was not paused, in order."""
    nominal = first_of(era.job, schedule)
    while nominal is not None:
        due_ms = schedule.due(nominal, salt=era.job.uid)
        if due_ms > era.until_ms:
            return
        paused = next((s for s in era.pauses if s[0] < due_ms <= s[1]), None)
        if paused is None:
            yield nominal
        elif paused[1] == FOR_EVER_MS:
            return
        else:
            # A long pause is not gone through one by one.
            nominal = max(nominal, paused[1] - schedule.spec.jitter_ms - 1)
        nominal = schedule.next_after(nominal)
