"""Which of the records that were taken is worked on, and when."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from tickwheel.client.executor.cancellation import CancelReason
from tickwheel.client.executor.port import Delivery

_log = logging.getLogger(__name__)


class Work(Protocol):
    """Work on one record."""

    async def run(self) -> bool:
        """Does it; whether the record is finished, and need not be handed out again.

        Raises:
            CancelledError: it is not finished.
        """
        ...

    def give_up(self, reason: CancelReason) -> None:
        """Asks it to end soon."""
        ...


@dataclass(slots=True, eq=False)
class _Topic:
    concurrency: int
    waiting: deque[Delivery] = field(default_factory=deque[Delivery])
    running: int = 0
    has_room: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def room(self) -> int:
        # As many wait as run, so that the next one is at hand when one ends; more of them where
        # work that was given up came back.
        return max(0, self.concurrency - len(self.waiting))


@dataclass(slots=True, eq=False)
class _Running:
    delivery: Delivery
    work: Work
    is_given_up: bool = False


class Dispatcher:
    """Starts work on records in the order in which they came, as much at once as is allowed.

    Belongs to the event loop.

    Args:
        topics: how much at once for each topic.
        total: how much at once in all.
        work_on: makes the work on a record.
        ended: is told of each record that was worked on, and whether it is finished.
    """

    def __init__(
        self,
        topics: Mapping[str, int],
        total: int,
        work_on: Callable[[Delivery], Work],
        ended: Callable[[Delivery, bool], None],
    ) -> None:
        self._topics = {name: _Topic(concurrency) for name, concurrency in topics.items()}
        #: The topics, the one whose turn is next first.
        self._order = deque(self._topics)
        self._total = total
        self._work_on = work_on
        self._on_end = ended
        self._running: dict[asyncio.Task[bool], _Running] = {}
        self._is_cut_off = False
        #: Is set to an error that is a defect.
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        for topic in self._topics.values():
            topic.has_room.set()

    def room(self, topic: str) -> int:
        """How many more records of a topic may be put now."""
        return self._topics[topic].room

    def put(self, delivery: Delivery) -> None:
        """Takes over a record."""
        topic = self._topics[delivery.topic]
        topic.waiting.append(delivery)
        self._pump()
        if not topic.room:
            topic.has_room.clear()

    async def wait_for_room(self, topic: str) -> None:
        """Until a topic has room."""
        await self._topics[topic].has_room.wait()

    def in_work(self) -> Collection[Delivery]:
        """The records that are being worked on."""
        return [running.delivery for running in self._running.values()]

    async def let_go(self, timeout: float) -> None:
        """Forgets the records that wait, and waits for those that are being worked on."""
        for topic in self._topics.values():
            topic.waiting.clear()
            topic.has_room.set()
        if self._running:
            await asyncio.wait(self._running, timeout=timeout)

    def hand_over(self, gone: Callable[[Delivery], bool]) -> None:
        """Gives up the work on the records of which `gone` is true."""
        self._give_up(CancelReason.HANDED_OVER, gone)

    def give_up(self) -> None:
        """Gives up all work, because the executor stops."""
        self._give_up(CancelReason.STOPPING, lambda delivery: True)

    async def cut_off(self) -> None:
        """Ends all work at once, wherever it is, and begins none any more."""
        self._is_cut_off = True
        for task in self._running:
            task.cancel()
        if self._running:
            await asyncio.wait(self._running)

    def _give_up(self, reason: CancelReason, which: Callable[[Delivery], bool]) -> None:
        for running in self._running.values():
            delivery = running.delivery
            if which(delivery) and not running.is_given_up:
                running.is_given_up = True
                _log.warning(
                    "work on %s/%d@%d is given up, it will be done anew: %s",
                    delivery.topic,
                    delivery.partition,
                    delivery.offset,
                    reason,
                )
                running.work.give_up(reason)

    def _pump(self) -> None:
        while len(self._running) < self._total and not self._is_cut_off:
            for _ in range(len(self._order)):
                topic = self._topics[self._order[0]]
                self._order.rotate(-1)
                if topic.waiting and topic.running < topic.concurrency:
                    self._start(topic)
                    break
            else:
                return

    def _start(self, topic: _Topic) -> None:
        delivery = topic.waiting.popleft()
        topic.has_room.set()
        topic.running += 1
        work = self._work_on(delivery)
        task = asyncio.create_task(work.run(), name=f"{delivery.topic}@{delivery.offset}")
        self._running[task] = _Running(delivery, work)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[bool]) -> None:
        delivery = self._running.pop(task).delivery
        self._topics[delivery.topic].running -= 1
        is_finished = False
        if not task.cancelled():
            error = task.exception()
            if error is None:
                is_finished = task.result()
            elif not self.failed.done():
                self.failed.set_exception(error)
        self._on_end(delivery, is_finished)
        self._pump()
