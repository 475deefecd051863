"""WatchRuns: everything once, in order, and on from where a watch broke off."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from hashlib import blake2b

import grpc.aio
import pytest

from api.harness import ApiUnderTest, HandClock, Refusal, refused, serving
from tickwheel.server.api.limits import ApiLimits
from tickwheel.server.api.page_token import TokenScope
from tickwheel.server.api.watch.hub import SETTLE_MS, News, RunHub, Watch
from tickwheel.server.api.watch.position import Position
from tickwheel.server.domain.errors import Overloaded, StoreUnavailable
from tickwheel.server.domain.names import instant_id
from tickwheel.server.domain.run import Run, RunState, Trigger
from tickwheel.server.store.port import Store
from tickwheel.v1 import job_pb2, job_service_pb2

ALL = "users/-/jobs/-"
Responses = list[job_service_pb2.WatchRunsResponse]
#: By then all that is recorded has been told: writes settle, and tokens are renewed, sooner.
_PATIENCE_MS = 120_000


class Watching:
    """An open watch, whose server's clock goes on while news are waited for."""

    def __init__(self, api: ApiUnderTest, parent: str, wanted: str, token: str) -> None:
        self._api = api
        self._call = api.jobs.WatchRuns(
            job_service_pb2.WatchRunsRequest(parent=parent, filter=wanted, resume_token=token)
        )
        self._stream = aiter(self._call)
        self.token = ""

    async def next(self) -> job_service_pb2.WatchRunsResponse:
        """The next message, whatever it is."""
        reading = asyncio.ensure_future(anext(self._stream))
        try:
            while not (await asyncio.wait([reading], timeout=0.002))[0]:
                self._api.clock.advance(200)
        except BaseException:
            reading.cancel()
            raise
        response = reading.result()
        self.token = response.resume_token
        return response

    async def run(self) -> tuple[str, int]:
        """The next run's name and state."""
        until = self._api.clock.steady_ms() + _PATIENCE_MS
        while self._api.clock.steady_ms() < until:
            response = await self.next()
            if response.HasField("run"):
                return response.run.name, response.run.state
        raise AssertionError("no run is told")

    async def quiet(self, ms: int = 40_000) -> None:
        """Nothing comes for a while but new tokens."""
        until = self._api.clock.now_ms() + ms
        while self._api.clock.now_ms() < until:
            response = await self.next()
            assert not response.HasField("run")

    def cancel(self) -> None:
        self._call.cancel()


@asynccontextmanager
async def watching(
    api: ApiUnderTest, parent: str = ALL, wanted: str = "", token: str = ""
) -> AsyncGenerator[Watching]:
    watch = Watching(api, parent, wanted, token)
    first = await watch.next()
    assert not first.HasField("run")
    assert first.resume_token
    yield watch
    watch.cancel()


async def make(api: ApiUnderTest, job_id: str = "a", parent: str = "users/7") -> job_pb2.Job:
    return await api.create(api.at(), job_id, parent=parent)


async def runs_of(
    api: ApiUnderTest, job: job_pb2.Job, count: int = 1, state: RunState = RunState.SUCCEEDED
) -> list[Run]:
    """New runs, a millisecond apart; not yet recorded."""
    stored = await api.stored(job.name)
    runs: list[Run] = []
    for _ in range(count):
        api.clock.advance(1)
        now_ms = api.clock.now_ms()
        runs.append(api.owners.run_of(stored, now_ms, run_id=instant_id(now_ms), state=state))
    return runs


async def record(api: ApiUnderTest, runs: list[Run]) -> list[tuple[str, int]]:
    await api.owners.record(runs)
    return [(str(run.name), run.state.value) for run in runs]


async def test_runs_are_told_as_they_come(api: ApiUnderTest) -> None:
    job = await make(api)
    await record(api, await runs_of(api, job, 3))

    async with watching(api) as watch:
        expected = await record(api, await runs_of(api, job, 3))

        assert [await watch.run() for _ in expected] == expected
        await watch.quiet()


async def test_each_state_of_a_run_once_and_in_order(api: ApiUnderTest) -> None:
    job = await make(api)

    async with watching(api) as watch:
        (run,) = await runs_of(api, job, state=RunState.PENDING)
        name = str(run.name)
        await record(api, [run])
        assert await watch.run() == (name, RunState.PENDING)
        done = replace(run, state=RunState.SUCCEEDED, revision=2, update_ms=api.clock.now_ms())
        await record(api, [done])
        assert await watch.run() == (name, RunState.SUCCEEDED)
        await watch.quiet()


