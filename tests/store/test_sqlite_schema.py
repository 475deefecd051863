"""Files of earlier releases are brought up to date when they are opened."""

from pathlib import Path

import pytest

from conformance.world import World
from tickwheel.server.domain.clock import SystemClock
from tickwheel.server.store.sqlite import open_sqlite
from tickwheel.server.store.sqlite.schema import STEPS


@pytest.mark.parametrize("steps", range(1, len(STEPS)))
async def test_missing_steps_are_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    path = tmp_path / "tickwheel.db"
    with monkeypatch.context() as patch:
        patch.setattr("tickwheel.server.store.sqlite.schema.STEPS", STEPS[:steps])
        earlier = await open_sqlite(path, segments=8, clock=SystemClock())
        world = await World.of(earlier)
        job = world.job()
        await world.create(job)
        await earlier.close()
    for _ in range(2):
        store = await open_sqlite(path, segments=16, clock=SystemClock())
        assert await store.leases.segment_count() == 8
        assert await store.jobs.find(job.user, job.job_id) == job
        assert await store.open_runs.read(range(8)) == []
        await store.close()
