"""A stretch of skipped occurrences is held, whole and once, against the schedule it is of."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest
from google.protobuf.duration_pb2 import Duration

from scheduler.making import NOW, SECOND, changed, make_job
from tickwheel.server.audit.checker import Case, check
from tickwheel.server.audit.facts import UNSURE_MS, Rules, Subject, subject_of
from tickwheel.server.audit.findings import Fault, Finding, Tally
from tickwheel.server.convert.schedule import schedule_of
from tickwheel.server.domain.job import Job
from tickwheel.server.domain.names import instant_id
from tickwheel.server.domain.run import Run, RunState, Trigger
from tickwheel.server.store.port import ChangeRecord
from tickwheel.v1 import run_pb2

DAY = 86_400 * SECOND
FIRST = NOW + 100 * SECOND
LAST = NOW + 399 * SECOND


def stretch(job: Job, first_ms: int = FIRST, last_ms: int = LAST, count: int = 300) -> Run:
    """Of a paused job."""
    return Run(
        user=job.user,
        job_id=job.job_id,
        job_uid=job.uid,
        run_id=instant_id(first_ms),
        segment=0,
        state=RunState.SKIPPED,
        trigger=Trigger.SCHEDULE,
        schedule_ms=first_ms,
        due_ms=schedule_of(job).due(first_ms, salt=job.uid),
        update_ms=last_ms + 10,
        create_ms=first_ms + 10,
        epoch=1,
        skip_reason=run_pb2.SKIP_REASON_PAUSED,
        skipped_count=count,
        first_schedule_ms=first_ms,
        last_schedule_ms=last_ms,
    )


def paused(job: Job) -> tuple[Job, ...]:
    """The job, and as it was paused at once."""
    return (job, changed(job, NOW + SECOND, paused=True))


def rescheduled(job: Job, change_ms: int, every_s: int) -> tuple[Job, ...]:
    """The job, paused at once, and with another schedule from an instant on."""
    later = changed(job, change_ms, generation=2, schedule_from_ms=change_ms, paused=True)
    return (*paused(job), replace(later, version=3, spec=make_job(every_s=every_s).spec))


def subject(*versions: Job) -> Subject:
    past = [ChangeRecord(job=one, change_ms=0, actor="", reason="") for one in versions[:-1]]
    return subject_of(versions[-1], past)


def found(
    of: Subject, runs: Sequence[Run], start_ms: int, end_ms: int, *, is_first: bool = True
) -> list[Finding]:
    rules = Rules(start_ms=start_ms, end_ms=end_ms, is_first=is_first)
    return list(check(Case(of, runs, ()), rules, Tally()))


def windows(*bounds: int) -> Iterator[tuple[int, int, bool]]:
    for place, start_ms in enumerate(bounds[:-1]):
        yield NOW + start_ms * SECOND, NOW + bounds[place + 1] * SECOND, place == 0


@pytest.mark.parametrize(
    "bounds",
    [
        # Whole in it; over its end; over its beginning; over both; in several.
        (100, 1000),
        (100, 200),
        (200, 1000),
        (200, 300),
        (100, 250, 1000),
        (200, 250, 300, 350),
        (10, 100, 400, 500),
    ],
)
@pytest.mark.parametrize("off", [0, -1, 1])
def test_it_is_counted_once_however_windows_fall(bounds: tuple[int, ...], off: int) -> None:
    job = make_job(every_s=1)
    run = stretch(job, count=300 + off)
    told = [
        finding
        for start_ms, end_ms, is_first in windows(*bounds)
        for finding in found(subject(*paused(job)), [run], start_ms, end_ms, is_first=is_first)
        if finding.fault is not Fault.MISSING
    ]
    there = {0: [], -1: ["of 300 or more there"], 1: ["of 300 there"]}[off]
    assert [finding.text.partition(", ")[2] for finding in told] == there
    assert all(finding.fault is Fault.CONTRADICTED for finding in told)


def test_one_that_ended_before_the_range_is_none_of_its_concern() -> None:
    job = make_job(every_s=1)
    run = stretch(job, count=299)
    assert not [
        finding
        for finding in found(subject(*paused(job)), [run], LAST + 1, LAST + 60 * SECOND)
        if finding.fault is Fault.CONTRADICTED
    ]


def test_what_came_due_in_the_range_by_its_delay_is_of_it() -> None:
    job = make_job(every_s=10)
    job.spec.schedule.jitter.CopyFrom(Duration(seconds=9))
    last_ms = FIRST + 200 * SECOND
    due_ms = schedule_of(job).due(last_ms, salt=job.uid)
    assert due_ms > last_ms
    for count, faults in ((21, []), (20, [Fault.CONTRADICTED])):
        run = stretch(job, last_ms=last_ms, count=count)
        told = found(subject(*paused(job)), [run], due_ms, due_ms + SECOND)
        assert [finding.fault for finding in told] == faults


def test_millions_that_began_long_before() -> None:
    job = make_job(every_s=1, create_ms=NOW - 100 * DAY)
    of = subject(job, changed(job, NOW - 99 * DAY, paused=True))
    first_ms, count = NOW - 90 * DAY, 90 * 86_400
    run = stretch(job, first_ms, NOW - SECOND, count)
    start_ms, end_ms = NOW - 60 * SECOND, NOW
    assert found(of, [run], start_ms, end_ms) == []
    told = found(of, [replace(run, skipped_count=count - 1)], start_ms, end_ms)
    assert [finding.fault for finding in told] == [Fault.CONTRADICTED]


def test_it_is_of_one_of_several_schedules() -> None:
    former, change_ms = make_job(every_s=1), NOW + 1_000 * SECOND
    of = subject(*rescheduled(former, change_ms, every_s=5))
    start_ms, end_ms = change_ms - 20 * SECOND, change_ms + 300 * SECOND
    first = stretch(former, FIRST, change_ms, 901)
    second = stretch(former, change_ms + 5 * SECOND, end_ms, 60)
    assert found(of, [first, second], start_ms, end_ms) == []
    told = found(of, [first, replace(second, skipped_count=59)], start_ms, end_ms)
    assert [(one.fault, one.run_id) for one in told] == [(Fault.CONTRADICTED, second.run_id)]
    told = found(of, [replace(first, skipped_count=900), second], start_ms, end_ms)
    assert [(one.fault, one.run_id) for one in told] == [(Fault.CONTRADICTED, first.run_id)]


def test_it_does_not_stand_for_what_another_schedule_has() -> None:
    """It began before the range, and goes on behind the end of the schedule it is of."""
    former, change_ms = make_job(every_s=2), NOW + 1_000 * SECOND
    of = subject(*rescheduled(former, change_ms, every_s=3))
    run = stretch(former, FIRST, change_ms + 400 * SECOND, 651)
    start_ms, end_ms = change_ms + UNSURE_MS, change_ms + UNSURE_MS + 60 * SECOND
    told = found(of, [run], start_ms, end_ms)
    assert {finding.fault for finding in told} == {Fault.MISSING, Fault.CONTRADICTED}
    assert [one.run_id for one in told if one.fault is Fault.CONTRADICTED] == [run.run_id]


def test_a_former_schedule_that_has_as_many_by_chance_is_not_the_one_it_is_of() -> None:
    former, change_ms = make_job(every_s=1), NOW + 50 * SECOND
    versions = rescheduled(former, change_ms, every_s=5)
    of = subject(*versions)
    # The former one may have held until then, and has 26 from the first on.
    first_ms = change_ms + UNSURE_MS - 25 * SECOND
    run = stretch(versions[-1], first_ms, first_ms + 26 * 5 * SECOND, 27)
    start_ms, end_ms = first_ms, first_ms + 200 * SECOND
    for count, faults in ((27, []), (26, [Fault.CONTRADICTED])):
        told = found(of, [replace(run, skipped_count=count)], start_ms, end_ms)
        assert [one.fault for one in told if one.fault is not Fault.MISSING] == faults
