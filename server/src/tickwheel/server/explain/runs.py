"""What a run says of its occurrence."""

from tickwheel.server.convert.instants import duration_ms
from tickwheel.server.domain.names import JobName, RunName
from tickwheel.server.domain.run import Limit, PastAttempt, Run, RunState
from tickwheel.server.explain.facts import Explained, Life, Runs, Slot, Surroundings
from tickwheel.server.explain.pausing import pause_at
from tickwheel.server.explain.phrases import LIMITS, jitter, place, quoted, span
from tickwheel.server.schedule.instants import format_instant
from tickwheel.v1 import job_pb2, job_service_pb2, run_pb2
from tickwheel.v1.job_service_pb2 import (
    OCCURRENCE_OUTCOME_CANCELLED,
    OCCURRENCE_OUTCOME_FAILED,
    OCCURRENCE_OUTCOME_IN_PROGRESS,
    OCCURRENCE_OUTCOME_SKIPPED,
    OCCURRENCE_OUTCOME_SUCCEEDED,
    OCCURRENCE_REASON_ATTEMPTS_FAILED,
    OCCURRENCE_REASON_BUFFER_FULL,
    OCCURRENCE_REASON_CANCELLED,
    OCCURRENCE_REASON_CATCH_UP_WINDOW,
    OCCURRENCE_REASON_CAUGHT_UP,
    OCCURRENCE_REASON_DELETED,
    OCCURRENCE_REASON_LATE,
    OCCURRENCE_REASON_ON_TIME,
    OCCURRENCE_REASON_OVERLAP,
    OCCURRENCE_REASON_PAUSED,
    OCCURRENCE_REASON_PUBLISH_FAILED,
    OCCURRENCE_REASON_TIMED_OUT,
    OCCURRENCE_REASON_UNSPECIFIED,
    OCCURRENCE_REASON_UPDATED,
    OCCURRENCE_REASON_WAITED,
)

#: Published later than this after it was due is late, in ms.
LATE_MS = 1_000
_FAILURES: dict[str, "job_service_pb2.OccurrenceReason"] = {
    "run-timeout": OCCURRENCE_REASON_TIMED_OUT,
    "heartbeat-missed": OCCURRENCE_REASON_TIMED_OUT,
    "publish-refused": OCCURRENCE_REASON_PUBLISH_FAILED,
    "publish-expired": OCCURRENCE_REASON_PUBLISH_FAILED,
}
_SKIPS: dict[int, "job_service_pb2.OccurrenceReason"] = {
    run_pb2.SKIP_REASON_OVERLAP: OCCURRENCE_REASON_OVERLAP,
    run_pb2.SKIP_REASON_BUFFER_FULL: OCCURRENCE_REASON_BUFFER_FULL,
    run_pb2.SKIP_REASON_CATCH_UP_WINDOW: OCCURRENCE_REASON_CATCH_UP_WINDOW,
    run_pb2.SKIP_REASON_PAUSED: OCCURRENCE_REASON_PAUSED,
    run_pb2.SKIP_REASON_UPDATED: OCCURRENCE_REASON_UPDATED,
    run_pb2.SKIP_REASON_DELETED: OCCURRENCE_REASON_DELETED,
}
_OUTCOMES = {
    RunState.SUCCEEDED: OCCURRENCE_OUTCOME_SUCCEEDED,
    RunState.FAILED: OCCURRENCE_OUTCOME_FAILED,
    RunState.CANCELLED: OCCURRENCE_OUTCOME_CANCELLED,
    RunState.SKIPPED: OCCURRENCE_OUTCOME_SKIPPED,
}


def of_run(run: Run, slot: Slot, others: Runs, around: Surroundings) -> Explained:
    """What became of an occurrence that has a run.

    Args:
        run: its own, or the record that stands for it and others.
        slot: the occurrence.
        others: the job's runs of about that time.
        around: what else there is to know.
    """
    match run.state:
        case RunState.SKIPPED:
            reason = _SKIPS.get(run.skip_reason, OCCURRENCE_REASON_UNSPECIFIED)
            text = _skipped(run, slot)
        case RunState.PENDING:
            reason, text = _pending(run, slot, around)
        case RunState.FAILED:
            reason = _FAILURES.get(run.error_type, OCCURRENCE_REASON_ATTEMPTS_FAILED)
            text = f"Failed{_at(run.end_ms)} {_tries(run)}{quoted(run.error)}{_last(run)}"
            if run.dead_letter_topic:
                text += f"; its dead letter is on topic {run.dead_letter_topic}"
        case RunState.CANCELLED:
            reason = OCCURRENCE_REASON_CANCELLED
            text = f"Cancelled{_at(run.end_ms)}{quoted(run.error)}{_last(run)}"
        case _:
            reason, text = _published(run, slot, others)
            text += _reported(run, around.now_ms)
    if run.cancel_requested:
        text += f"; its cancellation was asked for{quoted(run.error)}"
    if slot.text:
        text += f" ({slot.text})"
    name = RunName(JobName(run.user, run.job_id), run.run_id)
    outcome = _OUTCOMES.get(run.state, OCCURRENCE_OUTCOME_IN_PROGRESS)
    return Explained(slot.at_ms, outcome, reason, f"{text}.", str(name))


