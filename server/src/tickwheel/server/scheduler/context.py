"""What the pieces of one scheduler share.

Only for those that make calls. What decides (`segment`, `runs`, `cursors`, `throttle` and the
like) is handed what it needs, and never anything that can do I/O.
"""

import asyncio
from dataclasses import dataclass

from tickwheel.server.domain.clock import Clock
from tickwheel.server.scheduler.fleet import Fleet
from tickwheel.server.scheduler.holding import Holdings
from tickwheel.server.scheduler.keeper import SessionKeeper
from tickwheel.server.scheduler.options import SchedulerOptions
from tickwheel.server.scheduler.pressure import Pressure
from tickwheel.server.scheduler.repairs import Repairs
from tickwheel.server.store.port import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerContext:
    """What a scheduler works with, and what it has; the same for its whole life.

    What needs no more than three of these takes them one by one.
    """

    store: Store
    clock: Clock
    options: SchedulerOptions
    #: Our session: says until when it holds, and stamps writes while it does.
    keeper: SessionKeeper
    #: Our workers.
    fleet: Fleet
    #: The segments that are owned; `ownership` alone adds and takes away.
    holdings: Holdings
    #: Says when nothing more is to be taken in.
    pressure: Pressure
    #: Counts what was found wrong in the store and mended.
    repairs: Repairs
    #: Is set when there is something new to fire.
    wake: asyncio.Event
