"""When the core lets records go: the clock rule and the permission."""

from tickwheel.v1 import scheduler_service_pb2 as pb
from tickwheel.worker.effects import Say
from tickwheel.worker.publisher.port import Unavailable
from tickwheel.worker.source import PERMISSION_MARGIN_MS
from worker.core_bench import CoreBench
from worker.making import NOW_MS, assignment, assignments, heartbeat_ack, welcome

#: What the lower bound of a scheduler's clock may lag behind it.
LAG_MS = 3


def test_not_before_the_due_instant_and_then_at_once() -> None:
    bench = CoreBench()
    stream = bench.connect()
    bench.hear(stream, assignments(assignment("a", NOW_MS + 1_000)))
    assert bench.due_names() == []
    assert bench.core.wake_in_ms(bench.now) in range(1_000, 1_000 + LAG_MS)
    bench.pass_ms(999)
    assert bench.due_names() == []
    bench.pass_ms(1 + LAG_MS)
    assert bench.due_names() == ["a"]
    assert bench.due_names() == []


def test_a_clock_that_is_fast_waits_for_the_schedulers() -> None:
    bench = CoreBench()
    bench.wall_ms += 400
    stream, _ = bench.core.open_stream("a", bench.now)
    bench.hear(stream, welcome(wall_ms=NOW_MS))
    bench.permit(stream, wall_ms=NOW_MS)
    bench.hear(stream, assignments(assignment("a", NOW_MS + 100)))
    bench.pass_ms(99)
    assert bench.wall_ms > NOW_MS + 100
    assert bench.due_names() == []
    bench.pass_ms(1 + LAG_MS)
    assert bench.due_names() == ["a"]


def test_a_clock_that_is_slow_waits_for_itself() -> None:
    bench = CoreBench()
    bench.wall_ms -= 400
    stream, _ = bench.core.open_stream("a", bench.now)
    bench.hear(stream, welcome(wall_ms=NOW_MS))
    bench.permit(stream, wall_ms=NOW_MS)
    bench.hear(stream, assignments(assignment("a", NOW_MS + 100)))
    bench.pass_ms(499)
    assert bench.due_names() == []
    bench.pass_ms(1)
    assert bench.due_names() == ["a"]


def test_nothing_without_an_answered_heartbeat() -> None:
    bench = CoreBench()
    stream, _ = bench.core.open_stream("a", bench.now)
    bench.hear(stream, welcome())
    bench.hear(stream, assignments(assignment("a", NOW_MS - 1_000)))
    assert bench.due_names() == []
    assert bench.core.wake_in_ms(bench.now) is None
    bench.permit(stream)
    assert bench.due_names() == ["a"]


def test_permission_counts_from_when_the_heartbeat_was_sent() -> None:
    bench = CoreBench()
    stream = bench.connect()
    bench.hear(stream, assignments(assignment("a", NOW_MS + 4_000)))
    bench.pass_ms(2_000)
    bench.take(bench.core.heartbeat(stream, bench.now))
    sequence = bench.messages(stream, "heartbeat")[-1].heartbeat.sequence
    bench.pass_ms(2_300)
    bench.hear(stream, heartbeat_ack(sequence, bench.wall_ms))
    # Sent 2,300 ms ago: 2,500 less the margin has passed.
    assert bench.due_names() == []
    bench.permit(stream)
    assert bench.due_names() == ["a"]


def test_permission_ends_a_margin_early_and_can_be_taken_away() -> None:
    bench = CoreBench()
    stream = bench.connect()
    end_ms = 2_500 - PERMISSION_MARGIN_MS
    bench.hear(stream, assignments(*(assignment(name, NOW_MS + end_ms - 10) for name in "ab")))
    bench.pass_ms(end_ms - 1)
    assert len(bench.core.take_due(bench.now, 1)) == 1
    bench.pass_ms(1)
    assert bench.due_names() == []
    bench.permit(stream)
    bench.permit(stream, permission_ms=0)
    assert bench.due_names() == []


