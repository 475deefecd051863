"""The largest values that the contract admits, and the strangest."""

from dataclasses import replace

from conformance.suite import case
from conformance.world import HOUR_MS, World, a_spec
from tickwheel.server.domain.job import Payload, PayloadKind
from tickwheel.server.domain.occurrence import EntryKind
from tickwheel.server.store.codec import LARGE_PAYLOAD_BYTES
from tickwheel.server.store.port import Created, NewJob

STRANGE = "\N{SNOWMAN} ünïcödé \N{PILE OF POO} עברית \x00 ' \" ; -- \\ \n\t%_"


@case
async def largest_payload(world: World) -> None:
    payload = Payload(PayloadKind.DATA, bytes(range(256)) * 1024)
    job = world.job(payload=payload)
    await world.create(job)
    assert await world.store.jobs.find(world.user, job.job_id) == job


@case
async def payloads_around_what_is_kept_apart(world: World) -> None:
    jobs = [
        world.job(payload=Payload(PayloadKind.DATA, b"x" * (LARGE_PAYLOAD_BYTES + extra)))
        for extra in (-1, 0, 1)
    ]
    await world.create(*jobs)
    found = await world.store.jobs.get_many([job.key for job in jobs])
    assert found == {job.key: job for job in jobs}
    page = await world.store.jobs.list(world.user, b"", 10)
    assert list(page.items) == jobs[::-1]


@case
async def thousand_jobs_of_a_kilobyte(world: World) -> None:
    jobs = [
        world.job(payload=Payload(PayloadKind.JSON, b'"%s"' % (b"x" * 1022))) for _ in range(1000)
    ]
    await world.create(*jobs)
    page = await world.store.jobs.list(world.user, b"", 1000)
    assert list(page.items) == jobs[::-1]


@case
async def strange_text(world: World) -> None:
    spec = a_spec()
    spec.description = STRANGE
    spec.labels["key"] = STRANGE
    spec.target.headers["x"] = STRANGE
    job = replace(
        world.job(spec=spec, payload=Payload(PayloadKind.TEXT, STRANGE.encode())),
        paused=True,
        pause_reason=STRANGE,
    )
    await world.create(job)
    assert await world.store.jobs.find(world.user, job.job_id) == job
    change = world.changed(job, replace(job, paused=False), actor=STRANGE, reason=STRANGE)
    assert await world.store.jobs.change(change) == change.after
    (record,) = await world.store.jobs.history(job.key)
    assert (record.job, record.actor, record.reason) == (job, STRANGE, STRANGE)


@case
async def many_labels(world: World) -> None:
    spec = a_spec()
    for number in range(64):
        spec.labels[f"label-{number}"] = "v" * 256
    job = world.job(spec=spec)
    await world.create(job)
    assert await world.store.jobs.find(world.user, job.job_id) == job


@case
async def longest_names(world: World) -> None:
    user = f"{world.user}.{'x' * 63}"[:63]
    job = world.job("j" * 63, user=user)
    await world.create(job, chosen=True)
    assert await world.store.jobs.find(user, "j" * 63) == job


@case
async def users_that_look_alike(world: World) -> None:
    """Names are told apart by case and by each character, also by those with a meaning in SQL."""
    users = [f"{world.user}{end}" for end in (".a", ".A", "_a", "-a", "%a", ".a.")]
    jobs = [world.job("same", user=user) for user in users]
    await world.create(*jobs, chosen=True)
    for user, job in zip(users, jobs, strict=True):
        assert await world.store.jobs.find(user, "same") == job
        page = await world.store.jobs.list(user, b"", 10)
        assert list(page.items) == [job]


@case
async def integer_user(world: World) -> None:
    """A plain integer is a user, and stays the text it was."""
    job = world.job(user="007")
    await world.create(job)
    assert await world.store.jobs.find("007", job.job_id) == job
    assert await world.store.jobs.find("7", job.job_id) is None


@case
async def large_detail_and_error(world: World) -> None:
    owner = await world.own(14)
    job = world.job(segment=14)
    base_ms = world.now_ms() + HOUR_MS
    entry = world.entry(
        job, base_ms, kind=EntryKind.MANUAL, run_id="r-large", detail=b"\x00\xff" * 131_072
    )
    await world.store.schedule.advance(owner.stamp(), [entry], [])
    assert await world.due(job, base_ms, base_ms + 1) == [entry]
    run = world.run(job, base_ms, error=STRANGE * 1000)
    await world.store.runs.record(owner.stamp(), [run])
    assert await world.store.runs.get(job.uid, run.run_id) == run


@case
async def long_request_id(world: World) -> None:
    job = world.job()
    item = NewJob(job=job, entry=None, request_id=STRANGE * 4, request_digest=b"\x00" * 32)
    assert await world.store.jobs.create([item]) == [Created(job)]
    again = replace(item, job=world.job())
    assert await world.store.jobs.create([again]) == [Created(job, repeated=True)]
