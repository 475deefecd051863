"""The instants to explain: a job's occurrences through all of its past, and what is none of them.

Lazy, and in order, so that a page of them costs no more than it shows.
"""

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby, islice

from tickwheel.server.convert.schedule import schedule_of
from tickwheel.server.domain.course import FOR_EVER_MS, Era, active, count_before, is_within
from tickwheel.server.explain.facts import Life, Slot
from tickwheel.server.explain.phrases import by_whom
from tickwheel.server.schedule import Schedule
from tickwheel.server.schedule.absences import Why, absences
from tickwheel.server.schedule.instants import format_instant
from tickwheel.v1 import job_service_pb2

#: `maxRuns` up to this number is counted from the job's beginning; beyond it, what is recorded
#: has to say whether it was reached.
MOST_COUNTED = 20_000
#: For so long before a change of the schedule the occurrences of the new one are named as not yet
#: being any: right after a change is when they are asked for.
_BEFORE_CHANGE_MS = 86_400_000

_REASONS = {
    Why.GAP: job_service_pb2.OCCURRENCE_REASON_DST_GAP,
    Why.OVERLAP: job_service_pb2.OCCURRENCE_REASON_DST_OVERLAP,
    Why.EXCLUDED: job_service_pb2.OCCURRENCE_REASON_EXCLUDED,
    Why.BEFORE_START: job_service_pb2.OCCURRENCE_REASON_OUT_OF_RANGE,
    Why.AFTER_END: job_service_pb2.OCCURRENCE_REASON_OUT_OF_RANGE,
}


def slots(lives: Sequence[Life], start_ms: int, end_ms: int) -> Iterator[Slot]:
    """The instants in [start_ms, end_ms), each once.

    Args:
        lives: the jobs that have had the name, oldest first.
        start_ms: Unix milliseconds.
        end_ms: likewise.
    """
    streams: list[Iterator[Slot]] = []
    for number, life in enumerate(lives):
        free_ms = lives[number - 1].until_ms if number else 0
        taken_ms = lives[number + 1].job.create_ms if number + 1 < len(lives) else FOR_EVER_MS
        streams += _of_life(life, max(start_ms, free_ms), min(end_ms, taken_ms))
    merged = heapq.merge(*streams, key=lambda slot: slot.at_ms)
    for _, same in groupby(merged, key=lambda slot: slot.at_ms):
        best = _best(list(same))
        if best is not None:
            yield best


def _best(same: Sequence[Slot]) -> Slot | None:
    """What is said of an instant: an occurrence before reasons against one, the later job's."""
    real = [slot for slot in same if slot.era is not None]
    if not real:
        against = [slot for slot in same if slot.reason]
        return max(against, key=lambda slot: slot.life.job.create_ms, default=None)
    best = max(real, key=lambda slot: slot.life.job.create_ms)
    # What has moved to the occurrence, or would have fallen on it.
    odd = [
        slot.text
        for slot in same
        if slot.era is None and slot.reason in (0, job_service_pb2.OCCURRENCE_REASON_DST_GAP)
    ]
    return replace(best, text="; ".join(dict.fromkeys(odd)))


def _of_life(life: Life, start_ms: int, end_ms: int) -> Iterator[Iterator[Slot]]:
    generations = list(life.eras.items())
    for place, (generation, era) in enumerate(generations):
        schedule = schedule_of(era.job)
        from_ms = era.job.schedule_from_ms
        begin_ms = max(start_ms, from_ms)
        until_ms = min(end_ms, era.until_ms + 1)
        yield _occurrences(life, generation, schedule, start_ms, end_ms)
        yield _odd(life, schedule, begin_ms, until_ms)
        if place == 0:
            yield _before_creation(life, schedule, start_ms, min(end_ms, from_ms))
        else:
            low_ms = max(start_ms, from_ms - _BEFORE_CHANGE_MS, life.job.create_ms)
            yield _before_change(life, era, schedule, low_ms, min(end_ms, from_ms))
        if place + 1 < len(generations):
            following = generations[place + 1][1]
            yield _cut_off(life, era, following, schedule, start_ms, end_ms)
    if life.job.delete_ms and generations:
        last = schedule_of(generations[-1][1].job)
        yield _after_deletion(life, last, max(start_ms, life.job.delete_ms), end_ms)


def _occurrences(
    life: Life, generation: int, schedule: Schedule, start_ms: int, end_ms: int
) -> Iterator[Slot]:
    """The occurrences of one generation, and what `maxRuns` has left no room for."""
    era = life.eras[generation]
    at_ms = schedule.spec.at_ms
    first_ms = era.job.schedule_from_ms if at_ms is None else at_ms
    nominal = schedule.next_after(max(start_ms, first_ms) - 1)
    most = schedule.spec.max_runs
    passed = _passed(life, generation, schedule, nominal) if most and nominal is not None else 0
    while nominal is not None and nominal < end_ms:
        due_ms = schedule.due(nominal, salt=era.job.uid)
        if due_ms > era.until_ms:
            return
        slot = Slot(
            life=life,
            at_ms=nominal,
            due_ms=due_ms,
            era=era,
            uncounted=bool(most) and passed is None,
        )
        if most and passed is not None:
            if passed >= most:
                slot = _beyond(slot, most)
            elif not is_within(era.pauses, due_ms):
                passed += 1
        yield slot
        nominal = schedule.next_after(nominal)