def _is_reported(slot: Slot) -> bool:
    spec = slot.life.version_at(slot.due_ms).spec
    return spec.completion == job_pb2.COMPLETION_REPORTED


def _at(instant_ms: int) -> str:
    return f" at {format_instant(instant_ms)}" if instant_ms else ""


def _tries(run: Run) -> str:
    return "at its first attempt" if run.attempt <= 1 else f"after {run.attempt} attempts"


def _last(run: Run) -> str:
    """Where the latest attempt was published to."""
    where = place(run) if run.offset >= 0 else ""
    return f"; it was published{where}" if where else ""


def _published(
    run: Run, slot: Slot, others: Runs
) -> "tuple[job_service_pb2.OccurrenceReason, str]":
    """When and where its first attempt was published, and why then."""
    past = run.past_attempts[0] if run.past_attempts else None
    first = past if past is not None and past.publish_ms else run
    late_ms = max(0, first.publish_ms - run.due_ms)
    reason, why = _lateness(run, slot, first, others)
    text = f"Published {span(late_ms)} after it was due{jitter(slot)}{why}{place(run)}"
    if run.attempt > 1:
        failed = [f"{past.attempt} ({past.error_type or past.error})" for past in run.past_attempts]
        text += f", with attempt {run.attempt}: before it failed {', '.join(failed)}"
    return reason, text


def _lateness(
    run: Run, slot: Slot, first: Run | PastAttempt, others: Runs
) -> "tuple[job_service_pb2.OccurrenceReason, str]":
    first_ms = first.publish_ms
    if first_ms - run.due_ms <= LATE_MS:
        return OCCURRENCE_REASON_ON_TIME, ""
    held = f" held back for {span(first.held_ms)} by {_limit(first)};" if first.held_ms else ""
    if run.create_ms - run.due_ms > LATE_MS:
        # An owner makes a run's first record less than a second after it was due.
        past = _past_already(slot)
        missed = f"no scheduler could run it before {format_instant(run.create_ms)}"
        why = f"because {past}" if past else f"caught up after it was missed: {missed}"
        return OCCURRENCE_REASON_CAUGHT_UP, f", {why};{held}"
    earlier = others.ended_between(run, first_ms) if _is_reported(slot) else None
    if earlier is not None:
        return OCCURRENCE_REASON_WAITED, f", when run {earlier.run_id} had ended,{held}"
    if _is_reported(slot) and _could_go_ms(run) - run.due_ms - first.held_ms > LATE_MS:
        # What it waited for lies before what was asked about, or is known no more.
        return OCCURRENCE_REASON_WAITED, f", when earlier runs of the job had ended,{held}"
    if first_ms - run.due_ms - first.held_ms <= LATE_MS:
        return OCCURRENCE_REASON_WAITED, f",{held}"
    slow = ", late: its scheduler, its worker, the log, or the way between them was slow or away;"
    return OCCURRENCE_REASON_LATE, f"{slow}{held}"


def _could_go_ms(run: Run) -> int:
    """When nothing but its publishing kept the first attempt any more."""
    past = run.past_attempts[0] if run.past_attempts else None
    return (past.due_ms if past is not None else run.attempt_due_ms) or run.due_ms


def _limit(held: Run | PastAttempt) -> str:
    return LIMITS.get(held.held_by, "a limit")


def _reported(run: Run, now_ms: int) -> str:
    """What its executor has said."""
    text = ""
    if run.executor or run.start_ms:
        text += f", started{_at(run.start_ms)}" + (f" by {run.executor}" if run.executor else "")
    match run.state:
        case RunState.PUBLISHED:
            text += f"; no executor has reported its start for {span(_since(run, now_ms))}"
        case RunState.RUNNING:
            text += f"; running for {span(max(0, now_ms - run.start_ms))}"
        case _:
            if run.start_ms:
                text += f" and ended{_at(run.end_ms)}"
    return text


def _since(run: Run, now_ms: int) -> int:
    return max(0, now_ms - run.publish_ms)


def _past_already(slot: Slot) -> str:
    """Where the schedule was given after the instant that it names (`at`): nobody missed that."""
    since_ms = slot.era.job.schedule_from_ms if slot.era is not None else 0
    if since_ms <= slot.due_ms:
        return ""
    what = "created" if since_ms == slot.life.job.create_ms else "given this schedule"
    return (
        f"its instant was past already when the job was {what} at {format_instant(since_ms)}, "
        f"{span(since_ms - slot.due_ms)} later"
    )


