"""The schedule: reading what is due, advancing it, dropping what is finished."""

import random
from dataclasses import replace

from conformance.suite import case
from conformance.world import DAY_MS, HOUR_MS, World
from tickwheel.server.domain.job import Job
from tickwheel.server.domain.names import new_uid
from tickwheel.server.domain.occurrence import EntryKind, ScheduleEntry
from tickwheel.server.store.port import Created, NewJob, Spot

#: Later than any entry of any case: 2200.
FAR_MS = 7_258_118_400_000


async def scheduled(world: World, fire_ms: int, segment: int = 2) -> tuple[Job, ScheduleEntry]:
    job = world.job(segment=segment)
    entry = world.entry(job, fire_ms)
    assert await world.store.jobs.create([NewJob(job=job, entry=entry)]) == [Created(job)]
    return job, entry


@case
async def range_is_half_open(world: World) -> None:
    base_ms = world.now_ms() + HOUR_MS
    stored = [await scheduled(world, base_ms + i) for i in range(5)]
    job = stored[0][0]
    entries = [entry for _, entry in stored]
    assert await world.due(job, base_ms + 1, base_ms + 4) == entries[1:4]
    assert await world.due(job, base_ms, base_ms) == []
    assert await world.due(job, base_ms + 5, base_ms + HOUR_MS) == []


@case
async def no_segments_no_entries(world: World) -> None:
    await scheduled(world, world.now_ms() + HOUR_MS)
    assert list(await world.store.schedule.read_due([], 0, FAR_MS)) == []


@case
async def single_jobs_are_found_by_where_they_stand(world: World) -> None:
    fire_ms = world.now_ms() + 3 * HOUR_MS
    wanted = [await scheduled(world, fire_ms, segment) for segment in (1, 1, 2)]
    await scheduled(world, fire_ms)
    (job, entry), *_ = wanted
    twin = replace(entry, kind=EntryKind.MANUAL, run_id="by-hand")
    later = replace(entry, fire_ms=fire_ms + 1, schedule_ms=fire_ms + 1, due_ms=fire_ms + 1)
    owner = await world.own(1)
    await world.store.schedule.advance(owner.stamp(), [twin, later], [])
    spots = [Spot(one.segment, fire_ms, one.uid) for _, one in wanted]
    elsewhere = [
        Spot(2, fire_ms, job.uid),
        Spot(1, fire_ms - 1, job.uid),
        Spot(1, fire_ms + DAY_MS, job.uid),
        Spot(1, fire_ms, new_uid()),
    ]
    found = await world.store.schedule.read_at([*spots, *spots, *elsewhere])
    expected = [twin, *(one for _, one in wanted)]
    assert sorted(found, key=lambda one: one.place) == sorted(expected, key=lambda one: one.place)
    assert not list(await world.store.schedule.read_at([]))
    assert not list(await world.store.schedule.read_at(elsewhere))


@case
async def in_order_within_each_segment(world: World) -> None:
    """Over days, so that the range covers many buckets where an engine has them."""
    base_ms = world.now_ms() + DAY_MS
    order = random.Random(3)
    instants = [base_ms + order.randrange(3 * DAY_MS) for _ in range(120)]
    items: list[NewJob] = []
    for index, fire_ms in enumerate(instants):
        job = world.job(segment=index % 3)
        items.append(NewJob(job=job, entry=world.entry(job, fire_ms)))
    await world.store.jobs.create(items)
    read = await world.due(items[0].job, base_ms, base_ms + 3 * DAY_MS, [0, 2])
    for segment in (0, 2):
        ours = [entry for entry in read if entry.segment == segment]
        expected = [item.entry for item in items if item.entry and item.job.segment == segment]
        assert ours == sorted(expected, key=lambda entry: entry.fire_ms)
    assert len(read) == 80


@case
async def all_fields_come_back(world: World) -> None:
    job = world.job(segment=2)
    await world.create(job)
    base_ms = world.now_ms() + HOUR_MS
    entry = world.entry(
        job,
        base_ms,
        kind=EntryKind.RETRY,
        generation=3,
        schedule_ms=base_ms - 500,
        due_ms=base_ms - 1,
        ordinal=41,
        run_id="20261123T120000000Z-r2",
        attempt=4,
        detail=bytes(range(256)),
    )
    owner = await world.own(2)
    await world.store.schedule.advance(owner.stamp(), [entry], [])
    assert await world.due(job, base_ms, base_ms + 1) == [entry]


