"""Changes of a job, and what is kept of its past."""

from dataclasses import replace

from conformance.suite import case
from conformance.world import HOUR_MS, World, a_spec
from tickwheel.server.domain.job import Payload, PayloadKind
from tickwheel.server.domain.names import JobKey, new_uid
from tickwheel.server.store.port import ChangeRecord


@case
async def replaces_the_job(world: World) -> None:
    job = world.job(world.job_id())
    await world.create(job, chosen=True)
    after = replace(
        job,
        spec=a_spec("0 4 * * *"),
        payload=Payload(PayloadKind.TEXT, "grüße".encode()),
        generation=2,
        paused=True,
        pause_reason="holidays",
        schedule_from_ms=world.now_ms(),
    )
    change = world.changed(job, after)
    assert await world.store.jobs.change(change) == change.after
    assert await world.store.jobs.find(world.user, job.job_id) == change.after
    assert await world.store.jobs.get_many([job.key]) == {job.key: change.after}
    page = await world.store.jobs.list(world.user, b"", 10)
    assert page.items == [change.after]


@case
async def entry_and_inbox_come_with_the_change(world: World) -> None:
    job = world.job()
    await world.create(job)
    fire_ms = world.now_ms() + HOUR_MS
    after = replace(job, generation=2)
    entry = world.entry(after, fire_ms)
    change = world.changed(job, after, entry=entry)
    assert await world.store.jobs.change(change) == change.after
    assert await world.due(job, fire_ms, fire_ms + 1) == [entry]
    (told,) = await world.inbox_of([job.segment], change.inbox.write_ms)
    assert replace(told, write_ms=0) == replace(change.inbox, write_ms=0)


@case
async def a_change_can_be_told_of_again(world: World) -> None:
    job = world.job()
    await world.create(job)
    after = replace(job, generation=2)
    entry = world.entry(after, world.now_ms() + HOUR_MS)
    changed = await world.store.jobs.change(world.changed(job, after, entry=entry))
    assert changed is not None
    before_ms = world.now_ms() - HOUR_MS
    await world.store.jobs.announce(changed)
    told = await world.inbox_of([job.segment], before_ms)
    assert {(item.uid, item.version, item.entry) for item in told} == {(job.uid, 2, entry)}


@case
async def old_version_changes_nothing(world: World) -> None:
    job = world.job()
    await world.create(job)
    first = world.changed(job, replace(job, paused=True), reason="first")
    assert await world.store.jobs.change(first) == first.after
    fire_ms = world.now_ms() + HOUR_MS
    loser = replace(job, generation=2)
    late = world.changed(job, loser, entry=world.entry(loser, fire_ms), reason="second")
    assert await world.store.jobs.change(late) is None
    assert await world.store.jobs.find(world.user, job.job_id) == first.after
    assert [record.reason for record in await world.store.jobs.history(job.key)] == ["first"]


@case
async def unknown_job_is_not_made(world: World) -> None:
    job = world.job()
    assert await world.store.jobs.change(world.changed(job, replace(job, paused=True))) is None
    assert await world.store.jobs.get_many([job.key]) == {}
    assert await world.store.jobs.history(job.key) == []


@case
async def history_tells_oldest_first(world: World) -> None:
    job = world.job()
    await world.create(job)
    assert await world.store.jobs.history(job.key) == []
    states = [job]
    expected: list[ChangeRecord] = []
    for number in range(5):
        before = states[-1]
        change = world.changed(
            before,
            replace(before, paused=not before.paused),
            actor=f"ann{number}",
            reason=f"reason {number}",
        )
        after = await world.store.jobs.change(change)
        assert after == change.after
        states.append(change.after)
        expected.append(
            ChangeRecord(
                job=before,
                change_ms=change.after.update_ms,
                actor=f"ann{number}",
                reason=f"reason {number}",
            )
        )
    assert await world.store.jobs.history(job.key) == expected
    assert await world.store.jobs.history(JobKey(world.user, new_uid())) == []


@case
async def history_survives_deletion(world: World) -> None:
    job = world.job()
    await world.create(job)
    change = world.changed(
        job, replace(job, delete_ms=world.now_ms()), actor="bob", reason="not needed"
    )
    assert await world.store.jobs.change(change) == change.after
    (record,) = await world.store.jobs.history(job.key)
    assert (record.job, record.actor, record.reason) == (job, "bob", "not needed")


@case
async def deleted_job_takes_no_change(world: World) -> None:
    job = world.job()
    await world.create(job)
    deleted = await world.delete(job)
    assert await world.store.jobs.change(world.changed(job, replace(job, paused=True))) is None
    assert await world.store.jobs.get_many([job.key]) == {job.key: deleted}


@case
async def change_after_recreation_meets_the_new_job_only(world: World) -> None:
    job_id = world.job_id()
    old = world.job(job_id)
    await world.create(old, chosen=True)
    deleted = await world.delete(old)
    new = world.job(job_id)
    await world.create(new, chosen=True)
    change = world.changed(new, replace(new, paused=True))
    assert await world.store.jobs.change(change) == change.after
    assert await world.store.jobs.find(world.user, job_id) == change.after
    assert await world.store.jobs.get_many([old.key]) == {old.key: deleted}


@case
async def large_payloads_of_each_version_are_kept(world: World) -> None:
    large = Payload(PayloadKind.DATA, b"1" * 100_000)
    larger = Payload(PayloadKind.DATA, b"2" * 200_000)
    job = world.job(payload=large)
    await world.create(job)
    states = [job]
    for payload in (large, larger, larger, Payload(PayloadKind.TEXT, b"small"), large):
        change = world.changed(states[-1], replace(states[-1], payload=payload))
        assert await world.store.jobs.change(change) == change.after
        states.append(change.after)
    assert await world.store.jobs.find(world.user, job.job_id) == states[-1]
    history = await world.store.jobs.history(job.key)
    assert [record.job for record in history] == states[:-1]
