"""What a segment's owner fires, and what it takes for done."""

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
from tickwheel.server.domain.names import instant_id
from tickwheel.server.domain.run import RunState
from tickwheel.server.scheduler.repairs import Mended, Repairs
from tickwheel.server.scheduler.runs import PENDING_AFTER_MS
from tickwheel.server.scheduler.terms import BACKOFF_SPREAD, MIN_PUBLISH_WINDOW_MS, expire_ms
from tickwheel.server.scheduler.uncommitted import COMMIT_GRACE_MS, FIRST_LOOK_MS
from tickwheel.server.store.port import LOOK_AHEAD_MS
from tickwheel.v1 import job_pb2, run_pb2, scheduler_service_pb2


def test_a_one_off_job_is_handed_out_ahead_published_and_completed() -> None:
    owner, job = make_owner(), make_job(at_ms=NOW + 3 * SECOND)
    (run,) = load(owner, job, entry_of(job, NOW + 3 * SECOND))
    assert (run.run_id, run.due_ms) == (instant_id(NOW + 3 * SECOND), NOW + 3 * SECOND)
    publish(owner, run, NOW + 3 * SECOND + 2)
    (record,) = store_records(owner)
    assert record.state is RunState.SUCCEEDED
    assert (record.publish_ms, record.partition, record.offset) == (NOW + 3 * SECOND + 2, 1, 42)
    advance = owner.take_advance(NOW + 4 * SECOND)
    assert advance.complete == [(job.key, 1)]
    assert not advance.put


def test_what_is_not_recorded_does_not_advance() -> None:
    owner, job = make_owner(), make_job(every_s=10, create_ms=NOW - 8 * SECOND)
    (run,) = load(owner, job, entry_of(job, NOW + 2 * SECOND))
    publish(owner, run, NOW + 2 * SECOND)
    taken = owner.take_batch()
    assert not owner.take_advance(NOW + 3 * SECOND)
    owner.put_back(taken)
    store_records(owner)
    advance = owner.take_advance(NOW + 3 * SECOND)
    assert [entry.schedule_ms for entry in advance.put] == [NOW + 12 * SECOND]
    assert [entry.schedule_ms for entry in advance.remove] == [NOW + 2 * SECOND]


def test_later_occurrences_are_computed_without_a_row_of_their_own() -> None:
    owner, job = make_owner(), make_job(every_s=1)
    runs = load(owner, job, entry_of(job, NOW + SECOND))
    assert [run.due_ms for run in runs] == [NOW + n * SECOND for n in range(1, 5)]
    owner.step(NOW + SECOND)
    assert [run.due_ms for run in assign(owner)] == [NOW + 5 * SECOND]


def test_a_step_leaves_nothing_to_do_at_its_own_instant() -> None:
    owner, job = make_owner(), make_job(every_s=5)
    load(owner, job, entry_of(job, NOW + 5 * SECOND))
    visit = owner.next_visit_ms()
    assert visit is not None
    for instant in (NOW, NOW + 5 * SECOND - LOOK_AHEAD_MS, visit):
        owner.step(instant)
        following = owner.next_visit_ms()
        assert following is None or following > instant


def test_a_new_owner_does_not_fire_what_the_log_has_as_final() -> None:
    first, job = make_owner(), make_job(every_s=1)
    entry = entry_of(job, NOW + SECOND)
    runs = load(first, job, entry)
    publish(first, runs[0], NOW + SECOND)
    publish(first, runs[1], NOW + 2 * SECOND)
    log = store_records(first)
    second = make_owner(epoch=2)
    second.recover(log)
    again = load(second, job, entry, NOW + 2 * SECOND)
    assert [run.due_ms for run in again] == [NOW + n * SECOND for n in range(3, 7)]
    advance = second.take_advance(NOW + 2 * SECOND)
    assert [moved.schedule_ms for moved in advance.put] == [NOW + 3 * SECOND]
    assert advance.put[0].ordinal == 2


