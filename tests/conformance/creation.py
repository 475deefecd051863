"""Creating: ids, request ids, batches, repeats."""

import asyncio
from dataclasses import replace

from conformance.suite import case
from conformance.world import HOUR_MS, World
from tickwheel.server.domain.job import Job
from tickwheel.server.store.port import Created, IdTaken, NewJob, RequestReused


def chosen(job: Job, request_id: str = "", digest: bytes = b"") -> NewJob:
    return NewJob(job=job, entry=None, id_chosen=True, request_id=request_id, request_digest=digest)


def requested(job: Job, request_id: str, digest: bytes = b"d") -> NewJob:
    return NewJob(job=job, entry=None, request_id=request_id, request_digest=digest)


@case
async def nothing_to_create(world: World) -> None:
    assert await world.store.jobs.create([]) == []


@case
async def entry_and_inbox_come_with_the_job(world: World) -> None:
    job = world.job()
    fire_ms = world.now_ms() + 3_000
    entry = world.entry(job, fire_ms)
    inbox = world.inbox(job, entry)
    results = await world.store.jobs.create([NewJob(job=job, entry=entry, inbox=inbox)])
    assert results == [Created(job)]
    assert await world.due(job, fire_ms, fire_ms + 1) == [entry]
    assert await world.inbox_of([job.segment], inbox.write_ms) == [inbox]


@case
async def results_are_in_order(world: World) -> None:
    taken = world.job(world.job_id())
    await world.create(taken, chosen=True)
    plain, named = world.job(), world.job(world.job_id())
    results = await world.store.jobs.create(
        [
            NewJob(job=plain, entry=None),
            chosen(world.job(taken.job_id)),
            chosen(named),
            chosen(world.job(taken.job_id)),
        ]
    )
    assert results == [Created(plain), IdTaken(), Created(named), IdTaken()]


@case
async def refused_item_stores_nothing(world: World) -> None:
    taken = world.job(world.job_id())
    await world.create(taken, chosen=True)
    other = world.job(taken.job_id)
    fire_ms = world.now_ms() + HOUR_MS
    entry = world.entry(other, fire_ms)
    inbox = world.inbox(other, entry)
    (result,) = await world.store.jobs.create(
        [NewJob(job=other, entry=entry, inbox=inbox, id_chosen=True)]
    )
    assert result == IdTaken()
    assert await world.store.jobs.get_many([other.key]) == {}
    assert await world.store.jobs.find(world.user, taken.job_id) == taken
    assert await world.due(other, fire_ms, fire_ms + 1) == []
    assert await world.inbox_of([other.segment], inbox.write_ms) == []


@case
async def same_id_twice_in_one_call(world: World) -> None:
    job_id = world.job_id()
    first, second = world.job(job_id), world.job(job_id)
    results = await world.store.jobs.create([chosen(first), chosen(second)])
    assert results == [Created(first), IdTaken()]
    assert await world.store.jobs.find(world.user, job_id) == first


@case
async def id_that_the_server_made_is_taken(world: World) -> None:
    """A client may choose a UUIDv7, also one that the server gave to another job."""
    made = world.job()
    await world.create(made)
    (result,) = await world.store.jobs.create([chosen(world.job(made.job_id))])
    assert result == IdTaken()


@case
async def chosen_uuid(world: World) -> None:
    """A chosen id that looks like a uid is a name like any other."""
    job = world.job(world.job().uid)
    await world.create(job, chosen=True)
    assert await world.store.jobs.find(world.user, job.job_id) == job
    assert await world.store.jobs.find(world.user, job.uid) is None
    again = await world.store.jobs.create([chosen(world.job(job.job_id))])
    assert again == [IdTaken()]
    deleted = await world.delete(job)
    assert await world.store.jobs.find(world.user, job.job_id) is None
    assert await world.store.jobs.find_all(world.user, job.job_id) == [deleted]


@case
async def deletion_frees_the_id_at_once(world: World) -> None:
    job_id = world.job_id()
    for _ in range(3):
        job = world.job(job_id)
        await world.create(job, chosen=True)
        assert await world.store.jobs.create([chosen(world.job(job_id))]) == [IdTaken()]
        await world.delete(job)


@case
async def repeat_of_a_create_is_harmless(world: World) -> None:
    """As after an unknown outcome: the very same items again."""
    plain, named = world.job(), world.job(world.job_id())
    fire_ms = world.now_ms() + HOUR_MS
    items = [
        NewJob(job=plain, entry=world.entry(plain, fire_ms)),
        replace(chosen(named), entry=world.entry(named, fire_ms)),
    ]
    for _ in range(2):
        assert await world.store.jobs.create(items) == [Created(plain), Created(named)]
    for job in (plain, named):
        assert await world.store.jobs.find(world.user, job.job_id) == job
        due = await world.due(job, fire_ms, fire_ms + 1)
        # The other one may be in the same segment.
        assert [entry for entry in due if entry.uid == job.uid] == [world.entry(job, fire_ms)]


@case
async def request_id_makes_one_job(world: World) -> None:
    first, second = world.job(), world.job()
    assert await world.store.jobs.create([requested(first, "r1")]) == [Created(first)]
    repeated = await world.store.jobs.create([requested(second, "r1")])
    assert repeated == [Created(first, repeated=True)]
    assert await world.store.jobs.get_many([second.key]) == {}