@case
async def many_at_the_same_instant(world: World) -> None:
    fire_ms = world.now_ms() + HOUR_MS
    jobs = [world.job(segment=2) for _ in range(1000)]
    await world.store.jobs.create(
        [NewJob(job=job, entry=world.entry(job, fire_ms)) for job in jobs]
    )
    due = await world.due(jobs[0], fire_ms, fire_ms + 1)
    assert len(due) == 1000
    assert {entry.uid for entry in due} == {job.uid for job in jobs}


@case
async def kinds_of_one_job_stand_side_by_side(world: World) -> None:
    job, entry = await scheduled(world, world.now_ms() + HOUR_MS)
    others = [
        replace(entry, kind=kind, run_id=run_id)
        for kind, run_id in (
            (EntryKind.MANUAL, "20261123T120000000Z-m-abcdefgh"),
            (EntryKind.MANUAL, "20261123T120000000Z-m-ABCDEFGH"),
            (EntryKind.RETRY, "20261123T120000000Z-r1"),
            (EntryKind.BACKFILL, "20261123T120000000Z-b-x"),
        )
    ]
    owner = await world.own(2)
    await world.store.schedule.advance(owner.stamp(), others, [])
    due = await world.due(job, entry.fire_ms, entry.fire_ms + 1)
    assert sorted(due, key=lambda e: (e.kind, e.run_id)) == sorted(
        [entry, *others], key=lambda e: (e.kind, e.run_id)
    )
    await world.store.schedule.advance(owner.stamp(), [], others[:2])
    due = await world.due(job, entry.fire_ms, entry.fire_ms + 1)
    assert {(e.kind, e.run_id) for e in due} == {(e.kind, e.run_id) for e in (entry, *others[2:])}


@case
async def advance_moves_entries(world: World) -> None:
    fire_ms = world.now_ms() + HOUR_MS
    old = [(await scheduled(world, fire_ms + i))[1] for i in range(10)]
    new = [
        replace(entry, fire_ms=entry.fire_ms + DAY_MS, schedule_ms=entry.schedule_ms + DAY_MS)
        for entry in old
    ]
    owner = await world.own(2)
    stamp = owner.stamp()
    for _ in range(2):
        await world.store.schedule.advance(stamp, new, old)
    segments = [2]
    job = world.job()
    assert await world.due(job, fire_ms, fire_ms + HOUR_MS, segments) == []
    assert await world.due(job, fire_ms + DAY_MS, fire_ms + DAY_MS + HOUR_MS, segments) == new


@case
async def nothing_to_advance(world: World) -> None:
    owner = await world.own(2)
    await world.store.schedule.advance(owner.stamp(), [], [])


@case
async def removing_what_is_not_there(world: World) -> None:
    job = world.job(segment=2)
    owner = await world.own(2)
    entry = world.entry(job, world.now_ms() + HOUR_MS)
    await world.store.schedule.advance(owner.stamp(), [], [entry])
    assert await world.due(job, entry.fire_ms, entry.fire_ms + 1) == []


@case
async def removal_spares_a_newer_generation(world: World) -> None:
    """The api writes the new generation's entry at the same place while the owner advances."""
    job, old = await scheduled(world, world.now_ms() + HOUR_MS)
    owner = await world.own(2)
    stamp = owner.stamp()
    after = replace(job, generation=2)
    new = world.entry(after, old.fire_ms)
    assert await world.store.jobs.change(world.changed(job, after, entry=new)) is not None
    await world.store.schedule.advance(stamp, [], [old])
    assert await world.due(job, old.fire_ms, old.fire_ms + 1) == [new]