def test_an_answer_to_an_earlier_heartbeat_does_not_shorten_a_later_permission() -> None:
    bench = CoreBench()
    stream = bench.connect()
    for _ in range(2):
        bench.take(bench.core.heartbeat(stream, bench.now))
        bench.pass_ms(500)
    first, second = (m.heartbeat.sequence for m in bench.messages(stream, "heartbeat")[-2:])
    bench.hear(stream, heartbeat_ack(second, bench.wall_ms))
    bench.hear(stream, heartbeat_ack(first, bench.wall_ms))
    bench.hear(stream, assignments(assignment("a", bench.wall_ms + 1_500)))
    bench.pass_ms(1_600)
    assert bench.due_names() == ["a"]


def test_clocks_far_apart_take_no_work_and_say_so_until_they_agree() -> None:
    bench = CoreBench()
    bench.wall_ms += 2_000
    stream, _ = bench.core.open_stream("a", bench.now)
    bench.hear(stream, welcome(wall_ms=NOW_MS))
    heartbeat = bench.messages(stream, "heartbeat")[-1].heartbeat
    assert heartbeat.window == pb.Window()
    said = [effect for effect in bench.effects if isinstance(effect, Say)]
    assert any("too far apart" in one.event for one in said)
    bench.wall_ms -= 2_000
    bench.permit(stream)
    bench.permit(stream)
    assert bench.messages(stream, "heartbeat")[-1].heartbeat.window.max_count > 0


def test_higher_priorities_and_earlier_instants_first() -> None:
    bench = CoreBench()
    stream = bench.connect()
    given = [
        assignment("later", NOW_MS + 2, priority=9),
        assignment("low", NOW_MS + 1, priority=0),
        assignment("high", NOW_MS + 1, priority=9),
    ]
    bench.hear(stream, assignments(*given))
    bench.pass_ms(100)
    assert bench.due_names() == ["high", "later", "low"]


def test_what_has_expired_is_a_failure_and_is_not_published() -> None:
    bench = CoreBench()
    stream = bench.connect()
    bench.hear(stream, assignments(assignment("a", NOW_MS + 10, expire_ms=NOW_MS + 20)))
    bench.pass_ms(50)
    assert bench.due() == []
    bench.take(bench.core.flush())
    (outcome,) = bench.outcomes(stream)
    assert not outcome.failure.refused
    assert outcome.failure.fail_ms == bench.wall_ms
    assert bench.core.held_count == 0


def test_what_the_publisher_gives_back_is_tried_again_until_it_expires() -> None:
    bench = CoreBench()
    stream = bench.connect()
    bench.hear(stream, assignments(assignment("a", NOW_MS, expire_ms=NOW_MS + 1_500)))
    bench.pass_ms(LAG_MS)
    tries = 0
    while not bench.outcomes(stream):
        records = bench.due()
        tries += bool(records)
        bench.report(records, Unavailable("away"))
        bench.permit(stream)
        bench.pass_ms(10)
    assert 4 < tries < 20
    assert bench.outcomes(stream)[0].failure.message
    assert not bench.outcomes(stream)[0].failure.refused
    assert bench.wall_ms >= NOW_MS + 1_500


def test_nothing_expires_by_a_clock_that_was_put_ahead() -> None:
    """Its scheduler sees that the clocks are apart, and gives what is held to another worker."""
    bench = CoreBench()
    stream = bench.connect()
    given = [assignment(name, NOW_MS + 10, expire_ms=NOW_MS + 3_600_000) for name in "ab"]
    bench.hear(stream, assignments(*given))
    bench.pass_ms(20)
    begun = bench.core.take_due(bench.now, 1)
    bench.wall_ms += 7_200_000
    bench.report(begun, Unavailable("time ran out"))
    bench.pass_ms(100)
    assert sorted(bench.due_names()) == ["a", "b"]
    bench.take(bench.core.flush())
    assert bench.outcomes(stream) == []
    assert bench.core.held_count == 2
