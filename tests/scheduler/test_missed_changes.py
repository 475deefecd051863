"""An owner that takes a job up after it was changed: each occurrence by what the job was then."""

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
from tickwheel.server.convert.schedule import schedule_of
from tickwheel.server.domain.job import Job
from tickwheel.server.domain.names import instant_id
from tickwheel.server.domain.occurrence import KEEP_ORDINAL, ScheduleEntry
from tickwheel.server.domain.run import Run, RunState
from tickwheel.server.scheduler.live import LiveRun
from tickwheel.server.scheduler.segment import SegmentOwner
from tickwheel.server.scheduler.strays import stray_run
from tickwheel.v1 import run_pb2, scheduler_service_pb2


def take_up(
    owner: SegmentOwner, job: Job, former: list[Job], entries: list[ScheduleEntry], now_ms: int
) -> list[LiveRun]:
    """Loads rows as at a take-over, with the history that the owner wants; what goes to workers."""
    assert any(owner.wants_past(job, entry) for entry in entries)
    owner.load(entries, {job.key: job}, now_ms, {job.key: former})
    owner.step(now_ms)
    return assign(owner)


def seconds(runs: list[LiveRun]) -> list[int]:
    return [(run.due_ms - NOW) // SECOND for run in runs]


def skipped(records: list[Run]) -> list[tuple[int, int, int]]:
    return [
        ((run.first_schedule_ms - NOW) // SECOND, run.skipped_count, run.skip_reason)
        for run in records
        if run.state is RunState.SKIPPED
    ]


def test_a_former_schedule_is_fired_until_it_was_replaced() -> None:
    owner, first = make_owner(), make_job(every_s=1)
    second = rescheduled(first, NOW + 3 * SECOND, 4)
    rows = [
        entry_of(first, NOW + SECOND),
        entry_of(second, NOW + 4 * SECOND, ordinal=KEEP_ORDINAL),
    ]
    runs = take_up(owner, second, [first], rows, NOW + 9 * SECOND)
    assert seconds(runs) == [1, 2, 3, 4, 8, 12]
    for run in runs[:3]:
        publish(owner, run, NOW + 9 * SECOND)
    store_records(owner)
    advance = owner.take_advance(NOW + 9 * SECOND)
    # Nothing is left of the former schedule: its row goes, and the job is not completed by that.
    assert [entry.generation for entry in advance.remove] == [1]
    assert not advance.complete


def test_only_what_came_due_in_a_pause_is_skipped_for_it() -> None:
    owner, first = make_owner(), make_job(every_s=1)
    paused = changed(first, NOW + 3 * SECOND, paused=True)
    resumed = changed(paused, NOW + 6 * SECOND, paused=False)
    runs = take_up(
        owner, resumed, [first, paused], [entry_of(first, NOW + SECOND)], NOW + 8 * SECOND
    )
    assert seconds(runs) == [1, 2, 3, 7, 8, 9, 10, 11, 12]
    assert skipped(store_records(owner)) == [(4, 3, run_pb2.SKIP_REASON_PAUSED)]


def test_a_pause_begins_with_itself_not_with_what_was_changed_before_it() -> None:
    """An owner that hears of both at once, while it goes on: its store was away, or it has slept."""
    owner, first = make_owner(), make_job(every_s=1)
    held = load(owner, first, entry_of(first, NOW + SECOND))
    assert seconds(held) == [1, 2, 3, 4]
    other = changed(first, NOW + SECOND // 2)
    paused = changed(other, NOW + 2 * SECOND + SECOND // 2, paused=True)
    now_ms = NOW + 4 * SECOND
    revoked = owner.change(paused, None, now_ms, [first, other])
    assert seconds(revoked) == [1, 2, 3, 4]
    owner.confirm_revoked([run.key for run in revoked], [], now_ms)
    owner.step(now_ms)
    assert seconds(assign(owner)) == [1, 2]
    assert skipped(store_records(owner)) == [(3, 2, run_pb2.SKIP_REASON_PAUSED)]


def test_skipped_occurrences_with_others_between_them_are_two_stretches() -> None:
    owner, first = make_owner(), make_job(every_s=1)
    versions = [first]
    for at_s, paused in ((1, True), (2, False), (3, True), (4, False)):
        versions.append(changed(versions[-1], NOW + at_s * SECOND, paused=paused))
    rows = [entry_of(first, NOW + SECOND)]
    take_up(owner, versions[-1], versions[:-1], rows, NOW + 4 * SECOND)
    assert skipped(store_records(owner)) == [
        (2, 1, run_pb2.SKIP_REASON_PAUSED),
        (4, 1, run_pb2.SKIP_REASON_PAUSED),
    ]


def test_a_row_of_a_deleted_job_that_was_not_due_goes() -> None:
    owner, first = make_owner(), make_job(every_s=60)
    gone = changed(first, NOW + 3 * SECOND, delete_ms=NOW + 3 * SECOND)
    row = entry_of(first, NOW + 60 * SECOND)
    assert not take_up(owner, gone, [first], [row], NOW + 5 * SECOND)
    assert owner.take_advance(NOW + 5 * SECOND).remove == [row]


def test_what_workers_have_published_was_not_missed() -> None:
    owner, job = make_owner(), make_job(every_s=1, window_s=2)
    owner.load([entry_of(job, NOW + SECOND)], {job.key: job}, NOW + 6 * SECOND)
    (first, *_) = take_first(job)
    owner.foretell(first.key)
    owner.step(NOW + 6 * SECOND)
    publish(owner, assign(owner)[0], NOW + 6 * SECOND)
    records = store_records(owner)
    assert [run.state for run in records if run.run_id == first.run_id][-1] is RunState.SUCCEEDED
    assert skipped(records) == [(2, 2, run_pb2.SKIP_REASON_CATCH_UP_WINDOW)]


def test_what_is_on_the_log_though_its_owner_knows_nothing_of_it_is_recorded() -> None:
    """The job was deleted before the occurrence, and who fired it all the same has ended."""
    owner, first = make_owner(), make_job(every_s=1)
    gone = changed(first, NOW + 3 * SECOND, delete_ms=NOW + 3 * SECOND)
    run = stray_run(instant_id(NOW + 4 * SECOND), 1, gone, [first], schedule_of)
    assert not owner.knows(*run.name)
    ack = scheduler_service_pb2.Published(publish_ms=NOW + 4_002, partition=1, offset=42)
    owner.take_stray(run, "w", 1, ack, NOW + 9 * SECOND)
    (record,) = store_records(owner, NOW + 9 * SECOND)
    assert (record.state, record.due_ms, record.offset) == (
        RunState.SUCCEEDED,
        NOW + 4 * SECOND,
        42,
    )
    assert owner.knows(*run.name)


def test_a_run_on_the_log_goes_on_from_what_was_recorded_of_it() -> None:
    owner, job = make_owner(), make_job(every_s=1)
    begun = take_first(job)[0].as_run(RunState.PENDING, NOW + SECOND, 1)
    owner.recover([begun])
    run = stray_run(begun.run_id, 1, job, (), schedule_of)
    ack = scheduler_service_pb2.Published(publish_ms=NOW + 1_002, partition=1, offset=42)
    owner.take_stray(run, "w", 1, ack, NOW + 9 * SECOND)
    (record,) = store_records(owner, NOW + 9 * SECOND)
    assert (record.revision, record.traceparent) == (2, begun.traceparent)


def take_first(job: Job) -> list[LiveRun]:
    owner = make_owner()
    owner.load([entry_of(job, NOW + SECOND)], {job.key: job}, NOW)
    owner.step(NOW)
    return assign(owner)


def test_a_run_that_a_former_owner_had_begun_was_not_missed() -> None:
    job = make_job(every_s=1, window_s=2)
    begun = take_first(job)[0].as_run(RunState.PENDING, NOW + 2 * SECOND, 1)
    owner = make_owner(epoch=2)
    owner.recover([begun])
    owner.load([entry_of(job, NOW + SECOND)], {job.key: job}, NOW + 6 * SECOND)
    owner.step(NOW + 6 * SECOND)
    assert seconds(assign(owner))[:2] == [1, 4]


def test_what_was_begun_by_a_former_schedule_is_left_to_its_row_which_comes_later() -> None:
    """What the inbox tells of is taken in before the schedule's rows."""
    first = make_job(every_s=1)
    begun = take_first(first)[0].as_run(RunState.PENDING, NOW + 2 * SECOND, 1)
    owner = make_owner(epoch=2)
    owner.recover([begun])
    second = rescheduled(first, NOW + 3 * SECOND, 10)
    present = entry_of(second, NOW + 10 * SECOND)
    past = [first] if owner.wants_past(second, present) else []
    owner.notice(notice(second, NOW + 3 * SECOND, present), second, NOW + 4 * SECOND, past)
    assert not owner.has_batch()
    row = entry_of(first, NOW + SECOND)
    assert seconds(take_up(owner, second, [first], [row], NOW + 4 * SECOND)) == [1, 2, 3]


def test_what_a_former_owner_has_skipped_of_one_schedule_is_not_done_for_another_one() -> None:
    """It had not heard that the former one ends 5 s on."""
    first = make_job(every_s=2, window_s=0)
    former_owner = make_owner()
    former_owner.load([entry_of(first, NOW + 2 * SECOND)], {first.key: first}, NOW + 20 * SECOND)
    former_owner.step(NOW + 20 * SECOND)
    records = store_records(former_owner)
    assert skipped(records) == [(2, 9, run_pb2.SKIP_REASON_CATCH_UP_WINDOW)]
    owner = make_owner(epoch=2)
    owner.recover(records)
    second = rescheduled(first, NOW + 5 * SECOND, 3)
    second.spec.catch_up_window.FromSeconds(3_600)
    # Those at 6, 12 and 18 s are occurrences of both.
    present = entry_of(second, NOW + 6 * SECOND)
    assert seconds(take_up(owner, second, [first], [present], NOW + 20 * SECOND)) == [9, 15, 21, 24]


@pytest.mark.parametrize("count", [1, 9])
def test_where_both_schedules_have_the_first_of_what_was_skipped_it_is_told_by_how_many(
    count: int,
) -> None:
    first = make_job(every_s=2, window_s=0)
    late_ms = NOW + (2 * count + 1) * SECOND
    former_owner = make_owner()
    former_owner.load([entry_of(first, NOW + 2 * SECOND)], {first.key: first}, late_ms)
    former_owner.step(late_ms)
    records = store_records(former_owner)
    assert skipped(records)[0][:2] == (2, count)
    owner = make_owner(epoch=2)
    owner.recover(records)
    second = rescheduled(first, NOW + SECOND, 1)
    second.spec.catch_up_window.FromSeconds(3_600)
    went = seconds(take_up(owner, second, [first], [entry_of(second, NOW + 2 * SECOND)], late_ms))
    assert went[:count] == [*range(3, 2 * count, 2), 2 * count + 1][:count]


def test_a_run_that_was_begun_too_late_of_a_replaced_schedule_ends() -> None:
    first = make_job(every_s=1)
    (_, _, third, *_) = take_first(first)
    begun = third.as_run(RunState.PENDING, NOW + 4 * SECOND, 1)
    owner = make_owner(epoch=2)
    owner.recover([begun])
    second = rescheduled(first, NOW + 2 * SECOND, 10)
    rows = [entry_of(first, NOW + SECOND), entry_of(second, NOW + 10 * SECOND)]
    assert seconds(take_up(owner, second, [first], rows, NOW + 5 * SECOND)) == [1, 2]
    (ended,) = [run for run in store_records(owner) if run.run_id == begun.run_id]
    assert (ended.state, ended.skip_reason) == (RunState.SKIPPED, run_pb2.SKIP_REASON_UPDATED)
    assert ended.revision == begun.revision + 1


def test_an_update_keeps_the_count_also_where_nobody_held_the_job() -> None:
    owner, first = make_owner(), make_job(every_s=1)
    second = rescheduled(first, NOW + 3 * SECOND, 1, max_runs=5)
    rows = [
        entry_of(first, NOW + SECOND),
        entry_of(second, NOW + 4 * SECOND, ordinal=KEEP_ORDINAL),
    ]
    # Four came due before (0 s to 3 s), so there is one more.
    runs = take_up(owner, second, [first], rows, NOW + 9 * SECOND)
    assert seconds(runs) == [1, 2, 3, 4]


def test_an_update_of_a_job_that_is_held_goes_on_counting() -> None:
    owner, first = make_owner(), make_job(every_s=1)
    owner.load([entry_of(first, NOW)], {first.key: first}, NOW)
    owner.step(NOW)
    held = assign(owner)
    second = rescheduled(first, NOW + 2 * SECOND, 1, max_runs=5)
    row = replace(entry_of(second, NOW + 3 * SECOND), ordinal=KEEP_ORDINAL)
    revoked = owner.notice(notice(second, NOW + 2 * SECOND, row), second, NOW + 2 * SECOND)
    owner.confirm_revoked([run.key for run in revoked], (), NOW + 2 * SECOND)
    owner.step(NOW + 2 * SECOND)
    assert seconds(held)[:3] == [0, 1, 2]
    assert seconds(assign(owner)) == [3, 4]


def test_what_was_fired_before_the_change_was_heard_of_counts_once() -> None:
    """Both schedules have the third second; the owner hears of the change after it has fired it."""
    owner, first = make_owner(), make_job(every_s=1)
    first.spec.schedule.max_runs = 50
    owner.load([entry_of(first, NOW)], {first.key: first}, NOW)
    owner.step(NOW)
    for run in assign(owner)[:4]:
        publish(owner, run, run.due_ms)
    second = rescheduled(first, NOW + 2_500, 1, max_runs=5)
    row = replace(entry_of(second, NOW + 3 * SECOND), ordinal=KEEP_ORDINAL)
    now = NOW + 3_200
    revoked = owner.notice(notice(second, now, row), second, now)
    owner.confirm_revoked([run.key for run in revoked], (), now)
    owner.step(now)
    # 0, 1 and 2 by the former schedule, 3 and 4 by this one.
    assert seconds(assign(owner)) == [4]


@pytest.mark.parametrize("most", [0, 50])
def test_what_came_due_of_schedules_that_were_missed_counts(most: int) -> None:
    """Their owner's store was away: it hears of both at once, while it has the first at hand."""
    owner, first = make_owner(), make_job(every_s=1)
    first.spec.schedule.max_runs = most
    load(owner, first, entry_of(first, NOW))
    second = rescheduled(first, NOW + 2_500, 2)
    third = rescheduled(second, NOW + 6_500, 1, max_runs=7)
    now = NOW + 7_200
    row = entry_of(third, NOW + 7 * SECOND, ordinal=KEEP_ORDINAL)
    assert owner.wants_past(third, row)
    told = notice(third, NOW + 6_500, row)
    revoked = owner.notice(told, third, now, [first, second])
    owner.confirm_revoked([run.key for run in revoked], (), now)
    owner.step(now)
    # 0, 1 and 2 by the first one, 4 and 6 by the second, whose row is still to come: two are left.
    assert [at for at in seconds(assign(owner)) if at > 6] == [7, 8]


def test_a_new_schedule_needs_no_row_to_begin() -> None:
    """The api died between the change and the inbox; the sweep finds the job with its old row."""
    owner, first = make_owner(), make_job(every_s=1)
    owner.load([entry_of(first, NOW + SECOND)], {first.key: first}, NOW)
    owner.step(NOW)
    held = assign(owner)
    second = rescheduled(first, NOW + 2 * SECOND, 4)
    revoked = owner.load([entry_of(first, NOW + SECOND)], {second.key: second}, NOW + 2 * SECOND)
    assert seconds(revoked) == [3, 4]
    owner.confirm_revoked([run.key for run in revoked], (), NOW + 2 * SECOND)
    owner.step(NOW + 2 * SECOND)
    assert seconds(held)[:2] == [1, 2]
    assert seconds(assign(owner)) == [4]


def test_what_a_former_owner_has_skipped_is_not_skipped_again() -> None:
    first, job = make_owner(), make_job(every_s=1, window_s=2)
    first.load([entry_of(job, NOW + SECOND)], {job.key: job}, NOW + 6 * SECOND)
    first.step(NOW + 6 * SECOND)
    (told,) = [run for run in store_records(first) if run.state is RunState.SKIPPED]
    assert skipped([told]) == [(1, 3, run_pb2.SKIP_REASON_CATCH_UP_WINDOW)]
    # It ended before its row had moved on.
    owner = make_owner(epoch=2)
    owner.recover([told])
    owner.load([entry_of(job, NOW + SECOND)], {job.key: job}, NOW + 8 * SECOND)
    owner.step(NOW + 8 * SECOND)
    assert skipped(store_records(owner)) == [(4, 2, run_pb2.SKIP_REASON_CATCH_UP_WINDOW)]


def test_a_run_that_a_former_owner_began_and_that_comes_to_light_late_ends() -> None:
    job = make_job(every_s=1, window_s=2)
    begun = take_first(job)[0].as_run(RunState.PENDING, NOW + SECOND, 1)
    owner = make_owner(epoch=2)
    owner.load([entry_of(job, NOW + 2 * SECOND)], {job.key: job}, NOW + 2 * SECOND)
    owner.step(NOW + 2 * SECOND)
    assert owner.unknown_of([begun]) == [begun]
    owner.take_late(begun, job, NOW + 2 * SECOND)
    (ended,) = [run for run in store_records(owner) if run.run_id == begun.run_id]
    assert (ended.state, ended.skip_reason) == (
        RunState.SKIPPED,
        run_pb2.SKIP_REASON_CATCH_UP_WINDOW,
    )


def test_a_run_that_comes_to_light_before_its_turn_goes_on() -> None:
    job = make_job(every_s=1)
    begun = take_first(job)[1].as_run(RunState.PENDING, NOW + SECOND, 1)
    owner = make_owner(epoch=2)
    owner.load([entry_of(job, NOW + SECOND)], {job.key: job}, NOW - 10 * SECOND)
    owner.take_late(begun, job, NOW)
    owner.step(NOW)
    (_, second, *_) = assign(owner)
    assert (second.run_id, second.traceparent) == (begun.run_id, begun.traceparent)


def test_what_a_former_schedule_fired_past_its_end_holds_the_row_of_the_present_one() -> None:
    """Both have the third second. Until that is recorded, the next owner has to come by it."""
    owner, first = make_owner(), make_job(every_s=1)
    owner.load([entry_of(first, NOW)], {first.key: first}, NOW)
    owner.step(NOW)
    for run in assign(owner)[:4]:
        publish(owner, run, run.due_ms)
    second = rescheduled(first, NOW + 2_500, 1)
    now = NOW + 3_200
    told = notice(second, now, entry_of(second, NOW + 3 * SECOND))
    revoked = owner.notice(told, second, now)
    owner.confirm_revoked([run.key for run in revoked], (), now)
    owner.step(now)
    assert not [row for row in owner.take_advance(now).put if row.generation == 2]
    store_records(owner, now)
    (row,) = [row for row in owner.take_advance(now).put if row.generation == 2]
    assert row.schedule_ms == NOW + 4 * SECOND


def test_what_a_former_schedule_skipped_past_its_end_holds_the_row_of_the_present_one() -> None:
    """A pause and its end are heard of late: what was skipped meanwhile is not stored yet."""
    owner, first = make_owner(), make_job(every_s=1)
    paused = changed(first, NOW + SECOND, paused=True)
    row = entry_of(first, NOW + 2 * SECOND)
    owner.load([row], {paused.key: paused}, NOW + SECOND, {paused.key: [first]})
    owner.step(NOW + 4 * SECOND)
    resumed = changed(paused, NOW + 2_500, paused=False)
    second = rescheduled(resumed, NOW + 3_500, 1)
    row = entry_of(second, NOW + 4 * SECOND)
    history = [first, paused, resumed]
    owner.notice(notice(second, NOW + 4_100, row), second, NOW + 4_100, history)
    owner.step(NOW + 4_100)
    assert not [one for one in owner.take_advance(NOW + 4_100).remove if one.generation == 2]
    assert skipped(store_records(owner)) == [(2, 3, run_pb2.SKIP_REASON_PAUSED)]
    (moved,) = [one for one in owner.take_advance(NOW + 4_200).put if one.generation == 2]
    assert moved.schedule_ms == NOW + 5 * SECOND


def test_a_schedule_that_had_no_run_left_hands_on_the_whole_count() -> None:
    owner, every_second = make_owner(), make_job(every_s=1)
    first = rescheduled(every_second, NOW, 1, max_runs=3)
    second = rescheduled(first, NOW + 5 * SECOND, 1, max_runs=2)
    row = entry_of(second, NOW + 6 * SECOND, ordinal=KEEP_ORDINAL)
    past = [every_second, first]
    assert not take_up(owner, second, past, [row], NOW + 5 * SECOND)
    third = rescheduled(second, NOW + 6 * SECOND, 1, max_runs=6)
    row = entry_of(third, NOW + 7 * SECOND, ordinal=KEEP_ORDINAL)
    assert owner.wants_past(third, row)
    owner.notice(notice(third, NOW + 6 * SECOND, row), third, NOW + 6 * SECOND, [*past, second])
    owner.step(NOW + 6 * SECOND)
    # Three came due before the second, which had no run left of its two; three are left of six.
    assert seconds(assign(owner)) == [7, 8, 9]


def test_an_owner_that_misses_a_schedule_before_a_deletion_finishes_both() -> None:
    """The former one's run is with a worker: its row stays until that has ended."""
    owner, first = make_owner(), make_job(every_s=10)
    row = entry_of(first, NOW)
    (run,) = load(owner, first, row)
    second = rescheduled(first, NOW + SECOND, 1)
    gone = changed(second, NOW + 4 * SECOND, delete_ms=NOW + 4 * SECOND)
    now = NOW + 60 * SECOND
    other = entry_of(second, NOW + 2 * SECOND, ordinal=KEEP_ORDINAL)
    owner.notice(notice(second, NOW + SECOND, other), gone, now, [first, second])
    owner.step(now)
    assert seconds(assign(owner)) == [2, 3, 4]
    # The next owner, too, has to come by it.
    assert owner.position_ms(now) == row.fire_ms
    assert row not in owner.take_advance(now).remove
    publish(owner, run, now)
    store_records(owner, now)
    assert row in owner.take_advance(now).remove
    assert owner.position_ms(now) == NOW + 2 * SECOND


def test_an_owner_that_misses_a_schedule_and_has_the_one_after_it_goes_over_all_three() -> None:
    owner, first = make_owner(), make_job(every_s=10)
    row = entry_of(first, NOW)
    (run,) = load(owner, first, row)
    second = rescheduled(first, NOW + SECOND, 1)
    third = rescheduled(second, NOW + 4 * SECOND, 3)
    now = NOW + 5 * SECOND
    past = [first, second]
    rows = [
        entry_of(second, NOW + 2 * SECOND, ordinal=KEEP_ORDINAL),
        entry_of(third, NOW + 6 * SECOND, ordinal=KEEP_ORDINAL),
    ]
    for job, one in zip([second, third], rows, strict=True):
        owner.notice(notice(job, job.update_ms, one), third, now, past)
    owner.step(now)
    assert seconds(assign(owner)) == [2, 3, 4, 6, 9]
    assert row not in owner.take_advance(now).remove
    publish(owner, run, now)
    store_records(owner, now)
    assert row in owner.take_advance(now).remove


def test_a_run_that_was_begun_too_early_is_that_of_the_schedule_that_was_missed() -> None:
    """Both schedules have the tenth second; by then the owner had not heard of the second one."""
    owner, first = make_owner(), make_job(every_s=10)
    owner.load([entry_of(first, NOW + 10 * SECOND)], {first.key: first}, NOW + 10 * SECOND)
    owner.step(NOW + 10 * SECOND)
    owner.step(NOW + 11 * SECOND)
    (begun,) = store_records(owner)
    second = rescheduled(first, NOW + 9 * SECOND, 5)
    third = rescheduled(second, NOW + 12 * SECOND, 7)
    told = notice(second, second.update_ms, entry_of(second, NOW + 10 * SECOND))
    owner.notice(told, third, NOW + 13 * SECOND, [first, second])
    owner.step(NOW + 13 * SECOND)
    runs = assign(owner)
    assert seconds(runs) == [10, 14]
    assert runs[0].record == begun
    assert not skipped(store_records(owner))


def test_a_schedule_that_held_for_a_moment_counts_nothing_that_was_before_it() -> None:
    """Jitter carries an occurrence of the instants before it beyond its end, but it is none of its."""
    changed_ms, again_ms = NOW + 3_500, NOW + 3_520
    while True:
        first = make_job(every_s=1)
        first.spec.schedule.max_runs = 2
        second = rescheduled(first, changed_ms, 1, max_runs=13)
        second.spec.schedule.jitter.FromMilliseconds(900)
        if schedule_of(second).due(NOW + 3 * SECOND, salt=second.uid) > again_ms:
            break
    third = rescheduled(second, again_ms, 3, max_runs=18)
    owner = make_owner()
    row = entry_of(second, NOW + 4 * SECOND, ordinal=KEEP_ORDINAL)
    owner.load([row], {second.key: second}, changed_ms, {second.key: [first]})
    owner.step(changed_ms)
    owner.change(third, None, again_ms, [first, second])
    owner.step(again_ms)
    assert [run.ordinal for run in assign(owner)] == [2]


def test_what_is_recorded_as_due_ends_where_maxruns_ends_the_next_schedule() -> None:
    """That has the same instants, but comes to its end before; nobody else brings the run up."""
    changed_ms, heard_ms = NOW + 1_500, NOW + 4_900
    owner, first = make_owner(), make_job(every_s=1)
    load(owner, first, entry_of(first, NOW + SECOND))
    owner.step(heard_ms)
    recorded = store_records(owner, heard_ms)
    assert {run.state for run in recorded} == {RunState.PENDING}
    second = rescheduled(first, changed_ms, 1, max_runs=3)
    revoked = owner.change(second, None, heard_ms, [first])
    owner.confirm_revoked([run.key for run in revoked], [], heard_ms)
    owner.step(heard_ms)
    assert seconds(assign(owner)) == [2, 3]
    ended = [run for run in store_records(owner, heard_ms) if run.state is RunState.SKIPPED]
    assert [run.run_id for run in ended] == [instant_id(NOW + 4 * SECOND)]
    assert ended[0].skip_reason == run_pb2.SKIP_REASON_UPDATED
