"""Runs that executors report: attempts, retries, time-outs, overlap, cancelling, dead letters."""

from dataclasses import replace

import pytest
from google.protobuf.duration_pb2 import Duration

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
)
from scheduler.test_course import rescheduled
from tickwheel.internal.v1 import storage_pb2
from tickwheel.server.domain.errors import RunStateWrong, StaleFence
from tickwheel.server.domain.job import Job, Payload, PayloadKind
from tickwheel.server.domain.names import instant_id
from tickwheel.server.domain.occurrence import EntryKind
from tickwheel.server.domain.report import (
    Answer,
    Failure,
    Finish,
    Heartbeat,
    Progress,
    Report,
    Start,
)
from tickwheel.server.domain.run import Run, RunState
from tickwheel.server.scheduler import overlap
from tickwheel.server.scheduler.ledger import Batch
from tickwheel.server.scheduler.live import AttemptKey, LiveRun, live_run_of
from tickwheel.server.scheduler.overlap import MAX_WAITING
from tickwheel.server.scheduler.own_runs import own_run
from tickwheel.server.scheduler.reporting import NotPublishedYetError
from tickwheel.server.scheduler.reports import SILENCE_MS
from tickwheel.server.scheduler.segment import SegmentOwner
from tickwheel.v1 import job_pb2, run_pb2, scheduler_service_pb2

TIMEOUT_S = 60


def reported(policy: int = job_pb2.OVERLAP_SKIP, **schedule: int) -> Job:
    """A COMPLETION_REPORTED job."""
    job = make_job(**(schedule or {"every_s": 10}))
    job.spec.completion = job_pb2.COMPLETION_REPORTED
    job.spec.overlap_policy = policy  # pyright: ignore[reportAttributeAccessIssue]
    job.spec.run_timeout.CopyFrom(Duration(seconds=TIMEOUT_S))
    job.spec.target.dead_letter_topic = "topic.dlq"
    return job


def store(owner: SegmentOwner, now_ms: int = NOW) -> Batch:
    """The store takes all that is decided."""
    batch = owner.take_batch()
    owner.stored(batch, now_ms)
    return batch


def say(
    owner: SegmentOwner,
    run: LiveRun,
    what: Start | Heartbeat | Finish,
    now_ms: int = NOW,
    *,
    attempt: int = 0,
    fence: int = 0,
    executor: str = "e",
) -> Answer | None:
    return owner.report(
        Report(
            job_uid=run.job.uid,
            segment=0,
            run_id=run.run_id,
            attempt=attempt or run.attempt,
            fence=fence or owner.epoch,
            what=what,
            executor=executor,
            run_name="users/7/jobs/j/runs/r",
        ),
        now_ms,
    )


SUCCEEDED = Finish(state=RunState.SUCCEEDED, result=b'{"n":1}')
FAILED = Finish(state=RunState.FAILED, failure=Failure(message="no", type="ValueError"))


def published(job: Job, owner: SegmentOwner, at_ms: int = NOW) -> LiveRun:
    """The job's first run, on the log and stored as such."""
    (run,) = load(owner, job, entry_of(job, at_ms), at_ms)
    publish(owner, run, at_ms)
    store(owner, at_ms)
    return run


def states(batch: Batch) -> list[RunState]:
    return [record.state for record in batch.records]


def test_a_run_goes_from_published_over_running_to_succeeded() -> None:
    owner, job = make_owner(), reported(at_ms=NOW)
    (run,) = load(owner, job, entry_of(job, NOW))
    publish(owner, run, NOW)
    batch = store(owner)
    assert states(batch) == [RunState.PUBLISHED]
    assert [row.run_id for row in batch.opened] == [run.run_id]
    answer = say(owner, run, Start(), NOW + 5, executor="e1")
    assert answer == Answer(timeout_ms=NOW + TIMEOUT_S * SECOND)
    (running,) = store(owner).records
    assert (running.state, running.start_ms, running.executor) == (RunState.RUNNING, NOW + 5, "e1")
    say(owner, run, SUCCEEDED, NOW + 9)
    batch = store(owner)
    (done,) = batch.records
    assert (done.state, done.end_ms, done.result) == (RunState.SUCCEEDED, NOW + 9, b'{"n":1}')
    assert (done.publish_ms, done.offset, done.start_ms) == (NOW, 42, NOW + 5)
    assert [row.run_id for row in batch.closed] == [run.run_id]
    assert owner.count_live() == 0


def test_the_schedules_row_moves_on_once_the_run_has_a_row_of_its_own() -> None:
    owner, job = make_owner(), reported()
    (run,) = load(owner, job, entry_of(job, NOW))
    publish(owner, run, NOW)
    assert not owner.take_advance(NOW).put
    store(owner)
    assert [moved.schedule_ms for moved in owner.take_advance(NOW).put] == [NOW + 10 * SECOND]


def test_the_same_report_again_is_accepted_and_changes_nothing() -> None:
    owner, job = make_owner(), reported()
    run = published(job, owner)
    for _ in range(2):
        say(owner, run, Start())
    assert states(store(owner)) == [RunState.RUNNING]
    say(owner, run, SUCCEEDED)
    assert say(owner, run, SUCCEEDED) == Answer()
    assert states(store(owner)) == [RunState.SUCCEEDED]
    assert say(owner, run, SUCCEEDED) is None


def test_a_report_of_the_end_alone_is_enough() -> None:
    owner, job = make_owner(), reported()
    run = published(job, owner)
    say(owner, run, SUCCEEDED, NOW + 3)
    (done,) = store(owner).records
    assert (done.state, done.start_ms) == (RunState.SUCCEEDED, NOW + 3)


