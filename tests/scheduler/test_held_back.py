"""What limits over many jobs hold back: by which, for how long, and that nobody is late for it."""

from collections import Counter
from dataclasses import replace

import pytest

from scheduler.making import NOW, SECOND, publish, store_records
from scheduler.test_dispatcher import Stage
from scheduler.test_throttle import a_run
from tickwheel.server.domain.report import Failure
from tickwheel.server.domain.run import Limit, RunState
from tickwheel.server.scheduler.live import LiveRun
from tickwheel.server.scheduler.throttle import DispatchLimits, Throttle
from tickwheel.v1 import job_pb2

PER_USER = DispatchLimits(in_flight_per_user=1)
PER_TOPIC = DispatchLimits(in_flight_per_topic={"*": 1})
RATE = DispatchLimits(rate_per_topic={"*": 1})
_BROKEN = Failure(message="broken", type="ValueError")


class Opened(Stage):
    """Runs that are opened by their segment's owner, and end by hand."""

    def open(self, *runs: LiveRun) -> list[LiveRun]:
        """New runs; those that go to workers at once."""
        for run in runs:
            self.owner.runs.open(run, self.clock.ms)
        return self.hand_out()

    def pass_to(self, ms: int) -> list[LiveRun]:
        """Time passes until so long after the beginning; what goes to workers then."""
        self.clock.ms = NOW + ms
        self.owner.runs.alarms.step(self.clock.ms)
        return self.hand_out()

    def publish_after(self, run: LiveRun, ms: int) -> None:
        """The log takes a run so long from now."""
        publish(self.owner, run, self.clock.ms + ms)

    def held(self) -> Counter[Limit]:
        return self.owner.runs.held(self.clock.ms)


@pytest.mark.parametrize(
    ("limits", "limit"),
    [(PER_USER, Limit.USER_IN_FLIGHT), (PER_TOPIC, Limit.TOPIC_IN_FLIGHT)],
)
def test_what_waits_for_room_is_held_back_by_that(limits: DispatchLimits, limit: Limit) -> None:
    stage = Opened(limits)
    first, second, third = (a_run() for _ in range(3))
    assert stage.open(first, second, third) == [first]
    stage.publish_after(first, 5)
    stage.pass_to(9 * SECOND)
    assert stage.held() == {limit: 2}
    # Nobody is behind.
    assert stage.owner.runs.first_unpublished_ms() is None
    told = {record.job_uid: record for record in store_records(stage.owner)}[second.job.uid]
    assert (told.state, told.held_by) == (RunState.PENDING, limit)
    # It comes late to what has become free: that is not the limit's doing.
    stage.clock.ms = NOW + 10 * SECOND
    stage.dispatcher.ended(first)
    (gone,) = stage.pass_to(10 * SECOND + 250)
    assert stage.owner.runs.first_unpublished_ms() == NOW + 10 * SECOND
    stage.publish_after(gone, 0)
    assert gone.record
    assert (gone.record.held_by, gone.record.held_ms) == (limit, 10 * SECOND)
    assert gone.record.publish_ms - gone.record.attempt_due_ms == 250
    assert gone.record.due_ms == NOW


def test_what_comes_when_there_is_room_is_not_held_back_though_nobody_looks() -> None:
    stage = Opened(PER_USER)
    run = a_run(fire_ms=NOW + SECOND)
    assert not stage.open(run)
    assert not stage.held()
    assert stage.pass_to(4 * SECOND) == [run]
    stage.publish_after(run, 0)
    assert run.record
    assert run.record.held_by is Limit.NONE
    assert run.record.publish_ms - run.record.attempt_due_ms == 3 * SECOND


def test_what_somebody_has_published_all_the_same_was_not_held_back() -> None:
    stage = Opened(PER_USER)
    stage.open(a_run(), kept := a_run())
    stage.clock.ms += 5 * SECOND
    publish(stage.owner, kept, NOW + 3)
    assert kept.record
    assert (kept.record.held_by, kept.record.held_ms) == (Limit.NONE, 0)
    assert not stage.held()


def test_room_that_came_before_it_was_due_has_held_nothing_back() -> None:
    stage = Opened(PER_USER)
    stage.open(first := a_run(), second := a_run(fire_ms=NOW + 3 * SECOND))
    stage.clock.ms = NOW + SECOND
    stage.dispatcher.ended(first)
    assert stage.pass_to(5 * SECOND) == [second]
    assert (second.held_by, second.fire_ms) == (Limit.NONE, NOW + 3 * SECOND)


def test_what_was_missed_is_held_back_from_when_it_came_here() -> None:
    stage = Opened(PER_USER)
    stage.open(first := a_run())
    stage.clock.ms = NOW + 60 * SECOND
    stage.open(missed := a_run())
    stage.clock.ms += 2 * SECOND
    stage.dispatcher.ended(first)
    assert stage.hand_out() == [missed]
    assert (missed.held_by, missed.held_ms) == (Limit.USER_IN_FLIGHT, 2 * SECOND)


