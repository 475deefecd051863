"""Workers' streams as the scheduler sees them: a stand-in for the runtime, streams in memory."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import replace

import pytest

from scheduler.making import (
    NOW,
    SECOND,
    changed,
    entry_of,
    make_job,
    make_owner,
    publish,
    store_records,
)
from tickwheel.server.domain.clock import Clock
from tickwheel.server.domain.job import Job
from tickwheel.server.domain.lease import SegmentLease
from tickwheel.server.scheduler.assignment import key_message
from tickwheel.server.scheduler.dispatcher import Dispatcher
from tickwheel.server.scheduler.fairqueue import FairQueue
from tickwheel.server.scheduler.fleet import ConnectRefusedError, Fleet
from tickwheel.server.scheduler.holding import Holding
from tickwheel.server.scheduler.link import CLOCK_READINGS
from tickwheel.server.scheduler.live import AttemptKey, LiveRun, Phase
from tickwheel.server.scheduler.options import Identity, SchedulerOptions
from tickwheel.server.scheduler.own_runs import own_run
from tickwheel.server.scheduler.terms import MIN_PUBLISH_WINDOW_MS
from tickwheel.v1 import job_pb2
from tickwheel.v1 import scheduler_service_pb2 as pb

OPTIONS = SchedulerOptions()


class HandClock(Clock):
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.ms = NOW

    def now_ms(self) -> int:
        return self.ms

    def now_us(self) -> int:
        return self.ms * 1000

    def steady_ms(self) -> int:
        return self.ms

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)


class Runtime:
    """Notes what the fleet tells."""

    def __init__(self) -> None:
        self.runs: dict[AttemptKey, LiveRun] = {}
        self.outcomes: list[pb.Outcome] = []
        self.dropped: set[AttemptKey] = set()
        self.started: set[AttemptKey] = set()
        self.free: list[LiveRun] = []
        self.told = asyncio.Event()
        self.segments = {0: 3}

    def epochs(self) -> Mapping[int, int]:
        return self.segments

    def permission_left_ms(self) -> int:
        return 2_000

    def outcome(self, outcome: pb.Outcome, worker_id: str) -> bool:
        self.outcomes.append(outcome)
        self.told.set()
        return True

    def confirmed(self, keys: Iterable[AttemptKey], started: Iterable[AttemptKey]) -> None:
        self.dropped |= set(keys)
        self.started |= set(started)
        self.told.set()

    def released(self, runs: Iterable[LiveRun]) -> None:
        self.free.extend(runs)
        self.told.set()

    def room(self) -> None: ...

    def find(self, key: AttemptKey, segment: int) -> LiveRun | None:
        return self.runs.get(key)


class Stream:
    """A worker's side of one stream."""

    def __init__(self, fleet: Fleet) -> None:
        self._up: asyncio.Queue[pb.ConnectRequest | None] = asyncio.Queue()
        self._down: asyncio.Queue[pb.ConnectResponse] = asyncio.Queue()
        self.served = asyncio.ensure_future(fleet.serve(self._requests(), self._down.put))

    async def _requests(self) -> AsyncIterator[pb.ConnectRequest]:
        while (request := await self._up.get()) is not None:
            yield request

    def say(self, **message: object) -> None:
        self._up.put_nowait(pb.ConnectRequest(**message))  # pyright: ignore[reportArgumentType]

    def hello(self, held: Iterable[pb.Held] = (), ahead_ms: int = 0, worker_id: str = "w") -> None:
        self.say(
            hello=pb.Hello(
                worker_id=worker_id,
                protocol_version=1,
                held=held,
                window=pb.Window(max_count=100, max_bytes=1 << 20),
                clock=pb.Clock(wall_ms=NOW + ahead_ms, steady_ms=0),
            )
        )

    def beat(self, behind_ms: int = 0) -> None:
        self.say(
            heartbeat=pb.Heartbeat(
                sequence=7,
                clock=pb.Clock(wall_ms=NOW - behind_ms),
                window=pb.Window(max_count=100, max_bytes=1 << 20),
            )
        )

    async def hear(self, kind: str) -> pb.ConnectResponse:
        async with asyncio.timeout(5):
            while (message := await self._down.get()).WhichOneof("message") != kind:
                pass
        return message

    async def hang_up(self) -> None:
        self._up.put_nowait(None)
        await self.served


