"""Completion of jobs by their owner."""

from dataclasses import replace

from conformance.suite import case
from conformance.world import World, a_one_off_spec
from tickwheel.server.domain.job import Job, JobState


async def stored(world: World, job: Job) -> Job:
    return (await world.store.jobs.get_many([job.key]))[job.key]


@case
async def completes_many_of_a_segment(world: World) -> None:
    jobs = [world.job(segment=1) for _ in range(20)]
    left = world.job(segment=1)
    await world.create(*jobs, left)
    owner = await world.own(1)
    done_ms = world.now_ms()
    await world.store.jobs.complete(owner.stamp(), [(job.key, 1) for job in jobs], done_ms)
    expected = [replace(job, completed_generation=1, complete_ms=done_ms) for job in jobs]
    found = await world.store.jobs.get_many([job.key for job in jobs])
    assert found == {job.key: job for job in expected}
    assert all(job.state is JobState.COMPLETED for job in found.values())
    assert await world.store.jobs.find(world.user, jobs[0].job_id) == expected[0]
    assert await stored(world, left) == left
    page = await world.store.jobs.list(world.user, b"", 100)
    assert {job.uid: job for job in page.items} == {job.uid: job for job in [*expected, left]}


@case
async def nothing_to_complete(world: World) -> None:
    owner = await world.own(1)
    await world.store.jobs.complete(owner.stamp(), [], world.now_ms())


@case
async def repeat_is_harmless(world: World) -> None:
    job = world.job(segment=1)
    await world.create(job)
    owner = await world.own(1)
    for _ in range(2):
        await world.store.jobs.complete(owner.stamp(), [(job.key, 1)], 1_800_000_000_000)
    assert await stored(world, job) == replace(
        job, completed_generation=1, complete_ms=1_800_000_000_000
    )


@case
async def other_generation_is_harmless(world: World) -> None:
    job = world.job(segment=1)
    await world.create(job)
    change = world.changed(job, replace(job, generation=2))
    assert await world.store.jobs.change(change) == change.after
    owner = await world.own(1)
    await world.store.jobs.complete(owner.stamp(), [(job.key, 1)], world.now_ms())
    assert (await stored(world, job)).state is JobState.ACTIVE


@case
async def unknown_job_is_not_made(world: World) -> None:
    job = world.job(segment=1)
    owner = await world.own(1)
    await world.store.jobs.complete(owner.stamp(), [(job.key, 1)], world.now_ms())
    assert await world.store.jobs.get_many([job.key]) == {}
    assert (await world.store.jobs.list(world.user, b"", 10)).items == []


@case
async def stays_when_a_change_did_not_know_of_it(world: World) -> None:
    """The api read the job before it was completed, and changes something else of it after."""
    job = world.job(segment=1)
    await world.create(job)
    owner = await world.own(1)
    done_ms = world.now_ms()
    await world.store.jobs.complete(owner.stamp(), [(job.key, 1)], done_ms)
    change = world.changed(job, replace(job, paused=True))
    expected = replace(change.after, completed_generation=1, complete_ms=done_ms)
    assert await world.store.jobs.change(change) == expected
    assert await stored(world, job) == expected


@case
async def ends_with_a_new_schedule(world: World) -> None:
    job = world.job(segment=1)
    await world.create(job)
    owner = await world.own(1)
    await world.store.jobs.complete(owner.stamp(), [(job.key, 1)], world.now_ms())
    before = await stored(world, job)
    change = world.changed(before, replace(before, generation=2))
    after = await world.store.jobs.change(change)
    assert after is not None
    assert after.state is JobState.ACTIVE
    assert (await stored(world, job)).state is JobState.ACTIVE
    await world.store.jobs.complete(owner.stamp(), [(job.key, 2)], world.now_ms())
    assert (await stored(world, job)).state is JobState.COMPLETED


@case
async def completed_job_can_be_deleted(world: World) -> None:
    job = world.job(world.job_id(), segment=1)
    await world.create(job, chosen=True)
    owner = await world.own(1)
    await world.store.jobs.complete(owner.stamp(), [(job.key, 1)], world.now_ms())
    before = await stored(world, job)
    deleted = await world.delete(before)
    assert await world.store.jobs.find(world.user, job.job_id) is None
    assert await world.store.jobs.find_all(world.user, job.job_id) == [deleted]


@case
async def complete_of_a_deleted_job_is_harmless(world: World) -> None:
    job = world.job(world.job_id(), segment=1)
    await world.create(job, chosen=True)
    deleted = await world.delete(job)
    owner = await world.own(1)
    await world.store.jobs.complete(owner.stamp(), [(job.key, 1)], world.now_ms())
    assert await world.store.jobs.find(world.user, job.job_id) is None
    assert (await stored(world, job)).delete_ms == deleted.delete_ms
    assert (await world.store.jobs.list(world.user, b"", 10)).items == []


@case
async def job_with_another_schedule_by_then_outlives_it(world: World) -> None:
    """Its owner says that the former one is over, as it has not heard of the new one yet."""
    past_ms = world.now_ms() - 10_000
    job = world.job(segment=1, spec=a_one_off_spec(past_ms, retention_s=1))
    await world.create(job)
    change = world.changed(job, replace(job, generation=2))
    assert await world.store.jobs.change(change) == change.after
    owner = await world.own(1)
    await world.store.jobs.complete(owner.stamp(), [(job.key, 1)], past_ms)
    await world.store.schedule.drop_before(owner.stamp(), world.now_ms())
    assert (await stored(world, job)).state is JobState.ACTIVE