@case
async def request_that_makes_no_job_is_remembered(world: World) -> None:
    job, other = world.job(), world.job()
    key = "backfill/" + "k" * 128
    remember, recall = world.store.jobs.remember_request, world.store.jobs.recall_request
    assert await recall(job.user, key) is None
    assert await remember(job.user, key, b"one", job.uid) == b"one"
    assert await remember(job.user, key, b"one", job.uid) == b"one"
    assert await remember(job.user, key, b"two", job.uid) == b"one"
    assert await recall(job.user, key) == b"one"
    assert await recall(job.user, key + "2") is None
    assert await remember(job.user, key + "2", b"two", job.uid) == b"two"
    assert await remember(f"{job.user}-2", key, b"two", other.uid) == b"two"
    both = await asyncio.gather(
        *(remember(job.user, key + "3", digest, job.uid) for digest in (b"one", b"two"))
    )
    assert len(set(both)) == 1


@case
async def request_id_twice_in_one_call(world: World) -> None:
    first, second, third = world.job(), world.job(), world.job()
    results = await world.store.jobs.create(
        [requested(first, "r1"), requested(second, "r1"), requested(third, "r1", b"other")]
    )
    assert results == [Created(first), Created(first, repeated=True), RequestReused()]
    assert await world.store.jobs.get_many([second.key, third.key]) == {}


@case
async def request_id_with_other_content(world: World) -> None:
    first, second = world.job(), world.job()
    await world.store.jobs.create([requested(first, "r1", b"one")])
    results = await world.store.jobs.create([requested(second, "r1", b"two")])
    assert results == [RequestReused()]
    assert await world.store.jobs.get_many([second.key]) == {}


@case
async def request_ids_are_per_user(world: World) -> None:
    ours, theirs = world.job(), world.job(user=world.other_user())
    results = await world.store.jobs.create([requested(ours, "r1"), requested(theirs, "r1")])
    assert results == [Created(ours), Created(theirs)]


@case
async def request_id_wins_over_a_taken_id(world: World) -> None:
    """A repeated request with a chosen id meets its own job, which is no conflict."""
    job = world.job(world.job_id())
    assert await world.store.jobs.create([chosen(job, "r1", b"d")]) == [Created(job)]
    repeated = await world.store.jobs.create([chosen(world.job(job.job_id), "r1", b"d")])
    assert repeated == [Created(job, repeated=True)]


@case
async def refusal_leaves_the_request_id_free(world: World) -> None:
    holder = world.job(world.job_id())
    await world.create(holder, chosen=True)
    late = world.job(holder.job_id)
    assert await world.store.jobs.create([chosen(late, "r1", b"d")]) == [IdTaken()]
    await world.delete(holder)
    late = world.job(holder.job_id)
    assert await world.store.jobs.create([chosen(late, "r1", b"d")]) == [Created(late)]
    repeated = await world.store.jobs.create([chosen(world.job(late.job_id), "r1", b"d")])
    assert repeated == [Created(late, repeated=True)]


@case
async def request_id_outlives_a_change(world: World) -> None:
    job = world.job()
    await world.store.jobs.create([requested(job, "r1")])
    change = world.changed(job, replace(job, paused=True))
    assert await world.store.jobs.change(change) == change.after
    (result,) = await world.store.jobs.create([requested(world.job(), "r1")])
    assert isinstance(result, Created)
    assert result.repeated
    assert result.job.uid == job.uid


@case
async def thousand_in_one_call(world: World) -> None:
    """Ids made by the server, chosen ones and request ids side by side."""
    fire_ms = world.now_ms() + HOUR_MS
    jobs = [world.job(world.job_id() if i % 3 == 0 else None) for i in range(1000)]
    items = [
        NewJob(
            job=job,
            entry=world.entry(job, fire_ms + i % 7),
            id_chosen=i % 3 == 0,
            request_id=f"r{i}" if i % 5 == 0 else "",
            request_digest=b"d" if i % 5 == 0 else b"",
        )
        for i, job in enumerate(jobs)
    ]
    assert await world.store.jobs.create(items) == [Created(job) for job in jobs]
    found = await world.store.jobs.get_many([job.key for job in jobs])
    assert found == {job.key: job for job in jobs}
    due = await world.due(jobs[0], fire_ms, fire_ms + 7, range(world.segments))
    assert {entry.uid for entry in due} == {job.uid for job in jobs}
    assert len(due) == 1000


@case
async def what_was_made_long_ago_is_placed_where_owners_look(world: World) -> None:
    job = world.job()
    now_ms = world.now_ms()
    entry = world.entry(job, now_ms - HOUR_MS)
    await world.store.jobs.create([NewJob(job=job, entry=entry, made_ms=now_ms - HOUR_MS)])
    (told,) = [item for item in await world.inbox_of([job.segment], now_ms) if item.uid == job.uid]
    assert told.entry is not None
    assert told.entry.fire_ms >= now_ms
    assert await world.due(job, now_ms, now_ms + HOUR_MS) == [told.entry]