@pytest.fixture
def runtime() -> Runtime:
    return Runtime()


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def fleet(runtime: Runtime, clock: HandClock) -> Fleet:
    identity = Identity(session_id="s", address="here:1", version="1")
    options = SchedulerOptions(permission_ms=50)
    return Fleet(clock, identity, options, runtime)


def pass_awake(fleet: Fleet, clock: HandClock, ms: int) -> None:
    """Time passes for a scheduler that does not stand still."""
    until_ms = clock.ms + ms
    while clock.ms < until_ms:
        clock.ms = min(until_ms, clock.ms + OPTIONS.heartbeat_ms)
        fleet.tick()


def _run(runtime: Runtime) -> LiveRun:
    job: Job = make_job(at_ms=NOW + SECOND)
    run = own_run(job, entry_of(job, NOW + SECOND), lambda: "")
    run.run_id = "20270115T080001000Z"
    runtime.runs[run.key] = run
    return run


def assign(fleet: Fleet, run: LiveRun) -> bool:
    """Offers a run to the workers; whether one has taken it."""
    waiting = FairQueue(lambda run: run.job.segment)
    waiting.add(run)
    return fleet.assign(waiting, 10, NOW) == [run]


async def connected(fleet: Fleet) -> Stream:
    """A worker that was welcomed and has heard which segments it serves."""
    stream = Stream(fleet)
    stream.hello()
    await stream.hear("segments")
    return stream


async def holding(fleet: Fleet, runtime: Runtime) -> tuple[Stream, LiveRun]:
    """A worker that is connected and holds a run."""
    stream = await connected(fleet)
    run = _run(runtime)
    assert assign(fleet, run)
    return stream, run


async def test_a_worker_is_welcomed_and_given_segments_and_runs(
    fleet: Fleet, runtime: Runtime
) -> None:
    stream = Stream(fleet)
    stream.hello()
    await stream.hear("welcome")
    assert [s.epoch for s in (await stream.hear("segments")).segments.segments] == [3]
    run = _run(runtime)
    assert assign(fleet, run)
    (assignment,) = (await stream.hear("assignments")).assignments.assignments
    assert (assignment.epoch, assignment.due_ms) == (3, run.due_ms)
    assert run.phase is Phase.ASSIGNED


async def test_a_run_is_recorded_where_it_was_published_though_its_job_has_another_topic_by_then(
    fleet: Fleet,
) -> None:
    stream = await connected(fleet)
    owner, job = make_owner(), make_job(at_ms=NOW)
    job.spec.completion = job_pb2.COMPLETION_REPORTED
    owner.load([entry_of(job, NOW)], {job.key: job}, NOW)
    owner.step(NOW)
    (run,) = owner.take_ready()
    assert assign(fleet, run)
    (given,) = (await stream.hear("assignments")).assignments.assignments
    spec = job_pb2.Job()
    spec.CopyFrom(job.spec)
    spec.target.topic = "another"
    owner.change(changed(job, NOW + 1, spec=spec), None, NOW + 1)
    publish(owner, run, NOW + 2)
    (record,) = store_records(owner)
    assert record.topic == given.topic == "topic"


async def test_what_waits_for_a_topic_that_has_no_more_room_holds_up_no_other_of_its_user(
    fleet: Fleet, clock: HandClock, runtime: Runtime
) -> None:
    await connected(fleet)
    owner, jobs = make_owner(epoch=3), [make_job(at_ms=NOW) for _ in range(200)]
    users = ("a", "b", "c")
    for number, job in enumerate(jobs):
        jobs[number] = replace(job, user=users[number % 3])
    jobs[-1].spec.target.topic = "another"
    owner.load([entry_of(job, NOW) for job in jobs], {job.key: job for job in jobs}, NOW)
    owner.step(NOW)
    lease = SegmentLease(segment=0, epoch=3, session_id="s", address="", floor_us=0)
    holdings = {0: Holding(lease, owner, ready=True)}
    dispatcher = Dispatcher(clock, SchedulerOptions(), fleet, holdings)
    dispatcher.hand_out()
    given = owner.assigned_runs()
    assert 0 < len(given) < len(jobs)
    assert "another" in {run.job.spec.target.topic for run in given}


async def test_a_stream_must_begin_with_hello(fleet: Fleet) -> None:
    stream = Stream(fleet)
    stream.say(heartbeat=pb.Heartbeat())
    with pytest.raises(ConnectRefusedError, match="hello"):
        await stream.served


async def test_heartbeats_are_answered_with_permission(fleet: Fleet) -> None:
    stream = Stream(fleet)
    stream.hello()
    stream.beat()
    ack = (await stream.hear("heartbeat_ack")).heartbeat_ack
    assert (ack.sequence, ack.permission_ms) == (7, 50)


