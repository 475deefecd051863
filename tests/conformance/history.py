"""Runs in their present states: one, those of a job, those across jobs."""

import struct
from dataclasses import replace

import pytest

from conformance.suite import case
from conformance.world import DAY_MS, HOUR_MS, World, all_items, all_pages
from tickwheel.server.domain.names import instant_id, new_uid
from tickwheel.server.domain.run import PastAttempt, Run, RunState


@case
async def unknown_run_is_none(world: World) -> None:
    job = world.job(segment=10)
    owner = await world.own(10)
    run = world.run(job, world.now_ms())
    await world.store.runs.record(owner.stamp(), [run])
    assert await world.store.runs.get(job.uid, instant_id(run.schedule_ms + 1)) is None
    assert await world.store.runs.get(new_uid(), run.run_id) is None
    assert await world.store.runs.get(job.uid, "not a run id") is None
    page = await world.store.runs.list_job(new_uid(), b"", 10)
    assert (list(page.items), page.cursor) == ([], None)


@case
async def all_that_is_known_of_former_attempts_is_kept(world: World) -> None:
    job = world.job(segment=10)
    owner = await world.own(10)
    past = PastAttempt(
        attempt=1,
        state=RunState.FAILED,
        due_ms=world.now_ms(),
        publish_ms=world.now_ms() + 1,
        start_ms=world.now_ms() + 2,
        end_ms=world.now_ms() + 3,
        worker="w",
        executor="e",
        topic="t",
        partition=0,
        offset=0,
        fence=7,
        error="no",
        error_type="ValueError",
        error_details="Traceback …",
    )
    run = world.run(job, world.now_ms(), attempt=2, past_attempts=(past,))
    await world.store.runs.record(owner.stamp(), [run])
    assert await world.store.runs.get(job.uid, run.run_id) == run


