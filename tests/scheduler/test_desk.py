"""What the desk answers when an owner changes in the middle of it."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace

import pytest

from scheduler.making import NOW, SECOND, changed, entry_of, make_owner, notice
from scheduler.running import owning, until_owned
from scheduler.test_course import rescheduled
from scheduler.test_runs import reported
from tickwheel.server.convert.schedule import schedule_of
from tickwheel.server.domain.clock import SystemClock
from tickwheel.server.domain.errors import Fenced, RunNotFound, SegmentUnowned, StoreUnavailable
from tickwheel.server.domain.job import Job
from tickwheel.server.domain.lease import SegmentLease, WriteStamp
from tickwheel.server.domain.names import (
    JobKey,
    backfill_run_id,
    instant_id,
    manual_run_id,
    new_uid,
)
from tickwheel.server.domain.occurrence import ScheduleEntry
from tickwheel.server.domain.report import Answer, Finish, Report, Start
from tickwheel.server.domain.run import Run, RunState
from tickwheel.server.owner.port import BackfillRequest, TriggerRequest
from tickwheel.server.scheduler.assignment import key_of
from tickwheel.server.scheduler.holding import Holding
from tickwheel.server.scheduler.inbox import News
from tickwheel.server.scheduler.keeper import SessionKeeper
from tickwheel.server.scheduler.live import AttemptKey
from tickwheel.server.scheduler.options import Identity, SchedulerOptions
from tickwheel.server.scheduler.override import decode_override
from tickwheel.server.scheduler.runtime import Scheduler
from tickwheel.server.scheduler.strays import Strays, stray_run
from tickwheel.server.store.port import ChangeRecord, JobChange, NewJob, Store
from tickwheel.server.store.sqlite import open_sqlite
from tickwheel.v1 import job_pb2, run_pb2, scheduler_service_pb2

CLOCK = SystemClock()


@pytest.fixture
async def scheduler(store: Store) -> AsyncGenerator[Scheduler]:
    """An owner of the only segment."""
    options = SchedulerOptions(exclusive=True, renew_ms=20, membership_ms=20, read_ms=20)
    async with owning(store, options) as made:
        yield made


async def published(store: Store, scheduler: Scheduler, segment: int = 0) -> tuple[Job, str]:
    """A job whose only run is on the log, and that run's id."""
    now = CLOCK.now_ms()
    job = replace(reported(at_ms=now), segment=segment, create_ms=now, update_ms=now)
    entry = entry_of(job, now)
    await store.jobs.create([NewJob(job=job, entry=entry, inbox=notice(job, now, entry))])
    outcome = outcome_of(job, now, scheduler.epochs()[segment])
    async with asyncio.timeout(20):
        while scheduler.find(key_of(outcome.key), job.segment) is None:
            await asyncio.sleep(0.005)
    assert scheduler.outcome(outcome, "w")
    return job, instant_id(now)


async def stored(store: Store, scheduler: Scheduler, segment: int = 0) -> tuple[Job, Run]:
    """A job whose only run is recorded as published."""
    job, run_id = await published(store, scheduler, segment)
    async with asyncio.timeout(20):
        while (run := await store.runs.get(job.uid, run_id)) is None:
            await asyncio.sleep(0.005)
    return job, run


def outcome_of(job: Job, at_ms: int, epoch: int) -> scheduler_service_pb2.Outcome:
    return scheduler_service_pb2.Outcome(
        key=scheduler_service_pb2.RunKey(
            job_uid=job.uid, run_id=instant_id(at_ms), attempt=1, segment=job.segment
        ),
        epoch=epoch,
        user=job.user,
        published=scheduler_service_pb2.Published(publish_ms=at_ms, partition=0, offset=1),
    )


def report(job: Job, run_id: str, what: Start | Finish, fence: int = 1) -> Report:
    return Report(
        job_uid=job.uid,
        segment=job.segment,
        run_id=run_id,
        attempt=1,
        fence=fence,
        what=what,
        run_name=f"{job.name}/runs/{run_id}",
    )


SUCCEEDED = Finish(state=RunState.SUCCEEDED)