def _pending(
    run: Run, slot: Slot, around: Surroundings
) -> "tuple[job_service_pb2.OccurrenceReason, str]":
    now_ms = around.now_ms
    late_ms = max(0, now_ms - run.due_ms)
    if run.held_by is not Limit.NONE:
        # No record says when the limit lets it go, but that of its being published.
        text = f"Held back by {_limit(run)}{_at(run.update_ms)}, and not published yet; "
        if run.past_attempts:
            text += f"this is attempt {run.attempt}, and the run "
        else:
            text += "it "
        return OCCURRENCE_REASON_WAITED, f"{text}was due {span(late_ms)} ago"
    if run.blocking_run and run.attempt == 1:
        return OCCURRENCE_REASON_WAITED, _waiting(run, slot, span(late_ms))
    if run.past_attempts:
        past = run.past_attempts[-1]
        wait_ms = max(0, run.next_attempt_ms - now_ms)
        text = (
            f"Attempt {past.attempt} has failed ({past.error_type}){quoted(past.error)}; attempt "
            f"{run.attempt} follows in {span(wait_ms)}"
        )
        return OCCURRENCE_REASON_ATTEMPTS_FAILED, text
    text = f"Late by {span(late_ms)} already, and not published yet"
    if run.job_uid in around.unserved:
        text += ": no worker serves the job's segment"
    elif run.worker:
        text += f"; it was handed to worker {run.worker}"
    return OCCURRENCE_REASON_LATE, text


def _waiting(run: Run, slot: Slot, late: str) -> str:
    """Why one waits for earlier runs of its job: its record has the first of them when it was due.

    Where many may wait, that one may have ended long since, and others be before it.
    """
    spec = slot.life.version_at(slot.due_ms).spec
    policy = run.overlap_policy or spec.overlap_policy
    then = f"when it was due, {late} ago, run {run.blocking_run} was still unfinished"
    if policy == job_pb2.OVERLAP_BUFFER_ALL:
        return f"Waits its turn behind earlier runs (OVERLAP_BUFFER_ALL): {then}"
    if policy == job_pb2.OVERLAP_ALLOW_ALL and spec.max_in_flight:
        return f"Waits its turn behind earlier runs (maxInFlight is {spec.max_in_flight}): {then}"
    return f"Waits until run {run.blocking_run} has ended; it was due {late} ago"


def _skipped(run: Run, slot: Slot) -> str:
    with_others = ""
    if run.skipped_count > 1:
        with_others = (
            f", with {run.skipped_count - 1} more from {format_instant(run.first_schedule_ms)} to "
            f"{format_instant(run.last_schedule_ms)}"
        )
    return f"Skipped{with_others}: {why_skipped(run, slot)}"


def why_skipped(run: Run, slot: Slot) -> str:
    """Why a run that is SKIPPED is that, in words that follow a colon."""
    life = slot.life
    spec = life.version_at(slot.due_ms).spec
    match run.skip_reason:
        case run_pb2.SKIP_REASON_PAUSED:
            pause = pause_at(life, slot.era, slot.due_ms) if slot.era is not None else ""
            return pause or "the job was paused"
        case run_pb2.SKIP_REASON_CATCH_UP_WINDOW:
            window = span(duration_ms(spec.catch_up_window))
            past = _past_already(slot)
            if past:
                return f"{past}, and the catch-up window is {window}"
            late = ""
            if run.skipped_count == 1:
                late = f", {span(max(0, run.update_ms - slot.due_ms))} after it was due"
            return (
                f"no scheduler could run it before {format_instant(run.update_ms)}{late}, and the "
                f"catch-up window is {window}"
            )
        case run_pb2.SKIP_REASON_OVERLAP:
            policy = job_pb2.Overlap.Name(run.overlap_policy or spec.overlap_policy)
            return f"run {run.blocking_run} was still unfinished ({policy})"
        case run_pb2.SKIP_REASON_BUFFER_FULL:
            policy = job_pb2.Overlap.Name(run.overlap_policy or spec.overlap_policy)
            return f"1,000 runs were waiting already behind run {run.blocking_run} ({policy})"
        case run_pb2.SKIP_REASON_UPDATED:
            return f"the job was changed{_change_before(life, run.update_ms)} while it waited"
        case run_pb2.SKIP_REASON_DELETED:
            return f"the job was deleted{_at(life.job.delete_ms)} while it waited"
        case _:
            return "no reason is recorded"


def _change_before(life: Life, instant_ms: int) -> str:
    last = max((one.change_ms for one in life.history if one.change_ms <= instant_ms), default=0)
    return _at(last)