@pytest.mark.parametrize("is_first", [True, False])
def test_what_a_former_owner_recorded_late_is_not_the_last_word(is_first: bool) -> None:
    first, job = make_owner(), make_job(at_ms=NOW + SECOND)
    entry = entry_of(job, NOW + SECOND)
    (run,) = load(first, job, entry)
    publish(first, run, NOW + SECOND)
    (done,) = store_records(first)
    late = replace(done, state=RunState.PENDING, revision=2, epoch=1)
    done = replace(done, revision=2, epoch=2)
    third = make_owner(epoch=3)
    third.recover([late, done] if is_first else [done, late], (), {job.key: job}, NOW + SECOND)
    assert load(third, job, entry, NOW + SECOND) == []


def test_a_pending_run_goes_on_with_its_attempt_and_trace() -> None:
    first, job = make_owner(), make_job(at_ms=NOW + SECOND)
    entry = entry_of(job, NOW + SECOND)
    (run,) = load(first, job, entry)
    refusal = scheduler_service_pb2.PublishFailure(message="too large", refused=True)
    assert first.failed(run.key, "w", refusal, NOW + SECOND)
    log = store_records(first)
    assert [record.state for record in log] == [RunState.PENDING]
    second = make_owner(epoch=2)
    second.recover(log, (), {job.key: job}, NOW + 2 * SECOND)
    (again,) = load(second, job, entry, NOW + 2 * SECOND)
    assert (again.traceparent, again.attempt) == (run.traceparent, 2)
    publish(second, again, NOW + 2 * SECOND)
    (record,) = store_records(second)
    assert record.revision > log[-1].revision
    assert [past.error for past in record.past_attempts] == ["too large"]


def test_a_run_that_is_late_can_be_read_as_pending() -> None:
    owner, job = make_owner(), make_job(at_ms=NOW + SECOND)
    load(owner, job, entry_of(job, NOW + SECOND))
    owner.step(NOW + SECOND + PENDING_AFTER_MS - 1)
    assert not owner.has_batch()
    owner.step(NOW + SECOND + PENDING_AFTER_MS)
    assert [record.state for record in owner.take_batch().records] == [RunState.PENDING]


def test_a_job_is_looked_at_once_each_time_however_many_of_its_runs_have_ended() -> None:
    owner, job = make_owner(), make_job(every_s=1)
    runs, passed = load(owner, job, entry_of(job, NOW + SECOND)), list[int]()
    for now_ms in range(NOW + SECOND, NOW + 60 * SECOND, SECOND):
        for run in runs:
            publish(owner, run, now_ms)
        store_records(owner, now_ms)
        owner.take_advance(now_ms)
        passed.append(owner.step(now_ms))
        runs = assign(owner)
    # The next one has come inside the look-ahead; and that its runs have ended may be of interest.
    assert max(passed) <= 2


def test_an_entry_without_a_job_does_not_fire_until_the_job_is_there() -> None:
    owner, job = make_owner(), make_job(at_ms=NOW + SECOND)
    entry = entry_of(job, NOW + SECOND)
    owner.load([entry], {}, NOW)
    owner.step(NOW)
    assert not owner.take_ready()
    assert owner.uncommitted(NOW + FIRST_LOOK_MS) == [entry]
    assert owner.position_ms(NOW + 10 * SECOND) <= entry.fire_ms
    assert len(load(owner, job, entry, NOW + 10)) == 1
    assert not owner.uncommitted(NOW + SECOND)