async def test_a_worker_whose_clock_is_far_off_gets_no_segments(
    fleet: Fleet, runtime: Runtime
) -> None:
    stream = Stream(fleet)
    stream.hello(ahead_ms=2_000)
    assert not (await stream.hear("segments")).segments.segments
    run = _run(runtime)
    assert not assign(fleet, run)


async def test_a_heartbeat_that_was_long_under_way_is_not_taken_for_a_slow_clock(
    fleet: Fleet, runtime: Runtime
) -> None:
    stream = await connected(fleet)
    stream.beat(behind_ms=864)
    await stream.hear("heartbeat_ack")
    assert assign(fleet, _run(runtime))


async def test_the_time_of_a_run_begins_as_it_is_handed_out_and_not_anew(
    fleet: Fleet, runtime: Runtime
) -> None:
    stream, _ = await holding(fleet, runtime)
    (handed,) = (await stream.hear("assignments")).assignments.assignments
    assert handed.expire_ms == NOW + SECOND + MIN_PUBLISH_WINDOW_MS
    again = _run(runtime)
    again.expire_ms = NOW + 7
    assert assign(fleet, again)
    (handed,) = (await stream.hear("assignments")).assignments.assignments
    assert handed.expire_ms == NOW + 7


@pytest.mark.parametrize("behind_ms", [864, 60_000])
async def test_a_worker_whose_clock_stays_behind_those_of_others_gets_nothing_more(
    fleet: Fleet, runtime: Runtime, behind_ms: int
) -> None:
    other = Stream(fleet)
    other.hello(worker_id="other")
    stream = await connected(fleet)
    for _ in range(CLOCK_READINGS):
        other.beat()
        await other.hear("heartbeat_ack")
        stream.beat(behind_ms=behind_ms)
        await stream.hear("heartbeat_ack")
        fleet.tick()
    assert fleet.clock.ahead_ms == 0
    run = _run(runtime)
    assert assign(fleet, run)
    assert run.worker == "other"


async def test_workers_that_are_a_little_behind_get_nothing_more_and_put_nobody_back(
    fleet: Fleet, runtime: Runtime
) -> None:
    stream = await connected(fleet)
    for _ in range(CLOCK_READINGS):
        stream.beat(behind_ms=2_000)
        await stream.hear("heartbeat_ack")
        fleet.tick()
    assert fleet.clock.ahead_ms == 0
    assert not assign(fleet, _run(runtime))


async def test_a_scheduler_whose_clock_is_ahead_of_all_its_workers_goes_by_theirs(
    fleet: Fleet, runtime: Runtime, clock: HandClock
) -> None:
    streams = [Stream(fleet) for _ in range(3)]
    for number, stream in enumerate(streams):
        stream.hello(worker_id=f"w{number}")
        stream.beat(behind_ms=60_000)
        # They take its work: it tells them by what it goes.
        assert (await stream.hear("heartbeat_ack")).heartbeat_ack.clock.wall_ms == NOW - 60_000
    assert fleet.clock.now_ms() == NOW - 60_000
    assert assign(fleet, _run(runtime))


async def test_what_workers_said_long_ago_is_no_word_on_the_clock(
    fleet: Fleet, clock: HandClock
) -> None:
    """A scheduler that stood still finds Hello and heartbeats that have waited for it."""
    stream = await connected(fleet)
    clock.ms += 60_000
    stream.say(heartbeat=pb.Heartbeat(clock=pb.Clock(wall_ms=NOW + 2, steady_ms=5_002)))
    await stream.hear("heartbeat_ack")
    fleet.tick()
    assert fleet.clock.is_witnessed
    assert fleet.clock.now_ms() == NOW + 60_000


async def test_what_a_departed_worker_held_is_free_once_it_may_not_publish(
    fleet: Fleet, runtime: Runtime, clock: HandClock
) -> None:
    stream = await connected(fleet)
    stream.beat()
    await stream.hear("heartbeat_ack")
    run = _run(runtime)
    assert assign(fleet, run)
    await stream.hang_up()
    fleet.tick()
    assert runtime.free == []
    clock.ms += 51
    fleet.tick()
    assert runtime.free == [run]


