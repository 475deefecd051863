"""The clock port. Logic takes a Clock; only wiring makes one."""

import asyncio
import time
from dataclasses import dataclass
from typing import Protocol


class Clock(Protocol):
    """Tells the time and waits.

    Wall time decides when an assignment is due. Permissions and time-outs are counted on the
    steady clock, which never steps and runs on while the machine is suspended.
    """

    def now_ms(self) -> int:
        """Wall clock, Unix time in milliseconds, UTC."""
        ...

    def steady_ms(self) -> int:
        """Milliseconds from an arbitrary beginning, comparable only within one machine."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Waits for a duration. A wake-up may be late; it is never early."""
        ...


@dataclass(frozen=True, slots=True)
class Moment:
    """Both clocks, read together."""

    wall_ms: int
    steady_ms: int

    @classmethod
    def of(cls, clock: Clock) -> "Moment":
        """Reads both."""
        return cls(clock.now_ms(), clock.steady_ms())


class SystemClock:
    """The machine's own clocks."""

    def now_ms(self) -> int:
        """Wall clock, Unix time in milliseconds, UTC."""
        return time.time_ns() // 1_000_000

    def steady_ms(self) -> int:
        """CLOCK_BOOTTIME where there is one: it counts suspended time, CLOCK_MONOTONIC does not."""
        return time.clock_gettime_ns(_STEADY) // 1_000_000

    async def sleep(self, seconds: float) -> None:
        """Waits on the running event loop."""
        await asyncio.sleep(seconds)


_STEADY: int = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
