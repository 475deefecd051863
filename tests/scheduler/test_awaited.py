"""Waiting for word of attempts."""

import asyncio

from tickwheel.server.scheduler.awaited import Awaited
from tickwheel.server.scheduler.live import AttemptKey

FIRST, SECOND = AttemptKey("job", "run", 1), AttemptKey("job", "run", 2)


async def test_all_who_wait_go_on_once_something_is_known_of_all_that_they_wait_for() -> None:
    awaited = Awaited()
    one = asyncio.create_task(awaited.wait([FIRST], 60))
    both = asyncio.create_task(awaited.wait([FIRST, SECOND], 60))
    await asyncio.sleep(0)
    awaited.resolve([FIRST])
    await one
    assert not both.done()
    awaited.resolve([FIRST, SECOND])
    await both
    await awaited.wait([], 60)


async def test_nothing_is_kept_of_attempts_of_which_nobody_heard() -> None:
    awaited = Awaited()
    patient = asyncio.create_task(awaited.wait([FIRST], 60))
    await awaited.wait([FIRST, SECOND], 0.001)
    assert len(awaited) == 1
    patient.cancel()
    await asyncio.wait([patient])
    assert len(awaited) == 0
    awaited.resolve([FIRST])
