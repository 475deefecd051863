"""A whole worker in virtual time: streams, timer, drain."""

import pytest

from tickwheel.v1 import scheduler_service_pb2 as pb
from tickwheel.worker.publisher.port import Unavailable
from worker.conftest import World
from worker.making import (
    NOW_MS,
    assignment,
    assignments,
    key,
    outcome_acks,
    revocation,
    segments,
    topology,
)


@pytest.mark.parametrize("skew_ms", [0, -400, 400, -2_000, 2_000])
async def test_never_early_by_either_clock(world: World, skew_ms: int) -> None:
    world.clock.skew_ms = skew_ms
    given = [assignment(str(number), NOW_MS + 5_000 + number) for number in range(0, 200, 7)]
    await world.scheduler.say(assignments(*given))
    await world.time.advance(4_989)
    assert world.publisher.given == []
    await world.time.advance(10_000)
    assert len(world.publisher.given) == len(given)
    due = {item.key.run_id: item.due_ms for item in given}
    late = [at_ms - due[record.run.run_id] for record, at_ms in world.publisher.given]
    assert min(late) >= 0
    # A clock that is slow makes things late by as much, and no more than the pace besides.
    assert max(late) <= max(0, -skew_ms) + 6


async def test_clocks_that_step_make_nothing_early(world: World) -> None:
    await world.scheduler.say(assignments(assignment("a", NOW_MS + 3_000)))
    await world.time.advance(500)
    world.clock.skew_ms = 60_000
    await world.time.advance(1_000)
    assert world.publisher.given == []
    world.clock.skew_ms = 0
    world.scheduler.clock.skew_ms = -1_000
    await world.time.advance(2_000)
    assert world.publisher.given == []
    await world.time.advance(1_000)
    assert world.publisher.names() == ["a"]


async def test_a_burst_is_handed_over_in_few_parts(world: World) -> None:
    given = [assignment(str(number), NOW_MS + 1_000) for number in range(5_000)]
    for first in range(0, len(given), 500):
        await world.scheduler.say(assignments(*given[first : first + 500]))
    await world.time.advance(500)
    assert len(world.publisher.expected) == 5_000
    await world.time.advance(600)
    assert len(world.publisher.given) == 5_000
    assert len(world.publisher.calls) <= 12
    assert max(world.publisher.calls) <= 1_000
    assert {outcome.key.run_id for outcome in world.scheduler.outcomes()} == {
        item.key.run_id for item in given
    }
    assert len(world.scheduler.messages("outcomes")) <= 20


async def test_a_storm_lies_in_the_wheel_where_another_user_comes_in_turn(world: World) -> None:
    storm = [assignment(str(number), NOW_MS + 1_000) for number in range(8_000)]
    for first in range(0, len(storm), 500):
        await world.scheduler.say(assignments(*storm[first : first + 500]))
    other = assignment("other", NOW_MS + 1_050)
    other.job_name = "users/another/jobs/other"
    await world.scheduler.say(assignments(other))
    world.publisher.held_up = True
    await world.time.advance(1_040)
    assert len(world.publisher.given) == 2_000
    await world.time.advance(60)
    world.publisher.held_up = False
    world.publisher.release()
    await world.time.advance(100)
    names = world.publisher.names()
    assert len(names) == 8_001
    assert names.index("other") <= 2_500


async def test_nothing_is_woken_while_nothing_is_due(world: World) -> None:
    await world.scheduler.say(assignments(assignment("later", NOW_MS + 600_000)))
    await world.time.advance(60_000)
    heard, slept = len(world.scheduler.heard), world.time.sleeps
    await world.time.advance(10_000)
    # Heartbeats, each 500 ms, and nothing else.
    assert len(world.scheduler.heard) - heard == 20
    # Each heartbeat and its answer, the timer that the answer wakes, and one tidying each second.
    assert world.time.sleeps - slept <= 70


