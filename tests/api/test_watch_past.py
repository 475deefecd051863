"""WatchRuns of what lies behind: all of it, in bounded memory, for however slow a client."""

import asyncio
import gc
from collections.abc import AsyncGenerator, Coroutine
from dataclasses import dataclass

import pytest

from api.harness import FakeOwners, HandClock
from tickwheel.server.api.commands.watch_runs import Seen, WatchRuns
from tickwheel.server.api.errors import ServerStopping
from tickwheel.server.api.filter import run_filter
from tickwheel.server.api.limits import ApiLimits
from tickwheel.server.api.segments import Segments
from tickwheel.server.api.watch.hub import RunHub
from tickwheel.server.api.watch.past import Shown, next_width_ms
from tickwheel.server.api.watch.position import Position
from tickwheel.server.domain.errors import Overloaded
from tickwheel.server.domain.job import Job, Payload, PayloadKind
from tickwheel.server.domain.names import JobName, instant_id, new_uid, segment_of
from tickwheel.server.domain.run import Run, RunState
from tickwheel.server.store.log_reader import PAGE_ROWS
from tickwheel.server.store.port import NewJob, Store
from tickwheel.v1 import job_pb2

MINUTE_MS = 60_000
#: By then all that is recorded has been told.
_PATIENCE_MS = 10 * MINUTE_MS


@dataclass
class Watched:
    """An api's watches, a job, and who owns it."""

    store: Store
    clock: HandClock
    owners: FakeOwners
    hub: RunHub
    job: Job

    def watch(self, resume: Position | None) -> AsyncGenerator[Seen]:
        segments = Segments(self.store.leases)
        command = WatchRuns(self.store, self.clock, self.hub, segments)
        return command.run(JobName("-", "-"), run_filter(""), resume)

    async def record(self, count: int, *, apart_ms: int = 0, size: int = 0) -> list[str]:
        """Records as many runs, so far apart; their ids in order."""
        runs: list[Run] = []
        for _ in range(count):
            self.clock.advance(max(apart_ms, 1))
            now_ms = self.clock.now_ms()
            runs.append(
                self.owners.run_of(self.job, now_ms, run_id=instant_id(now_ms), error="x" * size)
            )
        await self.owners.record(runs)
        return [run.run_id for run in runs]


@pytest.fixture
def limits() -> ApiLimits:
    return ApiLimits(watch_queue=50, max_watches=2)


@pytest.fixture
async def watched(store: Store, clock: HandClock, limits: ApiLimits) -> AsyncGenerator[Watched]:
    hub = RunHub(store.runs, clock, limits)
    owners = FakeOwners(store, clock)
    await owners.open()
    uid = new_uid()
    job = Job(
        user="7",
        job_id="a",
        uid=uid,
        segment=segment_of(uid, 64),
        spec=job_pb2.Job(),
        payload=Payload(PayloadKind.TEXT, b""),
        create_ms=clock.now_ms(),
        update_ms=clock.now_ms(),
        schedule_from_ms=clock.now_ms(),
    )
    await store.jobs.create([NewJob(job=job, entry=None)])
    yield Watched(store, clock, owners, hub, job)
    await hub.close()


def held() -> int:
    """How many states of runs there are in memory."""
    return sum(type(one) is Run for one in gc.get_objects())


async def next_run(stream: AsyncGenerator[Seen]) -> Seen:
    while (seen := await anext(stream)).run is None:
        pass
    return seen


async def ids(stream: AsyncGenerator[Seen], count: int) -> list[str]:
    """The next runs."""
    found: list[str] = []
    while len(found) < count:
        run = (await next_run(stream)).run
        assert run is not None
        found.append(run.run_id)
    return found


async def advancing(clock: HandClock, work: Coroutine[None, None, None]) -> None:
    """Carries out what waits for the hub, whose clock goes on meanwhile."""
    task = asyncio.ensure_future(work)
    until_ms = clock.steady_ms() + _PATIENCE_MS
    try:
        while not (await asyncio.wait([task], timeout=0.002))[0]:
            assert clock.steady_ms() < until_ms, "nothing comes"
            clock.advance(200)
    except BaseException:
        task.cancel()
        raise
    task.result()


async def told_of_all(watched: Watched, stream: AsyncGenerator[Seen], count: int) -> list[str]:
    """Records runs, and waits until who watches has been told of them."""
    recorded = await watched.record(count)

    async def read() -> None:
        assert await ids(stream, count) == recorded

    await advancing(watched.clock, read())
    return recorded


