"""Files of earlier releases are brought up to date when they are opened."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from conformance.world import World
from tickwheel.server.domain.clock import SystemClock
from tickwheel.server.domain.errors import StoreUnavailable
from tickwheel.server.domain.job import Job
from tickwheel.server.store.codec import encode_job, job_retention_ms
from tickwheel.server.store.sqlite import open_sqlite
from tickwheel.server.store.sqlite.schema import STEPS

#: The first step after which a job's record is in a table of its own.
_SPLIT = 4


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
        if steps >= _SPLIT:
            await world.create(job)
        await earlier.close()
        if steps < _SPLIT:
            _insert_whole(path, job)
    for _ in range(2):
        store = await open_sqlite(path, segments=16, clock=SystemClock())
        assert await store.leases.segment_count() == 8
        assert await store.jobs.find(job.user, job.job_id) == job
        assert await store.jobs.get_many([job.key]) == {job.key: job}
        assert await store.open_runs.read(range(8)) == []
        await store.close()


async def test_a_file_of_a_later_release_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "tickwheel.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as later:
        later.execute(f"PRAGMA user_version = {len(STEPS) + 1}")
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="this release knows"):
            await open_sqlite(path, clock=SystemClock())
    with closing(sqlite3.connect(path)) as later:
        assert later.execute("SELECT count(*) FROM sqlite_schema").fetchone() == (0,)


def _insert_whole(path: Path, job: Job) -> None:
    """As the first releases did."""
    values = {
        "user_id": job.user,
        "job_id": job.uid,
        "job_name": job.job_id,
        "is_recurring": 0,
        "run_interval": "",
        "max_retry_count": 3,
        "created_time": job.create_ms,
        "version": job.version,
        "retention": job_retention_ms(job.spec),
        "completed_generation": 0,
        "complete_time": 0,
        "deleted_time": 0,
        "expire_time": 0,
        "record": encode_job(job),
    }
    with closing(sqlite3.connect(path)) as database:
        database.execute(
            f"INSERT INTO job_table ({', '.join(values)}) VALUES ({', '.join('?' * len(values))})",
            list(values.values()),
        )
        database.commit()
