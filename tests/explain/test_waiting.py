"""Of runs that wait for earlier ones of their job, and of what lies ahead of them."""

import pytest

from explain.telling import AT, lives, reported, run_of, tell
from scheduler.making import NOW, SECOND, make_job
from tickwheel.server.domain.run import Limit, PastAttempt, RunState
from tickwheel.server.schedule.instants import format_instant
from tickwheel.v1 import job_pb2


@pytest.mark.parametrize(
    ("policy", "most", "words"),
    [
        (job_pb2.OVERLAP_BUFFER_ONE, 0, "Waits until run R has ended; it was due 1 minute ago."),
        (
            job_pb2.OVERLAP_BUFFER_ALL,
            0,
            "Waits its turn behind earlier runs (OVERLAP_BUFFER_ALL): when it was due, 1 minute "
            "ago, run R was still unfinished.",
        ),
        (
            job_pb2.OVERLAP_ALLOW_ALL,
            2,
            "Waits its turn behind earlier runs (maxInFlight is 2): when it was due, 1 minute ago, "
            "run R was still unfinished.",
        ),
    ],
)
def test_where_many_may_wait_the_run_that_was_first_then_may_have_ended(
    policy: "job_pb2.Overlap", most: int, words: str
) -> None:
    job = reported(make_job(every_s=1), policy)
    job.spec.max_in_flight = most
    waiting = run_of(job, state=RunState.PENDING, blocking_run="R", offset=-1)
    assert tell(lives(job), waiting) == ("IN_PROGRESS", "WAITED", words)


def test_a_run_that_waited_was_not_late_though_what_it_waited_for_is_out_of_the_range() -> None:
    job = reported(make_job(every_s=1), job_pb2.OVERLAP_BUFFER_ALL)
    more = {"publish_ms": AT + 39_050, "create_ms": AT + 4}
    told = tell(lives(job), run_of(job, attempt_due_ms=AT + 39_000, **more))
    assert told[1] == "WAITED"
    assert "39 seconds after it was due, when earlier runs of the job had ended, by" in told[2]
    first = PastAttempt(
        attempt=1, state=RunState.FAILED, due_ms=AT + 39_000, publish_ms=AT + 39_050
    )
    again = run_of(job, attempt=2, attempt_due_ms=AT + 50_000, past_attempts=(first,), **more)
    assert tell(lives(job), again)[1] == "WAITED"
    assert tell(lives(job), run_of(job, attempt_due_ms=AT, **more))[1] == "LATE"
    # What a limit holds back puts the attempt off as well.
    held = {"attempt_due_ms": AT + 39_000, "held_by": Limit.TOPIC_RATE, "held_ms": 38_990}
    assert "had ended" not in tell(lives(job), run_of(job, **held, **more))[2]


def test_what_a_run_waited_for_is_named_where_it_lies_before_the_range() -> None:
    job = reported(make_job(every_s=1), job_pb2.OVERLAP_BUFFER_ONE)
    waited = run_of(job, publish_ms=AT + 39_050, create_ms=AT + 4, attempt_due_ms=AT + 39_000)
    earlier = run_of(job, AT - 5 * SECOND, end_ms=AT + 39_000)
    others = [
        run_of(job, AT - 2 * SECOND, state=RunState.SKIPPED, end_ms=AT + 38_000),
        earlier,
        run_of(job, AT - 9 * SECOND, end_ms=AT - 5 * SECOND),
    ]
    told = tell(lives(job), waited, before=others)
    assert told[1] == "WAITED"
    assert f"39 seconds after it was due, when run {earlier.run_id} had ended, by" in told[2]