@pytest.mark.parametrize(("attempt", "fence"), [(2, 1), (1, 2), (1, 99)])
def test_a_stale_report_is_refused_and_changes_nothing(attempt: int, fence: int) -> None:
    owner, job = make_owner(epoch=3), reported()
    run = published(job, owner)
    with pytest.raises(StaleFence):
        say(owner, run, SUCCEEDED, attempt=attempt, fence=fence)
    assert not owner.has_batch()


def test_another_end_than_the_one_that_was_reported_is_refused() -> None:
    owner, job = make_owner(), reported()
    run = published(job, owner)
    say(owner, run, SUCCEEDED)
    with pytest.raises(RunStateWrong):
        say(owner, run, FAILED)


def test_a_report_before_the_workers_word_has_to_wait_for_it() -> None:
    owner, job = make_owner(), reported()
    (run,) = load(owner, job, entry_of(job, NOW))
    with pytest.raises(NotPublishedYetError):
        say(owner, run, Start())
    publish(owner, run, NOW)
    assert say(owner, run, Start()) is not None


def test_who_starts_an_attempt_last_has_it() -> None:
    owner, job = make_owner(), reported(at_ms=NOW)
    run = published(job, owner)
    say(owner, run, Start(), executor="first")
    say(owner, run, Heartbeat(), NOW + 1, executor="first")
    say(owner, run, Start(), NOW + 2, executor="second")
    store(owner)
    for what in (Heartbeat(), FAILED, Finish(state=RunState.CANCELLED)):
        with pytest.raises(StaleFence) as refused:
            say(owner, run, what, NOW + 3, executor="first")
        assert refused.value.metadata["executor"] == "second"
    assert not owner.take_batch()
    # The former one's silence is not the second one's; and who gives no name is not compared.
    owner.step(NOW + 1 + SILENCE_MS)
    assert not owner.take_batch()
    say(owner, run, Heartbeat(), NOW + 4, executor="")
    # A success is one, whoever had it.
    say(owner, run, SUCCEEDED, NOW + 5, executor="first")
    assert states(store(owner))[-1] is RunState.SUCCEEDED
    assert run.record is not None
    assert run.record.executor == "second"


@pytest.mark.parametrize("with_worker", [False, True])
@pytest.mark.parametrize("policy", [job_pb2.OVERLAP_SKIP, job_pb2.OVERLAP_CANCEL_OTHER])
def test_what_is_handed_out_ahead_is_no_earlier_run(policy: int, with_worker: bool) -> None:
    """A run by hand neither yields to the next occurrence nor cancels it."""
    owner, job = make_owner(), reported(policy)
    due = NOW + 10 * SECOND
    now = due - 3 * SECOND
    owner.load([entry_of(job, due)], {job.key: job}, now)
    owner.step(now)
    ahead = assign(owner) if with_worker else []
    by_hand = replace(entry_of(job, now), kind=EntryKind.MANUAL, run_id=f"{instant_id(now)}-m-a")
    made = own_run(job, by_hand, lambda: "")
    record = owner.trigger(by_hand, made, now)
    assert record is not None
    assert record.state is RunState.PENDING
    assert owner.take_revocations() == ahead
    owner.confirm_revoked([run.key for run in ahead], (), now)
    owner.step(now)
    assert assign(owner) == [made]
    publish(owner, made, now)
    store(owner, now)
    # At its instant the occurrence finds the run by hand unfinished.
    owner.step(due)
    states_then = [(r.run_id, r.state, r.cancel_requested) for r in store(owner, due).records]
    if policy == job_pb2.OVERLAP_SKIP:
        assert states_then == [(instant_id(due), RunState.SKIPPED, False)]
    else:
        assert (made.run_id, RunState.PUBLISHED, True) in states_then
        assert (instant_id(due), RunState.PENDING, False) in states_then


def test_a_skipped_stretch_has_one_run_in_its_way() -> None:
    """Its record names that run, which would be wrong of what another one kept from running."""
    owner, job = make_owner(), reported()
    run = published(job, owner)
    owner.step(NOW + 10 * SECOND)
    (first,) = store(owner, NOW + 10 * SECOND).records
    now = NOW + 12 * SECOND
    by_hand = replace(entry_of(job, now), kind=EntryKind.MANUAL, run_id=f"{instant_id(now)}-m-a")
    beside = own_run(job, by_hand, lambda: "")
    beside.overlap_policy = job_pb2.OVERLAP_ALLOW_ALL
    owner.trigger(by_hand, beside, now)
    owner.step(now)
    assert assign(owner) == [beside]
    publish(owner, beside, now)
    store(owner, now)
    say(owner, run, SUCCEEDED, now)
    store(owner, now)
    for turn in (2, 3):
        owner.step(NOW + turn * 10 * SECOND)
    skipped = [one for one in store(owner).records if one.state is RunState.SKIPPED]
    assert (first.blocking_run, first.skipped_count) == (run.run_id, 1)
    assert [(one.run_id, one.blocking_run) for one in skipped][-1] == (
        instant_id(NOW + 20 * SECOND),
        beside.run_id,
    )
    assert skipped[-1].skipped_count == 2


def test_a_published_job_needs_no_reports() -> None:
    owner, job = make_owner(), make_job(at_ms=NOW)
    (run,) = load(owner, job, entry_of(job, NOW))
    with pytest.raises(RunStateWrong) as refused:
        say(owner, run, Start())
    assert refused.value.metadata["completion"] == "COMPLETION_PUBLISHED"


def unreported(job: Job, now_ms: int) -> Job:
    """The job's next version, whose runs have succeeded once they are on the log."""
    spec = job_pb2.Job()
    spec.CopyFrom(job.spec)
    spec.completion = job_pb2.COMPLETION_PUBLISHED
    return changed(job, now_ms, spec=spec)


