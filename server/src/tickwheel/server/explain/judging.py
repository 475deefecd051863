"""What became of one instant: from its run where it has one, else from what was and is known."""

from collections.abc import Mapping

from tickwheel.server.convert.instants import duration_ms
from tickwheel.server.domain.course import FOR_EVER_MS, Era
from tickwheel.server.domain.names import JobName, RunName, instant_id
from tickwheel.server.domain.run import Run, RunState
from tickwheel.server.explain.facts import Explained, Life, Runs, Slot, Surroundings
from tickwheel.server.explain.pausing import pause_at
from tickwheel.server.explain.phrases import LIMITS, jitter, span
from tickwheel.server.explain.runs import of_run, why_skipped
from tickwheel.v1 import job_pb2
from tickwheel.v1.job_service_pb2 import (
    OCCURRENCE_OUTCOME_EXPECTED,
    OCCURRENCE_OUTCOME_MISSING,
    OCCURRENCE_OUTCOME_NOT_SCHEDULED,
    OCCURRENCE_OUTCOME_SKIPPED,
    OCCURRENCE_OUTCOME_UNKNOWN,
    OCCURRENCE_REASON_AHEAD,
    OCCURRENCE_REASON_CATCH_UP_WINDOW,
    OCCURRENCE_REASON_DELETED,
    OCCURRENCE_REASON_MAX_RUNS,
    OCCURRENCE_REASON_OUTAGE,
    OCCURRENCE_REASON_PAUSED,
    OCCURRENCE_REASON_RETENTION,
    OCCURRENCE_REASON_UNSPECIFIED,
    OCCURRENCE_REASON_UPDATED,
)

#: What was due less long ago is on its way; its run can be read at most 1 s after it was due.
_ON_ITS_WAY_MS = 2_000
#: A change that comes so soon after an occurrence was due may have overtaken it.
_OVERTAKEN_MS = 5_000

#: What becomes of an occurrence ahead, by overlap policy, if it finds an earlier run unfinished.
_IF_UNFINISHED: Mapping[int, str] = {
    job_pb2.OVERLAP_SKIP: ", unless an earlier run is still unfinished then (OVERLAP_SKIP)",
    job_pb2.OVERLAP_BUFFER_ONE: (
        "; if an earlier run is still unfinished then, it waits for that, or is skipped where one "
        "waits already (OVERLAP_BUFFER_ONE)"
    ),
    job_pb2.OVERLAP_BUFFER_ALL: (
        "; if an earlier run is still unfinished then, it waits for that (OVERLAP_BUFFER_ALL)"
    ),
    job_pb2.OVERLAP_CANCEL_OTHER: (
        "; an earlier run that is still unfinished then is cancelled (OVERLAP_CANCEL_OTHER)"
    ),
}


def explain(slot: Slot, runs: Mapping[str, Runs], around: Surroundings) -> Explained:
    """Says what became of an instant, or will.

    Args:
        slot: the instant.
        runs: by job uid, those of the range that the slot is in.
        around: what else there is to know.
    """
    life = slot.life
    mine = runs.get(life.job.uid) or Runs(())
    run = mine.at(instant_id(slot.at_ms), slot.at_ms)
    if run is not None:
        told = of_run(run, slot, mine, around)
    elif slot.era is None:
        what = "Will not run" if slot.due_ms > around.now_ms else "Not run"
        told = _said(slot, OCCURRENCE_OUTCOME_NOT_SCHEDULED, slot.reason, f"{what}: {slot.text}")
    elif slot.due_ms > around.now_ms - _ON_ITS_WAY_MS:
        told = _ahead(slot, slot.era, mine, around.now_ms)
    else:
        told = _silent(slot, slot.era, around)
    for again in mine.again(slot.at_ms):
        if again.state is RunState.SKIPPED and again.backfill_id:
            why = why_skipped(again, slot)
            told = _more(told, f"Skipped in backfill {again.backfill_id}: {why}.")
            continue
        what = "Backfilled" if again.backfill_id else "Run again"
        name = RunName(JobName(life.job.user, life.job.job_id), again.run_id)
        told = _more(told, f"{what} as {name.run_id} ({again.state.name}).")
    return told


def _said(slot: Slot, outcome: int, reason: int, text: str) -> Explained:
    return Explained(slot.at_ms, outcome, reason, f"{text}.")  # pyright: ignore[reportArgumentType]


def _more(told: Explained, text: str) -> Explained:
    return Explained(told.at_ms, told.outcome, told.reason, f"{told.text} {text}", told.run)


def _odd(slot: Slot) -> str:
    """What is odd about an occurrence, to be put behind a sentence."""
    return f" ({slot.text})" if slot.text else ""


