"""A backfill that is under way when its job is changed or deleted."""

from collections.abc import Sequence
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
    notice,
    publish,
    store_records,
)
from scheduler.test_course import rescheduled
from scheduler.test_runs import reported, say
from tickwheel.internal.v1 import storage_pb2
from tickwheel.server.convert.schedule import schedule_of
from tickwheel.server.domain.job import Job
from tickwheel.server.domain.names import backfill_run_id, instant_id, retry_run_id
from tickwheel.server.domain.occurrence import EntryKind, ScheduleEntry
from tickwheel.server.domain.report import Finish, Start
from tickwheel.server.domain.run import Run, RunState
from tickwheel.server.scheduler.cursors.expansion import MAX_OPEN_PER_BACKFILL
from tickwheel.server.scheduler.live import LiveRun
from tickwheel.server.scheduler.override import decode_override
from tickwheel.server.scheduler.runs import PENDING_AFTER_MS
from tickwheel.server.scheduler.segment import SegmentOwner
from tickwheel.server.scheduler.strays import stray_run
from tickwheel.v1 import job_pb2, run_pb2

#: The range of the backfills here, in occurrences of a job that runs each second.
COUNT = MAX_OPEN_PER_BACKFILL + 20
FIRST = NOW - 1_000 * SECOND
#: The call that asked for them.
ASKED_BY = f"00-{'12' * 16}-{'34' * 8}-00"


def past_job() -> Job:
    return make_job(every_s=1, create_ms=FIRST)


def row_of(job: Job, *, count: int = COUNT, overlap_policy: int = 0) -> ScheduleEntry:
    detail = storage_pb2.BackfillRecord(
        end_ms=FIRST + count * SECOND,
        overlap_policy=overlap_policy,
        traceparent=ASKED_BY,
    )
    return replace(
        entry_of(job, FIRST, fire_ms=NOW),
        kind=EntryKind.BACKFILL,
        run_id="b",
        detail=detail.SerializeToString(),
    )


def deleted(job: Job, now_ms: int) -> Job:
    return changed(job, now_ms, delete_ms=now_ms)


def tell(owner: SegmentOwner, job: Job, now_ms: int) -> list[LiveRun]:
    """The owner hears of a change, as it does where it has something of an older version."""
    assert owner.has_older(job.uid, job.version)
    revoked = owner.notice(notice(job, now_ms), job, now_ms)
    assert not owner.has_older(job.uid, job.version)
    return revoked


