"""What the core holds, drops and tells: epochs, revocations, duplicates, outcomes."""

import pytest

from tickwheel.worker.effects import CloseStream, ConnectTo
from tickwheel.worker.publisher.port import Refused, Unavailable
from worker.core_bench import CoreBench
from worker.making import (
    NOW_MS,
    assignment,
    assignments,
    key,
    outcome_acks,
    revocation,
    segments,
    topology,
    welcome,
)

SOON_MS = NOW_MS + 1_000


def test_a_higher_epoch_drops_what_waits_under_a_lower_one() -> None:
    bench = CoreBench()
    first = bench.connect("s1", "a")
    bench.hear(first, assignments(assignment("old", SOON_MS, segment=3, epoch=1)))
    bench.hear(first, assignments(assignment("other", SOON_MS, segment=4, epoch=1)))
    second = bench.connect("s2", "b")
    bench.hear(second, segments({3: 2}))
    bench.hear(second, assignments(assignment("new", SOON_MS, segment=3, epoch=2)))
    # Late words of the former owner do not count any more.
    bench.hear(first, assignments(assignment("ghost", SOON_MS, segment=3, epoch=1)))
    bench.pass_ms(1_100)
    assert sorted(bench.due_names()) == ["new", "other"]


def test_an_assignment_alone_tells_of_a_higher_epoch() -> None:
    bench = CoreBench()
    stream = bench.connect()
    bench.hear(stream, assignments(assignment("old", SOON_MS, epoch=1)))
    bench.hear(stream, assignments(assignment("new", SOON_MS, epoch=2)))
    bench.pass_ms(1_100)
    assert bench.due_names() == ["new"]


def test_the_same_run_under_a_higher_epoch_is_published_once_with_the_new_fence() -> None:
    bench = CoreBench()
    stream = bench.connect()
    bench.hear(stream, assignments(assignment("a", SOON_MS, epoch=1)))
    bench.hear(stream, assignments(assignment("a", SOON_MS, epoch=2)))
    bench.pass_ms(1_100)
    (record,) = bench.due()
    assert dict(record.headers)["ce_fence"] == b"2"


def test_a_higher_epoch_takes_the_permission_from_what_the_publisher_tries_still() -> None:
    """The log is away: the former scheduler lives, and its permission is renewed all the time."""
    bench = CoreBench()
    first = bench.connect("s1", "a")
    bench.hear(first, assignments(assignment("old", NOW_MS - 5, segment=3, epoch=1)))
    bench.hear(first, assignments(assignment("other", NOW_MS - 5, segment=4, epoch=1)))
    old, other = bench.due()
    second = bench.connect("s2", "b")
    bench.hear(second, revocation(7, epochs={3: 2}))
    now_ms = bench.now.steady_ms
    assert not old.permit.holds(now_ms)
    assert other.permit.holds(now_ms)
    bench.hear(second, assignments(assignment("old", NOW_MS - 5, segment=3, epoch=2)))
    bench.report([old], Unavailable("permission ran out"))
    (again,) = bench.due()
    assert again.permit.holds(now_ms)
    assert dict(again.headers)["ce_fence"] == b"2"


def test_a_segment_that_goes_to_another_worker_takes_nothing_along() -> None:
    bench = CoreBench()
    stream = bench.connect()
    bench.hear(stream, segments({0: 1, 1: 1}))
    bench.hear(stream, assignments(assignment("a", SOON_MS, segment=1)))
    bench.hear(stream, segments({0: 1}))
    bench.pass_ms(1_100)
    assert bench.due_names() == ["a"]


def test_duplicates_are_published_once_whenever_they_come() -> None:
    bench = CoreBench()
    stream = bench.connect()
    given = assignments(assignment("a", NOW_MS - 5), assignment("a", NOW_MS - 5))
    bench.hear(stream, given)
    records = bench.due()
    assert len(records) == 1
    bench.hear(stream, given)
    assert bench.due() == []
    bench.report(records)
    bench.hear(stream, given)
    assert bench.due() == []
    bench.hear(stream, outcome_acks(key("a")))
    sent = len(bench.outcomes(stream))
    bench.hear(stream, given)
    assert bench.due() == []
    bench.take(bench.core.flush())
    # Whoever asks again is told again.
    assert len(bench.outcomes(stream)) > sent
    assert bench.outcomes(stream)[-1].published.offset == 41