async def test_a_returning_worker_keeps_what_it_held_and_drops_what_is_not_its_own(
    fleet: Fleet, runtime: Runtime, clock: HandClock
) -> None:
    first, run = await holding(fleet, runtime)
    await first.hang_up()
    second = Stream(fleet)
    stranger = pb.RunKey(job_uid="x", run_id="y", attempt=1, segment=0)
    second.hello([pb.Held(key=key_message(run.key, 0), epoch=3), pb.Held(key=stranger, epoch=2)])
    revocation = (await second.hear("revocation")).revocation
    assert list(revocation.keys) == [stranger]
    clock.ms += 51
    fleet.tick()
    assert runtime.free == []


async def test_a_scheduler_that_was_replaced_asks_for_nothing_of_its_successors(
    fleet: Fleet, runtime: Runtime
) -> None:
    """It slept past its lease, and the worker is back before it has noticed."""
    stream = Stream(fleet)
    former, later = pb.RunKey(job_uid="u", run_id="former"), pb.RunKey(job_uid="u", run_id="later")
    stream.hello([pb.Held(key=former, epoch=2), pb.Held(key=later, epoch=4)])
    revoked = (await stream.hear("revocation")).revocation
    assert list(revoked.keys) == [former]


async def test_a_revocation_is_confirmed_and_what_was_not_begun_is_free(
    fleet: Fleet, runtime: Runtime
) -> None:
    stream, run = await holding(fleet, runtime)
    fleet.revoke([run])
    revocation = (await stream.hear("revocation")).revocation
    stream.say(revocation_ack=pb.RevocationAck(revocation_id=revocation.revocation_id))
    async with asyncio.timeout(5):
        await runtime.told.wait()
    assert runtime.dropped == {run.key}
    assert runtime.free == [run]


async def test_what_was_revoked_is_dropped_when_all_have_answered(
    fleet: Fleet, runtime: Runtime
) -> None:
    stream = await connected(fleet)
    await fleet.answered()
    run = _run(runtime)
    assert assign(fleet, run)
    fleet.revoke([run])
    revocation = (await stream.hear("revocation")).revocation
    waiting = asyncio.create_task(fleet.answered())
    await asyncio.sleep(0)
    assert not waiting.done()
    stream.say(revocation_ack=pb.RevocationAck(revocation_id=revocation.revocation_id))
    async with asyncio.timeout(5):
        await waiting
    assert runtime.dropped == {run.key}


async def test_who_does_not_answer_is_not_waited_for_for_ever(
    fleet: Fleet, runtime: Runtime, clock: HandClock
) -> None:
    _, run = await holding(fleet, runtime)
    fleet.revoke([run])
    waiting = asyncio.create_task(fleet.answered())
    await asyncio.sleep(0)
    pass_awake(fleet, clock, OPTIONS.worker_lease_ms)
    async with asyncio.timeout(5):
        await waiting


async def test_a_silent_worker_is_taken_for_dead(fleet: Fleet, clock: HandClock) -> None:
    stream = await connected(fleet)
    pass_awake(fleet, clock, OPTIONS.worker_lease_ms)
    assert [link.worker_id for link in fleet.links()] == ["w"]
    pass_awake(fleet, clock, 1)
    assert not fleet.links()
    await stream.served


async def test_that_the_scheduler_stood_still_is_no_silence_of_its_workers(
    fleet: Fleet, clock: HandClock
) -> None:
    stream = await connected(fleet)
    pass_awake(fleet, clock, OPTIONS.heartbeat_ms)
    clock.ms += 60_000
    # What the worker has said meanwhile is still unread.
    fleet.tick()
    stream.beat()
    await stream.hear("heartbeat_ack")
    pass_awake(fleet, clock, OPTIONS.worker_lease_ms)
    assert fleet.links()
    # From then on it is silent.
    pass_awake(fleet, clock, 1)
    assert not fleet.links()


async def test_what_a_departed_worker_held_is_not_free_because_the_scheduler_stood_still(
    runtime: Runtime, clock: HandClock
) -> None:
    """It may be back at once, with what it has published."""
    fleet = Fleet(clock, Identity(session_id="s", address="here:1", version="1"), OPTIONS, runtime)
    first = Stream(fleet)
    first.hello()
    first.beat()
    await first.hear("heartbeat_ack")
    run = _run(runtime)
    assert assign(fleet, run)
    await first.hang_up()
    clock.ms += 60_000
    fleet.tick()
    assert runtime.free == []
    second = Stream(fleet)
    second.hello([pb.Held(key=key_message(run.key, 0), epoch=3)])
    await second.hear("segments")
    pass_awake(fleet, clock, OPTIONS.permission_ms)
    assert runtime.free == []
    assert [run.key for link in fleet.links() for run in link.held.values()] == [run.key]


