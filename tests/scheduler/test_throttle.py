"""Limits over many jobs, and room for the runs of others."""

from dataclasses import replace

import pytest
from google.protobuf.duration_pb2 import Duration

from scheduler.making import NOW, SECOND, make_job
from tickwheel.server.domain.job import Payload, PayloadKind
from tickwheel.server.domain.names import instant_id
from tickwheel.server.domain.occurrence import EntryKind
from tickwheel.server.scheduler.link import WorkerLink
from tickwheel.server.scheduler.live import LiveRun, Phase
from tickwheel.server.scheduler.throttle import DispatchLimits, Throttle
from tickwheel.server.settings import Settings
from tickwheel.server.wiring.limits import dispatch_limits
from tickwheel.v1 import job_pb2
from tickwheel.v1 import scheduler_service_pb2 as pb


def a_run(user: str = "7", topic: str = "t", fire_ms: int = NOW, priority: int = 5) -> LiveRun:
    job = replace(make_job(at_ms=fire_ms), user=user)
    job.spec.completion = job_pb2.COMPLETION_REPORTED
    job.spec.run_timeout.CopyFrom(Duration(seconds=60))
    job.spec.target.topic = topic
    job.spec.priority = priority
    run_id = instant_id(fire_ms)
    return LiveRun(job, run_id, EntryKind.SCHEDULE, fire_ms, fire_ms, 0, "", fire_ms=fire_ms)


def test_without_limits_all_go_at_once() -> None:
    runs = [a_run(fire_ms=NOW + 4 * SECOND) for _ in range(5)]
    throttle = Throttle(DispatchLimits())
    assert throttle.admit(runs, NOW) == runs
    assert not any(throttle.is_paced(run) for run in runs)


def test_no_more_of_a_user_than_allowed_until_one_has_ended() -> None:
    throttle = Throttle(DispatchLimits(in_flight_per_user=2))
    first, second, third = runs = [a_run() for _ in range(3)]
    other = a_run(user="8")
    assert throttle.admit([*runs, other], NOW) == [first, other, second]
    assert not throttle.admit([], NOW)
    throttle.ended(first, NOW)
    assert throttle.admit([], NOW) == [third]
    throttle.ended(second, NOW)
    assert not throttle.admit([], NOW)


def test_limits_of_topics_by_name_and_for_all_others() -> None:
    throttle = Throttle(DispatchLimits(in_flight_per_topic={"a": 1, "*": 2}))
    runs = [a_run(topic=topic) for topic in "aabbb"]
    admitted = throttle.admit(runs, NOW)
    assert [run.job.spec.target.topic for run in admitted] == ["a", "b", "b"]


def test_higher_priorities_take_the_place_that_becomes_free() -> None:
    throttle = Throttle(DispatchLimits(in_flight_per_user=1))
    (first,) = throttle.admit([a_run()], NOW)
    low, high = a_run(priority=1), a_run(priority=9)
    assert not throttle.admit([low, high], NOW)
    throttle.ended(first, NOW)
    assert throttle.admit([], NOW) == [high]


def test_a_run_that_is_not_due_does_not_take_the_place_of_one_that_is() -> None:
    throttle = Throttle(DispatchLimits(in_flight_per_user=1))
    ahead = a_run(fire_ms=NOW + 3 * SECOND)
    assert not throttle.admit([ahead], NOW)
    assert throttle.next_ms() == NOW + 3 * SECOND
    due = a_run()
    assert throttle.admit([due], NOW) == [due]
    throttle.ended(due, NOW)
    assert throttle.admit([], NOW + 3 * SECOND) == [ahead]


def test_the_next_attempt_of_a_run_that_counts_needs_no_further_place() -> None:
    throttle = Throttle(DispatchLimits(in_flight_per_user=1))
    (run,) = throttle.admit([a_run()], NOW)
    run.attempt = 2
    assert throttle.admit([run], NOW) == [run]
    throttle.ended(run, NOW)
    again = a_run()
    assert throttle.admit([again], NOW) == [again]


def test_what_was_taken_back_meanwhile_is_not_handed_out() -> None:
    throttle = Throttle(DispatchLimits(in_flight_per_user=1))
    (first,) = throttle.admit([a_run()], NOW)
    throttle.admit([dropped := a_run()], NOW)
    dropped.phase = Phase.DROPPED
    throttle.ended(first, NOW)
    assert not throttle.admit([], NOW)


@pytest.mark.parametrize(("owned", "most"), [(64, 10), (32, 5), (1, 1)])
def test_a_scheduler_heeds_its_share(owned: int, most: int) -> None:
    throttle = Throttle(DispatchLimits(in_flight_per_user=10))
    throttle.set_share(owned, 64, NOW)
    assert len(throttle.admit([a_run() for _ in range(20)], NOW)) == most


def test_segments_that_go_take_their_runs_along() -> None:
    throttle = Throttle(DispatchLimits(in_flight_per_user=1))
    throttle.admit([a_run(), a_run()], NOW)
    throttle.forget([0], NOW)
    fresh = a_run()
    assert throttle.admit([fresh], NOW) == [fresh]


