"""``python -m drills.skewed_worker MS AFTER_S``: a worker whose wall clock steps.

It runs like any other for AFTER_S seconds; then its wall clock is MS milliseconds off (negative:
slow), as by a wrong NTP server. Its steady clock goes on.
"""

import sys

from tickwheel.worker.clock import SystemClock
from tickwheel.worker.logs import configure_logs
from tickwheel.worker.process import run_process
from tickwheel.worker.settings import WorkerSettings


class SteppingClock(SystemClock):
    """Right at first, then off."""

    def __init__(self, off_ms: int, after_s: float) -> None:
        self._off_ms = off_ms
        self._from_ms = self.steady_ms() + round(after_s * 1000)

    def now_ms(self) -> int:
        """The wall clock, with its fault."""
        is_off = self.steady_ms() >= self._from_ms
        return super().now_ms() + (self._off_ms if is_off else 0)


def main() -> None:
    """Runs the worker until it is told to stop."""
    settings = WorkerSettings()
    configure_logs(settings.log_level, settings.log_format)
    run_process(settings, SteppingClock(int(sys.argv[1]), float(sys.argv[2])))


if __name__ == "__main__":
    main()