def test_an_entry_whose_job_never_comes_is_let_go() -> None:
    repairs = Repairs()
    owner, job = make_owner(repairs=repairs), make_job(at_ms=NOW + SECOND)
    entry = entry_of(job, NOW + SECOND)
    owner.load([entry], {}, NOW)
    owner.load([entry], {}, NOW + COMMIT_GRACE_MS)
    assert not owner.uncommitted(NOW + 2 * COMMIT_GRACE_MS)
    # Until its bucket goes it may be read again, and holds nothing up; that is counted once.
    owner.load([entry], {}, NOW + COMMIT_GRACE_MS + SECOND)
    assert not owner.uncommitted(NOW + 2 * COMMIT_GRACE_MS)
    assert owner.position_ms(NOW + 2 * COMMIT_GRACE_MS) > entry.fire_ms
    assert repairs == {Mended.ROW_WITHOUT_JOB: 1}
    # Should its job come after all, it is not lost.
    assert len(load(owner, job, entry, NOW + COMMIT_GRACE_MS + 2 * SECOND)) == 1


def test_reading_the_schedule_again_fires_nothing_twice() -> None:
    owner, job = make_owner(), make_job(at_ms=NOW + SECOND)
    entry = entry_of(job, NOW + SECOND)
    (run,) = load(owner, job, entry)
    assert not load(owner, job, entry)
    publish(owner, run, NOW + SECOND)
    store_records(owner)
    owner.take_advance(NOW + 2 * SECOND)
    assert not load(owner, job, entry, NOW + 2 * SECOND)


def test_a_row_that_is_read_again_while_it_is_removed_brings_up_no_skipped_occurrence() -> None:
    owner, job = make_owner(), make_job(every_s=10, window_s=60)
    job.spec.schedule.max_runs = 20
    late = NOW + 300 * SECOND
    row = entry_of(job, NOW + 10 * SECOND)
    assert not load(owner, job, row, late)
    (skipped,) = store_records(owner)
    assert (skipped.skipped_count, skipped.revision) == (20, 1)
    assert owner.take_advance(late).complete
    # Its window is longer by now, so that most of the stretch would be young enough to run.
    wider = replace(job, spec=job_pb2.Job())
    wider.spec.CopyFrom(job.spec)
    wider.spec.catch_up_window.FromSeconds(3_600)
    assert not load(owner, wider, row, late)
    assert not owner.has_batch()
    assert row in owner.take_advance(late).remove
    # As long as somebody may read the row again.
    owner.forget_before(late)
    assert not load(owner, wider, row, late)


def test_what_one_schedule_has_skipped_is_not_done_for_another_one() -> None:
    """The owner has gone past the former one's end before it hears of that."""
    owner, job = make_owner(), make_job(every_s=2, create_ms=NOW, window_s=0)
    owner.load([entry_of(job, NOW + 2 * SECOND)], {job.key: job}, NOW + 20 * SECOND)
    owner.step(NOW + 20 * SECOND)
    assign(owner)
    (skipped,) = [run for run in store_records(owner) if run.state is RunState.SKIPPED]
    assert skipped.last_schedule_ms == NOW + 18 * SECOND
    after = rescheduled(job, NOW + 5 * SECOND, 3)
    after.spec.catch_up_window.FromSeconds(3_600)
    revoked = owner.notice(notice(after, NOW + 20 * SECOND), after, NOW + 20 * SECOND)
    owner.confirm_revoked([run.key for run in revoked], (), NOW + 20 * SECOND)
    owner.step(NOW + 20 * SECOND)
    # Those at 6, 12 and 18 s are occurrences of both.
    due = [run.schedule_ms - NOW for run in assign(owner)]
    assert due == [9 * SECOND, 15 * SECOND, 21 * SECOND, 24 * SECOND]


