"""Work on a record: whether it is a run of ours, and not a duplicate; then its attempt."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from tickwheel.client.executor.attempt import Attempt, End
from tickwheel.client.executor.cancellation import CancelReason
from tickwheel.client.executor.port import Delivery
from tickwheel.client.executor.record import NotARun, RunRecord, run_record

_log = logging.getLogger(__name__)

#: About 15 MB of memory.
REMEMBERED = 50_000


class Executed:
    """What this process executes and has executed, by the record's `event_id`.

    Of those that are over it remembers the last ones. For COMPLETION_REPORTED runs the server
    remembers all; this spares it the question, and covers the others.
    """

    def __init__(self, remembered: int = REMEMBERED) -> None:
        self._remembered = remembered
        self._over: OrderedDict[str, None] = OrderedDict()
        #: Each with its end, once somebody waits for that: hardly ever.
        self._under_way: dict[str, asyncio.Event | None] = {}

    async def claim(self, event_id: str) -> bool:
        """Waits until nobody else does the work; False where that is no longer needed.

        After True, `release` must follow.
        """
        while event_id in self._under_way:
            ended = self._under_way[event_id]
            if ended is None:
                self._under_way[event_id] = ended = asyncio.Event()
            await ended.wait()
        if event_id in self._over:
            self._over.move_to_end(event_id)
            return False
        self._under_way[event_id] = None
        return True

    def release(self, event_id: str, *, executed: bool) -> None:
        """Ends a claim."""
        if executed:
            self._over[event_id] = None
            if len(self._over) > self._remembered:
                self._over.popitem(last=False)
        ended = self._under_way.pop(event_id)
        if ended is not None:
            ended.set()


class Execution:
    """Work on one record."""

    def __init__(
        self, delivery: Delivery, executed: Executed, attempt_of: Callable[[RunRecord], Attempt]
    ) -> None:
        self._delivery = delivery
        self._executed = executed
        self._attempt_of = attempt_of
        self._attempt: Attempt | None = None
        self._claiming: asyncio.Task[Any] | None = None

    async def run(self) -> bool:
        """Does it; whether the record is finished.

        Raises:
            CancelledError: it was given up before the handler was called.
        """
        delivery = self._delivery
        try:
            record = run_record(delivery)
        except NotARun as error:
            _log.warning(
                "the record %s/%d@%d is passed over, it is no run: %s",
                delivery.topic,
                delivery.partition,
                delivery.offset,
                error,
            )
            return True
        self._claiming = asyncio.current_task()
        if not await self._executed.claim(record.event_id):
            _log.info("%s is passed over: a duplicate", record.told, extra=record.log_fields)
            return True
        end = End.UNFINISHED
        try:
            self._attempt = self._attempt_of(record)
            end = await self._attempt.run()
        finally:
            # One that was refused may be valid under the fence of another record.
            self._executed.release(record.event_id, executed=end is End.EXECUTED)
        return end is not End.UNFINISHED

    def give_up(self, reason: CancelReason) -> None:
        """Asks it to end soon."""
        if self._attempt is not None:
            self._attempt.give_up(reason)
        elif self._claiming is not None:
            self._claiming.cancel()
