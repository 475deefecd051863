"""What the embedded engine remembers of requests, whatever has become of their jobs."""

from collections.abc import AsyncGenerator
from dataclasses import replace

import pytest

from conformance.world import World, a_one_off_spec
from tickwheel.server.domain.clock import SystemClock
from tickwheel.server.domain.job import JobState
from tickwheel.server.store.port import Created, NewJob, Store
from tickwheel.server.store.sqlite import open_sqlite


@pytest.fixture
async def store() -> AsyncGenerator[Store]:
    opened = await open_sqlite(None, segments=1, clock=SystemClock())
    yield opened
    await opened.close()


async def test_a_job_past_its_retention_is_not_made_again_by_the_request_that_made_it(
    store: Store,
) -> None:
    world = World(store, 1)
    at_ms = world.now_ms() - 10_000
    job = world.job(spec=a_one_off_spec(at_ms, retention_s=0))
    new = NewJob(job=job, entry=world.entry(job, at_ms), request_id="r", request_digest=b"the same")
    assert await store.jobs.create([new]) == [Created(job)]
    owner = await world.own(0)
    await store.jobs.complete(owner.stamp(), [(job.key, 1)], at_ms)
    await store.schedule.drop_before(owner.stamp(), world.now_ms())
    assert await store.jobs.get_many([job.key]) == {}

    # Its client has not heard of the first one, and its api names the job anew.
    (again,) = await store.jobs.create([replace(new, job=world.job(spec=job.spec))])

    assert isinstance(again, Created)
    assert again.repeated
    assert (again.job.uid, again.job.name) == (job.uid, job.name)
    assert again.job.state is JobState.COMPLETED
    assert await store.jobs.scan(b"", 10) == await store.jobs.list(world.user, b"", 10)
    assert await store.schedule.read_due([0], 0, world.now_ms() + 10_000) == []
