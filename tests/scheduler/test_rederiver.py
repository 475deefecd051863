"""A scheduler under new time-zone data: noticed while it runs, and when it takes over."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from zone_folder import TOWN, ZoneFolder

from scheduler.making import entry_of, make_job
from tickwheel.server.convert.schedule import schedule_of
from tickwheel.server.domain.clock import SystemClock
from tickwheel.server.domain.job import Job
from tickwheel.server.domain.names import new_uid
from tickwheel.server.domain.occurrence import ScheduleEntry
from tickwheel.server.schedule.zone import ZONES
from tickwheel.server.schedule.zonefiles import ZoneFiles
from tickwheel.server.scheduler import rederiver
from tickwheel.server.scheduler.options import Identity, SchedulerOptions
from tickwheel.server.scheduler.runtime import Scheduler
from tickwheel.server.store.port import NewJob, Store

FAR_MS = 1 << 45
HOUR_MS = 3_600_000


@pytest.fixture(autouse=True)
def town(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ZoneFolder:
    folder = ZoneFolder(tmp_path / "zones")
    monkeypatch.setattr(ZONES, "_root", folder.root)
    monkeypatch.setattr(ZONES, "_zones", {})
    return folder


@asynccontextmanager
async def scheduling(store: Store, town: ZoneFolder) -> AsyncGenerator[Scheduler]:
    files = ZoneFiles(town.root)

    async def digest() -> str:
        return files.digest()

    scheduler = Scheduler(
        store,
        SystemClock(),
        Identity(session_id=new_uid(), address="local", version="test"),
        SchedulerOptions(exclusive=True, membership_ms=20, zone_data_ms=20, rederive_ms=20),
        digest,
    )
    running = asyncio.create_task(scheduler.run())
    try:
        yield scheduler
    finally:
        await scheduler.stop()
        await running


async def jobs_in(store: Store, count: int) -> list[Job]:
    """Jobs at instants of next year's first day, by the clock in TOWN."""
    now = SystemClock().now_ms()
    jobs: list[Job] = []
    for index in range(count):
        job = make_job(at_ms=1, create_ms=now)
        job.spec.schedule.Clear()
        job.spec.schedule.cron = f"{index % 60} {index // 60 % 24} 1 1 *"
        job.spec.schedule.time_zone = TOWN
        jobs.append(job)
    await store.jobs.create([NewJob(job=job, entry=_entry(job)) for job in jobs])
    return jobs


def _entry(job: Job) -> ScheduleEntry:
    nominal = schedule_of(job).next_after(job.create_ms)
    assert nominal is not None
    return entry_of(job, nominal)


async def rows(store: Store) -> dict[str, int]:
    entries = await store.schedule.read_due([0], 0, FAR_MS)
    assert all(entry.fire_ms == entry.schedule_ms == entry.due_ms for entry in entries)
    found = {entry.uid: entry.schedule_ms for entry in entries}
    assert len(found) == len(entries)
    return found


async def until_saved(store: Store, town: ZoneFolder) -> None:
    digest = ZoneFiles(town.root).digest()
    async with asyncio.timeout(20):
        while (await store.schedule.zone_data([0]))[0] != digest:
            await asyncio.sleep(0.01)


async def test_rows_follow_new_data_while_it_runs(store: Store, town: ZoneFolder) -> None:
    await jobs_in(store, 300)
    before = await rows(store)
    async with scheduling(store, town):
        await until_saved(store, town)
        assert await rows(store) == before
        for hours in (3, 0, 1):
            town.move(hours)
            await until_saved(store, town)
            assert await rows(store) == {
                uid: instant - (hours - 1) * HOUR_MS for uid, instant in before.items()
            }


async def test_rows_follow_data_that_came_while_nobody_was_there(
    store: Store, town: ZoneFolder
) -> None:
    await jobs_in(store, 10)
    before = await rows(store)
    async with scheduling(store, town):
        await until_saved(store, town)
    town.move(0)
    async with scheduling(store, town):
        await until_saved(store, town)
        assert await rows(store) == {uid: at + HOUR_MS for uid, at in before.items()}


async def test_who_stopped_half_way_is_followed_by_who_goes_through_all(
    store: Store, town: ZoneFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rederiver, "_PAUSE_S", 3_600)
    jobs = await jobs_in(store, 120)
    before = await rows(store)
    town.move(2)

    async def some_moved() -> None:
        async with asyncio.timeout(20):
            while await rows(store) == before:
                await asyncio.sleep(0.01)

    async with scheduling(store, town):
        await some_moved()
    now = await rows(store)
    assert 0 < sum(now[job.uid] != before[job.uid] for job in jobs) < 120
    assert (await store.schedule.zone_data([0]))[0] == ""
    monkeypatch.setattr(rederiver, "_PAUSE_S", 0)
    async with scheduling(store, town):
        await until_saved(store, town)
        assert await rows(store) == {uid: at - HOUR_MS for uid, at in before.items()}


async def test_data_that_are_the_same_move_nothing(
    store: Store, town: ZoneFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files that are only written anew are no new data, and a known segment is not read again."""
    await jobs_in(store, 3)
    async with scheduling(store, town):
        await until_saved(store, town)
    town.move(1)
    monkeypatch.setattr(rederiver.Rederiver, "_go_through", _never)
    async with scheduling(store, town) as scheduler:
        await _ready(lambda: scheduler.ready.is_set())
        await asyncio.sleep(0.1)


async def _never(*_: object) -> None:
    raise AssertionError("there is nothing to go through")


async def _ready(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not is_so():
            await asyncio.sleep(0.01)