@pytest.mark.parametrize("has_started", [True, False])
def test_what_is_on_the_log_is_reported_though_its_job_needs_no_reports_any_more(
    *, has_started: bool
) -> None:
    """It would time out, and be executed a second time."""
    owner, job = make_owner(), reported(at_ms=NOW)
    run = published(job, owner)
    if has_started:
        say(owner, run, Start(), NOW + 1)
    owner.change(unreported(job, NOW + 2), None, NOW + 2)
    assert say(owner, run, Start(), NOW + 3) == Answer(timeout_ms=NOW + TIMEOUT_S * SECOND)
    for _ in range(2):
        assert say(owner, run, SUCCEEDED, NOW + 4) is not None
    assert states(store(owner, NOW + 4))[-1] is RunState.SUCCEEDED
    owner.step(NOW + 2 * TIMEOUT_S * SECOND)
    assert not assign(owner)


def test_what_a_former_owner_has_left_on_the_log_follows_its_job_that_needs_no_reports() -> None:
    former, job = make_owner(), reported(at_ms=NOW)
    run = published(job, former)
    owner, job = make_owner(epoch=2), unreported(job, NOW + 2)
    assert run.record is not None
    owner.recover([run.record], [run.record], {job.key: job}, NOW + 3)
    owner.change(changed(job, NOW + 4, delete_ms=NOW + 4), None, NOW + 4)
    owner.step(NOW + TIMEOUT_S * SECOND)
    assert states(store(owner)) == [RunState.FAILED]


def test_a_failed_attempt_is_followed_by_the_next_after_its_backoff() -> None:
    owner, job = make_owner(), reported(at_ms=NOW)
    run = published(job, owner)
    run.assigned_ms = NOW - 5
    say(owner, run, Start(), NOW + 1)
    say(owner, run, FAILED, NOW + 2)
    assert (run.handed_ms, run.assigned_ms) == ((NOW - 5,), 0)
    pending = store(owner, NOW + 2).records[-1]
    assert (pending.state, pending.attempt, pending.error) == (RunState.PENDING, 2, "no")
    assert pending.next_attempt_ms >= NOW + 2 + SECOND
    (past,) = pending.past_attempts
    assert (past.attempt, past.state, past.error_type) == (1, RunState.FAILED, "ValueError")
    assert (past.executor, past.offset) == ("e", 42)
    assert say(owner, run, FAILED, attempt=1) == Answer()
    (again,) = assign(owner)
    assert (again.attempt, again.fire_ms) == (2, pending.next_attempt_ms)
    publish(owner, again, again.fire_ms)
    with pytest.raises(StaleFence):
        say(owner, again, SUCCEEDED, attempt=1)
    say(owner, again, SUCCEEDED, again.fire_ms + 1)
    done = store(owner).records[-1]
    assert (done.state, done.attempt, done.error) == (RunState.SUCCEEDED, 2, "")


def test_the_details_of_the_last_few_failed_attempts_are_kept() -> None:
    owner, job = make_owner(), reported(at_ms=NOW)
    job.spec.retry_policy.max_retry_count = 5
    job.spec.retry_policy.max_backoff.CopyFrom(Duration(seconds=1))
    run = published(job, owner)
    for attempt in range(1, 6):
        traceback = f"{attempt}" + "\N{SNOWMAN}" * 4_000 + f"end of {attempt}"
        why = Failure(message=f"no {attempt}", type="ValueError", details=traceback)
        say(owner, run, Finish(state=RunState.FAILED, failure=why), run.fire_ms)
        publish(owner, assign(owner)[0], run.fire_ms)
    say(owner, run, SUCCEEDED, run.fire_ms)
    past = store(owner).records[-1].past_attempts
    assert [one.error for one in past] == [f"no {attempt}" for attempt in range(1, 6)]
    assert past[0].error_details == ""
    for one in past[1:]:
        assert 4_000 < len(one.error_details.encode()) <= 4_096
        assert one.error_details.endswith(f"\N{SNOWMAN}end of {one.attempt}")


def test_a_long_backoff_is_waited_for_before_a_worker_gets_it() -> None:
    owner, job = make_owner(), reported(at_ms=NOW)
    job.spec.retry_policy.initial_backoff.CopyFrom(Duration(seconds=100))
    run = published(job, owner)
    say(owner, run, FAILED)
    assert not assign(owner)
    visit = owner.next_visit_ms()
    assert visit is not None
    owner.step(NOW + 105 * SECOND)
    assert [again.attempt for again in assign(owner)] == [2]


@pytest.mark.parametrize("retryable", [True, False])
def test_the_last_failure_ends_the_run_and_goes_to_the_dead_letter_topic(retryable: bool) -> None:
    owner, job = make_owner(), reported(at_ms=NOW)
    if retryable:
        job.spec.retry_policy.max_retry_count = 0
    run = published(job, owner)
    say(owner, run, replace(FAILED, retryable=retryable))
    batch = store(owner)
    assert states(batch) == [RunState.FAILED]
    assert not batch.closed
    (letter,) = assign(owner)
    assert letter.dead_letter
    assert letter.key != run.key
    publish(owner, letter, NOW + 5)
    batch = store(owner)
    (record,) = batch.records
    assert (record.state, record.dead_letter_topic) == (RunState.FAILED, "topic.dlq")
    assert (record.offset, record.error) == (42, "no")
    assert batch.closed
    assert owner.count_live() == 0


def test_a_dead_letter_is_not_lost_by_a_take_over() -> None:
    first, job = make_owner(), reported(at_ms=NOW)
    run = published(job, first)
    say(first, run, replace(FAILED, retryable=False))
    log = store(first).records
    second = make_owner(epoch=2)
    second.recover(log, log, {job.key: job}, NOW)
    (letter,) = assign(second)
    assert letter.dead_letter


