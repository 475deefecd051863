"""From facts to explanations, without a store: one case for each thing that may be said."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from explain.telling import AT, DAY, lives, reported, run_of, tell
from scheduler.making import NOW, SECOND, changed, make_job
from tickwheel.server.domain.job import Job
from tickwheel.server.domain.names import instant_id
from tickwheel.server.domain.run import Limit, PastAttempt, RunState, Trigger
from tickwheel.server.explain.facts import Life, Slot, Surroundings
from tickwheel.server.explain.judging import explain
from tickwheel.server.explain.slots import slots
from tickwheel.server.schedule.instants import format_instant
from tickwheel.v1 import job_pb2, run_pb2

_FAILED = {"state": RunState.FAILED, "end_ms": AT + 9_000}
_SKIPPED: dict[str, Any] = {
    "state": RunState.SKIPPED,
    "skipped_count": 1,
    "offset": -1,
    "worker": "",
}


@pytest.mark.parametrize(
    ("more", "outcome", "reason", "words"),
    [
        ({}, "SUCCEEDED", "ON_TIME", "Published 3 ms after it was due by worker w1 to topic billing, partition 2, offset 41."),
        ({"publish_ms": AT + 4_200, "create_ms": AT + 500}, "SUCCEEDED", "LATE", "Published 4.2 s after it was due, late"),
        ({"publish_ms": AT + 42_000, "create_ms": AT + 700, "held_by": Limit.USER_IN_FLIGHT, "held_ms": 41_900}, "SUCCEEDED", "WAITED",
         "Published 42 seconds after it was due, held back for 42 seconds by the limit on unfinished runs of one user (TICKWHEEL_MAX_IN_FLIGHT_PER_USER); by worker w1 to"),
        ({"publish_ms": AT + 42_000, "create_ms": AT + 700, "held_by": Limit.TOPIC_RATE, "held_ms": 30_000}, "SUCCEEDED", "LATE",
         "late: its scheduler, its worker, the log, or the way between them was slow or away; held back for 30 seconds by the rate of its topic (TICKWHEEL_DISPATCH_RATE_PER_TOPIC);"),
        ({"publish_ms": AT + 42_000, "create_ms": AT + 31_000, "held_by": Limit.TOPIC_IN_FLIGHT, "held_ms": 10_000}, "SUCCEEDED", "CAUGHT_UP", "held back for 10 seconds by the limit on unfinished runs of its topic"),
        ({"publish_ms": AT + 99_000, "attempt": 2, "past_attempts": (PastAttempt(attempt=1, state=RunState.FAILED, due_ms=AT + 9_000, publish_ms=AT + 9_004, error_type="ValueError", held_by=Limit.TOPIC_RATE, held_ms=9_000),)},
         "SUCCEEDED", "WAITED", "held back for 9.0 s by the rate of its topic (TICKWHEEL_DISPATCH_RATE_PER_TOPIC); by worker w1"),
        ({"state": RunState.PENDING, "offset": -1, "update_ms": AT + 700, "held_by": Limit.USER_IN_FLIGHT, "held_ms": 700}, "IN_PROGRESS", "WAITED",
         "Held back by the limit on unfinished runs of one user (TICKWHEEL_MAX_IN_FLIGHT_PER_USER) at 2027-01-15T08:00:05.700Z, and not published yet; it was due 1 minute ago."),
        ({"state": RunState.PENDING, "attempt": 2, "offset": -1, "held_by": Limit.TOPIC_RATE, "past_attempts": (PastAttempt(attempt=1, state=RunState.FAILED, due_ms=AT, error_type="ValueError"),)},
         "IN_PROGRESS", "WAITED", "this is attempt 2, and the run was due 1 minute ago."),
        ({"publish_ms": AT + 42_000, "create_ms": AT + 41_000}, "SUCCEEDED", "CAUGHT_UP", "42 seconds after it was due, caught up"),
        ({"attempt": 2, "publish_ms": AT + 2_000, "past_attempts": (PastAttempt(attempt=1, state=RunState.FAILED, due_ms=AT, publish_ms=AT + 4, error_type="ValueError"),)},
         "SUCCEEDED", "ON_TIME", "Published 4 ms after it was due by worker w1 to topic billing, partition 2, offset 41, with attempt 2: before it failed 1 (ValueError)."),
        ({**_FAILED, "attempt": 4, "error": "no such account", "error_type": "KeyError", "dead_letter_topic": "billing.dlq"}, "FAILED", "ATTEMPTS_FAILED", 'after 4 attempts: "no such account"; it was published by worker w1'),
        ({**_FAILED, "error": "silent", "error_type": "run-timeout"}, "FAILED", "TIMED_OUT", 'at its first attempt: "silent"'),
        ({**_FAILED, "error": "too large", "error_type": "publish-refused", "offset": -1}, "FAILED", "PUBLISH_FAILED", 'at its first attempt: "too large".'),
        ({"state": RunState.CANCELLED, "end_ms": AT + 100, "error": "wrong customer"}, "CANCELLED", "CANCELLED", '"wrong customer"'),
        ({"state": RunState.PENDING, "blocking_run": "20270115T080000000Z", "offset": -1}, "IN_PROGRESS", "WAITED", "Waits until run 20270115T080000000Z has ended"),
        ({"state": RunState.PENDING, "attempt": 2, "offset": -1, "next_attempt_ms": AT + 63_000, "past_attempts": (PastAttempt(attempt=1, state=RunState.FAILED, due_ms=AT, error="boom", error_type="ValueError"),)},
         "IN_PROGRESS", "ATTEMPTS_FAILED", 'Attempt 1 has failed (ValueError): "boom"; attempt 2 follows in 3.0 s.'),
        ({"state": RunState.PENDING, "offset": -1}, "IN_PROGRESS", "LATE", "Late by 1 minute already"),
        ({"state": RunState.RUNNING, "start_ms": AT + 10_000, "executor": "till-3"}, "IN_PROGRESS", "ON_TIME", "by till-3; running for 50 seconds"),
        ({**_SKIPPED, "skip_reason": run_pb2.SKIP_REASON_OVERLAP, "blocking_run": "R"}, "SKIPPED", "OVERLAP", "run R was still unfinished (OVERLAP_SKIP)"),
        ({**_SKIPPED, "skip_reason": run_pb2.SKIP_REASON_BUFFER_FULL, "blocking_run": "R"}, "SKIPPED", "BUFFER_FULL", "1,000 runs were waiting already behind run R"),
        ({**_SKIPPED, "skip_reason": run_pb2.SKIP_REASON_CATCH_UP_WINDOW, "update_ms": AT + 2 * 3_600_000}, "SKIPPED", "CATCH_UP_WINDOW", "2 hours after it was due, and the catch-up window is 1 hour"),
        ({**_SKIPPED, "skip_reason": run_pb2.SKIP_REASON_UPDATED}, "SKIPPED", "UPDATED", "while it waited"),
        ({**_SKIPPED, "skip_reason": run_pb2.SKIP_REASON_DELETED}, "SKIPPED", "DELETED", "while it waited"),
    ],
)  # fmt: skip
def test_what_a_run_says(more: dict[str, Any], outcome: str, reason: str, words: str) -> None:
    job = reported(make_job(every_s=1), job_pb2.OVERLAP_SKIP)
    told = tell(lives(job), run_of(job, **more))
    assert told[:2] == (outcome, reason)
    assert words in told[2]


def test_it_waited_for_the_run_that_ended_then() -> None:
    job = reported(make_job(every_s=1), job_pb2.OVERLAP_BUFFER_ONE)
    earlier = run_of(job, AT - SECOND, end_ms=AT + 2_900)
    late = run_of(job, publish_ms=AT + 3_000, create_ms=AT + 10)
    assert tell(lives(job), late, earlier)[1] == "WAITED"
    assert tell(lives(make_job(every_s=1)), late, earlier)[1] != "WAITED"


def test_one_record_stands_for_a_stretch() -> None:
    job = make_job(every_s=1)
    stretch = run_of(
        job,
        AT - 2 * SECOND,
        **{**_SKIPPED, "skipped_count": 4, "skip_reason": run_pb2.SKIP_REASON_CATCH_UP_WINDOW},
        first_schedule_ms=AT - 2 * SECOND,
        last_schedule_ms=AT + SECOND,
    )
    told = tell(lives(job), stretch)
    assert told[:2] == ("SKIPPED", "CATCH_UP_WINDOW")
    assert "with 3 more from" in told[2]
    assert tell(lives(job), stretch, at_ms=AT + 2 * SECOND)[0] == "MISSING"


def test_backfilled_and_run_again() -> None:
    job = make_job(every_s=1)
    backfilled = run_of(
        job, run_id=f"{instant_id(AT)}-b-abc", trigger=Trigger.BACKFILL, backfill_id="abc"
    )
    retried = run_of(job, run_id=f"{instant_id(AT)}-r1", trigger=Trigger.RETRY, create_ms=AT + 99)
    text = tell(lives(job), run_of(job, **_FAILED), backfilled, retried)[2]
    assert text.endswith(
        f"Backfilled as {instant_id(AT)}-b-abc (SUCCEEDED). Run again as {instant_id(AT)}-r1 (SUCCEEDED)."
    )


def test_what_a_backfill_has_skipped_is_told_of_each_occurrence() -> None:
    job = make_job(every_s=1)
    stretch = run_of(
        job,
        AT - 2 * SECOND,
        **{**_SKIPPED, "skipped_count": 4, "skip_reason": run_pb2.SKIP_REASON_DELETED},
        run_id=f"{instant_id(AT - 2 * SECOND)}-b-abc",
        trigger=Trigger.BACKFILL,
        backfill_id="abc",
        first_schedule_ms=AT - 2 * SECOND,
        last_schedule_ms=AT + SECOND,
    )
    text = tell(lives(job), run_of(job), stretch)[2]
    assert text.endswith("Skipped in backfill abc: the job was deleted while it waited.")


def test_nothing_is_known_of_it() -> None:
    job = make_job(every_s=1)
    assert tell(lives(job))[0] == "MISSING"
    done = {job.uid: AT - SECOND}
    told = tell(lives(job), done_ms=done)
    assert told[:2] == ("EXPECTED", "OUTAGE")
    assert "has not come to it yet" in told[2]
    told = tell(lives(job), done_ms=done, unowned=frozenset({job.uid}))
    assert "no scheduler owns the job's segment" in told[2]
    told = tell(lives(job), done_ms=done, now_ms=AT + 2 * 3_600_000)
    assert told[:2] == ("SKIPPED", "CATCH_UP_WINDOW")
    assert tell(lives(job), now_ms=AT + 8 * DAY)[:2] == ("UNKNOWN", "RETENTION")


def test_what_lies_ahead() -> None:
    job = reported(make_job(every_s=1), job_pb2.OVERLAP_SKIP)
    told = tell(lives(job), now_ms=AT - 90 * SECOND)
    assert told[:2] == ("EXPECTED", "AHEAD")
    assert "in 1 minute, 30 seconds, unless an earlier run is still unfinished" in told[2]
    job.spec.schedule.max_runs = 1_000_000
    assert "unless maxRuns (1000000) is reached before" in tell(lives(job), now_ms=NOW)[2]
    assert tell(lives(job), now_ms=AT + 1)[:2] == ("EXPECTED", "AHEAD")


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        (job_pb2.OVERLAP_BUFFER_ONE, "or is skipped where one waits already (OVERLAP_BUFFER_ONE)"),
        (job_pb2.OVERLAP_BUFFER_ALL, "it waits for that (OVERLAP_BUFFER_ALL)"),
        (job_pb2.OVERLAP_CANCEL_OTHER, "is cancelled (OVERLAP_CANCEL_OTHER)"),
        (job_pb2.OVERLAP_ALLOW_ALL, "Will run in 5.0 s."),
    ],
)
def test_what_an_unfinished_run_would_do_to_what_lies_ahead(
    policy: "job_pb2.Overlap", words: str
) -> None:
    assert words in tell(lives(reported(make_job(every_s=1), policy)), now_ms=NOW)[2]


def test_an_instant_that_was_past_when_its_job_was_created_was_missed_by_nobody() -> None:
    job = make_job(at_ms=NOW - DAY, window_s=10)
    past = f"was past already when the job was created at {format_instant(NOW)}, 1 day later"
    late = run_of(job, NOW - DAY, create_ms=NOW + 20, publish_ms=NOW + 30)
    told = tell(lives(job), late, at_ms=NOW - DAY)
    assert told[:2] == ("SUCCEEDED", "CAUGHT_UP")
    assert past in told[2]
    assert "no scheduler" not in told[2]
    skip = {**_SKIPPED, "skip_reason": run_pb2.SKIP_REASON_CATCH_UP_WINDOW}
    told = tell(lives(job), run_of(job, NOW - DAY, **skip), at_ms=NOW - DAY)
    assert told[:2] == ("SKIPPED", "CATCH_UP_WINDOW")
    assert f"{past}, and the catch-up window is 10 seconds" in told[2]


def test_jitter_is_told_of_what_has_run() -> None:
    job = make_job(every_s=60)
    job.spec.schedule.jitter.FromSeconds(30)
    (slot,) = slots(lives(job), NOW + 60 * SECOND, NOW + 60 * SECOND + 1)
    assert slot.due_ms > slot.at_ms
    run = replace(run_of(job, slot.at_ms, publish_ms=slot.due_ms + 3), due_ms=slot.due_ms)
    told = tell(lives(job), run, at_ms=slot.at_ms)[2]
    assert f"3 ms after it was due at {format_instant(slot.due_ms)} (" in told


def test_a_pause_by_whom_and_why_past_and_ahead() -> None:
    first = make_job(every_s=1)
    paused = changed(first, NOW + 3 * SECOND, paused=True, pause_reason="stock-taking")
    again = changed(paused, NOW + 4 * SECOND, paused=True, pause_reason="fire")
    past = lives(again, (first, "anna"), (paused, "otto"))
    told = tell(past, now_ms=NOW)
    assert told[:2] == ("SKIPPED", "PAUSED")
    assert told[2].startswith("Will be skipped unless the job is resumed before")
    assert 'by anna: "fire"' in told[2]
    assert tell(past)[2].startswith("Skipped, though no scheduler has recorded that yet")
    resumed = changed(again, NOW + 9 * SECOND, paused=False)
    past = lives(resumed, (first, "anna"), (paused, "otto"), (again, "eve"))
    record = run_of(resumed, **{**_SKIPPED, "skip_reason": run_pb2.SKIP_REASON_PAUSED})
    assert 'by anna until 2027-01-15T08:00:09Z: "fire"' in tell(past, record)[2]


def test_max_runs_does_not_count_what_came_due_in_a_pause() -> None:
    first = make_job(every_s=1)
    first.spec.schedule.max_runs = 6
    paused = changed(first, NOW + 2 * SECOND, paused=True)
    resumed = changed(paused, NOW + 4 * SECOND, paused=False)
    past = lives(resumed, (first, "anna"), (paused, "anna"))
    told = [slot.reason for slot in slots(past, NOW, NOW + 12 * SECOND)]
    # 0, 1 and 2 s, two paused, 5, 6 and 7 s; from 8 s on there is nothing.
    assert [bool(reason) for reason in told] == [False] * 8 + [True] * 4
    assert tell(past, at_ms=NOW + 8 * SECOND)[:2] == ("NOT_SCHEDULED", "MAX_RUNS")


def test_before_during_and_after_a_life() -> None:
    first = make_job(every_s=2)
    gone = changed(first, NOW + 20 * SECOND, delete_ms=NOW + 20 * SECOND)
    past = lives(gone, (first, "anna"))
    assert tell(past, at_ms=NOW - 2 * SECOND)[:2] == ("NOT_SCHEDULED", "BEFORE_CREATION")
    told = tell(past, at_ms=NOW + 22 * SECOND)
    assert told[:2] == ("NOT_SCHEDULED", "DELETED")
    assert "by anna" in told[2]
    # Due 2 s before the deletion, and not published before it.
    assert tell(past, at_ms=NOW + 18 * SECOND)[:2] == ("SKIPPED", "DELETED")
    assert tell(past, at_ms=NOW + 12 * SECOND)[0] == "MISSING"


def rescheduled(job: Job, at_ms: int, every_s: int) -> Job:
    after = changed(job, at_ms, generation=job.generation + 1, schedule_from_ms=at_ms + 1)
    spec = job_pb2.Job()
    spec.CopyFrom(job.spec)
    spec.schedule.every.FromSeconds(every_s)
    return replace(after, spec=spec)


def test_a_change_of_the_schedule_from_both_sides() -> None:
    first = make_job(every_s=6)
    second = rescheduled(first, NOW + 10 * SECOND, 4)
    past = lives(second, (first, "anna"))
    told = [
        ((slot.at_ms - NOW) // SECOND, slot.era is not None)
        for slot in slots(past, NOW, NOW + 25 * SECOND)
    ]
    # 0 and 6 s ran by the first one, which would have had 12 s next, when the second one runs;
    # that one's 4 and 8 s are before the change.
    assert told == [
        (0, True),
        (4, False),
        (6, True),
        (8, False),
        (12, True),
        (16, True),
        (20, True),
        (24, True),
    ]
    told = tell(past, at_ms=NOW + 8 * SECOND)
    assert told[:2] == ("NOT_SCHEDULED", "UPDATED")
    assert "(every 4 seconds) holds since it was changed at 2027-01-15T08:00:10Z by anna" in told[2]
    third = rescheduled(second, NOW + 21 * SECOND, 60)
    told = tell(lives(third, (first, "anna"), (second, "otto")), at_ms=NOW + 24 * SECOND)
    assert told[:2] == ("NOT_SCHEDULED", "UPDATED")
    assert "(every 4 seconds) was replaced before, at 2027-01-15T08:00:21Z by otto" in told[2]


_CHANGES = st.lists(
    st.tuples(st.integers(1, 40), st.sampled_from(("pause", "resume", "schedule"))), max_size=6
)


@settings(max_examples=60)
@given(
    every_s=st.integers(1, 7),
    max_runs=st.sampled_from((0, 0, 5, 30)),
    changes=_CHANGES,
    delete_s=st.one_of(st.none(), st.integers(1, 30)),
    cut_s=st.integers(-20, 150),
)
def test_each_instant_once_whatever_the_pages(
    every_s: int,
    max_runs: int,
    changes: list[tuple[int, str]],
    delete_s: int | None,
    cut_s: int,
) -> None:
    job = make_job(every_s=every_s)
    job.spec.schedule.max_runs = max_runs
    job.spec.schedule.excludes.append("2027-01-15T08:00:12Z")
    former: list[tuple[Job, str]] = []
    at_ms = NOW
    for after_s, what in changes:
        at_ms += after_s * SECOND
        former.append((job, "anna"))
        if what == "schedule":
            job = rescheduled(job, at_ms, every_s + after_s)
        else:
            job = changed(job, at_ms, paused=what == "pause")
    if delete_s is not None:
        at_ms += delete_s * SECOND
        former.append((job, "anna"))
        job = changed(job, at_ms, delete_ms=at_ms)
    past = lives(job, *former)
    start, cut, end = NOW - 20 * SECOND, NOW + cut_s * SECOND, NOW + 150 * SECOND

    def told(low: int, high: int) -> list[tuple[int, int, bool, str]]:
        return [
            (one.at_ms, one.reason, one.era is not None, one.text) for one in slots(past, low, high)
        ]

    whole = told(start, end)
    assert whole == told(start, cut) + told(cut, end)
    assert all(one[0] < other[0] for one, other in pairwise(whole))
    assert all(start <= at < end for at, *_ in whole)
    # What is none says why; what is one lies inside the job's life.
    assert all(text for _, _, is_real, text in whole if not is_real)
    real = [slot for slot in slots(past, start, end) if slot.era is not None]
    assert all(slot.at_ms >= NOW and slot.due_ms <= (job.delete_ms or end) for slot in real)
    assert all(_says_something(slot, past) for slot in slots(past, start, end))


def _says_something(slot: Slot, past: list[Life]) -> bool:
    uid = past[-1].job.uid
    told = explain(slot, {}, Surroundings(now_ms=NOW + 60 * SECOND, done_ms={uid: NOW}))
    return bool(told.outcome) and told.text.endswith(".")
