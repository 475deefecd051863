"""The run log in pages: the same as when it is read at once, and no more than a page is held."""

import contextlib
from collections.abc import Sequence
from dataclasses import replace

import pytest

from conformance.suite import case
from conformance.world import HOUR_MS, World, all_pages
from tickwheel.server.domain.errors import Fenced
from tickwheel.server.domain.run import Run, RunState
from tickwheel.server.store.log_reader import PAGE_ROWS, LogReader

SEGMENT = 12
#: Far from what other cases record.
_BACK_MS = 1_000 * HOUR_MS
_LONG_MS = 2_000 * HOUR_MS
_EVER_MS = 1 << 60


def key(run: Run) -> tuple[str, str, int]:
    return (run.job_uid, run.run_id, run.revision)


async def record(world: World, runs: Sequence[Run]) -> None:
    owner = await world.own(SEGMENT)
    await world.store.runs.record(owner.stamp(), runs)


async def paged(world: World, limit: int, start_ms: int, end_ms: int) -> list[Run]:
    """All that is there in pages, none of which is larger than it may be."""
    pages = await all_pages(
        lambda cursor: world.store.runs.page_log(
            SEGMENT, cursor, limit, start_ms=start_ms, end_ms=end_ms
        )
    )
    assert all(len(page) <= limit for page in pages)
    return [run for page in pages for run in page if run.user == world.user]


@case
async def nothing_recorded(world: World) -> None:
    page = await world.store.runs.page_log(SEGMENT, b"", 10, start_ms=1_000, end_ms=2_000)
    assert list(page.items) == []
    assert page.cursor is None


@case
async def pages_of_any_size_are_the_whole(world: World) -> None:
    """Over minutes and hours, with many states of one instant on either side of a page's end."""
    base_ms = world.now_ms() - _BACK_MS
    jobs = [world.job(segment=SEGMENT) for _ in range(4)]
    places = [0, 0, 1, 59_999, 60_000, 60_000, HOUR_MS - 1, HOUR_MS, 5 * HOUR_MS, 30 * HOUR_MS]
    runs = [
        world.run(job, base_ms + number, update_ms=base_ms + place, revision=1 + revision)
        for number, place in enumerate(places)
        for job in jobs
        for revision in range(2)
    ]
    await record(world, runs)
    end_ms = base_ms + 40 * HOUR_MS
    whole = await paged(world, 1_000, base_ms, end_ms)
    assert sorted(map(key, whole)) == sorted(map(key, runs))
    assert [run.update_ms for run in whole] == sorted(run.update_ms for run in runs)
    for limit in (1, 3, 7):
        assert await paged(world, limit, base_ms, end_ms) == whole
    read = [run for run in await world.log_of([SEGMENT], base_ms) if run.update_ms < end_ms]
    assert sorted(map(key, read)) == sorted(map(key, whole))


@case
async def from_an_instant_to_another(world: World) -> None:
    base_ms = world.now_ms() - 2 * _BACK_MS
    job = world.job(segment=SEGMENT)
    runs = [world.run(job, base_ms + i, update_ms=base_ms + 10 * i) for i in range(5)]
    await record(world, runs)
    assert await paged(world, 2, base_ms + 10, base_ms + 30) == runs[1:3]
    assert await paged(world, 2, base_ms + 11, base_ms + 31) == runs[2:4]
    assert await paged(world, 2, base_ms + 10, base_ms + 10) == []
    assert await paged(world, 2, base_ms + 41, base_ms + HOUR_MS) == []


@case
async def another_segment_is_not_in_it(world: World) -> None:
    base_ms = world.now_ms() - 3 * _BACK_MS
    mine = world.run(world.job(segment=SEGMENT), base_ms, update_ms=base_ms)
    other = world.run(world.job(segment=SEGMENT + 1), base_ms, update_ms=base_ms)
    await record(world, [mine])
    await world.store.runs.record((await world.own(SEGMENT + 1)).stamp(), [other])
    assert await paged(world, 5, base_ms, base_ms + HOUR_MS) == [mine]


@case
async def what_is_recorded_ahead_meanwhile_is_there(world: World) -> None:
    base_ms = world.now_ms() - 4 * _BACK_MS
    job = world.job(segment=SEGMENT)
    runs = [world.run(job, base_ms + i, update_ms=base_ms + 1_000 * i) for i in range(6)]
    await record(world, runs[:4:2])
    first = await world.store.runs.page_log(
        SEGMENT, b"", 1, start_ms=base_ms, end_ms=base_ms + HOUR_MS
    )
    assert list(first.items) == runs[:1]
    assert first.cursor is not None
    await record(world, [runs[1], runs[3], runs[5]])
    rest = await world.store.runs.page_log(SEGMENT, first.cursor, 10, end_ms=base_ms + HOUR_MS)
    assert list(rest.items) == [runs[1], runs[2], runs[3], runs[5]]