def test_an_attempt_without_a_report_times_out() -> None:
    owner, job = make_owner(), reported(at_ms=NOW)
    published(job, owner)
    owner.step(NOW + TIMEOUT_S * SECOND - 1)
    assert not owner.has_batch()
    owner.step(NOW + TIMEOUT_S * SECOND)
    (record,) = store(owner).records
    assert (record.state, record.attempt, record.error_type) == (
        RunState.PENDING,
        2,
        "run-timeout",
    )


def test_a_report_after_the_time_out_is_refused() -> None:
    owner, job = make_owner(), reported(at_ms=NOW)
    run = published(job, owner)
    owner.step(NOW + TIMEOUT_S * SECOND)
    with pytest.raises(StaleFence):
        say(owner, run, SUCCEEDED, attempt=1)


def test_silence_does_not_count_while_nobody_could_be_heard() -> None:
    owner, job = make_owner(), reported(at_ms=NOW)
    job.spec.run_timeout.CopyFrom(Duration(seconds=3600))
    run = published(job, owner)
    say(owner, run, Start())
    say(owner, run, Heartbeat(), NOW + 1)
    back = NOW + 3 * SILENCE_MS
    owner.resume(back)
    owner.step(back)
    owner.step(back + SILENCE_MS - 1)
    assert run.attempt == 1
    owner.step(back + SILENCE_MS)
    assert run.attempt == 2


def test_who_begins_anew_under_its_name_is_not_silent_before_its_first_heartbeat() -> None:
    """A container that was killed has the same name when it is started again."""
    owner, job = make_owner(), reported(at_ms=NOW)
    job.spec.run_timeout.CopyFrom(Duration(seconds=3600))
    run = published(job, owner)
    say(owner, run, Start())
    say(owner, run, Heartbeat(), NOW + 1)
    again = NOW + SILENCE_MS - 1
    say(owner, run, Start(), again)
    owner.step(again + SILENCE_MS - 1)
    assert run.attempt == 1
    owner.step(again + SILENCE_MS)
    assert run.attempt == 2


def test_silence_after_a_heartbeat_fails_the_attempt() -> None:
    owner, job = make_owner(), reported(at_ms=NOW)
    job.spec.run_timeout.CopyFrom(Duration(seconds=3600))
    run = published(job, owner)
    say(owner, run, Start())
    owner.step(NOW + 2 * SILENCE_MS)
    later = NOW + 3 * SILENCE_MS
    say(owner, run, Heartbeat(), later)
    say(owner, run, Heartbeat(), later + SILENCE_MS - 1)
    owner.step(later + SILENCE_MS)
    assert run.attempt == 1
    owner.step(later + 2 * SILENCE_MS - 1)
    assert store(owner).records[-1].error_type == "heartbeat-missed"


def test_progress_is_kept_but_not_written_with_each_heartbeat() -> None:
    owner, job = make_owner(), reported(at_ms=NOW)
    run = published(job, owner)
    for step in range(10):
        progress = Progress(fraction=step / 10, message=f"step {step}")
        say(owner, run, Heartbeat(progress=progress), NOW + step * 500)
    records = store(owner).records
    assert [record.progress_message for record in records] == ["step 0", "step 4", "step 8"]
    say(owner, run, SUCCEEDED, NOW + 6_000)
    assert store(owner).records[-1].progress_fraction == 0.8


# -- overlap ---------------------------------------------------------------------------------


def beside(owner: SegmentOwner, job: Job, now_ms: int = NOW + 10 * SECOND) -> list[Run]:
    """What is recorded when the second occurrence is due while the first is unfinished."""
    owner.step(now_ms)
    return store(owner, now_ms).records


def test_nothing_is_handed_out_ahead_while_an_earlier_run_is_unfinished() -> None:
    owner, job = make_owner(), reported()
    published(job, owner)
    owner.step(NOW + 9 * SECOND)
    assert not assign(owner)


def test_overlap_skip() -> None:
    owner, job = make_owner(), reported()
    run = published(job, owner)
    (skipped,) = beside(owner, job)
    assert (skipped.state, skipped.skip_reason) == (
        RunState.SKIPPED,
        run_pb2.SKIP_REASON_OVERLAP,
    )
    assert skipped.blocking_run == run.run_id
    say(owner, run, SUCCEEDED, NOW + 12 * SECOND)
    store(owner, NOW + 12 * SECOND)
    owner.step(NOW + 15 * SECOND + 1)
    assert [later.schedule_ms for later in assign(owner)] == [NOW + 20 * SECOND]


def test_by_hand_no_more_may_wait_for_room_than_of_a_schedule() -> None:
    owner, job = make_owner(), reported(job_pb2.OVERLAP_ALLOW_ALL)
    job.spec.max_in_flight = 1
    run = published(job, owner)
    now = NOW + 10 * SECOND

    def by_hand(number: int) -> Run:
        name = f"{instant_id(now)}-m-{number}"
        entry = replace(entry_of(job, now), kind=EntryKind.MANUAL, run_id=name)
        record = owner.trigger(entry, own_run(job, entry, lambda: ""), now)
        assert record is not None
        return record

    waiting = [by_hand(number) for number in range(MAX_WAITING)]
    assert {record.state for record in waiting} == {RunState.PENDING}
    refused = by_hand(MAX_WAITING)
    assert (refused.state, refused.skip_reason, refused.blocking_run) == (
        RunState.SKIPPED,
        run_pb2.SKIP_REASON_BUFFER_FULL,
        run.run_id,
    )
    owner.step(now)
    assert not assign(owner)