def test_another_attempt_is_another_run() -> None:
    bench = CoreBench()
    stream = bench.connect()
    given = [assignment("a", NOW_MS - 5), assignment("a", NOW_MS - 5, attempt=2)]
    bench.hear(stream, assignments(*given))
    assert [record.run.attempt for record in bench.due()] == [1, 2]


def test_a_new_owners_assignment_counts_if_the_publisher_gives_the_old_one_back() -> None:
    bench = CoreBench()
    first = bench.connect("s1", "a")
    bench.hear(first, assignments(assignment("a", NOW_MS - 5, epoch=1)))
    started = bench.due()
    second = bench.connect("s2", "b")
    bench.hear(second, assignments(assignment("a", NOW_MS - 5, epoch=2)))
    assert bench.due() == []
    bench.report(started, Unavailable("thrown away"))
    (again,) = bench.due()
    assert dict(again.headers)["ce_fence"] == b"2"
    bench.report([again])
    assert bench.outcome_names(second) == ["a"]


def test_a_new_owners_assignment_is_answered_by_the_outcome_of_the_old_one() -> None:
    bench = CoreBench()
    first = bench.connect("s1", "a")
    bench.hear(first, assignments(assignment("a", NOW_MS - 5, epoch=1)))
    started = bench.due()
    second = bench.connect("s2", "b")
    bench.hear(second, assignments(assignment("a", NOW_MS - 5, epoch=2)))
    bench.report(started)
    (outcome,) = bench.outcomes(second)
    assert outcome.epoch == 1
    assert bench.due() == []


def test_revocations_drop_by_job_by_key_and_by_epoch() -> None:
    bench = CoreBench()
    stream = bench.connect()
    given = [
        assignment("by-job-1", SOON_MS, job="uid-j"),
        assignment("by-job-2", SOON_MS, job="uid-j"),
        assignment("by-key", SOON_MS),
        assignment("by-epoch", SOON_MS, segment=7, epoch=4),
        assignment("stays", SOON_MS),
        assignment("stays-too", SOON_MS, segment=8, epoch=5),
    ]
    bench.hear(stream, assignments(*given))
    bench.hear(stream, revocation(1, jobs=["uid-j"]))
    bench.hear(stream, revocation(2, keys=[key("by-key")]))
    bench.hear(stream, revocation(3, epochs={7: 5, 8: 5}))
    acks = [m.revocation_ack for m in bench.messages(stream, "revocation_ack")]
    assert [(ack.revocation_id, len(ack.already_started)) for ack in acks] == [
        (1, 0),
        (2, 0),
        (3, 0),
    ]
    bench.pass_ms(1_100)
    assert sorted(bench.due_names()) == ["stays", "stays-too"]


def test_a_revocation_names_what_is_with_the_publisher() -> None:
    bench = CoreBench()
    stream = bench.connect()
    bench.hear(stream, assignments(assignment("a", NOW_MS - 5), assignment("b", SOON_MS)))
    started = bench.due()
    bench.hear(stream, revocation(9, keys=[key("a"), key("b"), key("unknown")]))
    (message,) = bench.messages(stream, "revocation_ack")
    assert message.revocation_ack.already_started == [key("a")]
    bench.report(started)
    assert bench.outcome_names(stream) == ["a"]


def test_a_new_owner_is_told_what_was_published_before_its_revocation_is_answered() -> None:
    bench = CoreBench()
    first = bench.connect("s1", "a")
    given = [assignment(name, NOW_MS - 5, segment=7, epoch=1) for name in ("done", "under way")]
    bench.hear(first, assignments(*given))
    done, under_way = bench.due()
    bench.report([done])
    second = bench.connect("s2", "b")
    bench.sent[second].clear()
    bench.hear(second, revocation(1, epochs={7: 2}))
    assert bench.messages(second, "revocation_ack") == []
    bench.report([under_way])
    kinds = [message.WhichOneof("message") for message in bench.sent[second]]
    assert kinds[-1] == "revocation_ack"
    assert bench.outcome_names(second) == ["done", "under way"]
    assert not bench.messages(second, "revocation_ack")[0].revocation_ack.already_started


