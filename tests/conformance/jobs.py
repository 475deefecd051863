"""Jobs by name and by key."""

from dataclasses import replace

from conformance.suite import case
from conformance.world import World, a_spec
from tickwheel.server.domain.job import Job, Payload, PayloadKind
from tickwheel.server.domain.names import JobKey, new_uid
from tickwheel.server.store.port import Created, NewJob


@case
async def comes_back_as_it_was(world: World) -> None:
    spec = a_spec("*/5 * * * *")
    spec.description = "each five minutes"
    spec.labels["team"] = "billing"
    spec.target.headers["x-tenant"] = "7"
    job = replace(
        world.job(world.job_id(), spec=spec, payload=Payload(PayloadKind.DATA, bytes(range(256)))),
        version=5,
        generation=3,
        paused=True,
        pause_reason="until Monday",
        update_ms=world.now_ms() + 1,
        schedule_from_ms=world.now_ms() + 2,
    )
    (result,) = await world.store.jobs.create([NewJob(job=job, entry=None, id_chosen=True)])
    assert result == Created(job)
    assert await world.store.jobs.find(job.user, job.job_id) == job
    assert await world.store.jobs.get_many([job.key]) == {job.key: job}


@case
async def without_payload(world: World) -> None:
    job = world.job(payload=Payload(PayloadKind.NONE, b""))
    await world.create(job)
    assert await world.store.jobs.find(job.user, job.job_id) == job


@case
async def unknown_name_is_none(world: World) -> None:
    await world.create(world.job())
    assert await world.store.jobs.find(world.user, world.job_id()) is None
    assert await world.store.jobs.find(world.user, new_uid()) is None
    assert await world.store.jobs.find(world.other_user(), world.job_id()) is None
    assert await world.store.jobs.find_all(world.user, world.job_id()) == []


@case
async def uid_is_no_name(world: World) -> None:
    """A job whose id was chosen is not found by its uid."""
    job = world.job(world.job_id())
    await world.create(job, chosen=True)
    assert await world.store.jobs.find(job.user, job.uid) is None


@case
async def get_many_leaves_out_missing(world: World) -> None:
    jobs = [world.job() for _ in range(3)]
    await world.create(*jobs)
    missing = [JobKey(world.user, new_uid()), JobKey(world.other_user(), jobs[0].uid)]
    found = await world.store.jobs.get_many([*missing, *(job.key for job in jobs)])
    assert found == {job.key: job for job in jobs}
    assert await world.store.jobs.get_many([]) == {}
    assert await world.store.jobs.get_many(missing) == {}


@case
async def get_many_across_users(world: World) -> None:
    jobs = [world.job(user=world.other_user()) for _ in range(5)]
    await world.create(*jobs)
    found = await world.store.jobs.get_many(iter([job.key for job in jobs]))
    assert found == {job.key: job for job in jobs}


@case
async def get_many_of_a_thousand(world: World) -> None:
    jobs = [world.job() for _ in range(1000)]
    await world.create(*jobs)
    found = await world.store.jobs.get_many([job.key for job in jobs])
    assert found == {job.key: job for job in jobs}


@case
async def deleted_is_got_but_not_found(world: World) -> None:
    job = world.job()
    await world.create(job)
    deleted = await world.delete(job)
    assert await world.store.jobs.find(job.user, job.job_id) is None
    assert await world.store.jobs.get_many([job.key]) == {job.key: deleted}
    assert await world.store.jobs.find_all(job.user, job.job_id) == [deleted]


@case
async def find_all_tells_living_first_then_newest(world: World) -> None:
    job_id = world.job_id()
    deleted: list[Job] = []
    for _ in range(3):
        job = world.job(job_id)
        await world.create(job, chosen=True)
        deleted.append(await world.delete(job))
    living = world.job(job_id)
    await world.create(living, chosen=True)
    assert await world.store.jobs.find(world.user, job_id) == living
    assert await world.store.jobs.find_all(world.user, job_id) == [living, *reversed(deleted)]


@case
async def same_name_of_two_users(world: World) -> None:
    ours = world.job("nightly")
    theirs = world.job("nightly", user=world.other_user())
    await world.create(ours, theirs, chosen=True)
    assert await world.store.jobs.find(ours.user, "nightly") == ours
    assert await world.store.jobs.find(theirs.user, "nightly") == theirs