def test_overlap_buffer_one() -> None:
    owner, job = make_owner(), reported(job_pb2.OVERLAP_BUFFER_ONE)
    run = published(job, owner)
    (waiting,) = beside(owner, job)
    assert (waiting.state, waiting.blocking_run) == (RunState.PENDING, run.run_id)
    (skipped,) = beside(owner, job, NOW + 20 * SECOND)
    assert skipped.skip_reason == run_pb2.SKIP_REASON_OVERLAP
    say(owner, run, SUCCEEDED, NOW + 25 * SECOND)
    assert not assign(owner)
    store(owner, NOW + 25 * SECOND)
    (released,) = assign(owner)
    assert (released.run_id, released.fire_ms) == (waiting.run_id, NOW + 25 * SECOND)
    publish(owner, released, NOW + 25 * SECOND + 3)
    (record,) = store(owner).records
    # It waited, but nobody was late: its attempt was due once the other run had ended.
    assert (record.due_ms, record.attempt_due_ms) == (NOW + 10 * SECOND, NOW + 25 * SECOND)
    assert released.due_ms == NOW + 10 * SECOND


def test_overlap_buffer_all_is_bounded_and_in_order() -> None:
    owner, job = make_owner(), reported(job_pb2.OVERLAP_BUFFER_ALL)
    job.spec.run_timeout.CopyFrom(Duration(seconds=86_400))
    run = published(job, owner)
    records: list[Run] = []
    for turn in range(1, MAX_WAITING + 3):
        owner.step(NOW + turn * 10 * SECOND)
        records += store(owner, NOW + turn * 10 * SECOND).records
    last = records[-1]
    assert last.skip_reason == run_pb2.SKIP_REASON_BUFFER_FULL
    assert last.skipped_count == 2
    end = NOW + (MAX_WAITING + 3) * 10 * SECOND
    order: list[int] = []
    for _ in range(5):
        say(owner, run, SUCCEEDED, end)
        store(owner, end)
        (run,) = assign(owner)
        order.append(run.schedule_ms)
        publish(owner, run, end)
    assert order == [NOW + turn * 10 * SECOND for turn in range(1, 6)]


def test_overlap_cancel_other() -> None:
    owner, job = make_owner(), reported(job_pb2.OVERLAP_CANCEL_OTHER)
    run = published(job, owner)
    say(owner, run, Start())
    store(owner)
    cancelled, waiting = sorted(beside(owner, job), key=lambda record: record.schedule_ms)
    assert (cancelled.state, cancelled.cancel_requested) == (RunState.RUNNING, True)
    assert waiting.state is RunState.PENDING
    answer = say(owner, run, Heartbeat(), NOW + 11 * SECOND)
    assert answer is not None
    assert answer.cancel_requested
    say(owner, run, Finish(state=RunState.CANCELLED), NOW + 12 * SECOND)
    assert store(owner, NOW + 12 * SECOND).records[-1].state is RunState.CANCELLED
    assert [later.run_id for later in assign(owner)] == [waiting.run_id]


def test_overlap_allow_all_up_to_what_may_be_in_flight() -> None:
    owner, job = make_owner(), reported(job_pb2.OVERLAP_ALLOW_ALL)
    job.spec.max_in_flight = 2
    first = published(job, owner)
    owner.step(NOW + 6 * SECOND)
    (second,) = assign(owner)
    publish(owner, second, NOW + 10 * SECOND)
    store(owner)
    (waiting,) = beside(owner, job, NOW + 20 * SECOND)
    assert waiting.state is RunState.PENDING
    assert not owner.release_waiting(NOW + 20 * SECOND)
    say(owner, first, SUCCEEDED, NOW + 21 * SECOND)
    store(owner, NOW + 21 * SECOND)
    assert [run.run_id for run in assign(owner)] == [waiting.run_id]


def test_what_waits_goes_as_soon_as_more_may_be_in_flight() -> None:
    owner, job = make_owner(), reported(job_pb2.OVERLAP_ALLOW_ALL)
    job.spec.max_in_flight = 1
    published(job, owner)
    (waiting,) = beside(owner, job)
    assert waiting.state is RunState.PENDING
    wider = changed(job, NOW + 21 * SECOND, spec=job_pb2.Job())
    wider.spec.CopyFrom(job.spec)
    wider.spec.max_in_flight = 2
    owner.change(wider, None, NOW + 21 * SECOND)
    assert [run.run_id for run in assign(owner)] == [waiting.run_id]


def test_what_waits_for_nothing_is_found() -> None:
    owner, job = make_owner(), reported(job_pb2.OVERLAP_BUFFER_ONE)
    first = published(job, owner)
    (waiting,) = beside(owner, job)
    # As nothing in the code does: what it waits for is gone, and nobody has said so.
    owner.runs.drop(first)
    (let_go,) = owner.release_waiting(NOW + 21 * SECOND)
    assert let_go.run_id == waiting.run_id
    assert [run.run_id for run in assign(owner)] == [waiting.run_id]


# -- cancelling ------------------------------------------------------------------------------


def test_a_run_that_a_worker_holds_is_cancelled_once_the_worker_has_dropped_it() -> None:
    owner, job = make_owner(), reported(at_ms=NOW + 3 * SECOND)
    (run,) = load(owner, job, entry_of(job, NOW + 3 * SECOND))
    assert owner.cancel(job.uid, run.run_id, "enough", NOW) is run
    assert owner.take_revocations() == [run]
    owner.confirm_revoked([run.key], [], NOW)
    (record,) = store(owner).records
    assert (record.state, record.error) == (RunState.CANCELLED, "enough")


