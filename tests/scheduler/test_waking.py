"""A scheduler that has slept past its lease, and its worker."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace

import pytest

from scheduler.clocks import SleepyClock
from scheduler.making import entry_of, make_job, notice
from scheduler.test_fleet import Stream
from tickwheel.server.domain.names import instant_id, new_uid
from tickwheel.server.domain.run import RunState
from tickwheel.server.scheduler.options import Identity, SchedulerOptions
from tickwheel.server.scheduler.runtime import Scheduler
from tickwheel.server.store.port import NewJob, Store
from tickwheel.server.store.sqlite import open_sqlite
from tickwheel.v1 import scheduler_service_pb2 as pb


@pytest.fixture
def clock() -> SleepyClock:
    return SleepyClock()


@pytest.fixture
async def store(clock: SleepyClock) -> AsyncGenerator[Store]:
    opened = await open_sqlite(None, segments=1, clock=clock)
    yield opened
    await opened.close()


def connect(scheduler: Scheduler, clock: SleepyClock) -> Stream:
    stream = Stream(scheduler.fleet)
    stream.say(
        hello=pb.Hello(
            worker_id="w",
            protocol_version=1,
            window=pb.Window(max_count=100, max_bytes=1 << 20),
            clock=pb.Clock(wall_ms=clock.now_ms()),
        )
    )
    return stream


async def test_what_a_worker_published_before_is_not_skipped_though_its_stream_has_broken(
    clock: SleepyClock, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = SchedulerOptions(witness_ms=0, read_ms=20, membership_ms=20)
    identity = Identity(session_id=new_uid(), address="local", version="test")
    scheduler = Scheduler(store, clock, identity, options)
    gathered, waiting = scheduler.fleet.gathered, asyncio.Event()

    async def wait() -> None:
        waiting.set()
        await gathered()

    monkeypatch.setattr(scheduler.fleet, "gathered", wait)
    running = asyncio.create_task(scheduler.run())
    async with asyncio.timeout(60):
        await scheduler.ready.wait()
        stream = connect(scheduler, clock)
        await stream.hear("welcome")
        at_ms = clock.now_ms()
        job = replace(make_job(at_ms=at_ms, window_s=10), create_ms=at_ms, update_ms=at_ms)
        row = entry_of(job, at_ms)
        await store.jobs.create([NewJob(job=job, entry=row, inbox=notice(job, at_ms, row))])
        (assigned,) = (await stream.hear("assignments")).assignments.assignments
        # It is published, and the stream breaks before that is said.
        clock.slept_ms += 60_000
        await stream.hang_up()
        await waiting.wait()
        stream = connect(scheduler, clock)
        published = pb.Published(publish_ms=at_ms + 2, partition=0, offset=1)
        outcome = pb.Outcome(
            key=assigned.key, epoch=assigned.epoch, user=job.user, published=published
        )
        stream.say(outcomes=pb.Outcomes(outcomes=[outcome]))
        asked = (await stream.hear("revocation")).revocation.revocation_id
        stream.say(revocation_ack=pb.RevocationAck(revocation_id=asked))
        while (run := await store.runs.get(job.uid, instant_id(at_ms))) is None:
            await asyncio.sleep(0.01)
        assert run.state is RunState.SUCCEEDED
        await scheduler.stop()
        await stream.hang_up()
        await running
