"""Which record is worked on when, and how many more may come."""

import asyncio

from tickwheel.client.executor.cancellation import CancelReason
from tickwheel.client.executor.dispatch import Dispatcher
from tickwheel.client.executor.port import Delivery


class Working:
    """Work that ends when it is given up, unfinished."""

    def __init__(self) -> None:
        self._over = asyncio.Event()

    async def run(self) -> bool:
        await self._over.wait()
        return False

    def give_up(self, reason: CancelReason) -> None:
        self._over.set()


async def test_there_is_no_room_where_work_that_was_given_up_came_back() -> None:
    """Another topic's turn came first: one more waits than may. Less than none cannot be polled."""
    came_back = asyncio.Event()

    def ended(delivery: Delivery, is_finished: bool) -> None:
        assert not is_finished
        dispatcher.put(delivery)
        came_back.set()

    dispatcher = Dispatcher({"a": 1, "b": 1}, 1, lambda delivery: Working(), ended)
    for topic, offset in (("a", 0), ("a", 1), ("b", 0)):
        dispatcher.put(Delivery(topic, 0, offset, b"", b"", []))
    dispatcher.hand_over(lambda delivery: delivery.topic == "a")
    async with asyncio.timeout(20):
        await came_back.wait()
    assert [one.topic for one in dispatcher.in_work()] == ["b"]
    assert dispatcher.room("a") == 0
    await dispatcher.cut_off()