def test_a_new_owner_does_not_wait_long_for_a_log_that_is_away() -> None:
    bench = CoreBench()
    stream = bench.connect()
    bench.hear(stream, assignments(assignment("a", NOW_MS - 5, segment=7)))
    bench.due()
    bench.hear(stream, revocation(1, epochs={7: 2}))
    wait_ms = bench.core.wake_in_ms(bench.now)
    assert wait_ms is not None
    bench.pass_ms(wait_ms)
    bench.take(bench.core.settle(bench.now))
    (message,) = bench.messages(stream, "revocation_ack")
    assert message.revocation_ack.already_started == [key("a", segment=7)]


def test_outcomes_are_sent_over_each_new_stream_until_acknowledged() -> None:
    bench = CoreBench()
    stream = bench.connect()
    bench.hear(stream, assignments(*(assignment(name, NOW_MS - 5) for name in "ab")))
    a, b = bench.due()
    bench.report([a])
    bench.report([b], Refused("too large"))
    bench.hear(stream, outcome_acks(key("a")))
    for _ in range(2):
        bench.core.close_stream(stream, bench.now)
        stream = bench.connect()
        (outcome,) = bench.outcomes(stream)
        assert outcome.key == key("b")
        assert outcome.failure.refused
        assert outcome.failure.message == "too large"
    bench.hear(stream, outcome_acks(key("b")))
    bench.core.close_stream(stream, bench.now)
    assert bench.outcomes(bench.connect()) == []
    assert bench.core.unacknowledged == 0


def test_outcomes_go_to_whoever_owns_the_segment_now() -> None:
    bench = CoreBench()
    first = bench.connect("s1", "a")
    second = bench.connect("s2", "b")
    bench.hear(first, assignments(assignment("a", NOW_MS - 5, segment=7, epoch=1)))
    started = bench.due()
    bench.hear(second, segments({7: 2}))
    bench.report(started)
    assert bench.outcome_names(first) == []
    assert bench.outcome_names(second) == ["a"]
    third = bench.connect("s3", "c")
    bench.sent[third].clear()
    bench.hear(third, segments({7: 3}))
    assert bench.outcome_names(third) == ["a"]


def test_hello_names_all_that_is_held() -> None:
    bench = CoreBench()
    first = bench.connect("s1", "a")
    second = bench.connect("s2", "b")
    bench.hear(first, assignments(assignment("a", SOON_MS, segment=7, epoch=4)))
    bench.hear(second, assignments(assignment("b", SOON_MS, segment=8)))
    bench.core.close_stream(first, bench.now)
    _, hello = bench.core.open_stream("a", bench.now)
    held = [(one.key, one.epoch) for one in hello.hello.held]
    assert held == [(key("a", segment=7), 4), (key("b", segment=8), 1)]


def test_what_was_assigned_by_a_scheduler_that_is_gone_is_dropped_with_its_permission() -> None:
    bench = CoreBench()
    stream = bench.connect()
    bench.hear(stream, assignments(assignment("a", NOW_MS + 2_000)))
    bench.core.close_stream(stream, bench.now)
    bench.pass_ms(1_000)
    bench.core.drop_abandoned(bench.now)
    assert bench.core.held_count == 1
    bench.pass_ms(1_500)
    # The scheduler may have given it to others by now: a new permission must not revive it.
    _, hello = bench.core.open_stream("a", bench.now)
    assert not hello.hello.held
    assert bench.core.held_count == 0


@pytest.mark.parametrize("begun", [False, True])
def test_what_hello_has_named_is_held_when_the_scheduler_welcomes_us(begun: bool) -> None:
    """Else the scheduler would count on a worker that has dropped it, for ever."""
    bench = CoreBench()
    stream = bench.connect()
    bench.hear(stream, assignments(assignment("a", NOW_MS - 5 if begun else SOON_MS)))
    assert bench.due_names() == ["a"] * begun
    bench.core.close_stream(stream, bench.now)
    bench.pass_ms(2_200)
    stream, hello = bench.core.open_stream("a", bench.now)
    assert [one.key for one in hello.hello.held] == [key("a")]
    bench.pass_ms(100)
    bench.core.drop_abandoned(bench.now)
    (effect,) = bench.hear(stream, welcome("s1", bench.wall_ms))
    assert isinstance(effect, CloseStream)
    bench.core.close_stream(stream, bench.now)
    assert not bench.messages(bench.connect(), "hello")[0].hello.held


