"""Occurrences whose topic cannot be reached for long do not hold their segment's position back."""

from dataclasses import replace

import pytest

from scheduler.making import (
    NOW,
    SECOND,
    assign,
    changed,
    entry_of,
    load,
    make_job,
    make_owner,
    publish,
)
from scheduler.test_backfill import FIRST, deleted, numbers, past_job, row_of, skipped, tell
from scheduler.test_runs import reported, store
from scheduler.test_waiting import END, MINUTE, is_held_back, pass_time
from tickwheel.server.domain.job import Job
from tickwheel.server.domain.occurrence import ScheduleEntry
from tickwheel.server.domain.run import Run, RunState
from tickwheel.server.scheduler.cursors import expansion
from tickwheel.server.scheduler.lingering import PATIENCE_MS
from tickwheel.server.scheduler.live import LiveRun, Phase
from tickwheel.server.scheduler.runs import PENDING_AFTER_MS
from tickwheel.server.scheduler.segment import POSITION_LAG_MS, SegmentOwner
from tickwheel.v1 import job_pb2, run_pb2, scheduler_service_pb2

LINGERING_MS = PENDING_AFTER_MS + PATIENCE_MS


def pass_on(owner: SegmentOwner, row: ScheduleEntry, end_ms: int = END) -> ScheduleEntry:
    """Time goes by, and nobody publishes anything; where the row is then."""
    rows = {row}
    pass_time(owner, rows, end_ms)
    (row,) = rows
    return row


def lingering(owner: SegmentOwner) -> list[Run]:
    """What the next owner finds among the open runs."""
    return [run.record for run in owner.runs.in_phase(Phase.ASSIGNED) if run.record and run.has_row]


def next_owner(job: Job, row: ScheduleEntry | None, open_runs: list[Run]) -> SegmentOwner:
    """It reads the log since the position, which has nothing of the job, and the open runs."""
    owner = make_owner(epoch=2)
    owner.recover([], open_runs, {job.key: job}, END)
    owner.begin_at(END - PATIENCE_MS - POSITION_LAG_MS)
    if row is not None:
        owner.load([row], {job.key: job}, END)
    owner.step(END)
    return owner


def start_of(owner: SegmentOwner, number: int) -> LiveRun:
    """A run of `past_job` that a worker holds, which has lingered."""
    (run,) = [one for one in owner.assigned_runs() if numbers([one]) == [number]]
    assert run.has_row
    return run


def test_an_occurrence_goes_on_without_the_row_of_its_schedule() -> None:
    owner, job = make_owner(), make_job(every_s=3_600)
    row = entry_of(job, NOW)
    (run,) = load(owner, job, row)
    assert pass_on(owner, row, NOW + LINGERING_MS - SECOND) == row
    owner.step(NOW + LINGERING_MS)
    batch = store(owner, NOW + LINGERING_MS)
    assert run.record is not None
    assert (batch.records, batch.opened) == ([], [run.record])
    (moved,) = owner.take_advance(NOW + LINGERING_MS).put
    assert (moved.schedule_ms, moved.ordinal) == (NOW + 3_600 * SECOND, 1)
    late_ms = NOW + 30 * MINUTE
    assert owner.position_ms(late_ms) == late_ms - POSITION_LAG_MS

    other = next_owner(job, None, [run.record])
    (again,) = assign(other)
    assert (again.run_id, again.fire_ms, again.due_ms) == (run.run_id, NOW, NOW)
    publish(other, again, END)
    batch = store(other, END)
    assert [(one.state, one.revision) for one in batch.closed] == [
        (RunState.SUCCEEDED, run.record.revision + 1)
    ]
    publish(owner, run, END)
    assert store(owner, END).closed