def numbers(runs: Sequence[LiveRun]) -> list[int]:
    """Which occurrences of the range, from 0."""
    return [(run.schedule_ms - FIRST) // SECOND for run in runs]


def skipped(records: Sequence[Run]) -> list[tuple[int, int, int]]:
    """First occurrence, how many, and why, of the stretches as they are in the end."""
    latest = {run.run_id: run for run in records if run.state is RunState.SKIPPED}
    return [
        ((run.first_schedule_ms - FIRST) // SECOND, run.skipped_count, run.skip_reason)
        for run in latest.values()
    ]


def test_a_deletion_ends_a_backfill_and_what_did_not_run_is_recorded_as_that() -> None:
    owner, job = make_owner(), past_job()
    row = row_of(job)
    runs = load(owner, job, row)
    assert numbers(runs) == list(range(MAX_OPEN_PER_BACKFILL))
    for run in runs[:2]:
        publish(owner, run, NOW)
    store_records(owner)

    revoked = tell(owner, deleted(job, NOW + 1), NOW + 1)

    assert numbers(revoked) == list(range(2, MAX_OPEN_PER_BACKFILL))
    # The deletion is not confirmed before the workers have answered, and nothing else happens.
    assert set(owner.revoking(job.uid)) == {run.key for run in revoked}
    owner.step(NOW + 1)
    assert not owner.has_batch()
    on_the_wire = revoked[5]
    owner.confirm_revoked([run.key for run in revoked], [on_the_wire.key], NOW + 2)
    assert not owner.revoking(job.uid)
    owner.step(NOW + 2)
    assert not owner.take_ready()
    publish(owner, on_the_wire, NOW + 2)
    records = store_records(owner, NOW + 2)
    assert [run.run_id for run in records if run.state is RunState.SUCCEEDED] == [
        backfill_run_id(on_the_wire.schedule_ms, "b")
    ]
    gone = run_pb2.SKIP_REASON_DELETED
    handed_out = [(number, 1, gone) for number in range(2, MAX_OPEN_PER_BACKFILL) if number != 7]
    rest = (MAX_OPEN_PER_BACKFILL, COUNT - MAX_OPEN_PER_BACKFILL, gone)
    assert sorted(skipped(records)) == [*handed_out, rest]
    assert {run.backfill_id for run in records} == {"b"}
    # Each has a trace of its own, run or skipped, and knows by whose call it is there.
    assert {decode_override(run.detail).traceparent for run in records} == {ASKED_BY}
    assert ASKED_BY not in {run.traceparent for run in records}
    assert row in owner.take_advance(NOW + 2).remove
    assert not owner.is_backfilling(job.uid, "b")


def test_what_was_told_of_as_pending_ends_with_the_deletion() -> None:
    owner, job = make_owner(), past_job()
    runs = load(owner, job, row_of(job, count=3))
    publish(owner, runs[0], NOW)
    owner.step(NOW + PENDING_AFTER_MS)
    assert len([run for run in store_records(owner) if run.state is RunState.PENDING]) == 2
    revoked = tell(owner, deleted(job, NOW + SECOND), NOW + SECOND)
    owner.confirm_revoked([run.key for run in revoked], (), NOW + SECOND)
    owner.step(NOW + SECOND)
    records = store_records(owner)
    gone = run_pb2.SKIP_REASON_DELETED
    assert skipped(records) == [(1, 1, gone), (2, 1, gone)]
    assert {run.revision for run in records} == {2}
    assert owner.take_advance(NOW + SECOND).remove


def test_a_deletion_reaches_the_backfill_of_a_job_that_is_near() -> None:
    owner, job = make_owner(), past_job()
    load(owner, job, entry_of(job, NOW + SECOND))
    load(owner, job, row_of(job))
    gone = deleted(job, NOW)
    revoked = owner.notice(notice(gone, NOW), gone, NOW)
    assert len([run for run in revoked if run.backfill_id]) == MAX_OPEN_PER_BACKFILL
    assert len([run for run in revoked if not run.backfill_id]) == 4


def test_an_update_holds_for_all_of_a_backfill_that_is_not_on_the_log() -> None:
    owner, job = make_owner(), past_job()
    runs = load(owner, job, row_of(job))
    publish(owner, runs[0], NOW)
    spec = job_pb2.Job()
    spec.CopyFrom(job.spec)
    spec.target.topic = "other"
    after = changed(job, NOW + 1, spec=spec)
    revoked = tell(owner, after, NOW + 1)
    assert numbers(revoked) == list(range(1, MAX_OPEN_PER_BACKFILL))
    owner.confirm_revoked([run.key for run in revoked], (), NOW + 1)
    store_records(owner)
    owner.step(NOW + 1)
    again = assign(owner)
    assert numbers(again) == list(range(1, MAX_OPEN_PER_BACKFILL + 1))
    assert {run.job.spec.target.topic for run in again} == {"other"}
    assert not [run for run in store_records(owner) if run.state is RunState.SKIPPED]


def test_a_pause_does_not_hold_a_backfill_up() -> None:
    """As little as a run by hand: only what comes due in the pause is skipped for it."""
    owner, job = make_owner(), past_job()
    load(owner, job, row_of(job, count=10))
    revoked = tell(owner, changed(job, NOW + 1, paused=True), NOW + 1)
    owner.confirm_revoked([run.key for run in revoked], (), NOW + 1)
    owner.step(NOW + 1)
    assert numbers(assign(owner)) == list(range(10))
    assert not skipped(store_records(owner))


def test_a_backfilled_run_that_is_tried_again_is_not_taken_back() -> None:
    """It goes on by a row of its own, which would be left behind."""
    owner, job = make_owner(), replace(reported(every_s=1), create_ms=FIRST)
    (run,) = load(owner, job, row_of(job, count=1))
    publish(owner, run, NOW)
    say(owner, run, Start(), NOW)
    why = Finish(state=RunState.FAILED, retryable=True)
    say(owner, run, why, NOW)
    assert run.attempt == 2
    assert [one.attempt for one in assign(owner)] == [2]
    assert not tell(owner, changed(job, NOW + 1), NOW + 1)
    batch = owner.take_batch()
    assert [one.run_id for one in batch.opened] == [run.run_id]


def test_the_next_owner_ends_the_backfill_of_a_job_that_was_deleted_meanwhile() -> None:
    first, job = make_owner(), past_job()
    row = row_of(job, count=10)
    runs = load(first, job, row)
    for run in runs[:3]:
        publish(first, run, NOW)
    log = store_records(first)
    (moved,) = first.take_advance(NOW).put
    owner = make_owner(epoch=2)
    owner.recover(log)
    assert not load(owner, deleted(job, NOW), moved, NOW + SECOND)
    assert skipped(store_records(owner)) == [(3, 7, run_pb2.SKIP_REASON_DELETED)]
    assert owner.take_advance(NOW + SECOND).remove == [moved]


def test_a_backfill_goes_over_the_schedule_with_which_it_was_begun() -> None:
    job = past_job()
    row = row_of(job, count=6)
    after = rescheduled(job, NOW + 1, 4)
    owner = make_owner()
    load(owner, job, row_of(job, count=6))
    revoked = tell(owner, after, NOW + 1)
    owner.confirm_revoked([run.key for run in revoked], (), NOW + 1)
    owner.step(NOW + 1)
    assert numbers(assign(owner)) == list(range(6))

    owner = make_owner(epoch=2)
    assert owner.wants_past(after, row)
    owner.load([row], {after.key: after}, NOW + SECOND, {after.key: [job]})
    owner.step(NOW + SECOND)
    runs = assign(owner)
    assert numbers(runs) == list(range(6))
    assert {run.job.version for run in runs} == {after.version}
    # It is asked for once.
    assert not owner.wants_past(after, row)


def test_of_two_rows_of_a_backfill_one_goes() -> None:
    """Its request was tried again as it was not known that the first row is stored."""
    owner, job = make_owner(), past_job()
    row = row_of(job)
    second = replace(row, fire_ms=NOW + SECOND)
    load(owner, job, row)
    load(owner, job, second)
    advance = owner.take_advance(NOW + SECOND)
    assert (advance.put, advance.remove) == ([row], [second])


def test_what_workers_have_published_before_a_deletion_is_not_skipped_for_it() -> None:
    first, job = make_owner(), past_job()
    row = row_of(job, count=3)
    (published, *_) = load(first, job, row)
    owner = make_owner(epoch=2)
    owner.load([row], {job.key: deleted(job, NOW)}, NOW)
    owner.foretell(published.key)
    owner.step(NOW)
    (run,) = assign(owner)
    publish(owner, run, NOW)
    records = store_records(owner)
    assert [one.run_id for one in records if one.state is RunState.SUCCEEDED] == [published.run_id]
    assert skipped(records) == [(1, 2, run_pb2.SKIP_REASON_DELETED)]


def test_what_a_backfill_has_skipped_is_not_skipped_again_after_a_change() -> None:
    """The one before it is with a worker, and follows the change."""
    owner, job = make_owner(), replace(reported(every_s=1), create_ms=FIRST)
    (run,) = load(owner, job, row_of(job, count=10))
    overlap = run_pb2.SKIP_REASON_OVERLAP
    assert skipped(store_records(owner)) == [(1, 9, overlap)]
    revoked = tell(owner, changed(job, NOW + 1), NOW + 1)
    assert revoked == [run]
    owner.confirm_revoked([run.key], (), NOW + 1)
    owner.step(NOW + 1)
    assert assign(owner) == [run]
    assert not store_records(owner)


def test_a_row_that_is_read_again_while_it_is_removed_brings_up_nothing() -> None:
    owner, job = make_owner(), replace(reported(every_s=1), create_ms=FIRST)
    row = row_of(job, count=10)
    (run,) = load(owner, job, row)
    publish(owner, run, NOW)
    say(owner, run, Finish(state=RunState.SUCCEEDED), NOW + 1)
    assert skipped(store_records(owner)) == [(1, 9, run_pb2.SKIP_REASON_OVERLAP)]
    assert row in owner.take_advance(NOW + 1).remove
    assert not load(owner, job, row, NOW + 2)
    assert not owner.has_batch()


def test_what_a_backfill_has_skipped_is_known_also_behind_the_first_one() -> None:
    """Should a worker say that it has published one of them."""
    owner, job = make_owner(), replace(reported(every_s=1), create_ms=FIRST)
    load(owner, job, row_of(job, count=10))
    store_records(owner)
    last = FIRST + 9 * SECOND
    assert owner.knows(job.uid, backfill_run_id(last, "b"))
    assert not owner.knows(job.uid, backfill_run_id(last, "other"))
    assert not owner.knows(job.uid, instant_id(last))
    assert not owner.knows(job.uid, retry_run_id(backfill_run_id(last, "b"), 1))


def test_a_retry_of_a_backfilled_run_is_of_no_backfill() -> None:
    job, run_id = past_job(), backfill_run_id(FIRST, "abcdefghij")
    again = stray_run(retry_run_id(run_id, 2), 1, job, (), schedule_of)
    assert (again.kind, again.backfill_id) == (EntryKind.RETRY, "")
    run = stray_run(run_id, 1, job, (), schedule_of)
    assert (run.kind, run.backfill_id) == (EntryKind.BACKFILL, "abcdefghij")


def test_what_a_former_owner_has_skipped_of_a_backfill_is_known_whatever_the_position() -> None:
    """The occurrences lie in the past; it is their record that is new."""
    first, job = make_owner(), replace(reported(every_s=1), create_ms=FIRST)
    row = row_of(job, count=10)
    load(first, job, row)
    records = store_records(first)
    assert skipped(records) == [(1, 9, run_pb2.SKIP_REASON_OVERLAP)]
    owner = make_owner(epoch=2)
    owner.recover(records)
    owner.forget_before(NOW)
    assert numbers(load(owner, job, row)) == [0]
    assert not owner.has_batch()


@pytest.mark.parametrize("is_gone", [False, True])
def test_what_a_worker_had_begun_with_and_gives_back_goes_by_the_job_as_it_is(
    is_gone: bool,
) -> None:
    owner, job = make_owner(), past_job()
    (run,) = load(owner, job, row_of(job, count=1))
    after = changed(job, NOW + 1, delete_ms=NOW + 1 if is_gone else 0)
    tell(owner, after, NOW + 1)
    owner.confirm_revoked([run.key], [run.key], NOW + 1)
    owner.give_back([run], NOW + 2)
    assert owner.take_ready() == ([] if is_gone else [run])
    assert run.job == after
    reasons = [one[2] for one in skipped(store_records(owner))]
    assert reasons == ([run_pb2.SKIP_REASON_DELETED] if is_gone else [])
