"""What is taken back before it fired: the cursor goes back to the first of it, and counts anew."""

from collections.abc import Sequence
from dataclasses import replace

from scheduler.making import (
    NOW,
    SECOND,
    assign,
    changed,
    entry_of,
    load,
    make_job,
    make_owner,
    notice,
    publish,
    store_records,
)
from scheduler.test_course import rescheduled
from scheduler.test_runs import reported, say
from tickwheel.server.domain.job import Job
from tickwheel.server.domain.names import instant_id
from tickwheel.server.domain.occurrence import EntryKind
from tickwheel.server.domain.report import Finish
from tickwheel.server.domain.run import RunState
from tickwheel.server.scheduler.live import LiveRun
from tickwheel.server.scheduler.own_runs import own_run
from tickwheel.server.scheduler.segment import SegmentOwner
from tickwheel.v1 import job_pb2


def take_back(owner: SegmentOwner, job: Job) -> tuple[Job, list[LiveRun]]:
    """A change of the job, because of which its runs are to be computed anew."""
    job = changed(job, NOW)
    return job, owner.notice(notice(job, NOW), job, NOW)


def confirm(owner: SegmentOwner, runs: Sequence[LiveRun], *started: LiveRun) -> list[LiveRun]:
    """Workers answer; returns what is handed out by that."""
    keys = [run.key for run in runs]
    owner.confirm_revoked(keys, [run.key for run in started], NOW)
    owner.step(NOW)
    return assign(owner)


def seconds(runs: Sequence[LiveRun]) -> list[int]:
    return [(run.schedule_ms - NOW) // SECOND for run in runs]


def test_what_stayed_and_stands_before_earlier_ones_does_not_hide_them() -> None:
    owner, job = make_owner(), make_job(every_s=1)
    runs = load(owner, job, entry_of(job, NOW + SECOND))
    assert seconds(runs) == [1, 2, 3, 4]
    job, taken = take_back(owner, job)
    # The third one is opened again before the others, which are computed anew.
    assert seconds(confirm(owner, taken, taken[2])) == [1, 2, 4]
    job, taken = take_back(owner, job)
    assert seconds(confirm(owner, taken)) == [1, 2, 3, 4]


def test_who_has_gone_back_further_does_not_go_on_by_going_back() -> None:
    owner, job = make_owner(), make_job(every_s=1)
    runs = load(owner, job, entry_of(job, NOW + SECOND))
    job, _ = take_back(owner, job)
    # Of the others nothing is known yet.
    assert not confirm(owner, [runs[2]], runs[2])
    job, again = take_back(owner, job)
    assert seconds(confirm(owner, again)) == [1, 2, 3, 4]


def test_what_was_taken_back_for_a_run_by_hand_counts_once() -> None:
    owner, job = make_owner(), make_job(every_s=10, create_ms=NOW - 35 * SECOND)
    job.spec.completion = job_pb2.COMPLETION_REPORTED
    job.spec.overlap_policy = job_pb2.OVERLAP_SKIP
    job.spec.run_timeout.FromSeconds(3_600)
    due = NOW + 5 * SECOND
    assert load(owner, job, entry_of(job, due, ordinal=3), NOW + SECOND)
    by_hand = replace(entry_of(job, NOW), kind=EntryKind.MANUAL, run_id=f"{instant_id(NOW)}-m-a")
    made = own_run(job, by_hand, lambda: "")
    assert owner.trigger(by_hand, made, NOW + SECOND)
    assert confirm(owner, owner.take_revocations()) == [made]
    publish(owner, made, NOW + SECOND)
    # Three had come due of the former schedule, so that two are left; that run is in their way.
    after = rescheduled(job, NOW + 2 * SECOND, 1, max_runs=5)
    owner.notice(notice(after, NOW + 2 * SECOND), after, NOW + 2 * SECOND)
    owner.step(NOW + 60 * SECOND)
    assert sum(run.skipped_count for run in store_records(owner, NOW + 60 * SECOND)) == 2


def test_what_waits_goes_on_when_what_was_handed_out_ahead_is_dropped_at_last() -> None:
    """Its worker is gone, and answers for nothing before its permission is over."""
    owner, job = make_owner(), reported(job_pb2.OVERLAP_BUFFER_ALL)
    at_ms = NOW + 6 * SECOND
    (ahead,) = load(owner, job, entry_of(job, NOW + 10 * SECOND), at_ms)

    def run_by_hand(mark: str) -> LiveRun:
        run_id = f"{instant_id(at_ms)}-m-{mark}"
        row = replace(entry_of(job, NOW), kind=EntryKind.MANUAL, run_id=run_id)
        run = own_run(job, row, lambda: "")
        assert owner.trigger(row, run, at_ms)
        return run

    first = run_by_hand("a")
    assert owner.take_revocations() == [ahead]
    assert assign(owner) == [first]
    publish(owner, first, at_ms)
    second = run_by_hand("b")
    store_records(owner, at_ms)
    say(owner, first, Finish(state=RunState.SUCCEEDED), at_ms)
    store_records(owner, at_ms)
    assert not assign(owner)
    owner.confirm_revoked([ahead.key], (), at_ms)
    assert assign(owner) == [second]