def test_a_pause_takes_back_what_is_not_due_and_skips_it_once_due() -> None:
    owner, job = make_owner(), make_job(every_s=2)
    runs = load(owner, job, entry_of(job, NOW + 2 * SECOND))
    paused = changed(job, NOW + SECOND, paused=True)
    revoked = owner.notice(notice(paused, NOW + SECOND), paused, NOW + SECOND)
    assert revoked == runs
    assert owner.revoking(job.uid)
    owner.step(NOW + 2 * SECOND)
    assert not owner.has_batch()
    owner.confirm_revoked([run.key for run in runs], (), NOW + 2 * SECOND)
    owner.step(NOW + 2 * SECOND)
    (first,) = store_records(owner)
    assert (first.state, first.skip_reason) == (RunState.SKIPPED, run_pb2.SKIP_REASON_PAUSED)
    owner.step(NOW + 4 * SECOND)
    (second,) = store_records(owner)
    assert (second.run_id, second.revision, second.skipped_count) == (first.run_id, 2, 2)
    resumed = changed(paused, NOW + 5 * SECOND, paused=False)
    owner.notice(notice(resumed, NOW + 5 * SECOND), resumed, NOW + 5 * SECOND)
    owner.step(NOW + 5 * SECOND)
    assert [run.due_ms for run in assign(owner)][:1] == [NOW + 6 * SECOND]


def test_a_run_that_had_begun_when_the_pause_came_stays_a_run() -> None:
    owner, job = make_owner(), make_job(every_s=2)
    runs = load(owner, job, entry_of(job, NOW + 2 * SECOND))
    paused = changed(job, NOW + 2 * SECOND - 1, paused=True)
    owner.notice(notice(paused, NOW), paused, NOW + 2 * SECOND)
    keys = [run.key for run in runs]
    owner.confirm_revoked(keys, keys[:1], NOW + 2 * SECOND)
    publish(owner, runs[0], NOW + 2 * SECOND)
    owner.step(NOW + 2 * SECOND)
    assert [record.state for record in store_records(owner)] == [RunState.SUCCEEDED]
    owner.step(NOW + 4 * SECOND)
    assert [record.state for record in store_records(owner)] == [RunState.SKIPPED]


def test_the_outcome_of_a_run_that_is_being_taken_back_counts() -> None:
    owner, job = make_owner(), make_job(every_s=2)
    runs = load(owner, job, entry_of(job, NOW + 2 * SECOND))
    paused = changed(job, NOW + 2 * SECOND - 1, paused=True)
    owner.notice(notice(paused, NOW), paused, NOW + 2 * SECOND)
    publish(owner, runs[0], NOW + 2 * SECOND)
    assert set(owner.revoking(job.uid)) == {run.key for run in runs[1:]}
    owner.confirm_revoked([run.key for run in runs], (), NOW + 2 * SECOND)
    owner.step(NOW + 2 * SECOND)
    assert [record.state for record in store_records(owner)] == [RunState.SUCCEEDED]


def test_an_update_of_the_schedule_replaces_what_is_to_come() -> None:
    owner, job = make_owner(), make_job(every_s=3)
    runs = load(owner, job, entry_of(job, NOW + 3 * SECOND))
    updated = changed(
        make_job(every_s=4), NOW + SECOND, uid=job.uid, generation=2, schedule_from_ms=NOW + SECOND
    )
    entry = entry_of(updated, NOW + 4 * SECOND, ordinal=-1)
    assert owner.notice(notice(updated, NOW + SECOND, entry), updated, NOW + SECOND) == runs
    owner.confirm_revoked([run.key for run in runs], (), NOW + SECOND)
    owner.step(NOW + SECOND)
    assert [run.due_ms for run in assign(owner)] == [NOW + 4 * SECOND]


def test_a_deleted_job_fires_no_more_but_what_was_due_is_finished() -> None:
    owner, job = make_owner(), make_job(every_s=2)
    runs = load(owner, job, entry_of(job, NOW + 2 * SECOND))
    gone = changed(job, NOW + 3 * SECOND, delete_ms=NOW + 3 * SECOND)
    assert owner.notice(notice(gone, NOW + 3 * SECOND), gone, NOW + 3 * SECOND) == runs[1:]
    owner.confirm_revoked([run.key for run in runs[1:]], (), NOW + 3 * SECOND)
    publish(owner, runs[0], NOW + 3 * SECOND)
    store_records(owner)
    advance = owner.take_advance(NOW + 3 * SECOND)
    assert not advance.complete
    assert not advance.put
    owner.step(NOW + 10 * SECOND)
    assert not owner.take_ready()