@pytest.mark.parametrize("ago_ms", [0, 10 * MINUTE_MS], ids=["just now", "long ago"])
async def test_a_page_is_held_of_a_long_history(watched: Watched, ago_ms: int) -> None:
    position = Position(watched.clock.now_ms())
    recorded = await watched.record(8 * PAGE_ROWS)
    watched.clock.advance(ago_ms)
    before = held()
    stream = watched.watch(position)

    found: list[str] = []
    for _ in range(8):
        found += await ids(stream, PAGE_ROWS - 1)
        assert held() - before <= PAGE_ROWS + 2
    found += await ids(stream, 8)

    assert found == recorded
    await stream.aclose()


async def test_who_is_far_behind_may_take_long_and_goes_on_from_where_it_was(
    watched: Watched,
) -> None:
    position = Position(watched.clock.now_ms())
    recorded = await watched.record(60, apart_ms=10_000)
    stream = watched.watch(position)
    found = await ids(stream, 30)
    # More than a watch's queue takes, of which another one is told.
    other = watched.watch(None)
    await anext(other)
    for _ in range(3):
        recorded += await told_of_all(watched, other, 40)
    watched.clock.advance(MINUTE_MS)
    seen = await next_run(stream)
    assert seen.run is not None
    found.append(seen.run.run_id)
    await stream.aclose()
    await other.aclose()
    assert found == recorded[:31]

    stream = watched.watch(seen.position)
    again = await ids(stream, len(recorded) - 31)

    assert again == recorded[31:]
    await stream.aclose()


async def test_what_comes_meanwhile_comes_once(watched: Watched) -> None:
    position = Position(watched.clock.now_ms())
    recorded = await watched.record(2 * PAGE_ROWS)
    stream = watched.watch(position)
    found = await ids(stream, 5)
    # The log is being read beside the hub by now: both come by these.
    recorded += await watched.record(20)
    watched.clock.advance(1_000)
    found += await ids(stream, len(recorded) - 5)
    assert found == recorded
    await told_of_all(watched, stream, 1)
    await stream.aclose()


async def test_a_watch_that_was_ended_reads_no_further(watched: Watched) -> None:
    position = Position(watched.clock.now_ms())
    await watched.record(2 * PAGE_ROWS)
    slow, other = watched.watch(position), watched.watch(None)
    await ids(slow, 1)
    await anext(other)
    # When the other one has been told of all, the slow one's queue is overrun.
    for _ in range(2):
        await told_of_all(watched, other, 30)
    with pytest.raises(Overloaded):
        await anext(slow)
    await other.aclose()


async def test_a_server_that_stops_ends_the_reading(watched: Watched) -> None:
    position = Position(watched.clock.now_ms())
    await watched.record(10)
    watched.clock.advance(10 * MINUTE_MS)
    stream = watched.watch(position)
    await ids(stream, 1)

    await watched.hub.close()

    with pytest.raises(ServerStopping):
        await anext(stream)


async def test_who_reads_what_lies_behind_is_one_who_watches(watched: Watched) -> None:
    position = Position(watched.clock.now_ms() - 10 * MINUTE_MS)
    streams = [watched.watch(position) for _ in range(3)]
    for stream in streams[:2]:
        await anext(stream)

    with pytest.raises(Overloaded):
        await anext(streams[2])
    for stream in streams[:2]:
        await stream.aclose()


async def test_a_clock_that_is_set_back_while_the_log_is_read(watched: Watched) -> None:
    position = Position(watched.clock.now_ms())
    before = await watched.record(60, apart_ms=10_000)
    stream = watched.watch(position)
    found = await ids(stream, 50)
    watched.clock.set_back(5 * MINUTE_MS)
    after = await watched.record(3)
    watched.clock.advance(2 * MINUTE_MS)
    seen = set(found)

    async def until_all_are_seen() -> None:
        while not seen.issuperset({*before, *after}):
            seen.update(await ids(stream, 1))

    await advancing(watched.clock, until_all_are_seen())
    await stream.aclose()


def test_what_was_shown_last_is_known(watched: Watched) -> None:
    first, second, third = (
        watched.owners.run_of(watched.job, at_ms, run_id=instant_id(at_ms), revision=2)
        for at_ms in (1, 2, 3)
    )
    shown = Shown(2)
    assert all(shown.add(run) for run in (first, second))
    assert not shown.add(first)
    former = watched.owners.run_of(
        watched.job, 2, run_id=second.run_id, state=RunState.PENDING, revision=1
    )
    assert not shown.is_new(former)
    assert shown.add(third)
    assert len(shown) == 2
    assert shown.is_new(first)


def test_stretches_become_as_long_as_they_are_quick_to_read() -> None:
    assert next_width_ms(MINUTE_MS, 0) == 2 * MINUTE_MS
    assert next_width_ms(MINUTE_MS, 20) == MINUTE_MS
    assert next_width_ms(MINUTE_MS, 50) == MINUTE_MS // 2
    assert next_width_ms(1_000, 1_000) == 1_000
