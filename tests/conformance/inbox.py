"""The inbox of each segment."""

from dataclasses import replace

from conformance.suite import case
from conformance.world import World
from tickwheel.server.domain.occurrence import InboxEntry
from tickwheel.server.store.port import NewJob


@case
async def since_is_inclusive(world: World) -> None:
    base_ms = world.now_ms()
    job = world.job(segment=4)
    await world.store.jobs.create(
        [NewJob(job=job, entry=None, inbox=world.inbox(job, write_ms=base_ms))]
    )
    assert len(await world.inbox_of([4], base_ms)) == 1
    assert await world.inbox_of([4], base_ms + 1) == []
    assert len(await world.inbox_of([4], base_ms - 10_000)) == 1


@case
async def until_is_exclusive(world: World) -> None:
    base_ms = world.now_ms()
    job = world.job(segment=4)
    await world.store.jobs.create(
        [NewJob(job=job, entry=None, inbox=world.inbox(job, write_ms=base_ms))]
    )
    assert await world.inbox_of([4], base_ms - 10_000, base_ms) == []
    assert len(await world.inbox_of([4], base_ms - 10_000, base_ms + 1)) == 1


@case
async def oldest_first_within_each_segment(world: World) -> None:
    base_ms = world.now_ms()
    expected: dict[int, list[InboxEntry]] = {4: [], 5: []}
    for number in (3, 1, 2, 0):
        for segment in (4, 5):
            job = world.job(segment=segment)
            inbox = world.inbox(job, world.entry(job, base_ms + 9), base_ms + number)
            expected[segment].append(inbox)
            await world.store.jobs.create([NewJob(job=job, entry=None, inbox=inbox)])
    read = await world.inbox_of([4, 5], base_ms)
    for segment in (4, 5):
        ours = [entry for entry in read if entry.segment == segment]
        assert ours == sorted(expected[segment], key=lambda entry: entry.write_ms)
    assert {entry.segment for entry in await world.inbox_of([5], base_ms)} == {5}
    assert list(await world.store.schedule.read_inbox([], base_ms)) == []


@case
async def changes_of_one_job_in_the_same_millisecond(world: World) -> None:
    job = world.job(segment=4)
    await world.create(job)
    base_ms = world.now_ms()
    for _ in range(3):
        change = world.changed(job, replace(job, paused=not job.paused))
        change = replace(change, inbox=replace(change.inbox, write_ms=base_ms))
        assert await world.store.jobs.change(change) == change.after
        job = change.after
    read = await world.inbox_of([4], base_ms)
    assert [entry.version for entry in read] == [2, 3, 4]


@case
async def many_at_once(world: World) -> None:
    jobs = [world.job(segment=4) for _ in range(1000)]
    base_ms = world.now_ms()
    await world.store.jobs.create(
        [
            NewJob(job=job, entry=None, inbox=world.inbox(job, world.entry(job, base_ms), base_ms))
            for job in jobs
        ]
    )
    read = await world.inbox_of([4], base_ms)
    assert {entry.uid for entry in read} == {job.uid for job in jobs}