def test_what_the_publisher_has_is_not_revived_by_a_new_session() -> None:
    """Its scheduler has given it to another worker meanwhile."""
    bench = CoreBench()
    stream = bench.connect()
    bench.hear(stream, assignments(assignment("a", NOW_MS - 5), assignment("b", NOW_MS - 5)))
    a, b = bench.due()
    bench.core.close_stream(stream, bench.now)
    bench.pass_ms(2_500)
    _, hello = bench.core.open_stream("a", bench.now)
    assert not hello.hello.held
    stream = bench.connect()
    bench.hear(stream, assignments(assignment("other", NOW_MS - 5)))
    (other,) = bench.due()
    assert other.permit.holds(bench.now.steady_ms)
    assert not a.permit.holds(bench.now.steady_ms)
    bench.report([a], Unavailable("permission ran out"))
    bench.report([b], Refused("too large"))
    bench.pass_ms(1_000)
    bench.permit(stream)
    assert bench.due() == []
    assert bench.outcomes(stream) == []


def test_what_the_publisher_has_of_an_earlier_session_may_be_assigned_again() -> None:
    bench = CoreBench()
    stream = bench.connect()
    bench.hear(stream, assignments(assignment("a", NOW_MS - 5)))
    (first,) = bench.due()
    bench.core.close_stream(stream, bench.now)
    bench.pass_ms(2_500)
    stream = bench.connect()
    bench.hear(stream, assignments(assignment("a", NOW_MS - 5)))
    assert bench.due() == []
    # It is named as held by a further stream: it is still to be published.
    bench.core.close_stream(stream, bench.now)
    _, hello = bench.core.open_stream("a", bench.now)
    assert [one.key for one in hello.hello.held] == [key("a")]
    bench.report([first], Unavailable("permission ran out"))
    (again,) = bench.due()
    assert again.permit.holds(bench.now.steady_ms)


def test_what_is_assigned_again_is_void_with_the_session_that_assigned_it() -> None:
    bench = CoreBench()
    stream = bench.connect()
    bench.hear(stream, assignments(assignment("a", NOW_MS - 5)))
    (first,) = bench.due()
    for _ in range(2):
        bench.core.close_stream(stream, bench.now)
        bench.pass_ms(2_500)
        stream = bench.connect()
        bench.hear(stream, assignments(assignment("a", NOW_MS - 5)))
    bench.core.close_stream(stream, bench.now)
    bench.pass_ms(2_500)
    bench.connect()
    bench.report([first], Unavailable("permission ran out"))
    assert bench.due() == []
    assert bench.core.held_count == 0


def test_held_work_goes_on_over_a_short_loss_of_the_stream() -> None:
    bench = CoreBench()
    stream = bench.connect()
    bench.hear(stream, assignments(assignment("a", NOW_MS + 500)))
    bench.core.close_stream(stream, bench.now)
    bench.pass_ms(600)
    started = bench.due()
    assert len(started) == 1
    bench.report(started)
    stream = bench.connect()
    assert bench.outcome_names(stream) == ["a"]


def test_the_window_is_split_and_counts_what_nobody_acknowledges() -> None:
    bench = CoreBench(count=4, size=1_000)
    first = bench.connect("s1", "a")
    bench.connect("s2", "b")
    bench.permit(first)
    window = bench.messages(first, "heartbeat")[-1].heartbeat.window
    assert (window.max_count, window.max_bytes) == (2, 500)
    for number in range(8):
        bench.hear(first, assignments(assignment(str(number), NOW_MS - 5)))
        bench.report(bench.due())
    bench.permit(first)
    window = bench.messages(first, "heartbeat")[-1].heartbeat.window
    assert (window.max_count, window.max_bytes) == (0, 0)


def test_heartbeats_tell_what_is_held() -> None:
    bench = CoreBench()
    stream = bench.connect()
    bench.hear(stream, assignments(assignment("a", SOON_MS, payload=b"x" * 1_000)))
    bench.permit(stream)
    heartbeat = bench.messages(stream, "heartbeat")[-1].heartbeat
    assert heartbeat.held_count == 1
    assert 1_000 < heartbeat.held_bytes < 2_000


def test_a_scheduler_that_answers_nothing_for_its_lease_is_left() -> None:
    bench = CoreBench()
    stream = bench.connect(lease_ms=3_000)
    bench.pass_ms(3_001)
    (effect,) = bench.core.heartbeat(stream, bench.now)
    assert isinstance(effect, CloseStream)


