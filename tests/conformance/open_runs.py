"""Runs that are open although their schedule entry is gone."""

import asyncio
from dataclasses import replace

from conformance.suite import case
from conformance.world import DAY_MS, HOUR_MS, World
from tickwheel.server.domain.job import Job
from tickwheel.server.domain.run import Run, RunState

SEGMENT = 16
OTHER = 17
MINUTE_MS = 60_000


def running(world: World, job: Job, create_ms: int, number: int = 0) -> Run:
    """A run that was made at an instant and has begun."""
    return world.run(
        job,
        create_ms + number,
        state=RunState.RUNNING,
        create_ms=create_ms,
        executor="billing-7",
    )


@case
async def put_is_read(world: World) -> None:
    job = world.job(segment=SEGMENT)
    owner = await world.own(SEGMENT)
    assert await world.open_of([SEGMENT]) == []
    runs = [running(world, job, world.now_ms(), number) for number in range(3)]
    await world.store.open_runs.put(owner.stamp(), runs[:1])
    assert await world.open_of([SEGMENT]) == runs[:1]
    await world.store.open_runs.put(owner.stamp(), runs[1:])
    assert await world.open_of([SEGMENT]) == runs


@case
async def put_replaces(world: World) -> None:
    """Also in another bucket of time than that of the first put."""
    job = world.job(segment=SEGMENT)
    owner = await world.own(SEGMENT)
    run = running(world, job, world.now_ms() - HOUR_MS)
    await world.store.open_runs.put(owner.stamp(), [run])
    for revision in (2, 3):
        run = replace(
            run, revision=revision, update_ms=world.now_ms(), progress_message=f"{revision} of 3"
        )
        await world.store.open_runs.put(owner.stamp(), [run])
        assert await world.open_of([SEGMENT]) == [run]


@case
async def of_one_given_twice_the_last_counts(world: World) -> None:
    job = world.job(segment=SEGMENT)
    owner = await world.own(SEGMENT)
    run = running(world, job, world.now_ms())
    for messages in (("a", "z"), ("z", "a")):
        states = [replace(run, progress_message=message) for message in messages]
        await world.store.open_runs.put(owner.stamp(), states)
        assert await world.open_of([SEGMENT]) == states[1:]


@case
async def removed_is_gone(world: World) -> None:
    """A run is removed in another state than the one that is stored."""
    job = world.job(segment=SEGMENT)
    owner = await world.own(SEGMENT)
    first, second = (running(world, job, world.now_ms(), number) for number in range(2))
    await world.store.open_runs.put(owner.stamp(), [first, second])
    ended = replace(first, state=RunState.SUCCEEDED, revision=2, update_ms=world.now_ms() + 1)
    await world.store.open_runs.remove(owner.stamp(), [ended])
    assert await world.open_of([SEGMENT]) == [second]
    await world.store.open_runs.put(owner.stamp(), [first])
    assert await world.open_of([SEGMENT]) == [first, second]


@case
async def removal_of_what_is_not_there_is_harmless(world: World) -> None:
    job, other = world.job(segment=SEGMENT), world.job(segment=SEGMENT)
    owner = await world.own(SEGMENT)
    run = running(world, job, world.now_ms())
    await world.store.open_runs.put(owner.stamp(), [run])
    absent = [
        running(world, other, run.create_ms),
        running(world, job, run.create_ms, 1),
        running(world, job, run.create_ms - 30 * DAY_MS),
    ]
    for _ in range(2):
        await world.store.open_runs.remove(owner.stamp(), absent)
    assert await world.open_of([SEGMENT]) == [run]


@case
async def nothing_to_write(world: World) -> None:
    owner = await world.own(SEGMENT)
    await world.store.open_runs.put(owner.stamp(), [])
    await world.store.open_runs.remove(owner.stamp(), [])
    await world.store.open_runs.tidy(owner.stamp(), [])
    assert await world.open_of([SEGMENT]) == []
    assert await world.open_of([]) == []


@case
async def runs_of_one_instant_stand_side_by_side(world: World) -> None:
    """The same job's by hand, and another job's of the same name."""
    jobs = [world.job(segment=SEGMENT), world.job(segment=SEGMENT)]
    owner = await world.own(SEGMENT)
    base_ms = world.now_ms()
    runs = [running(world, job, base_ms) for job in jobs]
    runs += [replace(run, run_id=f"{run.run_id}-m-abcdefgh") for run in runs]
    await world.store.open_runs.put(owner.stamp(), runs)
    await world.store.open_runs.remove(owner.stamp(), runs[:1])
    assert {(run.job_uid, run.run_id) for run in await world.open_of([SEGMENT])} == {
        (run.job_uid, run.run_id) for run in runs[1:]
    }


