"""What waits in the schedule, for days maybe, does not hold its segment's position back."""

from dataclasses import replace

import pytest

from scheduler.making import (
    NOW,
    SECOND,
    assign,
    entry_of,
    load,
    make_job,
    make_owner,
    publish,
    store_records,
)
from scheduler.test_backfill import FIRST, numbers, past_job, row_of
from scheduler.test_runs import SUCCEEDED, published, reported, say, store
from tickwheel.server.convert.schedule import schedule_of
from tickwheel.server.domain.job import Job
from tickwheel.server.domain.names import manual_run_id
from tickwheel.server.domain.occurrence import EntryKind, ScheduleEntry
from tickwheel.server.domain.run import Run, RunState
from tickwheel.server.scheduler import overlap
from tickwheel.server.scheduler.cursors.agenda import Agenda
from tickwheel.server.scheduler.cursors.recovered import Recovered
from tickwheel.server.scheduler.cursors.rows import Rows
from tickwheel.server.scheduler.lingering import PATIENCE_MS
from tickwheel.server.scheduler.live import Cursor, LiveRun
from tickwheel.server.scheduler.runs import PENDING_AFTER_MS, Runs
from tickwheel.server.scheduler.segment import POSITION_LAG_MS, SegmentOwner
from tickwheel.server.scheduler.skipping import skipped_run
from tickwheel.server.store.port import INBOX_HORIZON_MS
from tickwheel.v1 import job_pb2, run_pb2

MINUTE = 60 * SECOND
END = NOW + 60 * MINUTE


def waiting_job(policy: int) -> Job:
    """A run of it may go on for days."""
    job = replace(reported(policy, every_s=1), create_ms=FIRST)
    job.spec.run_timeout.seconds = 30 * 86_400
    job.spec.ClearField("catch_up_window")
    return job


def pass_time(owner: SegmentOwner, rows: set[ScheduleEntry], end_ms: int = END) -> None:
    """An hour goes by, with all that is decided stored; the rows follow."""
    for now_ms in range(NOW, end_ms + 1, 10 * SECOND):
        owner.step(now_ms)
        store_records(owner, now_ms)
        advance = owner.take_advance(now_ms)
        rows |= set(advance.put)
        rows -= set(advance.remove)
        owner.forget_before(owner.position_ms(now_ms))


def is_held_back(owner: SegmentOwner) -> bool:
    return owner.position_ms(END) < END - PATIENCE_MS - POSITION_LAG_MS


def next_owner(job: Job, row: ScheduleEntry, unfinished: list[Run]) -> SegmentOwner:
    """It reads the log since the position, which has nothing of the job, and the open runs."""
    owner = make_owner(epoch=2)
    owner.recover([], unfinished, {job.key: job}, END)
    owner.begin_at(END - PATIENCE_MS - POSITION_LAG_MS)
    assert not load(owner, job, row, END)
    return owner


def end_of(owner: SegmentOwner, run_id: str, job: Job) -> list[LiveRun]:
    """The run ends; what is handed out then."""
    run = owner.runs.find(job.uid, run_id)
    assert run is not None
    assert run.record is not None
    say(owner, run, SUCCEEDED, END, fence=run.record.fence)
    store(owner, END)
    owner.step(END)
    return assign(owner)


def test_a_backfill_that_waits_is_found_by_the_next_owner_where_it_begins_to_read() -> None:
    owner, job = make_owner(), waiting_job(job_pb2.OVERLAP_BUFFER_ALL)
    row = row_of(job, count=3)
    (run,) = load(owner, job, row)
    rows = {row}
    publish(owner, run, NOW)
    pass_time(owner, rows)
    assert not is_held_back(owner)
    assert not [name for name in owner.runs.done if name != run.name]
    (row,) = rows
    assert owner.position_ms(END) <= row.fire_ms <= END
    second = FIRST + SECOND
    assert (row.run_id, row.schedule_ms, row.due_ms, row.ordinal) == ("b", second, second, 1)
    assert run.record is not None

    owner = next_owner(job, row, [run.record])
    (following,) = end_of(owner, run.run_id, job)
    assert (following.schedule_ms, following.due_ms) == (second, second)
    assert following.fire_ms == END
    publish(owner, following, END)
    store(owner, END)
    (last,) = end_of(owner, following.run_id, job)
    assert numbers([last]) == [2]


def test_a_schedule_that_waits_is_found_by_the_next_owner_where_it_begins_to_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(overlap, "MAX_WAITING", 1)
    owner, job = make_owner(), waiting_job(job_pb2.OVERLAP_ALLOW_ALL)
    job.spec.max_in_flight = 1
    rows = {entry_of(job, NOW)}
    run = published(job, owner)
    pass_time(owner, rows)
    assert not is_held_back(owner)
    (row,) = rows
    third = NOW + 2 * SECOND
    assert (row.schedule_ms, row.due_ms, row.ordinal) == (third, third, 2)
    held = owner.runs.find(job.uid, owner.runs.unfinished.crowd(job.uid).waiting[0])
    assert held is not None
    assert held.record is not None
    assert run.record is not None

    owner = next_owner(job, row, [run.record, held.record])
    assert [one.run_id for one in end_of(owner, run.run_id, job)] == [held.run_id]
    waiting = owner.runs.unfinished.crowd(job.uid).waiting
    third_run = owner.runs.find(job.uid, waiting[0])
    assert third_run is not None
    # By which it is late, once it goes.
    assert (third_run.schedule_ms, third_run.fire_ms) == (third, third)


