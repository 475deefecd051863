"""What a scheduler holds, sampled once a second."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from tickwheel.server.domain.clock import Clock
from tickwheel.server.domain.run import Limit
from tickwheel.server.telemetry.runs import LIMITS
from tickwheel.worker.listeners import Listeners
from tickwheel.worker.telemetry.names import (
    DISPATCHED,
    HOLDING_BACK,
    LAG,
    LEASES_LOST,
    PENDING,
    REPAIRS,
    SEGMENTS,
    UNOWNED,
    WORKERS,
)
from tickwheel.worker.telemetry.setup import Telemetry

_SAMPLE_S = 1.0


class Census(Protocol):
    """What is asked; see `tickwheel.server.scheduler.census`."""

    leases_lost: int
    unowned: int

    @property
    def repairs(self) -> Mapping[Any, int]:
        """What was mended so far."""
        ...

    @property
    def dispatched(self) -> int:
        """Assignments handed to workers so far."""
        ...

    def lag_ms(self) -> int:
        """How far behind."""
        ...

    def held(self) -> Mapping[Limit, int]:
        """Runs that limits hold back."""
        ...

    def owned(self) -> int:
        """Segments."""
        ...

    def pending(self) -> int:
        """Runs."""
        ...

    def workers(self) -> int:
        """Connected workers."""
        ...


async def sample(census: Census, telemetry: Telemetry, clock: Clock) -> None:
    """Looks again and again, until it is cancelled."""
    gauges: list[tuple[Callable[[], float], Callable[[float], None]]] = [
        (lambda: census.lag_ms() / 1000, telemetry.gauge(LAG).set),
        (census.owned, telemetry.gauge(SEGMENTS).set),
        (census.pending, telemetry.gauge(PENDING).set),
        (census.workers, telemetry.gauge(WORKERS).set),
        (lambda: census.unowned, telemetry.gauge(UNOWNED).set),
    ]
    holding = telemetry.gauge(HOLDING_BACK)
    counters = [
        (lambda: census.dispatched, telemetry.counter(DISPATCHED)),
        (lambda: census.leases_lost, telemetry.counter(LEASES_LOST)),
    ]
    counted = [0] * len(counters)
    repairs = telemetry.counter(REPAIRS)
    mended: dict[str, int] = {}

    def look() -> None:
        for read, write in gauges:
            write(read())
        held = census.held()
        for limit, name in LIMITS.items():
            holding.set(held.get(limit, 0), {"limit": name})
        for place, (total, counter) in enumerate(counters):
            now = total()
            counter.add(now - counted[place])
            counted[place] = now
        for what, count in list(census.repairs.items()):
            repairs.add(count - mended.get(what, 0), str(what))
            mended[what] = count

    looking = Listeners(look)
    while True:
        looking()
        await clock.sleep(_SAMPLE_S)