def test_a_new_owner_finishes_what_came_due_before_a_job_was_deleted() -> None:
    job = make_job(every_s=1)
    gone = changed(job, NOW + 3 * SECOND + 500, delete_ms=NOW + 3 * SECOND + 500)
    owner = make_owner(epoch=2)
    runs = load(owner, gone, entry_of(job, NOW + 2 * SECOND), NOW + 10 * SECOND)
    assert [run.due_ms for run in runs] == [NOW + 2 * SECOND, NOW + 3 * SECOND]
    for run in runs:
        publish(owner, run, NOW + 10 * SECOND)
    states = [record.state for record in store_records(owner) if record.state.is_final]
    assert states == [RunState.SUCCEEDED] * 2
    advance = owner.take_advance(NOW + 10 * SECOND)
    assert [entry.schedule_ms for entry in advance.remove] == [NOW + 2 * SECOND]
    assert not advance.put
    assert not advance.complete
    # What was not due by then is void.
    assert not load(make_owner(), gone, entry_of(job, NOW + 4 * SECOND), NOW + 10 * SECOND)


def test_after_an_outage_young_occurrences_run_and_older_are_skipped_in_one_record() -> None:
    owner, job = make_owner(), make_job(every_s=10, window_s=60)
    late = NOW + 300 * SECOND
    runs = load(owner, job, entry_of(job, NOW + 10 * SECOND), late)
    (skipped,) = [run for run in store_records(owner) if run.state is RunState.SKIPPED]
    assert skipped.skip_reason == run_pb2.SKIP_REASON_CATCH_UP_WINDOW
    assert skipped.first_schedule_ms == NOW + 10 * SECOND
    assert skipped.last_schedule_ms == late - 70 * SECOND
    assert skipped.skipped_count == 23
    assert [run.due_ms for run in runs] == [late - n * 10 * SECOND for n in range(6, -1, -1)]


def test_a_one_off_job_without_a_window_always_runs() -> None:
    owner, job = make_owner(), make_job(at_ms=NOW - 10**9, window_s=None)
    assert len(load(owner, job, entry_of(job, NOW - 10**9, fire_ms=NOW))) == 1


def test_max_runs_counts_from_the_ordinal_and_completes() -> None:
    owner, job = make_owner(), make_job(every_s=1)
    job.spec.schedule.max_runs = 7
    runs = load(owner, job, entry_of(job, NOW + SECOND, ordinal=5))
    assert len(runs) == 2
    for run in runs:
        publish(owner, run, run.due_ms)
    store_records(owner)
    assert owner.take_advance(NOW + 9 * SECOND).complete == [(job.key, 1)]


@pytest.mark.parametrize(("attempt", "delay_s"), [(1, 1), (2, 2), (3, 4)])
def test_refusals_are_retried_with_backoff(attempt: int, delay_s: int) -> None:
    owner, job = make_owner(), make_job(at_ms=NOW)
    (run,) = load(owner, job, entry_of(job, NOW))
    refusal = scheduler_service_pb2.PublishFailure(message="no", refused=True)
    now = due = NOW
    for _ in range(attempt):
        due = run.fire_ms
        assert owner.failed(run.key, "w", refusal, now)
        (run,) = assign(owner)
        now = run.fire_ms
    assert delay_s * SECOND <= run.fire_ms - due <= delay_s * SECOND * (1 + BACKOFF_SPREAD)
    assert run.attempt == attempt + 1


def test_refusals_end_as_failed_when_attempts_are_used_up() -> None:
    owner, job = make_owner(), make_job(at_ms=NOW)
    (run,) = load(owner, job, entry_of(job, NOW))
    refusal = scheduler_service_pb2.PublishFailure(message="no such topic", refused=True)
    for _ in range(3):
        owner.failed(run.key, "w", refusal, NOW)
        (run,) = assign(owner)
    owner.failed(run.key, "w", refusal, NOW)
    record = store_records(owner)[-1]
    assert (record.state, record.attempt, record.error) == (RunState.FAILED, 4, "no such topic")


