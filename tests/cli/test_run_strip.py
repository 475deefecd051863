"""The strip of a job's runs: what each mark stands for."""

from tickwheel.client.cli.run_strip import Mark, marks, strip_lines
from tickwheel.v1 import run_pb2

BASE = 1_795_000_000_000
S = run_pb2.RUN_STATE_SUCCEEDED


def run(
    due_s: float,
    state: run_pb2.RunState = S,
    begin_s: float | None = None,
    end_s: float | None = None,
) -> run_pb2.Run:
    made = run_pb2.Run(state=state)
    made.due_time.FromMilliseconds(BASE + round(due_s * 1000))
    if begin_s is not None:
        made.publish_time.FromMilliseconds(BASE + round(begin_s * 1000))
    if end_s is not None:
        made.end_time.FromMilliseconds(BASE + round(end_s * 1000))
    return made


def test_one_after_the_other_is_no_overlap() -> None:
    assert marks([run(0, S, 0, 1), run(1, S, 1, 2)]) == [Mark.RAN, Mark.RAN]


def test_what_was_due_during_another_one_and_came_after_it_has_waited() -> None:
    runs = [run(0, S, 0, 2.5), run(1, S, 2.5, 5), run(2, S, 5, 7.5)]
    assert marks(runs) == [Mark.RAN, Mark.WAITED, Mark.WAITED]


def test_late_without_another_one_is_not_waiting() -> None:
    assert marks([run(0, S, 0, 0.5), run(1, S, 4, 5)]) == [Mark.RAN, Mark.RAN]


def test_side_by_side() -> None:
    runs = [run(0, S, 0, 9), run(1, S, 1, 3), run(2, run_pb2.RUN_STATE_RUNNING, 2)]
    assert marks(runs) == [Mark.RAN, Mark.OVERLAPPED, Mark.OVERLAPPED]


def test_an_attempt_before_counts_as_well() -> None:
    retried = run(0, S, 5, 6)
    retried.attempts.add().publish_time.FromMilliseconds(BASE)
    assert marks([retried, run(1, S, 1, 2)]) == [Mark.RAN, Mark.OVERLAPPED]


def test_published_jobs_never_overlap() -> None:
    assert marks([run(0, S, 0, 0), run(0, S, 0, 0)]) == [Mark.RAN, Mark.RAN]


def test_all_other_states() -> None:
    states = (
        (run_pb2.RUN_STATE_PENDING, Mark.WAITS),
        (run_pb2.RUN_STATE_PUBLISHED, Mark.GOING),
        (run_pb2.RUN_STATE_FAILED, Mark.FAILED),
        (run_pb2.RUN_STATE_CANCELLED, Mark.CANCELLED),
        (run_pb2.RUN_STATE_SKIPPED, Mark.SKIPPED),
    )
    for state, mark in states:
        begin = 0 if state == run_pb2.RUN_STATE_PUBLISHED else None
        assert marks([run(0, state, begin)]) == [mark]


def test_the_strip_is_in_order_of_time_and_counts_what_was_skipped() -> None:
    skipped = run(1, run_pb2.RUN_STATE_SKIPPED)
    skipped.skipped_count = 25
    newest_first = [run(40, run_pb2.RUN_STATE_CANCELLED, 40, 41), skipped, run(0, S, 0, 1)]
    line, legend = (line.plain for line in strip_lines(newest_first))
    assert line == "2026-11-18T11:06:40.000Z  ■··········○"
    assert legend == "■ ran: 1  ○ cancelled: 1  · skipped: 25"


def test_a_long_strip_goes_on_in_the_next_line() -> None:
    lines = [line.plain for line in strip_lines([run(9 - at, S) for at in range(70)])]
    assert [line.count("■") for line in lines] == [60, 10, 1]