@case
async def put_spares_a_newer_generation(world: World) -> None:
    job, old = await scheduled(world, world.now_ms() + HOUR_MS)
    owner = await world.own(2)
    stamp = owner.stamp()
    after = replace(job, generation=2)
    new = world.entry(after, old.fire_ms)
    assert await world.store.jobs.change(world.changed(job, after, entry=new)) is not None
    await world.store.schedule.advance(stamp, [old], [])
    assert await world.due(job, old.fire_ms, old.fire_ms + 1) == [new]


@case
async def far_away_entries(world: World) -> None:
    """Long past (a job whose instant was years ago) and decades ahead."""
    past_ms, future_ms = 1_000_000_000_123, 4_102_444_800_456
    job, past = await scheduled(world, past_ms)
    _, future = await scheduled(world, future_ms)
    assert await world.due(job, past_ms, past_ms + 1) == [past]
    assert await world.due(job, future_ms, future_ms + 1) == [future]


@case
async def thousands_in_one_advance(world: World) -> None:
    base_ms = world.now_ms() + HOUR_MS
    job = world.job(segment=2)
    entries = [world.entry(job, base_ms + i, generation=1) for i in range(3000)]
    owner = await world.own(2)
    await world.store.schedule.advance(owner.stamp(), entries, [])
    assert await world.due(job, base_ms, base_ms + 3000) == entries
    await world.store.schedule.advance(owner.stamp(), [], entries[:2999])
    assert await world.due(job, base_ms, base_ms + 3000) == entries[2999:]


@case
async def first_fire_is_a_lower_bound(world: World) -> None:
    fire_ms = world.now_ms() + 40 * DAY_MS
    await scheduled(world, fire_ms)
    for after_ms in (fire_ms - DAY_MS, fire_ms - 1, fire_ms):
        bound = await world.store.schedule.first_fire_ms(2, after_ms)
        assert bound is not None
        assert bound <= fire_ms
    assert await world.store.schedule.first_fire_ms(2, FAR_MS) is None


@case
async def first_fire_leaps_over_what_is_empty(world: World) -> None:
    """Two entries twenty years apart are a handful of steps, not a bucket at a time."""
    near_ms, far_ms = 5_000_000_000_000, 5_630_000_000_000
    await scheduled(world, near_ms, segment=3)
    await scheduled(world, far_ms, segment=3)
    at_ms, steps = near_ms, 0
    while at_ms <= far_ms - DAY_MS:
        bound = await world.store.schedule.first_fire_ms(3, at_ms)
        assert bound is not None
        at_ms = max(bound, at_ms) + DAY_MS
        steps += 1
    assert steps <= 5


@case
async def drop_before_keeps_what_is_later(world: World) -> None:
    now_ms = world.now_ms()
    old_job, old = await scheduled(world, now_ms - 30 * DAY_MS)
    _, young = await scheduled(world, now_ms - 10 * DAY_MS)
    _, ahead = await scheduled(world, now_ms + DAY_MS)
    owner = await world.own(2)
    dropped = await world.store.schedule.drop_before(owner.stamp(), now_ms - 20 * DAY_MS)
    assert dropped.buckets >= 1
    assert await world.due(old_job, old.fire_ms, now_ms + 2 * DAY_MS) == [young, ahead]
    again = await world.store.schedule.drop_before(owner.stamp(), now_ms - 20 * DAY_MS)
    assert again.buckets >= 0


@case
async def drop_before_leaves_other_segments(world: World) -> None:
    now_ms = world.now_ms()
    job, entry = await scheduled(world, now_ms - 30 * DAY_MS, segment=3)
    owner = await world.own(2)
    await world.store.schedule.drop_before(owner.stamp(), now_ms - 20 * DAY_MS)
    assert await world.due(job, entry.fire_ms, entry.fire_ms + 1) == [entry]


@case
async def drop_before_does_not_swallow_later_writes(world: World) -> None:
    """What is written into the past after the stamp, before or after the call, stays."""
    fire_ms = world.now_ms() - 30 * DAY_MS
    owner = await world.own(2)
    stamp = owner.stamp()
    job, between = await scheduled(world, fire_ms)
    await world.store.schedule.drop_before(stamp, world.now_ms() - 20 * DAY_MS)
    _, late = await scheduled(world, fire_ms + 1)
    assert await world.due(job, fire_ms, fire_ms + 2) == [between, late]
