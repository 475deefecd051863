"""What former owners wrote to the run log, and not to the history any more."""

import asyncio
from collections.abc import Sequence

import pytest

from scheduler.running import until_owned
from scheduler.test_desk import CLOCK, stored
from tickwheel.server.domain.lease import WriteStamp
from tickwheel.server.domain.names import new_uid
from tickwheel.server.domain.run import Run, RunState
from tickwheel.server.scheduler.options import Identity, SchedulerOptions
from tickwheel.server.scheduler.runtime import Scheduler
from tickwheel.server.store.port import Store


def an_owner(store: Store) -> Scheduler:
    """One that looks at once at what is missing."""
    options = SchedulerOptions(
        exclusive=True, renew_ms=20, membership_ms=20, read_ms=20, advance_ms=20
    )
    identity = Identity(session_id=new_uid(), address="local", version="test")
    return Scheduler(store, CLOCK, identity, options)


async def test_the_history_of_a_run_that_goes_on_is_completed_as_well(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody could read it before its end; the owner after the next one would have it anew."""
    former, following = an_owner(store), an_owner(store)
    async with asyncio.timeout(20):
        running = asyncio.create_task(former.run())
        await until_owned(former)
        _, run = await stored(store, former)
        await former.stop()
        await running

    async def unknown(_keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Run]:
        return {}

    record = store.runs.record
    written = asyncio.Queue[Run]()

    async def noted(stamp: WriteStamp, runs: Sequence[Run]) -> None:
        await record(stamp, runs)
        for one in runs:
            written.put_nowait(one)

    monkeypatch.setattr(store.runs, "get_many", unknown)
    monkeypatch.setattr(store.runs, "record", noted)
    async with asyncio.timeout(20):
        running = asyncio.create_task(following.run())
        assert await written.get() == run
        await following.stop()
        await running
    assert run.state is RunState.PUBLISHED
