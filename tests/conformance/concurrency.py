"""Many at once: each condition is met by one, and nobody disturbs the others."""

import asyncio
from collections import Counter
from dataclasses import replace

from conformance.suite import case
from conformance.world import HOUR_MS, World
from tickwheel.server.domain.job import Payload, PayloadKind
from tickwheel.server.store.port import Created, IdTaken, NewJob


@case
async def same_id_by_many(world: World) -> None:
    job_id = world.job_id()
    jobs = [world.job(job_id) for _ in range(8)]
    results = await asyncio.gather(
        *(world.store.jobs.create([NewJob(job=job, entry=None, id_chosen=True)]) for job in jobs)
    )
    kinds = Counter(type(result) for (result,) in results)
    assert kinds == {Created: 1, IdTaken: 7}
    winner = next(
        job for job, (result,) in zip(jobs, results, strict=True) if result == Created(job)
    )
    assert await world.store.jobs.find(world.user, job_id) == winner


@case
async def same_request_by_many(world: World) -> None:
    jobs = [world.job() for _ in range(8)]
    results = await asyncio.gather(
        *(
            world.store.jobs.create(
                [NewJob(job=job, entry=None, request_id="r1", request_digest=b"d")]
            )
            for job in jobs
        )
    )
    uids = {result.job.uid for (result,) in results if isinstance(result, Created)}
    assert len(uids) == 1
    assert all(isinstance(result, Created) for (result,) in results)
    page = await world.store.jobs.list(world.user, b"", 10)
    assert [job.uid for job in page.items] == list(uids)


@case
async def same_version_by_many(world: World) -> None:
    job = world.job()
    await world.create(job)
    changes = [world.changed(job, replace(job, pause_reason=str(i))) for i in range(8)]
    results = await asyncio.gather(*(world.store.jobs.change(change) for change in changes))
    winners = [result for result in results if result is not None]
    assert len(winners) == 1
    assert await world.store.jobs.find(world.user, job.job_id) == winners[0]
    assert len(await world.store.jobs.history(job.key)) == 1


@case
async def large_payloads_of_who_was_too_late_change_nothing(world: World) -> None:
    job = world.job()
    await world.create(job)
    for _ in range(3):
        changes = [
            world.changed(job, replace(job, payload=Payload(PayloadKind.DATA, b"%d" % i * 50_000)))
            for i in range(6)
        ]
        results = await asyncio.gather(*(world.store.jobs.change(change) for change in changes))
        (winner,) = [result for result in results if result is not None]
        assert await world.store.jobs.find(world.user, job.job_id) == winner
        # Whoever makes that version once more is too late as well.
        assert await world.store.jobs.change(changes[0 if results[0] is None else 1]) is None
        assert await world.store.jobs.find(world.user, job.job_id) == winner
        job = winner


@case
async def delete_and_change(world: World) -> None:
    """Whichever comes first, the other one is told that it was too late."""
    for _ in range(5):
        job = world.job()
        await world.create(job)
        results = await asyncio.gather(
            world.store.jobs.change(world.changed(job, replace(job, paused=True))),
            world.store.jobs.change(world.changed(job, replace(job, delete_ms=world.now_ms()))),
        )
        winners = [result for result in results if result is not None]
        assert len(winners) == 1
        found = await world.store.jobs.find(world.user, job.job_id)
        assert found == (None if winners[0].delete_ms else winners[0])


@case
async def delete_and_create_of_the_same_id(world: World) -> None:
    for _ in range(5):
        job_id = world.job_id()
        old, new = world.job(job_id), world.job(job_id)
        await world.create(old, chosen=True)
        deleted, (result,) = await asyncio.gather(
            world.store.jobs.change(world.changed(old, replace(old, delete_ms=world.now_ms()))),
            world.store.jobs.create([NewJob(job=new, entry=None, id_chosen=True)]),
        )
        assert deleted is not None
        found = await world.store.jobs.find(world.user, job_id)
        assert found == (new if result == Created(new) else None)


@case
async def many_calls_side_by_side(world: World) -> None:
    """Creates, records, advances and reads together; afterwards all of it is there."""
    base_ms = world.now_ms() + HOUR_MS
    owner = await world.own(15)
    jobs = [world.job(segment=15) for _ in range(200)]
    runs = [world.run(job, base_ms) for job in jobs]

    async def one(number: int) -> None:
        job = jobs[number]
        entry = world.entry(job, base_ms + number)
        created = await world.store.jobs.create([NewJob(job=job, entry=entry)])
        assert created == [Created(job)]
        await world.store.runs.record(owner.stamp(), [runs[number]])
        await world.store.schedule.advance(
            owner.stamp(), [replace(entry, fire_ms=entry.fire_ms + HOUR_MS)], [entry]
        )
        assert await world.store.jobs.find(world.user, job.job_id) == job
        assert await world.store.runs.get(job.uid, runs[number].run_id) == runs[number]

    await asyncio.gather(*(one(number) for number in range(200)))
    assert await world.due(jobs[0], base_ms, base_ms + HOUR_MS) == []
    moved = await world.due(jobs[0], base_ms + HOUR_MS, base_ms + 2 * HOUR_MS)
    assert [entry.uid for entry in moved] == [job.uid for job in jobs]
    page = await world.store.runs.list_log(world.user, b"", 1000)
    assert {run.job_uid for run in page.items} == {job.uid for job in jobs}


@case
async def cancelled_call_leaves_the_store_usable(world: World) -> None:
    jobs = [world.job() for _ in range(20)]
    tasks = [
        asyncio.create_task(world.store.jobs.create([NewJob(job=job, entry=None)])) for job in jobs
    ]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    for job, outcome in list(zip(jobs, outcomes, strict=True))[1::2]:
        assert outcome == [Created(job)]
        assert await world.store.jobs.find(world.user, job.job_id) == job