def test_given_back_runs_are_handed_out_again_and_a_late_outcome_counts() -> None:
    owner, job = make_owner(), make_job(at_ms=NOW + SECOND)
    (run,) = load(owner, job, entry_of(job, NOW + SECOND))
    owner.give_back([run], NOW)
    publish(owner, run, NOW + SECOND)
    assert not owner.take_ready()


def test_the_position_waits_for_what_is_open() -> None:
    owner, job = make_owner(), make_job(at_ms=NOW + SECOND)
    (run,) = load(owner, job, entry_of(job, NOW + SECOND))
    far = NOW + 3_600 * SECOND
    assert owner.position_ms(far) == NOW + SECOND
    publish(owner, run, far)
    assert owner.position_ms(far) == NOW + SECOND
    store_records(owner)
    owner.take_advance(far)
    assert far - 60 * SECOND < owner.position_ms(far) < far


def test_a_far_occurrence_is_let_go_of_and_read_again_from_its_row() -> None:
    owner, job = make_owner(), make_job(every_s=3_600, create_ms=NOW - 3_599 * SECOND)
    (run,) = load(owner, job, entry_of(job, NOW + SECOND))
    publish(owner, run, NOW + SECOND)
    store_records(owner)
    (moved,) = owner.take_advance(NOW + 2 * SECOND).put
    later = moved.due_ms - LOOK_AHEAD_MS
    assert [again.due_ms for again in load(owner, job, moved, later + 1)] == [moved.due_ms]


def test_a_one_off_job_without_a_window_has_its_time_to_publish_however_late_it_is() -> None:
    long_ago = NOW - 30 * 86_400 * SECOND
    (late,) = load(
        make_owner(), (job := make_job(at_ms=long_ago, window_s=None)), entry_of(job, long_ago)
    )
    assert expire_ms(late.job.spec, late.fire_ms, NOW) == NOW + MIN_PUBLISH_WINDOW_MS
    ahead = NOW + 3 * SECOND
    (soon,) = load(
        make_owner(), (job := make_job(at_ms=ahead, window_s=None)), entry_of(job, ahead)
    )
    assert expire_ms(soon.job.spec, soon.fire_ms, NOW) == ahead + MIN_PUBLISH_WINDOW_MS


def test_a_run_with_a_window_may_be_published_until_its_due_instant_and_the_window() -> None:
    due = NOW - 5 * SECOND
    (run,) = load(make_owner(), (job := make_job(at_ms=due, window_s=7200)), entry_of(job, due))
    assert expire_ms(run.job.spec, run.fire_ms, NOW) == due + 7200 * SECOND
    (run,) = load(make_owner(), (job := make_job(at_ms=due, window_s=60)), entry_of(job, due))
    assert expire_ms(run.job.spec, run.fire_ms, NOW) == due + MIN_PUBLISH_WINDOW_MS


def test_of_two_rows_of_a_job_one_goes_and_the_other_is_made_sure_of() -> None:
    owner, job = make_owner(), make_job(every_s=1)
    row = entry_of(job, NOW + SECOND)
    again = replace(row, fire_ms=NOW + 2 * SECOND)
    load(owner, job, row)
    load(owner, job, again)
    advance = owner.take_advance(NOW)
    assert (advance.put, advance.remove) == ([row], [again])
    assert not owner.take_advance(NOW)


def test_a_row_that_goes_is_not_removed_where_the_other_one_moves_to() -> None:
    owner, job = make_owner(), make_job(every_s=1)
    old, new = entry_of(job, NOW + SECOND), entry_of(job, NOW + 2 * SECOND)
    (first, *_) = load(owner, job, old)
    load(owner, job, new)
    publish(owner, first, NOW + SECOND)
    store_records(owner)
    advance = owner.take_advance(NOW + SECOND)
    assert [row.place for row in advance.put] == [new.place]
    assert [row.place for row in advance.remove] == [old.place]