def _ahead(slot: Slot, era: Era, others: Runs, now_ms: int) -> Explained:
    """What lies ahead."""
    pause = pause_at(slot.life, era, slot.due_ms)
    if pause:
        text = f"Will be skipped unless the job is resumed before: {pause}"
        return _said(slot, OCCURRENCE_OUTCOME_SKIPPED, OCCURRENCE_REASON_PAUSED, text)
    wait_ms = slot.due_ms - now_ms
    if wait_ms <= 0:
        text = f"Due {span(-wait_ms)} ago, and about to be published"
    else:
        text = f"Will run in {span(wait_ms)}"
    if slot.due_ms != slot.at_ms:
        text += f", due{jitter(slot)}"
    spec = era.job.spec
    if spec.completion == job_pb2.COMPLETION_REPORTED:
        text += _if_unfinished(spec, others.unfinished())
    holding = others.held_back()
    if holding is not None:
        text += (
            f"; {LIMITS.get(holding, 'a limit')} holds earlier ones back, and may hold it back, too"
        )
    if slot.uncounted:
        text += f", unless maxRuns ({spec.schedule.max_runs}) is reached before"
    return _said(slot, OCCURRENCE_OUTCOME_EXPECTED, OCCURRENCE_REASON_AHEAD, text + _odd(slot))


def _if_unfinished(spec: job_pb2.Job, unfinished: Run | None) -> str:
    """What becomes of one ahead where it finds earlier runs unfinished, as one may be now."""
    if unfinished is None and spec.schedule.HasField("at"):
        return ""  # Nothing of the schedule is before it.
    most = spec.max_in_flight
    if most and spec.overlap_policy == job_pb2.OVERLAP_ALLOW_ALL:
        are = "an earlier run is" if most == 1 else f"{most} earlier runs are"
        text = f"; while {are} unfinished it waits (maxInFlight is {most})"
    else:
        text = _IF_UNFINISHED.get(spec.overlap_policy, "")
    if text and unfinished is not None:
        text += f"; run {unfinished.run_id} is unfinished now"
    return text


def _silent(slot: Slot, era: Era, around: Surroundings) -> Explained:
    """It was due, and nothing is recorded of it."""
    life, late_ms = slot.life, around.now_ms - slot.due_ms
    retention_ms = duration_ms(era.job.spec.retention)
    if life.job.delete_ms == 0 and slot.uncounted and _is_completed(life, era):
        text = f"Not run: maxRuns ({era.job.spec.schedule.max_runs}) was reached before"
        return _said(slot, OCCURRENCE_OUTCOME_NOT_SCHEDULED, OCCURRENCE_REASON_MAX_RUNS, text)
    if late_ms > retention_ms:
        text = f"Not known any more: runs of the job are kept for {span(retention_ms)} only"
        return _said(slot, OCCURRENCE_OUTCOME_UNKNOWN, OCCURRENCE_REASON_RETENTION, text)
    pause = pause_at(life, era, slot.due_ms)
    if pause:
        text = f"Skipped, though no scheduler has recorded that yet: {pause}"
        return _said(slot, OCCURRENCE_OUTCOME_SKIPPED, OCCURRENCE_REASON_PAUSED, text)
    if era.until_ms - slot.due_ms <= _OVERTAKEN_MS:
        return _overtaken(slot, era)
    uid = life.job.uid
    if slot.due_ms >= around.done_ms.get(uid, FOR_EVER_MS):
        return _not_reached(slot, era, late_ms, is_unowned=uid in around.unowned)
    text = f"It was due {span(late_ms)} ago, and nothing is known of it: no run, and no reason"
    return _said(slot, OCCURRENCE_OUTCOME_MISSING, OCCURRENCE_REASON_UNSPECIFIED, text + _odd(slot))


def _is_completed(life: Life, era: Era) -> bool:
    return life.job.completed_generation == life.job.generation == era.job.generation


def _overtaken(slot: Slot, era: Era) -> Explained:
    after_ms = era.until_ms - slot.due_ms
    if slot.life.job.delete_ms and era.until_ms >= slot.life.job.delete_ms:
        what, reason = "deleted", OCCURRENCE_REASON_DELETED
    else:
        what, reason = "given another schedule", OCCURRENCE_REASON_UPDATED
    text = f"Not run: the job was {what} {span(after_ms)} after it was due, before it was published"
    return _said(slot, OCCURRENCE_OUTCOME_SKIPPED, reason, text)


def _not_reached(slot: Slot, era: Era, late_ms: int, *, is_unowned: bool) -> Explained:
    """No scheduler has come to it."""
    why = (
        "no scheduler owns the job's segment"
        if is_unowned
        else "the scheduler that owns the job's segment has not come to it yet"
    )
    spec = era.job.spec
    if spec.HasField("catch_up_window") and late_ms > duration_ms(spec.catch_up_window):
        window = span(duration_ms(spec.catch_up_window))
        text = (
            f"Will be skipped: it was due {span(late_ms)} ago, {why}, and the catch-up window is "
            f"{window}"
        )
        return _said(slot, OCCURRENCE_OUTCOME_SKIPPED, OCCURRENCE_REASON_CATCH_UP_WINDOW, text)
    text = f"Late by {span(late_ms)} already: {why}; it runs as soon as one can run it"
    return _said(slot, OCCURRENCE_OUTCOME_EXPECTED, OCCURRENCE_REASON_OUTAGE, text + _odd(slot))
