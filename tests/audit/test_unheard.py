"""What is recorded as skipped though it is on the log: an accident, or a contradiction."""

from collections.abc import Sequence

import pytest

from scheduler.making import NOW, SECOND, changed, make_job
from tickwheel.server.audit.checker import Case, check
from tickwheel.server.audit.facts import LogRecord, Rules, subject_of
from tickwheel.server.audit.findings import Fault, Tally
from tickwheel.server.domain.job import Job
from tickwheel.server.domain.names import backfill_run_id
from tickwheel.server.domain.run import Run, RunState, Trigger
from tickwheel.server.store.port import ChangeRecord
from tickwheel.v1 import run_pb2

#: The range of the backfill, of a job that runs each second.
FIRST = NOW - 100 * SECOND
SKIPPED_MS = NOW + 10 * SECOND


def skip(job: Job, *, count: int = 10) -> Run:
    """The backfill of a job that was deleted: so many occurrences in one record."""
    return Run(
        user=job.user,
        job_id=job.job_id,
        job_uid=job.uid,
        run_id=backfill_run_id(FIRST, "b"),
        segment=0,
        state=RunState.SKIPPED,
        trigger=Trigger.BACKFILL,
        schedule_ms=FIRST,
        due_ms=FIRST,
        update_ms=SKIPPED_MS,
        create_ms=SKIPPED_MS,
        epoch=2,
        skip_reason=run_pb2.SKIP_REASON_DELETED,
        skipped_count=count,
        first_schedule_ms=FIRST,
        last_schedule_ms=FIRST + (count - 1) * SECOND,
        backfill_id="b",
    )


def record(
    job: Job, number: int, *, given_ms: int = NOW, told: Sequence[tuple[int, int]] = ()
) -> LogRecord:
    """An occurrence of the backfill, from 0, that a worker has published."""
    return LogRecord(
        topic="topic",
        partition=0,
        offset=number,
        given_ms=given_ms,
        uid=job.uid,
        run_id=backfill_run_id(FIRST + number * SECOND, "b"),
        attempt=1,
        fence=2,
        due_ms=NOW,
        key=b"",
        value=b"",
        told=told,
    )


def judged(
    job: Job, runs: Sequence[Run], records: Sequence[LogRecord]
) -> tuple[list[tuple[Fault, str]], int]:
    """What is found of a deleted job, and how much counts as unheard."""
    gone = changed(job, NOW + SECOND, delete_ms=NOW + SECOND)
    before = ChangeRecord(job=job, change_ms=gone.update_ms, actor="", reason="")
    tally = Tally()
    failovers = [(NOW, NOW + 5 * SECOND)]
    rules = Rules(start_ms=0, end_ms=NOW + 60 * SECOND, failovers=failovers)
    case = Case(subject_of(gone, [before]), runs, records)
    found = [
        (finding.fault, finding.run_id)
        for finding in check(case, rules, tally)
        if finding.run_id.endswith("-b-b")
    ]
    return found, tally.unheard


@pytest.mark.parametrize("number", [0, 9])
def test_a_backfilled_occurrence_of_a_skipped_stretch_may_be_on_the_log_unheard(
    number: int,
) -> None:
    job = make_job(every_s=1)
    assert judged(job, [skip(job)], [record(job, number)]) == ([], 1)


@pytest.mark.parametrize("number", [0, 9])
def test_not_where_it_was_published_after_that(number: int) -> None:
    job = make_job(every_s=1)
    late = record(job, number, given_ms=SKIPPED_MS + 1)
    found, unheard = judged(job, [skip(job)], [late])
    assert (found, unheard) == ([(Fault.CONTRADICTED, late.run_id)], 0)


@pytest.mark.parametrize(
    ("told", "is_contradiction"),
    [
        ((2, NOW + 1), True),
        # A former owner, which may have ended since; or once it was skipped.
        ((1, NOW + 1), False),
        ((2, SKIPPED_MS), False),
    ],
)
@pytest.mark.parametrize("count", [1, 10])
def test_not_where_who_skipped_it_had_been_told(
    count: int, told: tuple[int, int], is_contradiction: bool
) -> None:
    job = make_job(every_s=1)
    one = record(job, count - 1, told=[told])
    found, unheard = judged(job, [skip(job, count=count)], [one])
    expected = [(Fault.CONTRADICTED, one.run_id)] if is_contradiction else []
    assert (found, unheard) == (expected, 1 - len(expected))


def test_what_no_stretch_has_is_not_recorded() -> None:
    job = make_job(every_s=1)
    beyond = record(job, 10)
    assert judged(job, [skip(job)], [beyond]) == ([(Fault.UNRECORDED, beyond.run_id)], 0)
