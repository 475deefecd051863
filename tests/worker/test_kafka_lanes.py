"""Which producers there are: the present one, and former ones that have something outstanding."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from tickwheel.worker.clock import SystemClock
from tickwheel.worker.publisher import kafka_lanes
from tickwheel.worker.publisher.kafka_lane import KafkaOptions
from tickwheel.worker.publisher.kafka_lanes import Lanes

PLACE = ("topic", 0)


class OneWayLane:
    """Connects at once; is spoilt, and never done with what it has outstanding."""

    made: "list[OneWayLane]"

    def __init__(self, *_: object) -> None:
        self.made.append(self)
        self.retiring = asyncio.Event()
        self.aborted = False

    async def start(self) -> None: ...

    def usable_for(self, _partition: object) -> bool:
        return False

    async def retire(self) -> None:
        self.retiring.set()
        await asyncio.Event().wait()

    async def abort(self) -> None:
        self.aborted = True


async def test_an_abort_throws_former_producers_away_as_well(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    OneWayLane.made = []
    monkeypatch.setattr(kafka_lanes, "Lane", OneWayLane)
    tasks: list[asyncio.Task[None]] = []

    def spawn(work: Coroutine[Any, Any, None]) -> None:
        tasks.append(asyncio.create_task(work))

    lanes = Lanes(KafkaOptions(bootstrap="nowhere:1", client_id="c"), SystemClock(), spawn)
    keeping = asyncio.create_task(lanes.keep())
    async with asyncio.timeout(5):
        await lanes.changed(5)
        assert lanes.usable_for(PLACE) is None
        await lanes.changed(5)
        former, present = OneWayLane.made
        await former.retiring.wait()
    keeping.cancel()
    await lanes.abort()
    assert (former.aborted, present.aborted) == (True, True)
    for task in (keeping, *tasks):
        task.cancel()
    await asyncio.gather(keeping, *tasks, return_exceptions=True)