async def taken_over(api: ApiUnderTest, job: job_pb2.Job) -> tuple[Run, Run]:
    """A run as its former owner recorded it last, too late for the next one, and as that ended it.

    The next owner counts from the state before, so that both have the same revision.
    """
    (first,) = await runs_of(api, job, state=RunState.PUBLISHED)
    former = replace(first, epoch=1, revision=2)
    return former, replace(former, epoch=2, state=RunState.FAILED, update_ms=former.update_ms + 1)


async def test_what_the_next_owner_records_is_told(api: ApiUnderTest) -> None:
    former, ended = await taken_over(api, await make(api))

    async with watching(api) as watch:
        for run in (former, ended):
            expected = await record(api, [run])
            assert [await watch.run()] == expected
        # Nor does more of what the former one recorded count, whatever its revision; not even when
        # it is read after the state that counts has left the window.
        api.clock.advance(SETTLE_MS - 2_000)
        await record(api, [replace(former, revision=3, update_ms=api.clock.now_ms())])
        await watch.quiet()


async def test_what_the_next_owner_records_is_told_to_who_goes_on(api: ApiUnderTest) -> None:
    former, ended = await taken_over(api, await make(api))
    async with watching(api) as first:
        token = first.token
        expected = await record(api, [former])
        assert [await first.run()] == expected
        later_token = first.token

    async with watching(api, token=token) as caught_up:
        assert [await caught_up.run()] == expected
        expected = await record(api, [ended])
        assert [await caught_up.run()] == expected
        await caught_up.quiet()
    async with watching(api, token=later_token) as second:
        assert [await second.run()] == expected
        await second.quiet()


async def test_whose_runs_and_which(api: ApiUnderTest) -> None:
    jobs = [await make(api, "a"), await make(api, "b"), await make(api, "a", "users/8")]

    async with (
        watching(api, "users/7/jobs/a") as one,
        watching(api, "users/7/jobs/-") as owner,
        watching(api, "users/-/jobs/a") as named,
        watching(api, ALL, "state = FAILED") as failed,
    ):
        a, b, other = [(await record(api, await runs_of(api, job)))[0] for job in jobs]
        bad = (await record(api, await runs_of(api, jobs[1], state=RunState.FAILED)))[0]

        assert await one.run() == a
        assert {await owner.run() for _ in range(3)} == {a, b, bad}
        assert {await named.run() for _ in range(2)} == {a, other}
        assert await failed.run() == bad


async def test_a_state_that_shows_late_is_told(api: ApiUnderTest) -> None:
    """A write may take long: the instant it bears is then well behind the reader."""
    job = await make(api)

    async with watching(api) as watch:
        late = await runs_of(api, job)
        api.clock.advance(SETTLE_MS - 1_000)
        assert [await watch.run() for _ in await record(api, late)] == [
            (str(late[0].name), RunState.SUCCEEDED)
        ]
        await watch.quiet()


async def test_a_clock_that_is_set_back_holds_nothing_up(api: ApiUnderTest) -> None:
    job = await make(api)

    async with watching(api) as watch, watching(api, "users/7/jobs/new") as other:
        before = await record(api, await runs_of(api, job, 2))
        assert [await watch.run() for _ in before] == before
        # Long enough for the hub to have forgotten what it has handed out: a minute, so that the
        # clock is set to a quarter of one after it. What is recorded just there may come again.
        await watch.quiet()
        untold = await record(api, await runs_of(api, job, 1))
        api.clock.set_back(45_000)
        set_ms = api.clock.steady_ms()
        later = await record(api, await runs_of(api, job, 2))
        expected = {*untold, *later}
        assert {await watch.run() for _ in expected} == expected
        assert api.clock.steady_ms() - set_ms < 2_000
        # Nothing is told again when the clock passes these instants once more.
        await watch.quiet(80_000)
        # A job in a segment that was not looked at is noticed as soon as ever.
        made = (await record(api, await runs_of(api, await make(api, "new"))))[0]
        seen_ms = api.clock.steady_ms()
        assert await other.run() == made
        assert api.clock.steady_ms() - seen_ms < 5_000