def test_a_run_that_was_on_its_way_is_cancelled_by_its_executor() -> None:
    owner, job = make_owner(), reported(at_ms=NOW)
    (run,) = load(owner, job, entry_of(job, NOW))
    owner.cancel(job.uid, run.run_id, "enough", NOW)
    owner.confirm_revoked([run.key], [run.key], NOW)
    publish(owner, run, NOW)
    assert store(owner).records[-1].cancel_requested
    answer = say(owner, run, Start())
    assert answer is not None
    assert answer.cancel_requested
    say(
        owner,
        run,
        Finish(state=RunState.CANCELLED, failure=Failure(message="I stop", type="cancelled")),
    )
    record = store(owner).records[-1]
    assert (record.error, record.error_details) == ("enough", "I stop")


def test_a_cancelled_run_that_nobody_answers_for_ends_with_its_time() -> None:
    owner, job = make_owner(), reported(at_ms=NOW)
    run = published(job, owner)
    owner.cancel(job.uid, run.run_id, "enough", NOW)
    owner.step(NOW + TIMEOUT_S * SECOND)
    record = store(owner).records[-1]
    assert (record.state, record.error) == (RunState.CANCELLED, "enough")


def test_why_a_run_is_cancelled_is_known_to_the_next_owner() -> None:
    owner, job = make_owner(), reported(at_ms=NOW)
    run = published(job, owner)
    owner.cancel(job.uid, run.run_id, "enough", NOW)
    (asked,) = store(owner).records[-1:]
    assert (asked.cancel_requested, asked.error) == (True, "enough")
    assert live_run_of(asked, job).cancel_reason == "enough"


def test_the_word_of_an_executor_stands_where_no_reason_was_given() -> None:
    owner, job = make_owner(), reported(at_ms=NOW)
    run = published(job, owner)
    owner.cancel(job.uid, run.run_id, "", NOW)
    say(
        owner,
        run,
        Finish(state=RunState.CANCELLED, failure=Failure(message="I stop", type="Stopped")),
    )
    record = store(owner).records[-1]
    assert (record.error, record.error_type) == ("I stop", "Stopped")


def test_a_waiting_run_is_cancelled_at_once_and_does_not_come_back() -> None:
    owner, job = make_owner(), reported(job_pb2.OVERLAP_BUFFER_ALL)
    run = published(job, owner)
    (waiting,) = beside(owner, job)
    owner.cancel(job.uid, waiting.run_id, "", NOW)
    say(owner, run, SUCCEEDED)
    assert RunState.CANCELLED in states(store(owner))
    assert not assign(owner)


# -- changes of the job ----------------------------------------------------------------------


def test_what_waits_is_skipped_when_the_job_is_deleted_and_what_runs_goes_on() -> None:
    owner, job = make_owner(), reported(job_pb2.OVERLAP_BUFFER_ALL)
    run = published(job, owner)
    beside(owner, job)
    gone = changed(job, NOW + 11 * SECOND, delete_ms=NOW + 11 * SECOND)
    owner.notice(notice(gone, NOW + 11 * SECOND), gone, NOW + 11 * SECOND)
    (skipped,) = store(owner).records
    assert skipped.skip_reason == run_pb2.SKIP_REASON_DELETED
    say(owner, run, SUCCEEDED)
    assert states(store(owner)) == [RunState.SUCCEEDED]


def test_no_attempt_follows_once_the_job_is_deleted() -> None:
    owner, job = make_owner(), reported(at_ms=NOW)
    run = published(job, owner)
    gone = changed(job, NOW + 1, delete_ms=NOW + 1)
    owner.notice(notice(gone, NOW + 1), gone, NOW + 1)
    say(owner, run, FAILED, NOW + 2)
    assert states(store(owner)) == [RunState.FAILED]


def _next_attempt(job: Job, owner: SegmentOwner) -> LiveRun:
    """The job's run, whose first attempt has failed; a worker holds the next, due in a second."""
    run = published(job, owner)
    say(owner, run, FAILED, NOW + 1)
    store(owner, NOW + 1)
    assert assign(owner) == [run]
    assert run.fire_ms > NOW + SECOND
    return run


@pytest.mark.parametrize("is_assigned", [True, False])
def test_no_attempt_is_published_that_comes_due_once_the_job_is_deleted(
    *, is_assigned: bool
) -> None:
    owner, job = make_owner(), reported(at_ms=NOW)
    run = _next_attempt(job, owner)
    if not is_assigned:
        owner.give_back([run], NOW + 2)
    gone = changed(job, NOW + 3, delete_ms=NOW + 3)
    owner.notice(notice(gone, NOW + 3), gone, NOW + 3)
    assert owner.take_revocations() == [run] * is_assigned
    assert owner.revoking(job.uid) == [run.key] * is_assigned
    owner.confirm_revoked(owner.revoking(job.uid), (), NOW + 4)
    assert not assign(owner)
    (record,) = store(owner).records
    assert (record.state, record.error) == (RunState.FAILED, "no")
    assert not owner.revoking(job.uid)


def test_an_attempt_that_a_worker_had_begun_with_is_not_handed_out_again_once_the_job_is_deleted() -> (
    None
):
    owner, job = make_owner(), reported(at_ms=NOW)
    run = _next_attempt(job, owner)
    gone = changed(job, NOW + 3, delete_ms=NOW + 3)
    owner.notice(notice(gone, NOW + 3), gone, NOW + 3)
    owner.confirm_revoked([run.key], [run.key], NOW + 4)
    assert not owner.revoking(job.uid)
    # The log did not answer, and the worker is gone.
    owner.give_back([run], NOW + 60 * SECOND)
    owner.step(NOW + 60 * SECOND)
    assert not assign(owner)
    (record,) = store(owner, NOW + 60 * SECOND).records
    assert (record.state, record.error) == (RunState.FAILED, "no")


