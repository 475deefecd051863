"""What goes to the workers when a topic's rate lets only a few go."""

from dataclasses import replace
from typing import cast

import pytest

from scheduler.making import NOW, SECOND, make_owner
from scheduler.test_fleet import HandClock
from scheduler.test_throttle import a_run
from tickwheel.server.domain.lease import SegmentLease
from tickwheel.server.scheduler.dispatcher import Dispatcher
from tickwheel.server.scheduler.fairqueue import FairQueue
from tickwheel.server.scheduler.fleet import Fleet
from tickwheel.server.scheduler.holding import Holding
from tickwheel.server.scheduler.live import LiveRun, Phase
from tickwheel.server.scheduler.options import SchedulerOptions
from tickwheel.server.scheduler.throttle import DispatchLimits
from tickwheel.v1 import job_pb2


class Taker:
    """A fleet that has room for everything."""

    def __init__(self) -> None:
        self.taken: list[LiveRun] = []

    def assign(self, waiting: FairQueue, most: int, now_ms: int) -> list[LiveRun]:
        def admit(run: LiveRun) -> bool:
            run.phase = Phase.ASSIGNED
            return True

        taken = waiting.take(most, now_ms, admit)
        self.taken.extend(taken)
        return taken


class Stage:
    """A scheduler's dispatcher over one segment, on a clock that is moved by hand."""

    def __init__(self, limits: DispatchLimits) -> None:
        self.clock = HandClock()
        self.fleet = Taker()
        self.owner = make_owner()
        lease = SegmentLease(segment=0, epoch=1, session_id="s", address="", floor_us=0)
        holding = Holding(lease, self.owner, ready=True)
        self.holdings = {0: holding}
        self.dispatcher = Dispatcher(
            self.clock, SchedulerOptions(limits=limits), cast(Fleet, self.fleet), self.holdings
        )

    def hand_out(self, *ready: LiveRun) -> list[LiveRun]:
        """What goes to workers now."""
        before = len(self.fleet.taken)
        self.owner.give_back(ready, self.clock.ms)
        while self.dispatcher.hand_out():
            pass
        return self.fleet.taken[before:]


def storm(count: int = 2_000, priority: int = 5) -> list[LiveRun]:
    return [a_run(user="storm", priority=priority) for _ in range(count)]


def late_ms(runs: list[LiveRun]) -> list[int]:
    return [run.fire_ms - run.due_ms for run in runs]


def test_slots_of_a_topics_rate_are_given_a_second_ahead() -> None:
    stage = Stage(DispatchLimits(rate_per_topic={"*": 10}))
    assert late_ms(stage.hand_out(*storm())) == [0] * 10 + [100 * n for n in range(1, 11)]
    assert stage.dispatcher.next_ms() == NOW + 100
    stage.clock.ms += 100
    assert late_ms(stage.hand_out()) == [1_100]


def test_a_storm_takes_no_slots_that_the_run_of_another_could_have() -> None:
    stage = Stage(DispatchLimits(rate_per_topic={"*": 10}))
    stage.hand_out(*storm(priority=9))
    calm = a_run(user="calm", fire_ms=NOW + SECOND)
    stage.clock.ms += SECOND
    assert calm in stage.hand_out(calm)
    # It waits for what has its slot already, and for one more in turn.
    assert calm.fire_ms <= NOW + SECOND + 1_200


def test_what_has_its_slot_keeps_it_when_it_is_handed_out_again() -> None:
    stage = Stage(DispatchLimits(rate_per_topic={"*": 10}))
    runs = stage.hand_out(*storm(20))
    before = late_ms(runs)
    assert stage.hand_out(*runs) == runs
    assert late_ms(runs) == before
    assert stage.dispatcher.next_ms() is None


def test_a_slice_is_handed_out_at_a_time() -> None:
    stage = Stage(DispatchLimits())
    runs = storm()
    stage.owner.give_back(runs, NOW)
    assert stage.dispatcher.hand_out()
    assert 0 < len(stage.fleet.taken) < len(runs)
    stage.hand_out()
    assert stage.fleet.taken == runs


def test_a_share_that_grows_holds_at_once_and_for_what_has_its_slot_already() -> None:
    stage = Stage(DispatchLimits(rate_per_topic={"*": 1}))
    stage.dispatcher.set_segments(100)
    # One of many at first, as when all are taken one after the other.
    assert late_ms(stage.hand_out(a_run(), a_run())) == [0]
    (holding,) = stage.holdings.values()
    stage.holdings.update(dict.fromkeys(range(1, 100), holding))
    stage.clock.ms += 500
    # 99.5 s of the former rate are 0.995 of the present one.
    assert late_ms(stage.hand_out()) == [1_495]


@pytest.mark.parametrize("completion", [job_pb2.COMPLETION_REPORTED, job_pb2.COMPLETION_PUBLISHED])
def test_what_is_taken_back_leaves_its_room_to_others(completion: "job_pb2.Completion") -> None:
    """A change may take it back for good: then no end of it ever comes."""
    stage = Stage(DispatchLimits(in_flight_per_topic={"*": 1}))
    first, second = a_run(), a_run()
    assert stage.hand_out(first, second) == [first]
    first.job.spec.completion = completion
    stage.owner.runs.drop(first)
    assert stage.hand_out() == [second]
    # One that has its name by now is another one.
    stage.owner.runs.drop(replace(second))
    assert stage.hand_out(a_run()) == []