async def test_a_token_from_before_the_clock_was_set_back(api: ApiUnderTest) -> None:
    job = await make(api)
    async with watching(api) as first:
        token = first.token
    api.clock.set_back(3_600_000)
    missed = await record(api, await runs_of(api, job, 2))

    async with watching(api, token=token) as second:
        assert {await second.run() for _ in missed} == set(missed)


async def test_a_watch_goes_on_where_another_ended(api: ApiUnderTest) -> None:
    job = await make(api)

    async with watching(api) as first:
        shown = await record(api, await runs_of(api, job, 2))
        assert [await first.run() for _ in shown] == shown
        token = first.token
    missed = await record(api, await runs_of(api, job, 2))

    async with watching(api, token=token) as second:
        later = await record(api, await runs_of(api, job, 1))
        expected = {*missed, *later}
        assert {await second.run() for _ in expected} == expected
        await second.quiet()


async def test_a_token_of_the_middle_of_catching_up(api: ApiUnderTest) -> None:
    job = await make(api)
    async with watching(api) as first:
        token = first.token
    missed = await record(api, await runs_of(api, job, 5))

    async with watching(api, token=token) as second:
        assert [await second.run() for _ in range(2)] == missed[:2]
        token = second.token
    async with watching(api, token=token) as third:
        assert [await third.run() for _ in range(3)] == missed[2:]


async def test_after_very_many_runs_nothing_is_missed(api: ApiUnderTest) -> None:
    """A token cannot name them all: some come again, none is left out."""
    job = await make(api)

    async with watching(api) as first:
        for _ in range(5):
            shown = await record(api, await runs_of(api, job, 40))
            assert [await first.run() for _ in shown] == shown
        token = first.token
    missed = await record(api, await runs_of(api, job, 3))

    async with watching(api, token=token) as second:
        seen: set[tuple[str, int]] = set()
        while not seen.issuperset(missed):
            seen.add(await second.run())


async def test_a_job_that_comes_later_is_seen(api: ApiUnderTest) -> None:
    async with watching(api, "users/7/jobs/a") as watch:
        for _ in range(3):
            job = await make(api)
            expected = await record(api, await runs_of(api, job))
            assert await watch.run() == expected[0]
            await api.jobs.DeleteJob(job_service_pb2.DeleteJobRequest(name=job.name))


async def test_a_reader_that_is_too_slow_is_ended_and_can_go_on(api: ApiUnderTest) -> None:
    job = await make(api)

    async with watching(api) as watch:
        token = watch.token
        recorded = [await record(api, await runs_of(api, job, 30)) for _ in range(3)]
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            while True:
                await watch.run()

    refusal = Refusal.of(caught.value)
    assert refusal.summary == ("RESOURCE_EXHAUSTED", "OVERLOADED", [])
    assert refusal.retry.retry_delay.ToMilliseconds() > 0
    async with watching(api, token=token) as again:
        expected = {state for states in recorded for state in states}
        assert {await again.run() for _ in expected} == expected