def test_no_more_than_so_many_are_open_of_a_schedule_however_long_they_linger(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(expansion, "MAX_OPEN_PER_JOB", 3)
    owner, job = make_owner(), make_job(every_s=10)
    load(owner, job, entry_of(job, NOW))
    row = pass_on(owner, entry_of(job, NOW))
    assign(owner)
    assert owner.count_live() == 3
    assert not is_held_back(owner)
    fourth = NOW + 30 * SECOND
    assert (row.schedule_ms, row.due_ms, row.ordinal) == (fourth, fourth, 3)

    other = next_owner(job, row, lingering(owner))
    assert [one.schedule_ms for one in assign(other)] == [NOW, NOW + 10 * SECOND, NOW + 20 * SECOND]
    for now_owner in (owner, other):
        run = min(now_owner.assigned_runs(), key=lambda one: one.due_ms)
        publish(now_owner, run, END)
        store(now_owner, END)
        now_owner.step(END)
        assert [one.schedule_ms for one in assign(now_owner)] == [fourth]


def test_no_more_than_so_many_are_open_of_a_backfill_however_long_they_linger(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(expansion, "MAX_OPEN_PER_BACKFILL", 3)
    owner, job = make_owner(), past_job()
    row = row_of(job, count=20)
    load(owner, job, row)
    row = pass_on(owner, row)
    assert owner.count_live() == 3
    assert not is_held_back(owner)
    assert (row.run_id, row.schedule_ms, row.ordinal) == ("b", FIRST + 3 * SECOND, 3)

    other = next_owner(job, row, lingering(owner))
    again = assign(other)
    assert numbers(again) == [0, 1, 2]
    # A worker has its time to publish them from when the first owner had opened them.
    assert {one.fire_ms for one in again} == {NOW}
    failure = scheduler_service_pb2.PublishFailure(refused=True, message="no")
    assert other.failed(again[0].key, "w", failure, END)
    other.step(END)
    # One that is tried again has its own time.
    assert sorted(numbers(assign(other))) == [0, 3]


def test_what_is_reported_lingers_no_more_once_it_is_on_the_log(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(expansion, "MAX_OPEN_PER_BACKFILL", 1)
    owner = make_owner()
    job = replace(reported(job_pb2.OVERLAP_ALLOW_ALL, every_s=1), create_ms=FIRST)
    row = row_of(job, count=2)
    (run,) = load(owner, job, row)
    pass_on(owner, row)
    assert run.has_row
    publish(owner, run, END)
    owner.step(END)
    assert numbers(assign(owner)) == [1]


def test_what_lingers_of_a_backfill_ends_with_its_job() -> None:
    owner, job = make_owner(), past_job()
    row = row_of(job, count=3)
    load(owner, job, row)
    pass_time(owner, {row}, NOW + 2 * MINUTE)
    assert not owner.is_backfilling(job.uid, "b")
    run = start_of(owner, 0)
    held, unheld = start_of(owner, 1), start_of(owner, 2)
    owner.give_back([unheld], END)
    assert owner.has_older(job.uid, job.version + 1)
    owner.change(deleted(job, END), None, END)
    assert not owner.has_older(job.uid, job.version + 1)
    assert owner.take_revocations() == [run, held]
    assert owner.revoking(job.uid) == [run.key, held.key]
    owner.confirm_revoked([run.key, held.key], [run.key], END)
    owner.step(END)
    assert not owner.take_ready()
    publish(owner, run, END)
    batch = store(owner, END)
    gone = run_pb2.SKIP_REASON_DELETED
    assert skipped(batch.records) == [(1, 1, gone), (2, 1, gone)]
    assert len(batch.closed) == 3
    assert not owner.count_live()


def test_what_lingers_of_a_backfill_goes_by_its_job_as_it_is() -> None:
    """Its topic may have been the wrong one."""
    owner, job = make_owner(), past_job()
    row = row_of(job, count=3)
    load(owner, job, row)
    pass_time(owner, {row}, NOW + 2 * MINUTE)
    first, second, third = (start_of(owner, number) for number in range(3))
    owner.give_back([third], END)
    after = changed(job, END)
    assert tell(owner, after, END) == []
    assert owner.take_revocations() == [first, second]
    owner.confirm_revoked([first.key, second.key], [second.key], END)
    again = assign(owner)
    assert sorted(numbers(again)) == [0, 2]
    assert [one.job for one in again] == [after, after]
    # The worker could not do it after all.
    owner.give_back([second], END)
    assert [one.job for one in assign(owner)] == [after]


@pytest.mark.parametrize("is_published", [False, True])
def test_the_next_owner_skips_what_lingers_of_a_deleted_jobs_backfill(is_published: bool) -> None:
    """Unless a worker says that it has published that."""
    owner, job = make_owner(), past_job()
    row = row_of(job, count=1)
    (run,) = load(owner, job, row)
    pass_time(owner, {row}, NOW + 2 * MINUTE)
    other = make_owner(epoch=2)
    gone = deleted(job, END)
    other.recover([], lingering(owner), {job.key: gone}, END)
    if is_published:
        other.foretell(run.key)
    other.step(END)
    if is_published:
        publish(other, run, END)
    assert not other.take_ready()
    (ended,) = store(other, END).closed
    assert ended.state is (RunState.SUCCEEDED if is_published else RunState.SKIPPED)


def test_what_a_worker_gives_back_of_a_deleted_jobs_backfill_is_skipped() -> None:
    owner, job = make_owner(), past_job()
    row = row_of(job, count=1)
    (run,) = load(owner, job, row)
    pass_time(owner, {row}, NOW + 2 * MINUTE)
    owner.change(deleted(job, END), None, END)
    owner.confirm_revoked([run.key], [run.key], END)
    owner.give_back([run], END)
    owner.step(END)
    assert not owner.take_ready()
    assert skipped(store(owner, END).records) == [(0, 1, run_pb2.SKIP_REASON_DELETED)]


def test_what_a_worker_had_begun_with_before_a_change_goes_by_that_once_it_is_given_back() -> None:
    owner, job = make_owner(), past_job()
    (run,) = load(owner, job, row_of(job, count=1))
    after = changed(job, NOW + 1)
    assert tell(owner, after, NOW + 1) == [run]
    owner.confirm_revoked([run.key], [run.key], NOW + 1)
    assert run.job == job
    pass_time(owner, set(), NOW + 2 * MINUTE)
    assert run.has_row
    owner.give_back([run], END)
    assert [one.job for one in assign(owner)] == [after]


def test_a_change_that_is_heard_late_leaves_what_goes_on_by_itself() -> None:
    owner, job = make_owner(), make_job(every_s=10)
    (run, *_) = load(owner, job, entry_of(job, NOW))
    owner.step(NOW + 9 * SECOND)
    owner.step(NOW + LINGERING_MS)
    paused = changed(job, NOW - 1, paused=True)
    revoked = owner.change(paused, None, NOW + LINGERING_MS)
    assert run not in revoked
    assert run.phase is Phase.ASSIGNED