@case
async def many_over_many_minutes(world: World) -> None:
    job = world.job(segment=SEGMENT)
    owner = await world.own(SEGMENT)
    base_ms = world.now_ms() - 3 * DAY_MS
    runs = [running(world, job, base_ms + i * MINUTE_MS // 3, i) for i in range(600)]
    await world.store.open_runs.put(owner.stamp(), runs)
    assert await world.open_of([SEGMENT]) == runs
    await world.store.open_runs.remove(owner.stamp(), runs[::2])
    assert await world.open_of([SEGMENT]) == runs[1::2]


@case
async def segments_are_apart(world: World) -> None:
    jobs = [world.job(segment=SEGMENT), world.job(segment=OTHER)]
    owners = [await world.own(SEGMENT), await world.own(OTHER)]
    base_ms = world.now_ms()
    runs = [running(world, job, base_ms) for job in jobs]
    for owner, run in zip(owners, runs, strict=True):
        await world.store.open_runs.put(owner.stamp(), [run])
    assert await world.open_of([SEGMENT]) == runs[:1]
    assert await world.open_of([OTHER]) == runs[1:]
    assert await world.open_of([OTHER, SEGMENT, OTHER + 1]) == runs
    await world.store.open_runs.remove(owners[0].stamp(), runs[:1])
    await world.store.open_runs.tidy(owners[0].stamp(), [])
    assert await world.open_of([SEGMENT, OTHER]) == runs[1:]


@case
async def segments_side_by_side(world: World) -> None:
    """Each owner puts, removes and tidies, all of them at the same time."""
    base_ms = world.now_ms()

    async def one(segment: int) -> list[Run]:
        job = world.job(segment=segment)
        owner = await world.own(segment)
        runs = [running(world, job, base_ms - i * MINUTE_MS) for i in range(20)]
        for run in runs:
            await world.store.open_runs.put(owner.stamp(), [run])
        await world.store.open_runs.remove(owner.stamp(), runs[5:])
        await world.store.open_runs.tidy(owner.stamp(), [run.create_ms for run in runs[:5]])
        return runs[4::-1]

    segments = range(SEGMENT, SEGMENT + 8)
    kept = await asyncio.gather(*(one(segment) for segment in segments))
    assert await world.open_of(segments) == [run for runs in kept for run in runs]


@case
async def large_records(world: World) -> None:
    job = world.job(segment=SEGMENT)
    owner = await world.own(SEGMENT)
    base_ms = world.now_ms()
    runs = [
        replace(
            running(world, job, base_ms, number),
            result=b'"%s"' % (b"r" * 65_536),
            error_details="\N{SNOWMAN}" * 5_000,
            detail=bytes(range(256)) * 1_024,
        )
        for number in range(6)
    ]
    await world.store.open_runs.put(owner.stamp(), runs)
    assert await world.open_of([SEGMENT]) == runs


@case
async def is_kept_whatever_its_retention(world: World) -> None:
    """A run may be open for longer than its states are kept."""
    job = world.job(segment=SEGMENT)
    owner = await world.own(SEGMENT)
    run = replace(running(world, job, 1_500_000_000_000), retention_ms=1)
    await world.store.open_runs.put(owner.stamp(), [run])
    await world.store.schedule.drop_before(owner.stamp(), world.now_ms())
    assert await world.open_of([SEGMENT]) == [run]


@case
async def tidy_keeps_what_is_given(world: World) -> None:
    job = world.job(segment=SEGMENT)
    owner = await world.own(SEGMENT)
    base_ms = world.now_ms() - DAY_MS
    runs = [running(world, job, base_ms + i * 7 * MINUTE_MS) for i in range(100)]
    await world.store.open_runs.put(owner.stamp(), runs)
    await world.store.open_runs.remove(owner.stamp(), [*runs[:40], *runs[60::2]])
    kept = [*runs[40:60], *runs[61::2]]
    for _ in range(2):
        await world.store.open_runs.tidy(owner.stamp(), (run.create_ms for run in kept))
        assert await world.open_of([SEGMENT]) == kept


@case
async def tidy_leaves_recent_times_alone(world: World) -> None:
    """What was made within two minutes of the stamp, or written so lately, may not be known yet."""
    job = world.job(segment=SEGMENT)
    owner = await world.own(SEGMENT)
    base_ms = world.now_ms()
    ages_ms = (110_000, MINUTE_MS, 0, -30_000)
    runs = [running(world, job, base_ms - age_ms) for age_ms in ages_ms]
    await world.store.open_runs.put(owner.stamp(), runs)
    await world.store.open_runs.tidy(owner.stamp(), [])
    assert await world.open_of([SEGMENT]) == runs


@case
async def put_after_tidy_is_read(world: World) -> None:
    """Into a minute that was let go of, by an owner that has put there before."""
    job = world.job(segment=SEGMENT)
    owner = await world.own(SEGMENT)
    run = running(world, job, world.now_ms() - HOUR_MS)
    for revision in range(1, 4):
        run = replace(run, revision=revision)
        await world.store.open_runs.put(owner.stamp(), [run])
        assert await world.open_of([SEGMENT]) == [run]
        await world.store.open_runs.remove(owner.stamp(), [run])
        await world.store.open_runs.tidy(owner.stamp(), [])
        assert await world.open_of([SEGMENT]) == []
