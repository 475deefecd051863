"""Whose clock a scheduler goes by."""

import pytest

from scheduler.making import NOW
from tickwheel.server.scheduler.link import CLOCK_READINGS, WorkerLink
from tickwheel.server.scheduler.witnessed import WitnessedClock
from tickwheel.v1 import scheduler_service_pb2 as pb

BOUND_MS = 500
HOURS_MS = 7_200_000
#: Of the steady clock.
STEADY_MS = 9_000


class HandClock:
    """Its wall clock can be put ahead."""

    def __init__(self) -> None:
        self.ahead_ms = self.passed_ms = 0

    def now_ms(self) -> int:
        return NOW + self.passed_ms + self.ahead_ms

    def now_us(self) -> int:
        return self.now_ms() * 1000

    def steady_ms(self) -> int:
        return STEADY_MS + self.passed_ms

    async def sleep(self, seconds: float) -> None: ...


def hear(clock: WitnessedClock, *off_ms: int) -> None:
    """Workers whose wall clocks are so far off the true time."""
    clock.hear(NOW - STEADY_MS + off for off in off_ms)


@pytest.mark.parametrize(
    ("off_ms", "ahead_ms", "seen_ms"),
    [
        ([], HOURS_MS, 0),
        ([0], 0, 0),
        ([0], BOUND_MS, 0),
        ([0], BOUND_MS + 1, BOUND_MS + 1),
        ([0], HOURS_MS, HOURS_MS),
        ([0, 3], HOURS_MS, HOURS_MS - 3),
        # Whoever is behind decides nothing too early.
        ([0], -HOURS_MS, 0),
        # One of them is wrong, and not we.
        ([-HOURS_MS, 0], 0, 0),
        ([-HOURS_MS, 0, 0], 0, 0),
        ([HOURS_MS, 0, 0], 0, 0),
        # It is wrong as we are: it may be on the same machine.
        ([HOURS_MS, 0, 0], HOURS_MS, HOURS_MS),
        ([HOURS_MS, 0], HOURS_MS, 0),
        # Nobody can know better than most do.
        ([-HOURS_MS, -HOURS_MS, 0], 0, HOURS_MS),
    ],
)
def test_the_present_is_no_later_than_for_most_workers(
    off_ms: list[int], ahead_ms: int, seen_ms: int
) -> None:
    machine = HandClock()
    clock = WitnessedClock(machine, BOUND_MS)
    machine.ahead_ms = ahead_ms
    hear(clock, *off_ms)
    assert clock.ahead_ms == seen_ms
    assert clock.now_ms() == machine.now_ms() - seen_ms
    assert clock.now_us() == (machine.now_ms() - seen_ms) * 1000
    assert clock.steady_ms() == STEADY_MS


def test_a_step_of_our_own_clock_is_seen_before_anybody_says_anything() -> None:
    machine = HandClock()
    clock = WitnessedClock(machine, BOUND_MS)
    hear(clock, 0)
    machine.ahead_ms = HOURS_MS
    machine.passed_ms = 10
    assert clock.now_ms() == NOW + 10
    machine.ahead_ms = 0
    assert clock.now_ms() == NOW + 10
    assert clock.ahead_ms == 0


def test_a_clock_about_as_far_off_as_is_borne_does_not_go_to_and_fro() -> None:
    """Each time back is as if it were set back, and what is owned is taken up anew."""
    machine = HandClock()
    clock = WitnessedClock(machine, BOUND_MS)
    machine.ahead_ms = BOUND_MS
    seen: list[int] = []
    for off_ms in (0, -1, 0, 1, -1):
        hear(clock, off_ms)
        seen.append(clock.ahead_ms)
    assert seen == [0, BOUND_MS + 1, BOUND_MS, BOUND_MS - 1, BOUND_MS + 1]
    # It is slewed.
    machine.ahead_ms = BOUND_MS // 2
    hear(clock, 0)
    assert clock.ahead_ms == 0
    machine.ahead_ms = BOUND_MS
    hear(clock, 0)
    assert clock.ahead_ms == 0


def test_the_last_word_holds_while_no_worker_is_connected() -> None:
    machine = HandClock()
    machine.ahead_ms = HOURS_MS
    clock = WitnessedClock(machine, BOUND_MS)
    assert not clock.is_witnessed
    hear(clock, 0)
    hear(clock)
    machine.passed_ms = 60_000
    assert clock.is_witnessed
    assert clock.now_ms() == NOW + 60_000


def beat(link: WorkerLink, at_ms: int, wall_ms: int, under_way_ms: int = 0) -> None:
    """A heartbeat, sent so long after the true beginning; the worker booted long before us."""
    clock = pb.Clock(wall_ms=wall_ms, steady_ms=1_000_000 + at_ms)
    link.bound_clock(clock, STEADY_MS + at_ms + under_way_ms)


def test_how_far_a_worker_is_behind_does_not_hang_on_how_long_its_messages_were_under_way() -> None:
    link = WorkerLink("w", "h", "1", heard_ms=0, welcomed_ms=STEADY_MS)
    assert link.ahead_of_steady_ms is None
    beat(link, 3, NOW + 3, under_way_ms=30_000)
    # Of the time that its first heartbeat took at most.
    assert link.ahead_of_steady_ms == NOW - STEADY_MS + 3
    for number in range(2 * CLOCK_READINGS):
        beat(link, 500 * number, NOW + 500 * number, under_way_ms=60_000)
    assert link.ahead_of_steady_ms == NOW - STEADY_MS + 3
    # It is set back.
    for number in range(100, 100 + CLOCK_READINGS):
        beat(link, 500 * number, NOW + 500 * number - HOURS_MS, under_way_ms=9)
    assert link.ahead_of_steady_ms == NOW - STEADY_MS + 3 - HOURS_MS


def test_steady_clocks_that_drift_apart_put_nobody_behind() -> None:
    link = WorkerLink("w", "h", "1", heard_ms=0, welcomed_ms=STEADY_MS)
    beat(link, 0, NOW)
    weeks_ms = 1_000_000_000
    slow_ms = weeks_ms // 100_000
    clock = pb.Clock(wall_ms=NOW + weeks_ms - slow_ms, steady_ms=1_000_000 + weeks_ms)
    link.bound_clock(clock, STEADY_MS + weeks_ms - slow_ms)
    assert link.ahead_of_steady_ms == NOW - STEADY_MS