def test_runs_that_a_former_owner_handed_out_count() -> None:
    throttle = Throttle(DispatchLimits(in_flight_per_user=1))
    throttle.resume(a_run())
    assert not throttle.admit([a_run()], NOW)


def test_a_topics_rate_spreads_its_runs_after_a_burst_of_one_second() -> None:
    throttle = Throttle(DispatchLimits(rate_per_topic={"t": 10}))
    runs = [a_run() for _ in range(30)]
    for run in runs:
        assert throttle.is_paced(run)
        throttle.pace(run, NOW)
        assert not throttle.is_paced(run)
    late = [run.fire_ms - NOW for run in runs]
    assert late[:10] == [0] * 10
    assert late[10:] == [100 * (n + 1) for n in range(20)]
    assert all(run.due_ms == NOW for run in runs)
    assert not throttle.is_paced(a_run(topic="u"))


def test_a_slow_rate_is_kept_as_well() -> None:
    throttle = Throttle(DispatchLimits(rate_per_topic={"*": 0.5}))
    runs = [a_run() for _ in range(3)]
    for run in runs:
        throttle.pace(run, NOW)
    assert [run.fire_ms - NOW for run in runs] == [0, 2_000, 4_000]


def test_quiet_topics_are_forgotten() -> None:
    throttle = Throttle(DispatchLimits(rate_per_topic={"*": 10}))
    run = a_run(topic="busy")
    for number in range(3_000):
        at_ms = NOW + number * SECOND // 30
        throttle.pace(a_run(topic=str(number), fire_ms=at_ms), at_ms)
        run = a_run(topic="busy", fire_ms=at_ms)
        throttle.pace(run, at_ms)
    assert len(throttle._next_ms) <= 2_001  # pyright: ignore[reportPrivateUsage]
    # One that goes on is paced as before.
    assert run.fire_ms > NOW + 200 * SECOND


def test_limits_as_the_operator_writes_them() -> None:
    settings = Settings(max_in_flight_per_topic="billing=20, *=100", dispatch_rate_per_topic="5")  # pyright: ignore
    limits = dispatch_limits(settings)
    assert (limits.topic_in_flight("billing"), limits.topic_in_flight("x")) == (20, 100)
    assert limits.topic_rate("x") == 5
    for nonsense in ("a=-1", "a=b", "a=", "nan"):
        with pytest.raises(ValueError, match="dispatch_rate_per_topic"):
            Settings(dispatch_rate_per_topic=nonsense)  # pyright: ignore


def test_a_user_who_fills_a_window_leaves_room_for_others() -> None:
    link = WorkerLink("w", "", "", 0)
    link.set_window(pb.Window(max_count=80, max_bytes=1 << 20))
    storm = [a_run(user="a") for _ in range(200)]
    calm = a_run(user="b")
    assert [link.admit(run) for run in storm] == [True] * 70 + [False] * 130
    assert link.admit(calm)
    link.let_go(storm[0].key)
    assert link.admit(storm[70])
    assert not link.admit(storm[71])


@pytest.mark.parametrize("size", [0, 20_000])
@pytest.mark.parametrize("users", ["a", "ab"])
def test_a_topic_that_cannot_be_written_to_leaves_room_for_others(size: int, users: str) -> None:
    link = WorkerLink("w", "", "", 0)
    link.set_window(pb.Window(max_count=80, max_bytes=1 << 20))
    stuck = [a_run(user=users[number % len(users)], topic="stuck") for number in range(200)]
    calm = a_run(user="c" if users == "a" else "a")
    for run in (*stuck, calm):
        run.job = replace(run.job, payload=Payload(PayloadKind.TEXT, b"x" * size))
    taken = [run for run in stuck if link.admit(run)]
    assert link.admit(calm)
    # It is of another topic by now, of which there would be room.
    taken[0].job = a_run().job
    link.let_go(taken[0].key)
    assert link.admit(stuck[-1])
    assert not link.admit(stuck[-2])


def test_a_window_is_as_free_as_before_though_what_was_held_has_another_payload_by_now() -> None:
    link = WorkerLink("w", "", "", 0)
    link.set_window(pb.Window(max_count=80, max_bytes=1 << 20))
    run = a_run()
    for size in (100_000, 0):
        assert link.admit(run)
        # Its job is changed while it is held.
        run.job = replace(run.job, payload=Payload(PayloadKind.TEXT, b"x" * size))
        assert link.let_go(run.key) is run
        assert link.held_bytes == 0


def test_users_take_turns_at_the_places_of_a_topic() -> None:
    throttle = Throttle(DispatchLimits(in_flight_per_topic={"t": 1}))
    (running,) = throttle.admit([a_run(user="storm")], NOW)
    storm = [a_run(user="storm", priority=9) for _ in range(100)]
    assert not throttle.admit(storm, NOW)
    calm = a_run(user="calm", fire_ms=NOW + SECOND)
    assert not throttle.admit([calm], NOW)
    throttle.ended(running, NOW)
    (next_one,) = throttle.admit([], NOW + SECOND)
    throttle.ended(next_one, NOW)
    assert calm in (next_one, *throttle.admit([], NOW + SECOND))
