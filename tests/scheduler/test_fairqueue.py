"""Users in turn, the most urgent of each first."""

import random

from scheduler.making import NOW, SECOND
from scheduler.test_throttle import a_run
from tickwheel.server.scheduler.fairqueue import FEW, FairQueue
from tickwheel.server.scheduler.live import LiveRun, Phase


def queue_of(*runs: LiveRun) -> FairQueue:
    queue = FairQueue(lambda run: run.job.spec.target.topic)
    for run in runs:
        queue.add(run)
    return queue


def anyone(run: LiveRun) -> bool:
    run.phase = Phase.ASSIGNED
    return True


def test_a_storm_leaves_room_for_others_in_each_slice() -> None:
    queue = queue_of(*(a_run(user="storm", priority=9) for _ in range(1_000)))
    queue.take(100, NOW, anyone)
    queue.add(calm := a_run(user="calm", fire_ms=NOW + SECOND))
    assert calm in queue.take(2, NOW, anyone)


def test_one_place_after_the_other_is_taken_in_turn() -> None:
    queue = queue_of(*(a_run(user=user) for user in "aaab" for _ in range(2)))
    users = [run.job.user for _ in range(8) for run in queue.take(1, NOW, anyone)]
    assert users == ["a", "b", "a", "b", "a", "a", "a", "a"]
    assert not queue


def test_of_a_user_what_is_due_goes_by_priority_and_what_is_not_by_its_instant() -> None:
    ahead = [a_run(fire_ms=NOW + SECOND + at, priority=9 - at) for at in range(3)]
    due = [a_run(fire_ms=NOW - at, priority=at) for at in range(3)]
    runs = [*due, *ahead]
    random.Random(1).shuffle(runs)
    assert queue_of(*runs).take(6, NOW, anyone) == [*reversed(due), *ahead]


def test_of_more_users_than_can_go_those_with_the_highest_priorities_are_first() -> None:
    queue = queue_of(*(a_run(user=str(user), priority=user % 10) for user in range(50)))
    assert {run.job.spec.priority for run in queue.take(10, NOW, anyone)} == {8, 9}
    assert {run.job.spec.priority for run in queue.take(10, NOW, anyone)} == {6, 7}


def test_what_is_refused_stays_and_holds_up_its_lane_alone() -> None:
    runs = [a_run(topic=topic) for topic in "aabb"]
    queue = queue_of(*runs)
    assert queue.take(9, NOW, lambda run: run.job.spec.target.topic == "b") == runs[2:]
    assert queue.take(9, NOW, anyone) == runs[:2]


def test_what_does_not_wait_any_more_is_passed_over() -> None:
    cancelled, retried, waits = runs = [a_run() for _ in range(3)]
    queue = queue_of(*runs)
    cancelled.phase = Phase.RECORDING
    retried.attempt = 2
    assert list(queue.heads()) == [waits]
    assert queue.take(9, NOW, anyone) == [waits]
    queue.add(gone := a_run())
    gone.phase = Phase.DROPPED
    assert not list(queue.heads())
    assert not queue


def test_a_segment_that_goes_takes_its_runs_along() -> None:
    queue = queue_of(a_run(), a_run(user="8"))
    queue.forget({1})
    assert queue
    queue.forget({0})
    assert not queue


def test_what_was_taken_back_behind_one_that_waits_becomes_no_more_and_more() -> None:
    """There is no worker, or no room, and a job is changed again and again."""
    waits = [a_run() for _ in range(FEW)]
    queue = queue_of(*waits)
    for _ in range(10 * FEW):
        queue.add(taken_back := a_run(fire_ms=NOW + SECOND))
        taken_back.phase = Phase.DROPPED
    assert len(queue) < 3 * FEW
    assert queue.take(len(waits) + 1, NOW, anyone) == waits
    assert not queue