async def test_an_outage_of_the_store_is_waited_out(
    api: ApiUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = await make(api)
    tried = asyncio.Event()

    async def gone(segments: object, since_ms: int) -> list[Run]:
        del segments, since_ms
        tried.set()
        raise StoreUnavailable("no answer")

    async with watching(api) as watch:
        with monkeypatch.context() as outage:
            outage.setattr(api.store.runs, "read_log", gone)
            while not tried.is_set():
                api.clock.advance(200)
                await asyncio.sleep(0.01)
        expected = await record(api, await runs_of(api, job))
        assert await watch.run() == expected[0]


async def test_nobody_reads_while_nobody_watches(
    api: ApiUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with watching(api):
        pass
    inner = api.store.runs.read_log
    reads: list[int] = []

    async def counted(segments: list[int], since_ms: int) -> list[Run]:
        reads.append(since_ms)
        return await inner(segments, since_ms)

    monkeypatch.setattr(api.store.runs, "read_log", counted)
    for _ in range(50):
        api.clock.advance(200)
        await asyncio.sleep(0)
    reads.clear()
    for _ in range(50):
        api.clock.advance(200)
        await asyncio.sleep(0)
    assert not reads


async def test_a_token_of_an_earlier_server_is_taken(api: ApiUnderTest) -> None:
    """It names states by their revisions alone: they come again, and nothing is missed."""
    job = await make(api)
    shown = await runs_of(api, job, 2)
    known = frozenset(
        blake2b(f"{run.job_uid}/{run.run_id}/{run.revision}".encode(), digest_size=8).digest()
        for run in shown
    )
    position = Position(api.clock.now_ms() - SETTLE_MS, known)
    token = TokenScope("watch", ALL, "").encode(position.encode())
    states = await record(api, [*shown, *await runs_of(api, job)])

    async with watching(api, token=token) as watch:
        assert [await watch.run() for _ in states] == states
        await watch.quiet()


@pytest.mark.parametrize("token", ["x", "AAAA", "ä"])
async def test_a_token_that_is_none_is_refused(api: ApiUnderTest, token: str) -> None:
    request = job_service_pb2.WatchRunsRequest(parent=ALL, resume_token=token)

    refusal = await refused(anext(aiter(api.jobs.WatchRuns(request))))

    assert refusal.summary == ("INVALID_ARGUMENT", "RESUME_TOKEN_INVALID", ["resumeToken"])


async def test_a_token_of_another_watch_or_too_old_is_refused(api: ApiUnderTest) -> None:
    async with watching(api) as watch:
        token = watch.token
    other = job_service_pb2.WatchRunsRequest(parent="users/7/jobs/-", resume_token=token)
    old = job_service_pb2.WatchRunsRequest(parent=ALL, resume_token=token)

    first = await refused(anext(aiter(api.jobs.WatchRuns(other))))
    api.clock.advance(2 * 86_400_000)
    second = await refused(anext(aiter(api.jobs.WatchRuns(old))))

    assert first.reason == second.reason == "RESUME_TOKEN_INVALID"


async def test_too_many_watches(store: Store, clock: HandClock) -> None:
    async with (
        serving(store, clock, ApiLimits(max_watches=1)) as api,
        watching(api),
    ):
        request = job_service_pb2.WatchRunsRequest(parent=ALL)
        refusal = await refused(anext(aiter(api.jobs.WatchRuns(request))))
        assert refusal.summary == ("RESOURCE_EXHAUSTED", "OVERLOADED", [])


async def test_a_wrong_filter_is_refused(api: ApiUnderTest) -> None:
    request = job_service_pb2.WatchRunsRequest(parent=ALL, filter="state = ASLEEP")

    assert (await refused(anext(aiter(api.jobs.WatchRuns(request))))).reason == "FILTER_INVALID"


def run_with(result: bytes, detail: bytes = b"") -> Run:
    return Run(
        user="7",
        job_id="a",
        job_uid="u",
        run_id=instant_id(0),
        segment=0,
        state=RunState.SUCCEEDED,
        trigger=Trigger.MANUAL,
        schedule_ms=0,
        due_ms=0,
        update_ms=0,
        result=result,
        detail=detail,
    )


async def test_a_slow_reader_holds_no_more_than_so_many_bytes() -> None:
    """Of runs with large results, or payloads of their own, 10,000 were gigabytes."""
    watch = Watch(lambda _: True, ApiLimits(watch_queue_bytes=1_000_000))
    watch.listens = True
    large = News(run_with(b"x" * 60_000, b"y" * 260_000), 0)
    watch.offer(News(run_with(b"x" * 2_000_000), 0))
    assert (await watch.next()).run is not None
    for _ in range(3):
        watch.offer(large)
    await watch.next()
    watch.offer(large)
    watch.check()
    watch.offer(large)
    with pytest.raises(Overloaded, match="too slowly"):
        watch.check()


async def test_watches_that_begin_at_once_are_no_more_than_may_be(
    store: Store, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All that came while the log was being read were taken in."""
    reading, go_on = asyncio.Event(), asyncio.Event()

    async def slow(segments: Sequence[int], since_ms: int) -> Sequence[Run]:
        del segments, since_ms
        reading.set()
        await go_on.wait()
        return ()

    monkeypatch.setattr(store.runs, "read_log", slow)
    hub = RunHub(store.runs, clock, ApiLimits(max_watches=2))
    first = await hub.open(lambda _: True)
    widening = asyncio.create_task(hub.widen(first, {0}))
    await reading.wait()
    opening = asyncio.gather(*(hub.open(lambda _: True) for _ in range(3)), return_exceptions=True)
    await asyncio.sleep(0)
    go_on.set()
    assert [type(one) for one in await opening] == [Watch, Overloaded, Overloaded]
    await widening
    await hub.close()