async def test_a_report_is_not_accepted_by_who_owns_the_run_no_more(
    store: Store, scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, run = await stored(store, scheduler)
    run_id = run.run_id
    epoch = scheduler.epochs()[0]
    get = store.runs.get
    asked, may_answer = asyncio.Event(), asyncio.Event()

    async def slow(job_uid: str, run_id: str) -> Run | None:
        asked.set()
        await may_answer.wait()
        return await get(job_uid, run_id)

    monkeypatch.setattr(store.runs, "get", slow)
    nobody = report(job, instant_id(1), SUCCEEDED)
    reporting = asyncio.create_task(
        scheduler.desk.report([report(job, run_id, SUCCEEDED, epoch), nobody])
    )
    async with asyncio.timeout(20):
        await asked.wait()
        # The first report is taken in, and not stored yet, when the session ends.
        for session in await store.leases.sessions():
            assert await store.leases.remove_session(session)
        while scheduler.epochs() == {0: epoch}:
            await asyncio.sleep(0.005)
        await until_owned(scheduler)
        may_answer.set()
        first, second = await reporting
    assert isinstance(first, SegmentUnowned)
    assert isinstance(second, RunNotFound)
    monkeypatch.undo()
    (again,) = await scheduler.desk.report([report(job, run_id, SUCCEEDED, epoch)])
    assert isinstance(again, Answer)
    ended = await store.runs.get(job.uid, run_id)
    assert ended is not None
    assert ended.state is RunState.SUCCEEDED


async def test_reports_about_many_runs_wait_for_the_store_side_by_side(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = await open_sqlite(None, segments=2, clock=CLOCK)
    identity = Identity(session_id=new_uid(), address="local", version="test")
    scheduler = Scheduler(store, CLOCK, identity, SchedulerOptions(exclusive=True, read_ms=20))
    running = asyncio.create_task(scheduler.run())
    async with asyncio.timeout(20):
        await scheduler.ready.wait()
        reports = [
            report(job, run.run_id, SUCCEEDED, scheduler.epochs()[segment])
            for segment in (0, 1)
            for job, run in [await stored(store, scheduler, segment)]
        ]
        gone = [replace(each, run_id=instant_id(1)) for each in reports]
        record, get = store.runs.record, store.runs.get
        writing, reading = asyncio.Barrier(2), asyncio.Barrier(2)

        async def record_with_the_other(stamp: WriteStamp, runs: Sequence[Run]) -> None:
            await writing.wait()
            await record(stamp, runs)

        async def get_with_the_other(uid: str, run_id: str) -> Run | None:
            await reading.wait()
            return await get(uid, run_id)

        monkeypatch.setattr(store.runs, "record", record_with_the_other)
        monkeypatch.setattr(store.runs, "get", get_with_the_other)
        answers = await scheduler.desk.report([*reports, *gone])
        monkeypatch.undo()
        assert [type(answer) for answer in answers] == [Answer, Answer, RunNotFound, RunNotFound]
        await scheduler.stop()
        await running
    await store.close()


async def test_a_run_that_its_owner_does_not_know_yet_is_not_refused_for_good(
    store: Store, scheduler: Scheduler
) -> None:
    """Its record is on the log, so whoever owns its segment will come to know it."""
    _, run = await stored(store, scheduler)
    other = reported(at_ms=CLOCK.now_ms())
    await store.jobs.create([NewJob(job=other, entry=None)])
    for state in (RunState.PUBLISHED, RunState.RUNNING):
        left = replace(run, job_id=other.job_id, job_uid=other.uid, state=state)
        stamp = WriteStamp(0, scheduler.epochs()[0], CLOCK.now_us())
        await store.runs.record(stamp, [left])
        for what in (Start(), SUCCEEDED):
            (answer,) = await scheduler.desk.report([report(other, run.run_id, what)])
            assert isinstance(answer, SegmentUnowned)


async def test_a_run_that_a_worker_has_told_of_is_not_refused_before_that_is_recorded(
    store: Store, scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would have timed out, executed by nobody: its executor does not ask a second time."""
    now = CLOCK.now_ms()
    job = replace(reported(at_ms=now), create_ms=now, update_ms=now)
    await store.jobs.create([NewJob(job=job, entry=None)])
    epoch = scheduler.epochs()[0]

    async def settle(_strays: Strays) -> None:
        pass

    with monkeypatch.context() as patch:
        patch.setattr(Strays, "settle", settle)
        assert scheduler.outcome(outcome_of(job, now, epoch), "w")
        (answer,) = await scheduler.desk.report([report(job, instant_id(now), Start(), epoch)])
        assert isinstance(answer, SegmentUnowned)
    async with asyncio.timeout(20):
        while not isinstance(answer, Answer):
            assert isinstance(answer, SegmentUnowned)
            (answer,) = await scheduler.desk.report([report(job, instant_id(now), Start(), epoch)])


def test_what_is_still_to_be_gone_over_may_have_the_run_of_a_report() -> None:
    """As after an outage, when there is much of it."""
    owner, job = make_owner(), reported(every_s=1)
    holding = Holding(SegmentLease(segment=0, epoch=1), owner, read_to_ms=NOW + 10 * SECOND)
    owner.load([entry_of(job, NOW)], {job.key: job}, NOW)
    assert holding.may_come_to_know(job.uid, instant_id(NOW), NOW)
    owner.step(NOW)
    assert owner.runs.find(job.uid, instant_id(NOW)) is not None
    assert holding.may_come_to_know(job.uid, instant_id(NOW), NOW)
    assert not holding.may_come_to_know(job.uid, instant_id(NOW - SECOND), NOW)


async def test_an_outcome_that_is_told_again_is_not_acknowledged_before_it_is_stored(
    store: Store, scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(stamp: WriteStamp, runs: Sequence[Run]) -> None:
        raise StoreUnavailable("away")

    monkeypatch.setattr(store.runs, "record", away)
    job, run_id = await published(store, scheduler)
    again = outcome_of(job, CLOCK.now_ms(), scheduler.epochs()[0])
    again.key.run_id = run_id
    assert scheduler.outcome(again, "w")
    monkeypatch.undo()
    async with asyncio.timeout(20):
        while scheduler.outcome(again, "w"):
            await asyncio.sleep(0.005)
    run = await store.runs.get(job.uid, run_id)
    assert run is not None
    assert run.state is RunState.PUBLISHED


@pytest.mark.parametrize("flags", ["00", "01"])
async def test_a_run_by_hand_has_a_trace_of_its_own_and_knows_who_asked_for_it(
    store: Store, scheduler: Scheduler, flags: str
) -> None:
    now = CLOCK.now_ms()
    job = replace(reported(every_s=60), create_ms=now, update_ms=now, paused=True)
    await store.jobs.create([NewJob(job=job, entry=None)])
    call = f"00-{'12' * 16}-{'34' * 8}-{flags}"
    request = TriggerRequest(
        job=job, run_id=manual_run_id(now, "abcdefgh"), schedule_ms=now, traceparent=call
    )
    async with asyncio.timeout(20):
        run = await scheduler.desk.trigger(request)
    assert len(run.trace_id) == 32
    assert run.trace_id != "12" * 16
    # It is sampled if the call is.
    assert run.traceparent.endswith(f"-{flags}")
    assert decode_override(run.detail).traceparent == call


async def test_a_run_by_hand_that_could_not_be_stored_yet_is_the_one_that_is_asked_for_again(
    store: Store, scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client was told to come again, and its api names the run after the new instant."""
    now = CLOCK.now_ms()
    job = replace(reported(every_s=60), create_ms=now, update_ms=now, paused=True)
    await store.jobs.create([NewJob(job=job, entry=None)])
    first, again = (
        TriggerRequest(job=job, run_id=manual_run_id(at, "abcdefgh"), schedule_ms=at)
        for at in (now, now + 1_000)
    )

    async def away(stamp: WriteStamp, runs: Sequence[Run]) -> None:
        raise StoreUnavailable("away")

    async with asyncio.timeout(20):
        with monkeypatch.context() as patch:
            patch.setattr(store.runs, "record", away)
            for request in (first, again):
                with pytest.raises(StoreUnavailable):
                    await scheduler.desk.trigger(request)
        run = await scheduler.desk.trigger(again)
    assert run.run_id == first.run_id
    assert await store.runs.get(job.uid, again.run_id) is None


def asked_for(job: Job, now_ms: int) -> BackfillRequest:
    """A backfill of the last minute."""
    return BackfillRequest(
        job=job,
        backfill_id="abcdefghij",
        first_ms=now_ms - 60_000,
        end_ms=now_ms,
        overlap_policy=job_pb2.OVERLAP_SKIP,
    )


async def test_a_backfill_that_is_asked_for_again_has_one_row(
    store: Store, scheduler: Scheduler
) -> None:
    now = CLOCK.now_ms()
    job = replace(reported(every_s=1), create_ms=now, update_ms=now, paused=True)
    await store.jobs.create([NewJob(job=job, entry=None)])
    request = asked_for(job, now)
    async with asyncio.timeout(20):
        await asyncio.gather(*(scheduler.desk.backfill(request) for _ in range(3)))
        await scheduler.desk.backfill(request)
    rows = await store.schedule.read_due([0], now - 60_000, now + 60_000)
    assert [row.run_id for row in rows if row.uid == job.uid] == ["abcdefghij"]


async def test_a_backfill_that_comes_after_the_deletion_of_its_job_runs_nothing(
    store: Store, scheduler: Scheduler
) -> None:
    """The api has read the job before; the deletion was confirmed, as there was nothing of it."""
    now = CLOCK.now_ms()
    job = replace(reported(every_s=1), create_ms=now, update_ms=now, paused=True)
    await store.jobs.create([NewJob(job=job, entry=None)])
    gone = changed(job, now, delete_ms=now)
    told = notice(gone, now)
    assert await store.jobs.change(
        JobChange(before=job, after=gone, entry=None, inbox=told, actor="", reason="")
    )
    request = asked_for(job, now)
    async with asyncio.timeout(20):
        assert await scheduler.desk.notify([News(job.key, 0, gone.version)]) == [True]
        await scheduler.desk.backfill(request)
        first = backfill_run_id(now - 60_000, "abcdefghij")
        while (run := await store.runs.get(job.uid, first)) is None:
            await asyncio.sleep(0.005)
    assert (run.state, run.skip_reason) == (RunState.SKIPPED, run_pb2.SKIP_REASON_DELETED)
    assert run.skipped_count == 60


@pytest.mark.parametrize("is_deleted", [False, True])
async def test_a_run_by_hand_goes_by_what_was_confirmed_while_it_was_asked_for(
    store: Store, scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch, *, is_deleted: bool
) -> None:
    """Its further attempts would have gone by the job as the api had read it."""
    now = CLOCK.now_ms()
    job = replace(reported(every_s=60), create_ms=now, update_ms=now, paused=True)
    await store.jobs.create([NewJob(job=job, entry=None)])
    after = changed(job, now, delete_ms=now if is_deleted else 0)
    advance = store.schedule.advance

    async def amid_a_change(
        stamp: WriteStamp, put: Sequence[ScheduleEntry], remove: Sequence[ScheduleEntry]
    ) -> None:
        monkeypatch.undo()
        await advance(stamp, put, remove)
        change = JobChange(before=job, after=after, entry=None, inbox=notice(after, now))
        assert await store.jobs.change(change)
        assert await scheduler.desk.notify([News(job.key, 0, after.version)]) == [True]

    monkeypatch.setattr(store.schedule, "advance", amid_a_change)
    run_id = manual_run_id(now, "abcdefgh")
    async with asyncio.timeout(20):
        run = await scheduler.desk.trigger(TriggerRequest(job=job, run_id=run_id, schedule_ms=now))
    if is_deleted:
        assert (run.state, run.skip_reason) == (RunState.SKIPPED, run_pb2.SKIP_REASON_DELETED)
    else:
        live = scheduler.find(AttemptKey(job.uid, run_id, 1), 0)
        assert live is not None
        assert live.job.version == after.version


async def test_what_a_worker_has_told_of_goes_by_what_was_confirmed_while_it_was_looked_into(
    store: Store, scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = CLOCK.now_ms()
    job = replace(reported(at_ms=now), create_ms=now, update_ms=now)
    await store.jobs.create([NewJob(job=job, entry=None)])
    after = changed(job, now)
    history = store.jobs.history

    async def amid_a_change(key: JobKey) -> Sequence[ChangeRecord]:
        monkeypatch.undo()
        change = JobChange(before=job, after=after, entry=None, inbox=notice(after, now))
        assert await store.jobs.change(change)
        assert await scheduler.desk.notify([News(job.key, 0, after.version)]) == [True]
        return await history(key)

    monkeypatch.setattr(store.jobs, "history", amid_a_change)
    outcome = outcome_of(job, now, scheduler.epochs()[0])
    assert scheduler.outcome(outcome, "w")
    async with asyncio.timeout(20):
        while (live := scheduler.find(key_of(outcome.key), 0)) is None:
            await asyncio.sleep(0.005)
    assert live.job.version == after.version


async def test_a_cancellation_of_what_is_still_to_be_gone_over_is_to_come_again(
    store: Store, scheduler: Scheduler
) -> None:
    """It was recorded as due by a former owner; it would have run, and been told to be cancelled."""
    now = CLOCK.now_ms()
    job = replace(reported(every_s=60), create_ms=now, update_ms=now, paused=True)
    await store.jobs.create([NewJob(job=job, entry=None)])
    run = stray_run(instant_id(now), 1, job, (), schedule_of).as_run(RunState.PENDING, now, 1)
    stamp = WriteStamp(0, scheduler.epochs()[0], CLOCK.now_us())
    await store.runs.record(stamp, [run])
    with pytest.raises(SegmentUnowned):
        await scheduler.desk.cancel(job, run.run_id, "by hand")


async def test_a_backfill_whose_job_could_not_be_read_goes_on_when_it_can(
    store: Store, scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = CLOCK.now_ms()
    job = replace(reported(every_s=1), create_ms=now, update_ms=now, paused=True)
    await store.jobs.create([NewJob(job=job, entry=None)])
    request = asked_for(job, now)

    async def away(*_: object) -> None:
        raise StoreUnavailable("it is away")

    async with asyncio.timeout(20):
        with monkeypatch.context() as patch, pytest.raises(StoreUnavailable):
            patch.setattr(store.jobs, "get_many", away)
            await scheduler.desk.backfill(request)
        first = backfill_run_id(now - 60_000, "abcdefghij")
        while await store.runs.get(job.uid, first) is None:
            await asyncio.sleep(0.005)


async def test_a_backfill_is_not_confirmed_by_who_owns_its_segment_no_more(
    store: Store, scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its row came behind what the next owner had read: nobody would have begun it."""
    now = CLOCK.now_ms()
    job = replace(reported(every_s=1), create_ms=now, update_ms=now, paused=True)
    await store.jobs.create([NewJob(job=job, entry=None)])
    epoch = scheduler.epochs()[0]
    advance = store.schedule.advance
    asked, may_answer = asyncio.Event(), asyncio.Event()

    async def slow(
        stamp: WriteStamp, put: Sequence[ScheduleEntry], remove: Sequence[ScheduleEntry]
    ) -> None:
        if not any(entry.uid == job.uid for entry in put):
            await advance(stamp, put, remove)
            return
        asked.set()
        await may_answer.wait()
        # On Cassandra it is written all the same, late.

    monkeypatch.setattr(store.schedule, "advance", slow)
    backfilling = asyncio.create_task(scheduler.desk.backfill(asked_for(job, now)))
    async with asyncio.timeout(20):
        await asked.wait()
        for session in await store.leases.sessions():
            assert await store.leases.remove_session(session)
        while scheduler.epochs() == {0: epoch}:
            await asyncio.sleep(0.005)
        await until_owned(scheduler)
        may_answer.set()
        with pytest.raises(SegmentUnowned):
            await backfilling


async def test_who_was_replaced_is_no_owner_though_its_session_holds(
    store: Store, scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who asks comes again, to the next owner, as for one that it does not find."""
    now = CLOCK.now_ms()
    job = replace(reported(every_s=1), create_ms=now, update_ms=now, paused=True)
    await store.jobs.create([NewJob(job=job, entry=None)])

    async def fenced(*_: object) -> None:
        raise Fenced("the segment has a later epoch")

    with monkeypatch.context() as patch:
        patch.setattr(store.schedule, "advance", fenced)
        with pytest.raises(SegmentUnowned):
            await scheduler.desk.backfill(asked_for(job, now))
        by_hand = TriggerRequest(job=job, run_id=manual_run_id(now, "abcdefgh"), schedule_ms=now)
        with pytest.raises(SegmentUnowned):
            await scheduler.desk.trigger(by_hand)


async def test_a_backfill_goes_by_the_schedule_that_its_occurrences_were_counted_by(
    store: Store, scheduler: Scheduler
) -> None:
    """The job was given another one while the request was on its way."""
    now = CLOCK.now_ms()
    job = replace(reported(every_s=1), create_ms=now, update_ms=now, paused=True)
    await store.jobs.create([NewJob(job=job, entry=None)])
    after = rescheduled(job, now, 20)
    told = notice(after, now)
    assert await store.jobs.change(JobChange(before=job, after=after, entry=None, inbox=told))
    async with asyncio.timeout(20):
        await scheduler.desk.backfill(
            replace(asked_for(after, now), generation=1, overlap_policy=job_pb2.OVERLAP_ALLOW_ALL)
        )
        last = backfill_run_id(now - 1_000, "abcdefghij")
        while await store.runs.get(job.uid, last) is None:
            await asyncio.sleep(0.005)


async def test_what_a_backfill_has_skipped_stays_so_should_a_worker_have_published_it(
    store: Store, scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A former owner has skipped it, and the worker could not tell that one."""
    now = CLOCK.now_ms()
    job = replace(reported(every_s=1), create_ms=now, update_ms=now, paused=True)
    await store.jobs.create([NewJob(job=job, entry=None)])
    first, last = now - 60_000, now - 10_000
    outcome = outcome_of(job, last, scheduler.epochs()[0])
    outcome.key.run_id = backfill_run_id(last, "b")
    stretch = replace(
        stray_run(backfill_run_id(first, "b"), 1, job, (), schedule_of).as_run(
            RunState.SKIPPED, now, scheduler.epochs()[0]
        ),
        skipped_count=51,
        first_schedule_ms=first,
        last_schedule_ms=last,
    )
    stamp = WriteStamp(0, scheduler.epochs()[0], CLOCK.now_us())
    await store.runs.record(stamp, [stretch])
    forgotten = asyncio.Event()

    def acknowledge(*_: object) -> None:
        forgotten.set()

    monkeypatch.setattr(scheduler.fleet, "acknowledge", acknowledge)
    assert scheduler.outcome(outcome, "w")
    async with asyncio.timeout(20):
        await forgotten.wait()
    assert await store.runs.get(job.uid, outcome.key.run_id) is None


async def test_an_owner_whose_session_has_run_out_answers_nothing_for_now(
    store: Store, scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, run = await stored(store, scheduler)
    epoch = scheduler.epochs()[0]

    def left_ms(_keeper: SessionKeeper) -> int:
        return 0

    monkeypatch.setattr(SessionKeeper, "left_ms", left_ms)
    with pytest.raises(SegmentUnowned):
        await scheduler.desk.cancel(job, run.run_id, "by hand")
    now = CLOCK.now_ms()
    by_hand = TriggerRequest(job=job, run_id=f"{instant_id(now)}-m-abcdefgh", schedule_ms=now)
    with pytest.raises(SegmentUnowned):
        await scheduler.desk.trigger(by_hand)
    (answer,) = await scheduler.desk.report([report(job, run.run_id, SUCCEEDED, epoch)])
    assert isinstance(answer, SegmentUnowned)
    assert await scheduler.desk.notify([News(job.key, 0, job.version)]) == [False]
    monkeypatch.undo()
    (answer,) = await scheduler.desk.report([report(job, run.run_id, SUCCEEDED, epoch)])
    assert isinstance(answer, Answer)
