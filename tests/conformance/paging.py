"""Lists of jobs: order, pages, cursors."""

import pytest

from conformance.suite import case
from conformance.world import World, all_items, all_pages
from tickwheel.server.domain.job import Job


@case
async def newest_first(world: World) -> None:
    jobs = [world.job() for _ in range(10)]
    for job in jobs:
        await world.create(job)
    page = await world.store.jobs.list(world.user, b"", 100)
    assert page.items == jobs[::-1]
    assert page.cursor is None


@case
async def nobody_has_an_empty_list(world: World) -> None:
    page = await world.store.jobs.list(world.user, b"", 10)
    assert (list(page.items), page.cursor) == ([], None)


@case
async def pages_tile_the_list(world: World) -> None:
    jobs = [world.job() for _ in range(25)]
    await world.create(*jobs)
    for limit in (1, 7, 25, 1000):
        pages = await all_pages(lambda at, n=limit: world.store.jobs.list(world.user, at, n))
        assert all(len(page) <= limit for page in pages)
        assert [job for page in pages for job in page] == jobs[::-1]


@case
async def deleted_are_left_out(world: World) -> None:
    jobs = [world.job() for _ in range(9)]
    await world.create(*jobs)
    for job in jobs[::2]:
        await world.delete(job)
    listed = await all_items(lambda at: world.store.jobs.list(world.user, at, 2))
    assert listed == jobs[1::2][::-1]


@case
async def new_ones_do_not_disturb_the_rest(world: World) -> None:
    """Paging while others insert: what was there is seen once."""
    jobs = [world.job() for _ in range(20)]
    await world.create(*jobs)
    seen: list[Job] = []
    cursor = b""
    while True:
        page = await world.store.jobs.list(world.user, cursor, 3)
        seen += page.items
        await world.create(world.job(), world.job())
        if page.cursor is None:
            break
        cursor = page.cursor
    assert seen == jobs[::-1]


@case
async def deleting_behind_and_before_the_cursor(world: World) -> None:
    jobs = [world.job() for _ in range(12)]
    await world.create(*jobs)
    first = await world.store.jobs.list(world.user, b"", 4)
    assert list(first.items) == jobs[:-5:-1]
    assert first.cursor is not None
    await world.delete(jobs[8])
    await world.delete(jobs[7])
    cursor = first.cursor
    rest = await all_items(lambda at: world.store.jobs.list(world.user, at or cursor, 4))
    assert rest == jobs[6::-1]


@case
async def a_scan_finds_all_and_the_deleted(world: World) -> None:
    jobs = [world.job(user=world.other_user() if i % 3 else None) for i in range(12)]
    await world.create(*jobs)
    for job in jobs[::4]:
        await world.delete(job)
    for limit in (50, 1000):
        found = await all_items(lambda at, n=limit: world.store.jobs.scan(at, n))
        assert len({job.key for job in found}) == len(found)
        mine = {job.key: job for job in found}
        assert all(mine[job.key].job_id == job.job_id for job in jobs)
        assert [bool(mine[job.key].delete_ms) for job in jobs] == [i % 4 == 0 for i in range(12)]


@case
async def a_scan_knows_its_cursors(world: World) -> None:
    with pytest.raises(ValueError, match=r"."):
        await world.store.jobs.scan(b"nonsense", 5)


@case
async def all_users(world: World) -> None:
    jobs = [world.job(user=world.other_user() if i % 3 else None) for i in range(12)]
    await world.create(*jobs)
    deleted = world.job()
    await world.create(deleted)
    await world.delete(deleted)
    listed = await all_items(lambda at: world.store.jobs.list(None, at, 1000))
    ours = [job for job in listed if job.user.startswith(world.user)]
    assert sorted(ours, key=lambda job: job.uid) == sorted(jobs, key=lambda job: job.uid)
    again = await all_items(lambda at: world.store.jobs.list(None, at, 700))
    assert [job.uid for job in again] == [job.uid for job in listed]


@case
async def strange_cursor_is_refused(world: World) -> None:
    await world.create(world.job())
    for cursor in (b"x", b"\xff" * 40, b"{}", b"\x00"):
        with pytest.raises(ValueError, match=r"."):
            await world.store.jobs.list(world.user, cursor, 10)
        with pytest.raises(ValueError, match=r"."):
            await world.store.jobs.list(None, cursor, 10)