@case
async def many_are_got_at_once(world: World) -> None:
    """Of many jobs at one instant, of one job at many instants and weeks, and missing ones."""
    jobs = [world.job(segment=10) for _ in range(130)]
    owner = await world.own(10)
    base_ms = world.now_ms()
    runs = [world.run(job, base_ms) for job in jobs]
    runs += [world.run(jobs[0], base_ms + i * DAY_MS // 4) for i in range(1, 150)]
    runs += [world.run(jobs[1], base_ms, run_id=f"{instant_id(base_ms)}-m-{i}") for i in range(3)]
    await world.store.runs.record(owner.stamp(), runs)
    expected = {(run.job_uid, run.run_id): run for run in runs}
    assert await world.store.runs.get_many(list(expected)) == expected
    missing = [
        (new_uid(), runs[0].run_id),
        (jobs[0].uid, instant_id(base_ms + 1)),
        (jobs[2].uid, instant_id(base_ms + DAY_MS // 4)),
        (jobs[0].uid, "not a run id"),
        (new_uid(), "'), \" \N{SNOWMAN}"),
    ]
    some = [(run.job_uid, run.run_id) for run in (runs[3], runs[140], runs[-1])]
    found = await world.store.runs.get_many([*missing, *some, *some])
    assert found == {key: expected[key] for key in some}
    assert await world.store.runs.get_many(missing) == {}
    assert await world.store.runs.get_many([]) == {}


@case
async def many_are_got_in_their_present_states(world: World) -> None:
    jobs = [world.job(segment=10), world.job(segment=10)]
    owner = await world.own(10)
    base_ms = world.now_ms()
    states = [
        [
            world.run(job, base_ms, state=state, revision=number, update_ms=base_ms + number)
            for number, state in enumerate((RunState.PENDING, RunState.RUNNING), 1)
        ]
        for job in jobs
    ]
    await world.store.runs.record(owner.stamp(), states[0])
    await world.store.runs.record(owner.stamp(), states[1][::-1])
    expected = {(latest.job_uid, latest.run_id): latest for _, latest in states}
    assert await world.store.runs.get_many(list(expected)) == expected


@case
async def present_state_follows_the_record(world: World) -> None:
    job = world.job(segment=10)
    owner = await world.own(10)
    base_ms = world.now_ms()
    states = (RunState.PENDING, RunState.PUBLISHED, RunState.RUNNING, RunState.SUCCEEDED)
    for number, state in enumerate(states):
        run = world.run(job, base_ms, state=state, revision=number + 1, update_ms=base_ms + number)
        await world.store.runs.record(owner.stamp(), [run])
        assert await world.store.runs.get(job.uid, run.run_id) == run
        page = await world.store.runs.list_job(job.uid, b"", 10)
        assert list(page.items) == [run]
        page = await world.store.runs.list_log(world.user, b"", 10)
        assert list(page.items) == [run]


@case
async def lower_revision_does_not_overwrite(world: World) -> None:
    """It arrives later: after a time-out, or out of order within a batch."""
    job = world.job(segment=10)
    owner = await world.own(10)
    base_ms = world.now_ms()
    first = world.run(job, base_ms, state=RunState.PENDING, update_ms=base_ms)
    second = world.run(job, base_ms, revision=2, update_ms=base_ms + 1)
    await world.store.runs.record(owner.stamp(), [second])
    await world.store.runs.record(owner.stamp(), [first])
    assert await world.store.runs.get(job.uid, first.run_id) == second
    later = world.job(segment=10)
    pair = [replace(run, job_uid=later.uid, job_id=later.job_id) for run in (second, first)]
    await world.store.runs.record(owner.stamp(), pair)
    assert await world.store.runs.get(later.uid, first.run_id) == pair[0]
    page = await world.store.runs.list_job(later.uid, b"", 10)
    assert list(page.items) == [pair[0]]


@case
async def newest_instant_first_within_the_range(world: World) -> None:
    job, other = world.job(segment=10), world.job(segment=10)
    owner = await world.own(10)
    base_ms = world.now_ms()
    runs = [world.run(job, base_ms + i * 40 * DAY_MS) for i in range(-5, 5)]
    await world.store.runs.record(owner.stamp(), [*runs, world.run(other, base_ms)])

    async def listed(**range_ms: int) -> list[Run]:
        return await all_items(lambda at: world.store.runs.list_job(job.uid, at, 100, **range_ms))

    assert await listed() == runs[::-1]
    assert await listed(start_ms=runs[3].schedule_ms, end_ms=runs[6].schedule_ms) == runs[5:2:-1]
    assert await listed(start_ms=runs[9].schedule_ms) == runs[9:]
    assert await listed(end_ms=runs[0].schedule_ms) == []


@case
async def runs_of_one_instant(world: World) -> None:
    job = world.job(segment=10)
    owner = await world.own(10)
    base_ms = world.now_ms()
    name = instant_id(base_ms)
    runs = [
        world.run(job, base_ms, run_id=f"{name}{suffix}")
        for suffix in ("", "-m-abcdefgh", "-m-ABCDEFGH", "-r1", "-r2", "-b-x")
    ]
    await world.store.runs.record(owner.stamp(), runs)
    for run in runs:
        assert await world.store.runs.get(job.uid, run.run_id) == run
    pages = await all_pages(lambda at: world.store.runs.list_job(job.uid, at, 2))
    listed = [run for page in pages for run in page]
    assert len(listed) == 6
    assert {run.run_id for run in listed} == {run.run_id for run in runs}


@case
async def pages_tile_a_jobs_runs(world: World) -> None:
    job = world.job(segment=10)
    owner = await world.own(10)
    base_ms = world.now_ms()
    runs = [world.run(job, base_ms + i * 10 * DAY_MS) for i in range(30)]
    await world.store.runs.record(owner.stamp(), runs)
    for limit in (1, 7, 30, 1000):
        listed = await all_items(
            lambda at, n=limit: world.store.runs.list_job(job.uid, at, n, start_ms=base_ms)
        )
        assert listed == runs[::-1]


@case
async def new_runs_do_not_disturb_the_rest_of_a_jobs(world: World) -> None:
    job = world.job(segment=10)
    owner = await world.own(10)
    base_ms = world.now_ms()
    runs = [world.run(job, base_ms + i) for i in range(12)]
    await world.store.runs.record(owner.stamp(), runs)
    seen: list[Run] = []
    cursor, number = b"", 0
    while True:
        page = await world.store.runs.list_job(job.uid, cursor, 3, end_ms=base_ms + HOUR_MS)
        seen += page.items
        number += 1
        fresh = world.run(job, base_ms + HOUR_MS // 2 + number)
        await world.store.runs.record(owner.stamp(), [fresh])
        if page.cursor is None:
            break
        cursor = page.cursor
    assert seen == runs[::-1]


@case
async def log_of_a_user_newest_first(world: World) -> None:
    """In the order of first recording; a later state does not move a run."""
    jobs = [world.job(segment=10), world.job(segment=11)]
    owners = {10: await world.own(10), 11: await world.own(11)}
    base_ms = world.now_ms()
    runs: list[Run] = []
    for number in range(10):
        job = jobs[number % 2]
        run = world.run(
            job,
            base_ms + (number * 7) % 10,
            state=RunState.PENDING,
            update_ms=base_ms + number,
        )
        await world.store.runs.record(owners[job.segment].stamp(), [run])
        runs.append(run)
    for number in (0, 4):
        runs[number] = replace(
            runs[number], state=RunState.SUCCEEDED, revision=2, update_ms=base_ms + 100
        )
        owner = owners[runs[number].segment]
        await world.store.runs.record(owner.stamp(), [runs[number]])
    for limit in (100, 3):
        listed = await all_items(lambda at, n=limit: world.store.runs.list_log(world.user, at, n))
        assert listed == runs[::-1]


@case
async def log_of_a_user_has_no_others(world: World) -> None:
    ours, theirs = world.job(segment=10), world.job(user=world.other_user(), segment=10)
    owner = await world.own(10)
    base_ms = world.now_ms()
    run, other = world.run(ours, base_ms), world.run(theirs, base_ms)
    await world.store.runs.record(owner.stamp(), [run, other])
    listed = await all_items(lambda at: world.store.runs.list_log(ours.user, at, 10))
    assert listed == [run]
    listed = await all_items(lambda at: world.store.runs.list_log(theirs.user, at, 10))
    assert listed == [other]


@case
async def log_of_all_users(world: World) -> None:
    jobs = [world.job(user=world.other_user(), segment=10 + i % 2) for i in range(4)]
    owners = {10: await world.own(10), 11: await world.own(11)}
    base_ms = world.now_ms()
    runs: list[Run] = []
    for number, job in enumerate(jobs):
        run = world.run(job, base_ms, update_ms=base_ms + number)
        await world.store.runs.record(owners[job.segment].stamp(), [run])
        runs.append(run)
    seen: list[Run] = []
    cursor = b""
    while len(seen) < len(runs):
        page = await world.store.runs.list_log(None, cursor, 3)
        seen += [run for run in page.items if run.user.startswith(world.user)]
        if page.cursor is None:
            break
        cursor = page.cursor
    assert seen == runs[::-1]


@case
async def each_run_once_while_more_are_recorded(world: World) -> None:
    """Paging the log while runs change their state and new ones come."""
    job = world.job(segment=10)
    owner = await world.own(10)
    base_ms = world.now_ms()
    runs = [
        world.run(job, base_ms + i, state=RunState.PENDING, update_ms=base_ms + i)
        for i in range(12)
    ]
    for run in runs:
        await world.store.runs.record(owner.stamp(), [run])
    seen: list[str] = []
    cursor = b""
    for number in range(100):
        page = await world.store.runs.list_log(world.user, cursor, 3)
        seen += [run.run_id for run in page.items]
        changed = replace(
            runs[number % 12],
            state=RunState.SUCCEEDED,
            revision=2 + number,
            update_ms=base_ms + 1000 + number,
        )
        fresh = world.run(job, base_ms + HOUR_MS + number, update_ms=base_ms + 2000 + number)
        await world.store.runs.record(owner.stamp(), [changed, fresh])
        if page.cursor is None:
            break
        cursor = page.cursor
    assert seen == [run.run_id for run in reversed(runs)]


@case
async def each_run_once_whose_states_are_of_one_millisecond(world: World) -> None:
    """Wherever a page ends, between two states of one run as well."""
    job = world.job(segment=10)
    owner = await world.own(10)
    base_ms = world.now_ms()
    runs = [world.run(job, base_ms + i, update_ms=base_ms) for i in range(40)]
    states = (RunState.PENDING, RunState.PUBLISHED, RunState.SUCCEEDED)
    for run in runs:
        await world.store.runs.record(
            owner.stamp(),
            [replace(run, state=state, revision=number) for number, state in enumerate(states, 1)],
        )
    for width in (1, 2, 7):
        found = await all_items(
            lambda cursor, width=width: world.store.runs.list_log(world.user, cursor, width)
        )
        assert sorted(run.run_id for run in found) == sorted(run.run_id for run in runs)


@case
async def strange_cursor_is_refused(world: World) -> None:
    job = world.job(segment=10)
    owner = await world.own(10)
    await world.store.runs.record(owner.stamp(), [world.run(job, world.now_ms())])
    # Some of them are an engine's own, but for an instant of no year.
    far = [
        kind + struct.pack(">q16si", sign << 62, bytes(16), 1) + b"x"
        for kind in (b"h", b"r")
        for sign in (1, -1)
    ]
    for cursor in (b"x", b"\xff" * 40, b"{}", b"\x00", *far):
        with pytest.raises(ValueError, match=r"."):
            await world.store.runs.list_job(job.uid, cursor, 10)
        with pytest.raises(ValueError, match=r"."):
            await world.store.runs.list_log(world.user, cursor, 10)
        with pytest.raises(ValueError, match=r"."):
            await world.store.runs.list_log(None, cursor, 10)
