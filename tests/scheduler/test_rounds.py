"""Who asks while a round is under way shares the next one."""

import asyncio
import gc

import pytest

from tickwheel.server.scheduler.rounds import Rounds


class _Store:
    def __init__(self) -> None:
        self.rounds: list[list[int]] = []
        self.gate = asyncio.Event()
        self.error: Exception | None = None

    async def work(self, segments: list[int]) -> None:
        self.rounds.append(segments)
        await self.gate.wait()
        if self.error is not None:
            raise self.error


async def _begun(store: _Store, rounds: Rounds, *asked: int) -> list[asyncio.Task[None]]:
    """Asks for each, the first of which has begun its round before the others ask."""
    first = asyncio.create_task(rounds.ask([asked[0]]))
    while not store.rounds:
        await asyncio.sleep(0)
    rest = [asyncio.create_task(rounds.ask([segment])) for segment in asked[1:]]
    await asyncio.sleep(0)
    return [first, *rest]


async def test_who_asks_during_a_round_shares_the_next() -> None:
    store = _Store()
    asking = await _begun(store, Rounds(store.work), 1, 3, 2, 3)
    store.gate.set()
    await asyncio.gather(*asking)
    assert store.rounds == [[1], [2, 3]]


async def test_who_gives_up_does_not_end_the_round_of_others() -> None:
    store = _Store()
    _, second, third = await _begun(store, Rounds(store.work), 1, 2, 3)
    second.cancel()
    store.gate.set()
    await third
    assert store.rounds == [[1], [2, 3]]


async def test_all_hear_of_an_error_and_the_next_round_is_done() -> None:
    store = _Store()
    rounds = Rounds(store.work)
    asking = await _begun(store, rounds, 1, 2, 3)
    store.error = ValueError("away")
    store.gate.set()
    results = await asyncio.gather(*asking, return_exceptions=True)
    assert [str(result) for result in results] == ["away"] * 3
    store.error = None
    await rounds.ask([4])
    assert store.rounds[-1] == [4]


async def test_an_error_that_nobody_waits_for_is_no_complaint(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = _Store()
    rounds = Rounds(store.work)
    (only,) = await _begun(store, rounds, 1)
    only.cancel()
    await asyncio.wait([only])
    store.error = ValueError("away")
    store.gate.set()
    with pytest.raises(ValueError, match="away"):
        await rounds.ask([2])
    del rounds
    gc.collect()
    assert caplog.records == []