async def test_who_is_back_before_its_former_stream_has_ended_keeps_what_it_held(
    fleet: Fleet, runtime: Runtime, clock: HandClock
) -> None:
    first, run = await holding(fleet, runtime)
    second = Stream(fleet)
    second.hello([pb.Held(key=key_message(run.key, 0), epoch=3)])
    await second.hear("segments")
    await first.served
    pass_awake(fleet, clock, OPTIONS.heartbeat_ms)
    assert runtime.free == []
    assert [list(link.held) for link in fleet.links()] == [[run.key]]


async def test_what_a_worker_that_was_back_for_a_moment_may_still_publish_is_not_free(
    fleet: Fleet, runtime: Runtime, clock: HandClock
) -> None:
    """Its new stream broke before its first heartbeat; it has the permission of the former."""
    first, run = await holding(fleet, runtime)
    first.beat()
    await first.hear("heartbeat_ack")
    second = Stream(fleet)
    second.hello([pb.Held(key=key_message(run.key, 0), epoch=3)])
    await second.hear("segments")
    await second.hang_up()
    clock.ms += 49
    fleet.tick()
    assert runtime.free == []
    clock.ms += 1
    fleet.tick()
    assert runtime.free == [run]


async def test_who_is_back_is_told_again_what_it_was_asked_to_drop(
    fleet: Fleet, runtime: Runtime
) -> None:
    first, run = await holding(fleet, runtime)
    second = Stream(fleet)
    fleet.revoke([run])
    run.phase = Phase.DROPPED
    # It broke before the worker had answered.
    await first.hang_up()
    second.hello([pb.Held(key=key_message(run.key, 0), epoch=3)])
    assert list((await second.hear("revocation")).revocation.keys) == [key_message(run.key, 0)]
    assert run.phase is Phase.DROPPED


async def test_who_is_back_is_asked_to_drop_what_it_held_of_a_segment_that_is_given_back(
    fleet: Fleet, runtime: Runtime, clock: HandClock
) -> None:
    first, run = await holding(fleet, runtime)
    second = Stream(fleet)
    runtime.segments = {}
    fleet.revoke([run])
    await first.hang_up()
    second.hello([pb.Held(key=key_message(run.key, 0), epoch=3)])
    number = (await second.hear("revocation")).revocation.revocation_id
    # It answers before what it was permitted over its former stream is over.
    pass_awake(fleet, clock, OPTIONS.heartbeat_ms)
    assert runtime.free == []
    runtime.told.clear()
    second.say(revocation_ack=pb.RevocationAck(revocation_id=number))
    await runtime.told.wait()
    assert (runtime.dropped, runtime.free) == ({run.key}, [run])


async def test_what_a_worker_that_is_back_has_begun_is_not_free(
    fleet: Fleet, runtime: Runtime, clock: HandClock
) -> None:
    """It was asked to drop it, and did not hear that before its stream broke."""
    first, run = await holding(fleet, runtime)
    second = Stream(fleet)
    fleet.revoke([run])
    await first.hang_up()
    second.hello([pb.Held(key=key_message(run.key, 0), epoch=3)])
    number = (await second.hear("revocation")).revocation.revocation_id
    second.say(
        revocation_ack=pb.RevocationAck(
            revocation_id=number, already_started=[key_message(run.key, 0)]
        )
    )
    await runtime.told.wait()
    assert runtime.started == {run.key}
    pass_awake(fleet, clock, OPTIONS.permission_ms)
    assert runtime.free == []
    assert [list(link.held) for link in fleet.links()] == [[run.key]]


async def test_a_worker_is_asked_once_to_drop_a_run_until_it_has_answered(
    fleet: Fleet, runtime: Runtime
) -> None:
    """A second answer would be taken for one about the run as it is handed out anew."""
    stream, run = await holding(fleet, runtime)
    fleet.revoke([run])
    fleet.revoke([run])
    number = (await stream.hear("revocation")).revocation.revocation_id
    stream.say(revocation_ack=pb.RevocationAck(revocation_id=number))
    await runtime.told.wait()
    assert (runtime.dropped, runtime.free) == ({run.key}, [run])
    (link,) = fleet.links()
    assert not link.unconfirmed()
    run.phase = Phase.READY
    assert assign(fleet, run)
    # It may have to be dropped once more.
    fleet.revoke([run])
    assert link.unconfirmed() == [run.key]