@pytest.mark.parametrize("has_begun", [True, False])
def test_an_attempt_that_is_being_cancelled_is_waited_for_once_the_job_is_deleted(
    *, has_begun: bool
) -> None:
    owner, job = make_owner(), reported(at_ms=NOW)
    run = _next_attempt(job, owner)
    owner.cancel(job.uid, run.run_id, "enough", NOW + 2)
    assert owner.take_revocations() == [run]
    gone = changed(job, NOW + 3, delete_ms=NOW + 3)
    owner.notice(notice(gone, NOW + 3), gone, NOW + 3)
    assert owner.revoking(job.uid) == [run.key]
    owner.confirm_revoked([run.key], [run.key] * has_begun, NOW + 4)
    assert not owner.revoking(job.uid)
    if has_begun:
        publish(owner, run, NOW + 5)
    (record,) = store(owner, NOW + 5).records
    assert record.cancel_requested is has_begun
    assert record.state is (RunState.PUBLISHED if has_begun else RunState.CANCELLED)


@pytest.mark.parametrize("has_begun", [True, False])
def test_an_attempt_that_comes_due_once_the_job_is_changed_goes_by_that(*, has_begun: bool) -> None:
    owner, job = make_owner(), reported()
    run = _next_attempt(job, owner)
    after = changed(job, NOW + 3, payload=Payload(PayloadKind.TEXT, b"new"))
    owner.notice(notice(after, NOW + 3), after, NOW + 3)
    assert owner.take_revocations() == [run]
    # It stays in the way of the next occurrence.
    owner.step(NOW + 10 * SECOND)
    assert not assign(owner)
    (skipped,) = store(owner, NOW + 10 * SECOND).records
    assert (skipped.state, skipped.blocking_run) == (RunState.SKIPPED, run.run_id)
    owner.confirm_revoked([run.key], [run.key] * has_begun, NOW + 10 * SECOND)
    assert assign(owner) == [run] * (not has_begun)
    assert (run.attempt, run.job.payload.data) == (2, b"new")
    publish(owner, run, NOW + 10 * SECOND)


def test_an_attempt_that_is_taken_back_makes_way_for_the_next_occurrence() -> None:
    owner, job = make_owner(), reported(job_pb2.OVERLAP_CANCEL_OTHER)
    run = _next_attempt(job, owner)
    after = changed(job, NOW + 3)
    owner.notice(notice(after, NOW + 3), after, NOW + 3)
    owner.step(NOW + 10 * SECOND)
    owner.confirm_revoked([run.key], (), NOW + 10 * SECOND)
    assert store(owner, NOW + 10 * SECOND).records[-1].state is RunState.CANCELLED
    (later,) = assign(owner)
    assert later.schedule_ms == NOW + 10 * SECOND


# -- taking over -----------------------------------------------------------------------------


def test_a_new_owner_goes_on_with_what_is_unfinished() -> None:
    first, job = make_owner(), reported(job_pb2.OVERLAP_BUFFER_ALL)
    run = published(job, first)
    rows = [run.record]
    say(first, run, Start())
    log = store(first).records
    (waiting,) = beside(first, job)
    rows.append(waiting)
    second = make_owner(epoch=2)
    now = NOW + 12 * SECOND
    second.recover([], [*log, *(row for row in rows if row)], {job.key: job}, now)
    load(second, job, entry_of(job, NOW + 20 * SECOND), now)
    found = second.runs.find(job.uid, run.run_id)
    assert found is not None
    assert found.deadline_ms == NOW + TIMEOUT_S * SECOND
    # Under the fence with which its record went out.
    say(second, found, SUCCEEDED, now, fence=1)
    done = store(second, now).records[-1]
    assert (done.state, done.executor, done.epoch, done.fence) == (
        RunState.SUCCEEDED,
        "e",
        2,
        1,
    )
    assert [released.run_id for released in assign(second)] == [waiting.run_id]


@pytest.mark.parametrize("is_told", [False, True])
def test_what_waits_of_a_job_that_was_deleted_while_nobody_owned_it_is_skipped(
    *, is_told: bool
) -> None:
    first, job = make_owner(), reported(job_pb2.OVERLAP_BUFFER_ALL)
    run = published(job, first)
    assert run.record is not None
    (waiting,) = beside(first, job)
    now = NOW + 12 * SECOND
    gone = changed(job, now, delete_ms=now)
    second = make_owner(epoch=2)
    second.recover([], [run.record, waiting], {job.key: gone}, now)
    if is_told:
        # The former owner had let it go, and a worker has published it.
        second.foretell(AttemptKey(job.uid, waiting.run_id, 1))
    second.step(now)
    records = store(second, now).records
    assert states(Batch(records, [], [])) == ([] if is_told else [RunState.SKIPPED])
    assert [one.skip_reason for one in records] == [run_pb2.SKIP_REASON_DELETED] * len(records)
    assert second.holds(AttemptKey(job.uid, waiting.run_id, 1)) is is_told
    found = second.runs.find(job.uid, run.run_id)
    assert found is not None
    # What was on the log goes on.
    say(second, found, SUCCEEDED, now, fence=1)
    assert states(store(second, now)) == [RunState.SUCCEEDED]


def test_no_attempt_follows_once_the_job_was_deleted_while_nobody_owned_it() -> None:
    first, job = make_owner(), reported(at_ms=NOW)
    run = published(job, first)
    say(first, run, FAILED, NOW + 1)
    log = store(first).records
    gone = changed(job, NOW + 2, delete_ms=NOW + 2)
    second = make_owner(epoch=2)
    second.recover(log, [], {job.key: gone}, NOW + 3 * SECOND)
    second.step(NOW + 3 * SECOND)
    (failed,) = store(second).records
    assert (failed.state, failed.attempt) == (RunState.FAILED, 2)
    # Only its dead letter.
    assert [one.dead_letter for one in assign(second)] == [True]