def test_schedulers_are_learned_and_remembered() -> None:
    bench = CoreBench(seeds=["a"])
    stream = bench.connect("s1", "a")
    assert ConnectTo(frozenset("abc")) in bench.hear(stream, topology("a", "b", "c"))
    assert bench.hear(stream, topology("c", "b", "a")) == []
    assert ConnectTo(frozenset("bc")) in bench.hear(stream, topology("b", "c"))
    bench.core.close_stream(stream, bench.now)
    # Nobody is reached: those known last, and those it began with.
    assert bench.core.targets == frozenset("abc")


def test_two_addresses_of_one_scheduler_are_one_stream() -> None:
    bench = CoreBench()
    first = bench.connect("s1", "a")
    second = bench.connect("s1", "alias")
    closed = [effect.stream for effect in bench.effects if isinstance(effect, CloseStream)]
    assert closed == [first]
    bench.take(bench.core.close_stream(first, bench.now))
    bench.hear(second, assignments(assignment("a", NOW_MS - 5)))
    assert bench.due_names() == ["a"]


@pytest.mark.parametrize("first_breaks", [False, True])
def test_what_is_held_goes_over_to_the_second_address_of_a_scheduler(first_breaks: bool) -> None:
    bench = CoreBench()
    first = bench.connect("s1", "seed")
    given = [assignment("waits", SOON_MS), assignment("begun", NOW_MS - 5)]
    bench.hear(first, assignments(*given))
    (begun,) = bench.due()
    second, hello = bench.core.open_stream("advertised", bench.now)
    assert sorted(one.key.run_id for one in hello.hello.held) == ["begun", "waits"]
    # What comes over the first one from here on is not the second one's: the scheduler gives it to
    # others.
    late = [assignment("late", SOON_MS), assignment("late and begun", NOW_MS - 5)]
    bench.hear(first, assignments(*late))
    (late_and_begun,) = bench.due()
    bench.sent[second] = [hello]
    if first_breaks:
        bench.core.close_stream(first, bench.now)
    bench.hear(second, welcome("s1", bench.wall_ms))
    bench.permit(second)
    assert bench.hear(first, assignments(assignment("later", SOON_MS))) == []
    bench.report([begun, late_and_begun], Unavailable("Kafka is away"))
    bench.pass_ms(1_100)
    assert sorted(bench.due_names()) == ["begun", "waits"]


def test_who_does_not_welcome_is_left() -> None:
    bench = CoreBench()
    stream, _ = bench.core.open_stream("a", bench.now)
    (effect,) = bench.hear(stream, segments({}))
    assert isinstance(effect, CloseStream)


def test_draining_takes_nothing_more_and_ends_when_all_is_told() -> None:
    bench = CoreBench()
    stream = bench.connect()
    given = [assignment("soon", NOW_MS + 100), assignment("far", NOW_MS + 60_000)]
    bench.hear(stream, assignments(*given))
    bench.take(bench.core.drain(bench.now))
    assert len(bench.messages(stream, "drain")) == 1
    assert not bench.messages(stream, "heartbeat")[-1].heartbeat.window.max_count
    assert not bench.core.drained(bench.now, 1_000)
    bench.pass_ms(110)
    started = bench.due()
    assert not bench.core.drained(bench.now, 1_000)
    bench.report(started)
    assert not bench.core.drained(bench.now, 1_000)
    bench.hear(stream, outcome_acks(key("soon")))
    assert bench.core.drained(bench.now, 1_000)


def test_a_message_of_a_stream_that_has_ended_is_ignored() -> None:
    bench = CoreBench()
    stream = bench.connect()
    bench.core.close_stream(stream, bench.now)
    assert bench.hear(stream, welcome()) == []


def test_nothing_is_taken_before_the_log_was_reached() -> None:
    bench = CoreBench()
    bench.core.await_log()
    stream = bench.connect()
    assert not bench.messages(stream, "hello")[-1].hello.window.max_count
    assert not bench.messages(stream, "heartbeat")[-1].heartbeat.window.max_count
    bench.core.reach_log()
    bench.permit(stream)
    assert bench.messages(stream, "heartbeat")[-1].heartbeat.window.max_count == 100