async def test_permission_lapses_and_comes_back(world: World) -> None:
    world.scheduler.answers_heartbeats = False
    await world.scheduler.say(
        assignments(assignment("in time", NOW_MS + 1_500), assignment("after", NOW_MS + 2_800))
    )
    await world.time.advance(2_900)
    assert world.publisher.names() == ["in time"]
    world.scheduler.answers_heartbeats = True
    await world.time.advance(500)
    assert world.publisher.names() == ["in time", "after"]


async def test_a_process_that_was_stopped_publishes_nothing_when_it_wakes(world: World) -> None:
    await world.scheduler.say(assignments(assignment("a", NOW_MS + 1_000)))
    await world.time.advance(500)
    world.scheduler.answers_heartbeats = False
    await world.time.freeze(60_000)
    await world.time.advance(100)
    assert world.publisher.given == []


async def test_what_was_held_through_a_long_stop_is_not_revived(world: World) -> None:
    await world.scheduler.say(assignments(assignment("a", NOW_MS + 1_000)))
    await world.time.advance(500)
    world.scheduler.hang_up()
    await world.time.freeze(60_000)
    await world.time.advance(5_000)
    assert world.scheduler.streams == 2
    assert world.worker.ready
    assert world.publisher.given == []
    assert not world.scheduler.messages("hello")[-1].hello.held


async def test_a_short_loss_of_the_stream_is_not_noticed_by_what_is_due(world: World) -> None:
    await world.scheduler.say(assignments(assignment("a", NOW_MS + 300)))
    await world.time.advance(100)
    world.scheduler.hang_up()
    await world.time.advance(300)
    assert world.publisher.names() == ["a"]
    await world.time.advance(1_000)
    assert [outcome.key for outcome in world.scheduler.outcomes()] == [key("a")]


async def test_outcomes_are_sent_again_on_a_new_stream(world: World) -> None:
    world.scheduler.acknowledges = False
    await world.scheduler.say(assignments(assignment("a", NOW_MS)))
    await world.time.advance(100)
    assert len(world.scheduler.outcomes()) == 1
    world.scheduler.hang_up()
    await world.time.advance(1_000)
    assert world.scheduler.streams == 2
    assert len(world.scheduler.outcomes()) == 2
    await world.scheduler.say(outcome_acks(key("a")))
    world.scheduler.hang_up()
    await world.time.advance(1_000)
    assert world.scheduler.streams == 3
    assert len(world.scheduler.outcomes()) == 2


async def test_a_new_owner_takes_over_what_waits(world: World) -> None:
    other = world.add_scheduler("b")
    await world.scheduler.say(topology("a", "b"))
    await world.scheduler.say(assignments(assignment("old", NOW_MS + 2_000, segment=3, epoch=1)))
    await world.time.advance(100)
    assert other.streams == 1
    await other.say(segments({3: 2}))
    await other.say(assignments(assignment("new", NOW_MS + 2_000, segment=3, epoch=2)))
    await world.time.advance(2_100)
    assert world.publisher.names() == ["new"]
    assert len(other.outcomes()) == 1


async def test_a_revocation_is_answered_and_kept(world: World) -> None:
    await world.scheduler.say(assignments(assignment("a", NOW_MS + 1_000, job="j")))
    await world.scheduler.say(revocation(5, jobs=["j"]))
    await world.time.advance(1)
    (message,) = world.scheduler.messages("revocation_ack")
    assert message.revocation_ack.revocation_id == 5
    await world.time.advance(2_000)
    assert world.publisher.given == []


async def test_a_log_that_is_away_does_not_hold_up_a_new_owner_for_ever(world: World) -> None:
    world.publisher.held_up = True
    await world.scheduler.say(assignments(assignment("a", NOW_MS, segment=7)))
    await world.time.advance(10)
    await world.scheduler.say(revocation(1, epochs={7: 2}))
    await world.time.advance(900)
    assert world.scheduler.messages("revocation_ack") == []
    await world.time.advance(200)
    (message,) = world.scheduler.messages("revocation_ack")
    assert message.revocation_ack.already_started == [key("a", segment=7)]