def test_a_row_that_came_late_is_moved_to_where_the_next_owner_reads() -> None:
    owner, job = make_owner(), make_job(every_s=1, create_ms=NOW - 40 * SECOND)
    owner.begin_at(NOW - 15 * SECOND)
    late = entry_of(job, NOW - 30 * SECOND)
    load(owner, job, late)
    assert owner.position_ms(NOW) == NOW - 15 * SECOND
    advance = owner.take_advance(NOW)
    assert [(row.fire_ms, row.schedule_ms) for row in advance.put] == [(NOW, NOW - 30 * SECOND)]
    assert advance.remove == [late]


def test_a_timer_of_a_run_that_was_taken_back_does_not_tell_of_a_later_one() -> None:
    owner, job = make_owner(), make_job(every_s=2)
    run, other = load(owner, job, entry_of(job, NOW + 2 * SECOND))
    later = changed(job, NOW, generation=2, schedule_from_ms=NOW + 1)
    later.spec.schedule.jitter.FromMilliseconds(1_900)
    row = replace(entry_of(later, NOW + 2 * SECOND), generation=2)
    owner.notice(notice(later, NOW, row), later, NOW)
    owner.confirm_revoked([run.key, other.key], (), NOW)
    owner.step(NOW)
    again, *_ = assign(owner)
    assert (again.name, again.due_ms > run.due_ms) == (run.name, True)
    owner.step(run.due_ms + PENDING_AFTER_MS)
    assert not owner.take_batch()


def test_what_could_not_be_published_for_too_long_is_taken_back_and_skipped() -> None:
    owner, job = make_owner(), make_job(every_s=1, window_s=3)
    held = load(owner, job, entry_of(job, NOW + SECOND))
    publish(owner, held.pop(1), NOW + 2 * SECOND)
    now_ms = NOW + 6 * SECOND + 1
    missed = owner.take_back_missed(now_ms)
    assert [run.due_ms for run in missed] == [NOW + SECOND, NOW + 3 * SECOND]
    assert not owner.take_back_missed(now_ms)
    owner.confirm_revoked([run.key for run in missed], [], now_ms)
    owner.step(now_ms)
    kept = [run for run in held if run not in missed]
    assert [run.due_ms for run in kept] == [NOW + 4 * SECOND]
    runs = assign(owner)
    # Nothing that workers still hold is handed out again, and all are counted as before.
    assert [run.due_ms for run in runs] == [NOW + n * SECOND for n in range(5, 12)]
    assert [run.ordinal for run in runs] == list(range(4, 11))
    records = store_records(owner)
    assert [
        (run.first_schedule_ms, run.skipped_count)
        for run in records
        if run.skip_reason == run_pb2.SKIP_REASON_CATCH_UP_WINDOW
    ] == [(NOW + SECOND, 1), (NOW + 3 * SECOND, 1)]


def test_what_is_still_inside_its_window_or_recorded_as_due_is_not_taken_back() -> None:
    owner, job = make_owner(), make_job(every_s=1, window_s=3)
    load(owner, job, entry_of(job, NOW + SECOND))
    assert not owner.take_back_missed(NOW + 4 * SECOND)
    # The first one is recorded as due by then.
    owner.step(NOW + SECOND + PENDING_AFTER_MS)
    assert [run.due_ms for run in owner.take_back_missed(NOW + 5 * SECOND + 1)] == [
        NOW + 2 * SECOND
    ]
    whenever, once = make_owner(), make_job(at_ms=NOW + SECOND, window_s=None)
    load(whenever, once, entry_of(once, NOW + SECOND))
    assert not whenever.take_back_missed(NOW + 86_400 * SECOND)