def _passed(life: Life, generation: int, schedule: Schedule, nominal_ms: int) -> int | None:
    """How many occurrences before one count towards `maxRuns`; None: too many to count."""
    most = schedule.spec.max_runs
    if most > MOST_COUNTED:
        return None
    count = count_before(life.eras, generation, most, schedule_of)
    for at_ms in islice(active(life.eras[generation], schedule), most):
        if at_ms >= nominal_ms or count >= most:
            break
        count += 1
    return count


def _beyond(slot: Slot, most: int) -> Slot:
    return replace(
        slot,
        era=None,
        reason=job_service_pb2.OCCURRENCE_REASON_MAX_RUNS,
        text=f"the schedule ends before that, as maxRuns is {most}",
    )


def _odd(life: Life, schedule: Schedule, start_ms: int, end_ms: int) -> Iterator[Slot]:
    """What a schedule leaves out or moves while it holds."""
    for absence in absences(schedule, start_ms, end_ms):
        if absence.why is Why.MOVED:
            # It says something of the occurrence that is there, if it is one.
            if schedule.occurs_at(absence.at_ms):
                yield _nothing(
                    life,
                    absence.at_ms,
                    job_service_pb2.OCCURRENCE_REASON_UNSPECIFIED,
                    absence.text,
                )
        else:
            yield _nothing(life, absence.at_ms, _REASONS[absence.why], absence.text)


def _before_creation(life: Life, schedule: Schedule, start_ms: int, end_ms: int) -> Iterator[Slot]:
    if schedule.spec.at_ms is not None:
        return
    text = f"the job did not exist yet: it was created at {format_instant(life.job.create_ms)}"
    reason = job_service_pb2.OCCURRENCE_REASON_BEFORE_CREATION
    for at_ms in schedule.between(start_ms, end_ms):
        yield _nothing(life, at_ms, reason, text)


def _before_change(
    life: Life, era: Era, schedule: Schedule, start_ms: int, end_ms: int
) -> Iterator[Slot]:
    if schedule.spec.at_ms is not None:
        return
    text = (
        f"the schedule was another one then: this one ({schedule.describe()}) holds since it was "
        f"changed at {_change_of(life, era)}"
    )
    reason = job_service_pb2.OCCURRENCE_REASON_UPDATED
    for at_ms in schedule.between(start_ms, end_ms):
        yield _nothing(life, at_ms, reason, text)


def _cut_off(
    life: Life, era: Era, following: Era, schedule: Schedule, start_ms: int, end_ms: int
) -> Iterator[Slot]:
    """The first occurrence that a change of the schedule has taken away."""
    at_ms = schedule.next_after(era.until_ms - schedule.spec.jitter_ms - 1)
    while at_ms is not None and schedule.due(at_ms, salt=era.job.uid) <= era.until_ms:
        at_ms = schedule.next_after(at_ms)
    if at_ms is None or not start_ms <= at_ms < end_ms:
        return
    text = (
        f"the schedule that had it ({schedule.describe()}) was replaced before, at "
        f"{_change_of(life, following)}"
    )
    yield _nothing(life, at_ms, job_service_pb2.OCCURRENCE_REASON_UPDATED, text)


def _after_deletion(life: Life, schedule: Schedule, start_ms: int, end_ms: int) -> Iterator[Slot]:
    deletion = life.change_to(life.job.version)
    who = by_whom(deletion.actor) if deletion is not None else ""
    text = f"the job was deleted at {format_instant(life.job.delete_ms)}{who}"
    for at_ms in schedule.between(start_ms, end_ms):
        yield _nothing(life, at_ms, job_service_pb2.OCCURRENCE_REASON_DELETED, text)


def _change_of(life: Life, era: Era) -> str:
    """When and by whom a generation was begun."""
    first = next(
        (
            record
            for record in life.history
            if record.job.generation == era.job.generation - 1
            and record.change_ms + 1 >= era.job.schedule_from_ms
        ),
        None,
    )
    who = by_whom(first.actor) if first is not None else ""
    return f"{format_instant(era.job.schedule_from_ms - 1)}{who}"


def _nothing(life: Life, at_ms: int, reason: "job_service_pb2.OccurrenceReason", text: str) -> Slot:
    return Slot(life=life, at_ms=at_ms, due_ms=at_ms, reason=reason, text=text)