def test_an_attempt_that_a_former_owner_has_left_follows_its_job() -> None:
    """Also where no executor reports its end."""
    first, job = make_owner(), make_job(at_ms=NOW)
    job.spec.retry_policy.initial_backoff.FromSeconds(300)
    (run,) = load(first, job, entry_of(job, NOW))
    refused = scheduler_service_pb2.PublishFailure(message="no", refused=True)
    assert first.failed(run.key, "w", refused, NOW)
    log = store(first).records
    second = make_owner(epoch=2)
    second.recover(log, [], {job.key: job}, NOW + 1)
    gone = changed(job, NOW + 2, delete_ms=NOW + 2)
    assert second.has_older(job.uid, gone.version)
    second.notice(notice(gone, NOW + 2), gone, NOW + 2)
    assert states(store(second)) == [RunState.FAILED]


def test_what_was_published_but_has_no_row_yet_is_found_in_the_log() -> None:
    first, job = make_owner(), reported(at_ms=NOW)
    entry = entry_of(job, NOW)
    (run,) = load(first, job, entry)
    publish(first, run, NOW)
    log = first.take_batch().records
    second = make_owner(epoch=2)
    second.recover(log, (), {job.key: job}, NOW)
    assert not load(second, job, entry)
    batch = store(second)
    assert [row.run_id for row in batch.opened] == [run.run_id]


def test_a_row_of_a_run_that_has_ended_is_removed() -> None:
    first, job = make_owner(), reported(at_ms=NOW)
    run = published(job, first)
    row = run.record
    assert row is not None
    say(first, run, SUCCEEDED)
    log = store(first).records
    second = make_owner(epoch=2)
    second.recover(log, [row], {job.key: job}, NOW)
    assert [closed.run_id for closed in store(second).closed] == [run.run_id]


def test_a_run_whose_job_is_past_its_retention_ends() -> None:
    first, job = make_owner(), reported(at_ms=NOW)
    run = published(job, first)
    assert run.record is not None
    second = make_owner(epoch=2)
    second.recover([], [run.record], {}, NOW)
    batch = store(second)
    assert [(record.state, record.error_type) for record in batch.records] == [
        (RunState.FAILED, "job-gone")
    ]
    assert batch.closed


def test_what_could_not_be_written_is_written_later_and_its_row_removed_all_the_same() -> None:
    owner, job = make_owner(), reported(at_ms=NOW)
    (run,) = load(owner, job, entry_of(job, NOW))
    publish(owner, run, NOW)
    lost = owner.take_batch()
    say(owner, run, SUCCEEDED)
    owner.put_back(lost)
    batch = store(owner)
    assert states(batch) == [RunState.PUBLISHED, RunState.SUCCEEDED]
    assert not batch.opened
    assert [row.run_id for row in batch.closed] == [run.run_id]


def test_a_row_that_was_never_tried_needs_no_removal() -> None:
    owner, job = make_owner(), reported(at_ms=NOW)
    (run,) = load(owner, job, entry_of(job, NOW))
    publish(owner, run, NOW)
    say(owner, run, SUCCEEDED)
    batch = store(owner)
    assert states(batch) == [RunState.PUBLISHED, RunState.SUCCEEDED]
    assert not batch.opened
    assert not batch.closed
    assert run.run_id == instant_id(NOW)


def test_a_backfill_that_waits_for_a_run_goes_on_when_that_has_ended() -> None:
    owner, job = make_owner(), replace(reported(every_s=10), create_ms=NOW - 60 * SECOND)
    run = published(job, owner, NOW)
    detail = storage_pb2.BackfillRecord(
        end_ms=NOW - 10 * SECOND, overlap_policy=job_pb2.OVERLAP_BUFFER_ALL
    )
    row = replace(
        entry_of(job, NOW - 20 * SECOND, fire_ms=NOW),
        kind=EntryKind.BACKFILL,
        run_id="b",
        detail=detail.SerializeToString(),
    )
    owner.load([row], {job.key: job}, NOW + SECOND)
    owner.step(NOW + SECOND)
    assert not assign(owner)
    say(owner, run, Start(), NOW + SECOND)
    say(owner, run, SUCCEEDED, NOW + 2 * SECOND)
    store(owner, NOW + 2 * SECOND)
    owner.step(NOW + 2 * SECOND)
    assert [one.backfill_id for one in assign(owner)] == ["b"]


def test_a_former_schedule_that_waits_for_a_run_goes_on_when_that_has_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(overlap, "MAX_WAITING", 1)
    owner, job = make_owner(), reported(job_pb2.OVERLAP_ALLOW_ALL, every_s=1)
    job.spec.max_in_flight = 1
    run = published(job, owner)
    owner.step(NOW + SECOND)
    owner.step(NOW + 2 * SECOND)
    after = rescheduled(job, NOW + 2_500, 100)
    owner.notice(notice(after, NOW + 2_500), after, NOW + 2_500)
    owner.step(NOW + 2_500)
    # As many wait as may; the schedule itself waits with the next one.
    assert owner.runs.find(job.uid, instant_id(NOW + SECOND)) is not None
    assert owner.runs.find(job.uid, instant_id(NOW + 2 * SECOND)) is None
    say(owner, run, Start(), NOW + 3 * SECOND)
    say(owner, run, SUCCEEDED, NOW + 3 * SECOND)
    store(owner, NOW + 3 * SECOND)
    owner.step(NOW + 3 * SECOND)
    assert owner.runs.find(job.uid, instant_id(NOW + 2 * SECOND)) is not None
