"""What rings when, and what is let go of unheard."""

from tickwheel.server.scheduler.live import AttemptKey
from tickwheel.server.scheduler.timers import FEW, Timer, Timers


def _key(number: int) -> AttemptKey:
    return AttemptKey("job", str(number), 1)


def test_they_ring_in_order_of_time_and_of_one_instant_in_the_order_they_were_set() -> None:
    timers = Timers()
    timers.set(20, Timer.DEADLINE, _key(1))
    timers.set(10, Timer.SILENCE, _key(2))
    timers.set(10, Timer.OVERDUE, _key(1))
    timers.set(30, Timer.HAND_OUT, _key(3))
    assert timers.next_ms() == 10
    assert list(timers.ring(20)) == [
        (Timer.SILENCE, _key(2)),
        (Timer.OVERDUE, _key(1)),
        (Timer.DEADLINE, _key(1)),
    ]
    assert timers.next_ms() == 30
    assert not list(timers.ring(29))


def test_one_that_is_set_while_they_ring_rings_as_well() -> None:
    timers = Timers()
    timers.set(10, Timer.SILENCE, _key(1))
    heard: list[Timer] = []
    for timer, key in timers.ring(20):
        heard.append(timer)
        if timer is Timer.SILENCE:
            timers.set(15, Timer.DEADLINE, key)
    assert heard == [Timer.SILENCE, Timer.DEADLINE]
    assert timers.next_ms() is None


def test_those_of_attempts_that_are_over_do_not_pile_up() -> None:
    timers = Timers()
    for number in range(FEW):
        timers.set(1_000 + number, Timer.DEADLINE, _key(number))
    timers.weed(0, lambda _: False)
    assert timers.next_ms() == 1_000
    timers.set(5_000_000, Timer.DEADLINE, _key(FEW))
    timers.weed(0, lambda key: key == _key(FEW))
    assert timers.next_ms() == 5_000_000
    assert list(timers.ring(5_000_000)) == [(Timer.DEADLINE, _key(FEW))]
