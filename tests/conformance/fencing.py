"""A former owner's late writes: refused with Fenced, or lost to the next owner's."""

import contextlib
from dataclasses import replace

from conformance.suite import case
from conformance.world import DAY_MS, HOUR_MS, Owner, World
from tickwheel.server.domain.errors import Fenced
from tickwheel.server.domain.lease import WriteStamp
from tickwheel.server.domain.run import Run, RunState
from tickwheel.server.store.port import Created, NewJob

SEGMENT = 13


async def handed_over(world: World) -> tuple[WriteStamp, Owner]:
    """The stamp of a former owner, taken while it owned the segment, and the present owner."""
    former = await world.own(SEGMENT)
    stamp = former.stamp()
    return stamp, await world.own(SEGMENT)


def open_run(world: World) -> Run:
    """A run that began an hour ago."""
    create_ms = world.now_ms() - HOUR_MS
    return world.run(
        world.job(segment=SEGMENT), create_ms, state=RunState.RUNNING, create_ms=create_ms
    )


@case
async def late_position_is_lost(world: World) -> None:
    stale, owner = await handed_over(world)
    base_ms = world.now_ms()
    await world.store.schedule.save_position(owner.stamp(), base_ms)
    with contextlib.suppress(Fenced):
        await world.store.schedule.save_position(stale, base_ms + HOUR_MS)
    assert await world.store.schedule.positions([SEGMENT]) == {SEGMENT: base_ms}


@case
async def late_zone_data_are_lost(world: World) -> None:
    stale, owner = await handed_over(world)
    await world.store.schedule.save_zone_data(owner.stamp(), "mine")
    with contextlib.suppress(Fenced):
        await world.store.schedule.save_zone_data(stale, "theirs")
    assert await world.store.schedule.zone_data([SEGMENT]) == {SEGMENT: "mine"}


@case
async def late_put_does_not_bring_an_entry_back(world: World) -> None:
    stale, owner = await handed_over(world)
    job = world.job(segment=SEGMENT)
    entry = world.entry(job, world.now_ms() + HOUR_MS)
    await world.store.schedule.advance(owner.stamp(), [entry], [])
    await world.store.schedule.advance(owner.stamp(), [], [entry])
    with contextlib.suppress(Fenced):
        await world.store.schedule.advance(stale, [entry], [])
    assert await world.due(job, entry.fire_ms, entry.fire_ms + 1) == []


@case
async def late_removal_does_not_take_an_entry(world: World) -> None:
    stale, owner = await handed_over(world)
    job = world.job(segment=SEGMENT)
    entry = world.entry(job, world.now_ms() + HOUR_MS)
    await world.store.schedule.advance(owner.stamp(), [entry], [])
    with contextlib.suppress(Fenced):
        await world.store.schedule.advance(stale, [], [entry])
    assert await world.due(job, entry.fire_ms, entry.fire_ms + 1) == [entry]


@case
async def late_record_does_not_replace_a_state(world: World) -> None:
    stale, owner = await handed_over(world)
    job = world.job(segment=SEGMENT)
    base_ms = world.now_ms()
    mine = world.run(job, base_ms, update_ms=base_ms, epoch=owner.lease.epoch)
    ghost = world.run(
        job, base_ms, state=RunState.FAILED, update_ms=base_ms, epoch=owner.lease.epoch - 1
    )
    await world.store.runs.record(owner.stamp(), [mine])
    with contextlib.suppress(Fenced):
        await world.store.runs.record(stale, [ghost])
    assert await world.store.runs.get(job.uid, mine.run_id) == mine
    assert (await world.log_of([SEGMENT], base_ms))[-1] == mine


@case
async def late_drop_spares_what_the_next_owner_wrote(world: World) -> None:
    stale, owner = await handed_over(world)
    job = world.job(segment=SEGMENT)
    entry = world.entry(job, world.now_ms() - 30 * DAY_MS)
    await world.store.schedule.advance(owner.stamp(), [entry], [])
    with contextlib.suppress(Fenced):
        await world.store.schedule.drop_before(stale, world.now_ms() - 20 * DAY_MS)
    assert await world.due(job, entry.fire_ms, entry.fire_ms + 1) == [entry]


@case
async def late_put_does_not_replace_an_open_run(world: World) -> None:
    stale, owner = await handed_over(world)
    run = open_run(world)
    await world.store.open_runs.put(owner.stamp(), [run])
    with contextlib.suppress(Fenced):
        await world.store.open_runs.put(stale, [replace(run, revision=9, executor="ghost")])
    assert await world.open_of([SEGMENT]) == [run]


@case
async def late_put_does_not_bring_an_open_run_back(world: World) -> None:
    stale, owner = await handed_over(world)
    run = open_run(world)
    await world.store.open_runs.put(owner.stamp(), [run])
    await world.store.open_runs.remove(owner.stamp(), [run])
    with contextlib.suppress(Fenced):
        await world.store.open_runs.put(stale, [run])
    assert await world.open_of([SEGMENT]) == []


@case
async def late_removal_does_not_take_an_open_run(world: World) -> None:
    stale, owner = await handed_over(world)
    run = open_run(world)
    await world.store.open_runs.put(owner.stamp(), [run])
    with contextlib.suppress(Fenced):
        await world.store.open_runs.remove(stale, [run])
    assert await world.open_of([SEGMENT]) == [run]


@case
async def late_tidy_spares_what_the_next_owner_wrote(world: World) -> None:
    stale, owner = await handed_over(world)
    run = open_run(world)
    await world.store.open_runs.put(owner.stamp(), [run])
    with contextlib.suppress(Fenced):
        await world.store.open_runs.tidy(stale, [])
    assert await world.open_of([SEGMENT]) == [run]


@case
async def fence_holds_for_one_segment_only(world: World) -> None:
    """Another segment's hand-over does not touch an owner."""
    owner = await world.own(SEGMENT)
    await world.own(SEGMENT + 1)
    job = world.job(segment=SEGMENT)
    run = world.run(job, world.now_ms())
    await world.store.runs.record(owner.stamp(), [run])
    assert await world.store.runs.get(job.uid, run.run_id) == run


@case
async def api_writes_need_no_owner(world: World) -> None:
    await handed_over(world)
    job = world.job(segment=SEGMENT)
    entry = world.entry(job, world.now_ms() + HOUR_MS)
    assert await world.store.jobs.create([NewJob(job=job, entry=entry)]) == [Created(job)]
    assert await world.due(job, entry.fire_ms, entry.fire_ms + 1) == [entry]