def test_what_waits_for_a_topics_rate_is_held_back_by_that() -> None:
    stage = Opened(RATE)
    runs = [a_run() for _ in range(4)]
    assert stage.open(*runs) == runs[:2]
    stage.pass_to(700)
    assert stage.held() == {Limit.TOPIC_RATE: 2}
    told = {record.job_uid: record for record in store_records(stage.owner)}
    # Known as soon as any other, though its slot lies ahead.
    assert told[runs[1].job.uid].held_by is Limit.TOPIC_RATE
    assert told[runs[3].job.uid].held_by is Limit.TOPIC_RATE
    assert (told[runs[3].job.uid].held_ms, stage.pass_to(SECOND)) == (700, [runs[2]])
    assert (runs[2].held_by, runs[2].held_ms) == (Limit.TOPIC_RATE, 2 * SECOND)
    assert runs[2].fire_ms == NOW + 2 * SECOND


def test_the_next_owner_goes_on_with_what_was_held_back() -> None:
    former = Opened(PER_USER)
    former.open(a_run(), run := a_run())
    former.pass_to(700)
    (told,) = (one for one in store_records(former.owner) if one.job_uid == run.job.uid)
    stage = Opened(PER_USER)
    stage.clock.ms = NOW + 5 * SECOND
    again = replace(run, record=told, gate=None, held_ms=0, held_by=Limit.NONE)
    assert stage.open(again) == [again]
    # What was between the owners is no limit's doing.
    assert (again.held_by, again.held_ms) == (Limit.USER_IN_FLIGHT, 700)
    assert again.fire_ms == NOW + 700


def test_what_was_missed_is_told_of_once_it_is_known_whether_it_is_held_back() -> None:
    stage = Opened(PER_USER)
    stage.open(a_run())
    stage.clock.ms = NOW + 60 * SECOND
    stage.owner.runs.open(missed := a_run(), stage.clock.ms)
    stage.pass_to(60 * SECOND)
    stage.pass_to(60 * SECOND + 100)
    assert missed.record
    assert missed.record.held_by is Limit.USER_IN_FLIGHT


def test_what_is_caught_up_goes_at_the_rate_too() -> None:
    stage = Opened(DispatchLimits(rate_per_topic={"*": 10}))
    missed = [a_run(fire_ms=NOW - 3600 * SECOND) for _ in range(100)]
    # The burst that a quiet topic may have, and the slots of the second ahead.
    assert len(stage.open(*missed)) == 20
    assert missed[0].held_by is Limit.NONE
    assert missed[19].fire_ms == NOW + SECOND
    assert stage.held() == {Limit.TOPIC_RATE: 80}


def test_a_limit_that_grows_lets_go() -> None:
    stage = Opened(DispatchLimits(in_flight_per_user=2))
    stage.dispatcher.set_segments(2)
    stage.open(first := a_run(), second := a_run())
    assert first.held_by is Limit.NONE
    stage.clock.ms += 5 * SECOND
    stage.dispatcher.set_segments(1)
    assert stage.hand_out() == [second]
    assert (second.held_by, second.held_ms) == (Limit.USER_IN_FLIGHT, 5 * SECOND)


def test_a_next_attempt_that_is_held_back_says_so_and_the_first_one_still_does() -> None:
    stage = Opened(RATE)
    run, *others = (a_run() for _ in range(3))
    run.job.spec.retry_policy.max_backoff.Clear()
    run.job.spec.retry_policy.initial_backoff.Clear()
    stage.dispatcher._throttle.pace(others[0], NOW)  # pyright: ignore[reportPrivateUsage]
    assert stage.open(run) == [run]
    stage.pass_to(2 * SECOND)
    stage.publish_after(run, 0)
    for each in others:
        each.paced_attempt = 0
        stage.dispatcher._throttle.pace(each, stage.clock.ms)  # pyright: ignore[reportPrivateUsage]
    record = stage.owner.runs.endings.attempt_over(run, _BROKEN, stage.clock.ms, retryable=True)
    assert (record.held_by, record.held_ms) == (Limit.NONE, 0)
    (past,) = record.past_attempts
    assert (past.held_by, past.held_ms) == (Limit.TOPIC_RATE, SECOND)
    stage.hand_out()
    stage.pass_to(2 * SECOND + 700)
    assert run.record
    assert (run.record.attempt, run.record.held_by) == (2, Limit.TOPIC_RATE)


def test_what_has_waited_for_an_earlier_run_may_be_held_back_after_that() -> None:
    stage = Opened(PER_USER)
    stage.open(a_run())
    waiting = a_run()
    waiting.job.spec.overlap_policy = job_pb2.OVERLAP_BUFFER_ALL
    stage.owner.runs.hold(waiting, "an earlier one", NOW)
    stage.pass_to(5 * SECOND)
    assert not stage.held()
    assert stage.owner.runs.released(waiting.job.uid, stage.clock.ms)
    stage.hand_out()
    stage.pass_to(5 * SECOND + 700)
    assert waiting.record
    assert (waiting.record.held_by, waiting.record.held_ms) == (Limit.USER_IN_FLIGHT, 700)


def test_memory_of_users_goes_with_their_runs() -> None:
    throttle = Throttle(PER_USER)
    (first,) = throttle.admit([a_run()], NOW)
    throttle.admit([second := a_run()], NOW)
    throttle.ended(first, NOW)
    assert throttle.admit([], NOW) == [second]
    throttle.ended(second, NOW)
    kept = ("_users", "_topics", "_counted", "_reached_until")
    assert [name for name in kept if getattr(throttle, name)] == []