async def test_what_the_log_gives_back_is_published_later(world: World) -> None:
    world.publisher.held_up = True
    await world.scheduler.say(assignments(assignment("a", NOW_MS)))
    await world.time.advance(10)
    assert not world.worker.ready
    world.publisher.held_up = False
    world.publisher.release(Unavailable("away"))
    await world.time.advance(100)
    assert world.publisher.names() == ["a", "a"]
    assert len(world.scheduler.outcomes()) == 1


async def test_reconnects_more_and_more_slowly(world: World) -> None:
    serve = world.schedulers.pop("a")
    world.scheduler.hang_up()
    await world.time.advance(60_000)
    assert not world.worker.ready
    world.schedulers["a"] = serve
    await world.time.advance(5_100)
    assert world.worker.ready
    assert world.scheduler.streams == 2


async def test_a_clean_stop_publishes_what_is_due_shortly_and_hands_in_outcomes(
    world: World,
) -> None:
    given = [assignment("soon", NOW_MS + 800), assignment("far", NOW_MS + 30_000)]
    await world.scheduler.say(assignments(*given))
    await world.time.advance(1)
    world.worker.stop()
    await world.time.advance(1)
    assert not world.worker.ready
    assert len(world.scheduler.messages("drain")) == 1
    assert world.scheduler.messages("heartbeat")[-1].heartbeat.window.max_count == 0
    await world.time.advance(1_500)
    assert world.publisher.names() == ["soon"]
    assert [outcome.key for outcome in world.scheduler.outcomes()] == [key("soon")]
    assert world.running is not None
    assert world.running.done()
    assert world.publisher.closed
    assert not world.publisher.aborted


async def test_a_scheduler_may_tell_it_to_stop(world: World) -> None:
    await world.scheduler.say(pb.ConnectResponse(stop=pb.WorkerStop()))
    await world.time.advance(100)
    assert len(world.scheduler.messages("drain")) == 1
    await world.time.advance(3_600)
    assert world.running is not None
    assert world.running.done()


async def test_who_is_retired_takes_the_time_that_it_needs(world: World) -> None:
    world.publisher.held_up = True
    await world.scheduler.say(assignments(assignment("a", NOW_MS)))
    await world.time.advance(10)
    await world.scheduler.say(pb.ConnectResponse(stop=pb.WorkerStop()))
    await world.time.advance(30_000)
    assert world.running is not None
    assert not world.running.done()
    world.publisher.held_up = False
    world.publisher.release()
    await world.time.advance(100)
    assert world.running.done()
    assert [outcome.key for outcome in world.scheduler.outcomes()] == [key("a")]


@pytest.mark.parametrize(("is_hurried", "within_ms"), [(True, 13_600), (False, 61_000)])
async def test_who_is_retired_ends_in_the_end(
    world: World, is_hurried: bool, within_ms: int
) -> None:
    world.publisher.held_up = True
    await world.scheduler.say(assignments(assignment("a", NOW_MS)))
    await world.time.advance(10)
    await world.scheduler.say(pb.ConnectResponse(stop=pb.WorkerStop()))
    await world.time.advance(10_000)
    if is_hurried:
        world.worker.stop()
    await world.time.advance(within_ms - 10_000)
    assert world.running is not None
    assert world.running.done()


async def test_a_stop_does_not_wait_for_ever(world: World) -> None:
    world.publisher.held_up = True
    world.scheduler.acknowledges = False
    await world.scheduler.say(assignments(assignment("a", NOW_MS)))
    await world.time.advance(10)
    world.worker.stop()
    await world.time.advance(3_600)
    assert world.running is not None
    assert world.running.done()
    assert world.publisher.aborted