def test_why_nothing_is_published_is_said_as_far_as_it_is_known() -> None:
    job = make_job(every_s=1)
    late = "Late by 1 minute already, and not published yet"
    waiting = run_of(job, state=RunState.PENDING, offset=-1)
    told = tell(lives(job), waiting)
    assert told == ("IN_PROGRESS", "LATE", f"{late}; it was handed to worker w1.")
    told = tell(lives(job), waiting, unserved=frozenset({job.uid}))
    assert told[1:] == ("LATE", f"{late}: no worker serves the job's segment.")
    nobodys = run_of(job, state=RunState.PENDING, offset=-1, worker="")
    assert tell(lives(job), nobodys)[2] == f"{late}."


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        (
            job_pb2.OVERLAP_SKIP,
            "5.0 s, unless an earlier run is still unfinished then (OVERLAP_SKIP); run {} is "
            "unfinished now.",
        ),
        (
            job_pb2.OVERLAP_CANCEL_OTHER,
            "5.0 s; an earlier run that is still unfinished then is cancelled "
            "(OVERLAP_CANCEL_OTHER); run {} is unfinished now.",
        ),
        (job_pb2.OVERLAP_ALLOW_ALL, "5.0 s."),
    ],
)
def test_what_is_in_the_way_now_of_what_lies_ahead_is_named(
    policy: "job_pb2.Overlap", words: str
) -> None:
    job = reported(make_job(every_s=1), policy)
    running = run_of(job, AT - 30 * SECOND, state=RunState.RUNNING)
    before = [
        run_of(job, AT - 20 * SECOND, state=RunState.PENDING, offset=-1),
        running,
        run_of(job, AT - 40 * SECOND),
    ]
    told = tell(lives(job), now_ms=NOW, before=before)
    assert told[2] == f"Will run in {words.format(running.run_id)}"
    waiting = before[0].run_id
    told = tell(lives(job), now_ms=NOW, before=[before[0], before[2]])
    assert told[2] == f"Will run in {words.format(waiting)}"


@pytest.mark.parametrize("most", [0, 2])
def test_nothing_is_in_the_way_of_what_happens_once(most: int) -> None:
    policy = job_pb2.OVERLAP_ALLOW_ALL if most else job_pb2.OVERLAP_SKIP
    job = reported(make_job(at_ms=AT), policy)
    job.spec.max_in_flight = most
    assert tell(lives(job), now_ms=NOW)[2] == "Will run in 5.0 s."
    # Unless somebody has run it by hand.
    by_hand = run_of(job, AT - 30 * SECOND, run_id="R-m-1", state=RunState.RUNNING)
    assert "R-m-1 is unfinished now" in tell(lives(job), now_ms=NOW, before=[by_hand])[2]


@pytest.mark.parametrize(
    ("most", "words"),
    [
        (1, "5.0 s; while an earlier run is unfinished it waits (maxInFlight is 1)."),
        (3, "5.0 s; while 3 earlier runs are unfinished it waits (maxInFlight is 3)."),
    ],
)
def test_max_in_flight_may_put_off_what_lies_ahead(most: int, words: str) -> None:
    job = reported(make_job(every_s=1), job_pb2.OVERLAP_ALLOW_ALL)
    job.spec.max_in_flight = most
    assert tell(lives(job), now_ms=NOW)[2] == f"Will run in {words}"


def test_a_limit_that_holds_earlier_runs_back_may_hold_back_what_lies_ahead() -> None:
    job = make_job(every_s=1)
    held = {"state": RunState.PENDING, "held_by": Limit.TOPIC_RATE, "offset": -1}
    told = tell(lives(job), run_of(job, AT - 3 * SECOND, **held), now_ms=AT - SECOND)
    assert told[:2] == ("EXPECTED", "AHEAD")
    assert told[2] == (
        "Will run in 1.0 s; the rate of its topic (TICKWHEEL_DISPATCH_RATE_PER_TOPIC) holds "
        "earlier ones back, and may hold it back, too."
    )
    assert tell(lives(job), now_ms=AT - SECOND, before=[run_of(job, NOW, **held)]) == told


def test_of_what_lies_ahead_nothing_is_said_as_of_what_is_past() -> None:
    job = make_job(every_s=1)
    job.spec.schedule.max_runs = 2
    words = "the schedule ends before that, as maxRuns is 2."
    assert tell(lives(job), now_ms=NOW)[2] == f"Will not run: {words}"
    assert tell(lives(job))[2] == f"Not run: {words}"
    job.spec.schedule.max_runs = 0
    job.spec.schedule.end_time.FromMilliseconds(AT)
    words = f"the schedule ends at its endTime, {format_instant(AT)}."
    assert tell(lives(job), now_ms=NOW)[2] == f"Will not run: {words}"
    assert tell(lives(job))[2] == f"Not run: {words}"
