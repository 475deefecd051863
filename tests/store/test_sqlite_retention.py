"""How long the embedded engine keeps jobs that have come to their end."""

from collections.abc import AsyncGenerator

import pytest

from conformance.world import HOUR_MS, World, a_one_off_spec, a_spec
from tickwheel.server.domain.clock import SystemClock
from tickwheel.server.domain.job import Job
from tickwheel.server.store.port import Store
from tickwheel.server.store.sqlite import open_sqlite


@pytest.fixture
async def store() -> AsyncGenerator[Store]:
    opened = await open_sqlite(None, segments=1, clock=SystemClock())
    yield opened
    await opened.close()


async def there(store: Store, *jobs: Job) -> set[str]:
    return {key.uid for key in await store.jobs.get_many([job.key for job in jobs])}


async def test_a_job_goes_once_its_schedule_is_over_however_often_that_made_it_run(
    store: Store,
) -> None:
    world = World(store, 1)
    past_ms = world.now_ms() - HOUR_MS
    once = world.job(spec=a_one_off_spec(past_ms, retention_s=60))
    often = world.job(spec=a_spec(retention_s=60))
    longer = world.job(spec=a_spec(retention_s=7_200))
    going_on = world.job(spec=a_spec(retention_s=60))
    await world.create(once, often, longer, going_on)
    owner = await world.own(0)
    over = [(job.key, 1) for job in (once, often, longer)]
    await store.jobs.complete(owner.stamp(), over, past_ms)
    await store.schedule.drop_before(owner.stamp(), world.now_ms())
    assert await there(store, once, often, longer, going_on) == {longer.uid, going_on.uid}


async def test_a_deleted_job_is_kept_from_its_deletion_on_whenever_it_was_over(
    store: Store,
) -> None:
    world = World(store, 1)
    past_ms = world.now_ms() - HOUR_MS
    before, after = (world.job(spec=a_one_off_spec(past_ms, retention_s=60)) for _ in range(2))
    await world.create(before, after)
    owner = await world.own(0)
    await world.delete(after)
    await store.jobs.complete(owner.stamp(), [(before.key, 1), (after.key, 1)], past_ms)
    (over,) = (await store.jobs.get_many([before.key])).values()
    await world.delete(over)
    await store.schedule.drop_before(owner.stamp(), world.now_ms())
    assert await there(store, before, after) == {before.uid, after.uid}
