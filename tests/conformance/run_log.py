"""The run log: what recovery reads."""

import asyncio

from conformance.suite import case
from conformance.world import HOUR_MS, World
from tickwheel.internal.v1 import owner_service_pb2
from tickwheel.server.domain.names import instant_id
from tickwheel.server.domain.run import RunState, Trigger
from tickwheel.server.store.port import Page


@case
async def nothing_to_record(world: World) -> None:
    owner = await world.own(8)
    await world.store.runs.record(owner.stamp(), [])


@case
async def tells_what_was_recorded_since(world: World) -> None:
    owner = await world.own(8)
    job = world.job(segment=8)
    base_ms = world.now_ms()
    runs = [world.run(job, base_ms + i, update_ms=base_ms + 10 * i) for i in range(5)]
    for run in runs:
        await world.store.runs.record(owner.stamp(), [run])
    assert await world.log_of([8], base_ms) == runs
    assert await world.log_of([8], base_ms + 20) == runs[2:]
    assert await world.log_of([8], base_ms + 21) == runs[3:]
    assert await world.log_of([8], base_ms + HOUR_MS) == []
    assert list(await world.store.runs.read_log([], base_ms)) == []


@case
async def oldest_first_within_each_segment(world: World) -> None:
    base_ms = world.now_ms()
    expected = {}
    for segment in (8, 9):
        owner = await world.own(segment)
        job = world.job(segment=segment)
        runs = [world.run(job, base_ms + i, update_ms=base_ms + i) for i in range(20)]
        await world.store.runs.record(owner.stamp(), runs[::-1])
        expected[segment] = runs
    read = await world.log_of([8, 9], base_ms)
    for segment in (8, 9):
        assert [run for run in read if run.segment == segment] == expected[segment]
    assert await world.log_of([9], base_ms) == expected[9]


@case
async def states_of_a_run_are_all_there(world: World) -> None:
    owner = await world.own(8)
    job = world.job(segment=8)
    base_ms = world.now_ms()
    states = (RunState.PENDING, RunState.PUBLISHED, RunState.RUNNING, RunState.FAILED)
    runs = [
        world.run(job, base_ms, state=state, revision=1 + i, update_ms=base_ms + i)
        for i, state in enumerate(states)
    ]
    for run in runs:
        await world.store.runs.record(owner.stamp(), [run])
    assert await world.log_of([8], base_ms) == runs


@case
async def two_states_in_one_record(world: World) -> None:
    """In the same millisecond even: both are there, the later one is the present state."""
    owner = await world.own(8)
    job = world.job(segment=8)
    base_ms = world.now_ms()
    first = world.run(job, base_ms, state=RunState.PENDING, update_ms=base_ms)
    second = world.run(job, base_ms, revision=2, update_ms=base_ms)
    await world.store.runs.record(owner.stamp(), [first, second])
    assert await world.log_of([8], base_ms) == [first, second]
    assert await world.store.runs.get(job.uid, first.run_id) == second


@case
async def repeat_of_a_record_is_harmless(world: World) -> None:
    owner = await world.own(8)
    job = world.job(segment=8)
    base_ms = world.now_ms()
    runs = [world.run(job, base_ms + i, update_ms=base_ms + i) for i in range(3)]
    stamp = owner.stamp()
    for _ in range(2):
        await world.store.runs.record(stamp, runs)
    await world.store.runs.record(owner.stamp(), runs)
    assert await world.log_of([8], base_ms) == runs
    page = await world.store.runs.list_job(job.uid, b"", 10)
    assert page == Page(page.items, None)
    assert list(page.items) == runs[::-1]


@case
async def all_fields_come_back(world: World) -> None:
    owner = await world.own(8)
    job = world.job(segment=8)
    base_ms = world.now_ms()
    run = world.run(
        job,
        base_ms,
        state=RunState.SKIPPED,
        run_id="20261123T120000000Z-m-abcdefgh",
        due_ms=base_ms + 1,
        update_ms=base_ms + 2,
        revision=7,
        publish_ms=base_ms + 3,
        start_ms=base_ms + 4,
        end_ms=base_ms + 5,
        attempt=6,
        epoch=owner.lease.epoch,
        worker="worker-1",
        topic="billing",
        partition=0,
        offset=0,
        error="schön war's nicht \N{SNOWMAN}",
        skip_reason=3,
        skipped_count=9,
        first_schedule_ms=base_ms - 8,
        last_schedule_ms=base_ms - 7,
        traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        retention_ms=86_400_000,
    )
    await world.store.runs.record(owner.stamp(), [run])
    assert await world.log_of([8], base_ms) == [run]
    assert await world.store.runs.get(job.uid, run.run_id) == run


@case
async def the_log_outlives_a_short_retention(world: World) -> None:
    """Whoever takes the segment over goes by it, and would fire again what it does not find."""
    owner = await world.own(9)
    job = world.job(segment=9)
    at_ms = world.now_ms() - 5_000
    run = world.run(job, at_ms, update_ms=at_ms, retention_ms=0)
    await world.store.runs.record(owner.stamp(), [run])
    async with asyncio.timeout(20):
        while await world.store.runs.get(job.uid, run.run_id) is not None:
            await world.store.schedule.drop_before(owner.stamp(), 1)
            await asyncio.sleep(0.05)
    assert await world.log_of([9], at_ms) == [run]
    assert (await world.store.runs.list_log(world.user, b"", 10)).items == []


@case
async def what_a_request_has_made_outlives_a_short_retention(world: World) -> None:
    """By it the request is known when it comes again, and is not carried out once more."""
    owner = await world.own(9)
    job = world.job(segment=9)
    at_ms = world.now_ms() - 5_000
    asked = owner_service_pb2.TriggerRunRequest(request_digest=b"d").SerializeToString()
    runs = [
        world.run(
            job,
            at_ms,
            run_id=f"{instant_id(at_ms)}-{mark}",
            trigger=trigger,
            update_ms=at_ms,
            retention_ms=0,
            detail=detail,
        )
        for mark, trigger, detail in (
            ("m-abcdefgh", Trigger.MANUAL, asked),
            ("m-bcdefghi", Trigger.MANUAL, b""),
            ("r1", Trigger.RETRY, asked),
        )
    ]
    await world.store.runs.record(owner.stamp(), runs)
    async with asyncio.timeout(20):
        while await world.store.runs.get(job.uid, runs[1].run_id) is not None:
            await world.store.schedule.drop_before(owner.stamp(), 1)
            await asyncio.sleep(0.05)
    for run in (runs[0], runs[2]):
        assert await world.store.runs.get(job.uid, run.run_id) == run


@case
async def thousands_in_one_record(world: World) -> None:
    owner = await world.own(8)
    jobs = [world.job(segment=8) for _ in range(30)]
    base_ms = world.now_ms()
    runs = [world.run(job, base_ms + i, update_ms=base_ms + i) for i in range(100) for job in jobs]
    await world.store.runs.record(owner.stamp(), runs)
    read = await world.log_of([8], base_ms)
    assert len(read) == 3000
    assert {(run.job_uid, run.run_id) for run in read} == {
        (run.job_uid, run.run_id) for run in runs
    }
    assert [run.update_ms for run in read] == sorted(run.update_ms for run in runs)
