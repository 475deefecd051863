"""A clock of a process that stands still at times."""

from typing_extensions import override

from tickwheel.server.domain.clock import SystemClock


class SleepyClock(SystemClock):
    """Runs on while its process stands still."""

    def __init__(self) -> None:
        self.slept_ms = 0

    @override
    def steady_ms(self) -> int:
        return super().steady_ms() + self.slept_ms

    @override
    def now_ms(self) -> int:
        return super().now_ms() + self.slept_ms

    @override
    def now_us(self) -> int:
        return super().now_us() + self.slept_ms * 1000