@case
async def a_cursor_of_something_else_is_refused(world: World) -> None:
    with pytest.raises(ValueError, match=r"."):
        await world.store.runs.page_log(SEGMENT, b"elsewhere", 10)


@case
async def repeated_records_come_once(world: World) -> None:
    base_ms = world.now_ms() - 5 * _BACK_MS
    job = world.job(segment=SEGMENT)
    runs = [world.run(job, base_ms + i, update_ms=base_ms) for i in range(5)]
    await record(world, runs)
    await record(world, runs[::-1])
    assert sorted(map(key, await paged(world, 2, base_ms, base_ms + 1))) == sorted(map(key, runs))


# -- read for who watches ----------------------------------------------------------------------


async def told(world: World, start_ms: int, end_ms: int = _EVER_MS) -> list[Run]:
    """What a reader gives, of this world's users; never more than a page."""
    reader = await LogReader.open(world.store)
    runs: list[Run] = []
    async for page in reader.pages(
        SEGMENT, start_ms, end_ms, lambda run: run.user.startswith(world.user)
    ):
        assert len(page) <= PAGE_ROWS
        runs += page
    return runs


@case
async def a_long_log_is_read_page_by_page(world: World) -> None:
    owner = await world.own(SEGMENT)
    base_ms = world.now_ms() - _LONG_MS
    job = world.job(segment=SEGMENT)
    count = 3 * PAGE_ROWS + 7
    runs = [
        world.run(job, base_ms + i, update_ms=base_ms + i // 5, epoch=owner.lease.epoch)
        for i in range(count)
    ]
    await world.store.runs.record(owner.stamp(), runs)
    # By who goes on after a take-over as well.
    for _ in range(2):
        found = await told(world, base_ms, base_ms + HOUR_MS)
        assert [key(run) for run in found] == [key(run) for run in runs]
        await world.own(SEGMENT)


@case
async def late_states_are_left_out_as_in_the_whole(world: World) -> None:
    """However far behind them the state stands that tells: here some pages."""
    former = await world.own(SEGMENT)
    stale, before = former.stamp(), former.lease.epoch
    owner = await world.own(SEGMENT)
    now = owner.lease.epoch
    base_ms = world.now_ms() - 3 * HOUR_MS
    far_ms = base_ms + 2 * HOUR_MS
    job, other = world.job(segment=SEGMENT), world.job(segment=SEGMENT)

    def state(number: int, at_ms: int, state: RunState, revision: int, epoch: int) -> Run:
        return world.run(
            job,
            base_ms + number,
            update_ms=at_ms,
            state=state,
            revision=revision,
            epoch=epoch,
            attempt=2 if epoch == now and not state.is_final else 1,
        )

    # One that its next owner ended otherwise, much later; one that it goes on with; one that it
    # brought to the other end after a state in between.
    known = [state(number, base_ms + 1, RunState.PUBLISHED, 1, before) for number in range(3)]
    ghosts = [
        state(0, base_ms + 2, RunState.SUCCEEDED, 2, before),
        state(1, base_ms + 2, RunState.SUCCEEDED, 2, before),
        state(2, base_ms + 2, RunState.SUCCEEDED, 2, before),
    ]
    counting = [
        state(0, far_ms, RunState.FAILED, 2, now),
        state(1, far_ms, RunState.PENDING, 3, now),
        state(2, far_ms, RunState.RUNNING, 3, now),
        state(2, far_ms + 1, RunState.FAILED, 4, now),
    ]
    between = [
        replace(world.run(other, base_ms + i, update_ms=base_ms + 10 + i), epoch=now)
        for i in range(2 * PAGE_ROWS)
    ]
    # Recorded by who owned the segment then, and by the present owner, and then too late. The
    # first is written under the present stamp because the former's time is over: it knew of it.
    await world.store.runs.record(owner.stamp(), [*known, *between, *counting])
    with contextlib.suppress(Fenced):
        await world.store.runs.record(stale, ghosts)
    found = await told(world, base_ms)
    assert [key(run) for run in found if run.job_uid == job.uid] == [
        key(run) for run in (*known, *counting)
    ]
    assert [run for run in found if run.job_uid == job.uid] == [
        run for run in await world.log_of([SEGMENT], base_ms) if run.job_uid == job.uid
    ]
    assert len(found) == len(known) + len(between) + len(counting)