@pytest.mark.parametrize("state", [RunState.SUCCEEDED, RunState.PENDING, RunState.SKIPPED])
def test_a_row_stays_while_something_after_it_is_recorded(state: RunState) -> None:
    """Or that would be forgotten with what lies before the row, and come up a second time."""
    first, job = make_owner(), waiting_job(job_pb2.OVERLAP_ALLOW_ALL)
    handed_out = load(first, job, row_of(job, count=4))
    publish(first, handed_out[0], NOW)
    (running,) = store_records(first)
    later = handed_out[2].as_run(state, NOW, 1)
    if state is RunState.SKIPPED:
        nominal_ms = later.schedule_ms
        later = replace(
            later, skipped_count=1, first_schedule_ms=nominal_ms, last_schedule_ms=nominal_ms
        )
    row = row_of(job, count=4, overlap_policy=job_pb2.OVERLAP_BUFFER_ALL)
    row = replace(row, schedule_ms=FIRST + SECOND, due_ms=FIRST + SECOND, ordinal=1)

    owner = make_owner(epoch=2)
    owner.recover([running, later], [running], {job.key: job}, NOW)
    assert not load(owner, job, row)
    rows = {row}
    pass_time(owner, rows)
    assert rows == {row}
    went: list[int] = []
    run_id = running.run_id
    while following := end_of(owner, run_id, job):
        (run,) = following
        assert run.revision == (run.run_id == later.run_id)
        went += numbers([run])
        run_id = run.run_id
        publish(owner, run, END)
        store(owner, END)
    assert went == ([1, 2, 3] if state is RunState.PENDING else [1, 3])


def test_the_next_owner_knows_what_is_done_after_the_first_that_is_not() -> None:
    """It reads the log since the row; what it does not find there would be published again."""
    first, job = make_owner(), past_job()
    row = row_of(job, count=4)
    runs = load(first, job, row)
    publish(first, runs[3], NOW)
    log = store_records(first)
    # The others go to a topic that the job had before, and which is away.
    late_ms = NOW + PATIENCE_MS
    publish(first, runs[0], late_ms)
    log += store_records(first, late_ms)
    (moved,) = first.take_advance(late_ms).put
    position_ms = first.position_ms(NOW + 3 * PATIENCE_MS)
    assert position_ms <= moved.fire_ms

    owner = make_owner(epoch=2)
    since_ms = position_ms - INBOX_HORIZON_MS
    owner.recover([run for run in log if run.update_ms >= since_ms], now_ms=late_ms)
    assert numbers(load(owner, job, moved, late_ms)) == [1, 2]


@pytest.mark.parametrize("last_ms", [NOW - 2 * SECOND, NOW + 2 * SECOND])
def test_a_row_stays_while_another_schedule_of_the_job_has_skipped_what_comes_after_it(
    last_ms: int,
) -> None:
    job = waiting_job(job_pb2.OVERLAP_ALLOW_ALL)
    skipping = Cursor(job, schedule_of(job), entry_of(job, NOW - 4 * SECOND), NOW - 4 * SECOND, 0)
    record = skipped_run(
        skipping, NOW - 4 * SECOND, NOW, run_pb2.SKIP_REASON_PAUSED, "", segment=0, epoch=1
    )
    agenda, recovered = Agenda(), Recovered()
    recovered.remember_skip(replace(record, last_schedule_ms=last_ms), schedule_of(job))
    row = entry_of(job, NOW)
    agenda.add(Cursor(job, schedule_of(job), row, NOW, 0, is_waiting=True), NOW)
    rows = Rows(agenda, recovered, Runs(0, 1))
    assert rows.take_advance(END).remove == ([] if last_ms > NOW else [row])


def test_a_run_by_hand_that_nobody_publishes_goes_on_without_its_row() -> None:
    """Its topic cannot be reached."""
    owner, job = make_owner(), make_job(every_s=10)
    row = replace(entry_of(job, NOW), kind=EntryKind.MANUAL, run_id=manual_run_id(NOW, "aaaaaaaa"))
    (run,) = load(owner, job, row)
    rows, end_ms = {row}, NOW + PENDING_AFTER_MS + PATIENCE_MS
    pass_time(owner, rows, end_ms - SECOND)
    assert (rows, owner.position_ms(end_ms)) == ({row}, NOW)
    assert run.record is not None
    announced = run.record
    owner.step(end_ms)
    batch = store(owner, end_ms)
    assert (batch.records, batch.opened) == ([], [announced])
    assert owner.take_advance(end_ms).remove == [row]
    assert owner.position_ms(END) == END - POSITION_LAG_MS
    publish(owner, run, END)
    assert store(owner, END).closed

    other = make_owner(epoch=2)
    other.recover([], [announced], {job.key: job}, END)
    (again,) = assign(other)
    assert (again.run_id, again.fire_ms, again.due_ms) == (run.run_id, NOW, NOW)
    publish(other, again, END)
    batch = store(other, END)
    assert [one.revision for one in batch.closed] == [announced.revision + 1]
