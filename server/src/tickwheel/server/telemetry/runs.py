"""Counts runs as their states are stored."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from tickwheel.server.domain.job import Job
from tickwheel.server.domain.run import Limit, Run, RunState, Trigger
from tickwheel.server.scheduler.live import LiveRun
from tickwheel.server.store.port import Created, IdContested, IdTaken
from tickwheel.v1 import run_pb2
from tickwheel.worker.telemetry.names import (
    DEAD_LETTERS,
    DUE,
    ENDED,
    HELD_BACK,
    LATENESS,
    RETRIED,
    SKIPPED,
    SUBMITTED,
)
from tickwheel.worker.telemetry.setup import Telemetry
from tickwheel.worker.telemetry.spans import Context

_TRIGGERS = {trigger: trigger.name.lower() for trigger in Trigger}
_STATES = {state: state.name.lower() for state in RunState}
_REASONS = tuple(
    name.removeprefix("SKIP_REASON_").lower() for name in run_pb2.SkipReason.keys()[1:]
)
#: As the settings call them.
LIMITS = {
    Limit.USER_IN_FLIGHT: "in_flight_per_user",
    Limit.TOPIC_IN_FLIGHT: "in_flight_per_topic",
    Limit.TOPIC_RATE: "rate_per_topic",
}
#: In place of catch_up_window, where nobody has missed it: its instant (`at`) was past already when
#: the job was accepted.
_PAST = "past_when_accepted"
#: Stretches of skipped occurrences that may still be extended; older ones begin anew.
_STRETCHES = 10_000


class RunMetrics:
    """Hears of states of runs once they are stored, and of the runs that have ended by it."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._due = telemetry.counter(DUE)
        self._ended = telemetry.counter(ENDED)
        self._skipped = telemetry.counter(SKIPPED)
        self._retried = telemetry.counter(RETRIED)
        self._dead_letters = telemetry.counter(DEAD_LETTERS)
        self._lateness = telemetry.histogram(LATENESS)
        self._held = telemetry.histogram(HELD_BACK)
        # The first of a kind is an increase only if there was a 0 before it.
        for trigger in _TRIGGERS.values():
            self._due.add(0, trigger)
        for state in (RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED):
            self._ended.add(0, _STATES[state])
        for reason in (*_REASONS, _PAST):
            self._skipped.add(0, reason)
        #: By run, how many skipped occurrences of its record are counted.
        self._counted: OrderedDict[tuple[str, str], int] = OrderedDict()

    def recorded(self, runs: Sequence[Run]) -> None:
        """These states are stored."""
        for run in runs:
            trigger = _TRIGGERS[run.trigger]
            if run.state is RunState.SKIPPED:
                # The record alone does not tell why; see `ended`.
                continue
            if run.revision == 1:
                self._due.add(1, trigger)
            if _is_published_now(run):
                self._late(run, trigger)
            if run.follows_failure:
                self._retried.add(1)
            if run.state.is_final:
                if run.dead_letter_topic:
                    self._dead_letters.add(1)
                else:
                    self._ended.add(1, _STATES[run.state])

    def ended(self, runs: Sequence[LiveRun]) -> None:
        """The final states of these are stored; what was skipped is counted."""
        for live in runs:
            run = live.record
            if run is None or run.state is not RunState.SKIPPED:
                continue
            count = self._newly_skipped(run)
            self._skipped.add(count, _reason(run, live.job))
            if run.revision == run.skipped_count:
                self._due.add(count, _TRIGGERS[run.trigger])

    def _newly_skipped(self, run: Run) -> int:
        """How many of a record's occurrences were not counted yet; a stretch grows."""
        name = (run.job_uid, run.run_id)
        before = self._counted.pop(name, 0)
        self._counted[name] = max(before, run.skipped_count)
        if len(self._counted) > _STRETCHES:
            self._counted.popitem(last=False)
        return max(0, run.skipped_count - before)

    def _late(self, run: Run, trigger: str) -> None:
        late_s = max(0, run.publish_ms - (run.attempt_due_ms or run.due_ms)) / 1000
        # The exemplar of a bucket leads to the run's trace.
        sampled = Context.sampled(run.traceparent)
        self._lateness.record(late_s, trigger, sampled=sampled)
        if run.held_by is not Limit.NONE:
            self._held.record(run.held_ms / 1000, LIMITS[run.held_by], sampled=sampled)


def _is_published_now(run: Run) -> bool:
    """Whether this state is the one that says that the log has the attempt."""
    if not run.publish_ms or run.offset < -1:
        return False
    if run.state is RunState.PUBLISHED:
        return not run.cancel_requested
    return run.state is RunState.SUCCEEDED and run.end_ms == run.publish_ms


def _reason(run: Run, job: Job) -> str:
    is_too_old = run.skip_reason == run_pb2.SKIP_REASON_CATCH_UP_WINDOW
    if is_too_old and job.could_run_ms(run.due_ms) > run.due_ms:
        return _PAST
    name = run_pb2.SkipReason.Name(run.skip_reason)
    return name.removeprefix("SKIP_REASON_").lower()


class JobMetrics:
    """Hears of what JobStore.create has answered."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._submitted = telemetry.counter(SUBMITTED)
        # That nothing was created yet is told as well.
        self._submitted.add(0, "created")

    def created(self, _args: tuple[Any, ...], results: Any) -> None:
        """JobStore.create was called; `results` are its."""
        for result in results:
            self._submitted.add(1, _result(result))


def _result(result: object) -> str:
    if isinstance(result, Created):
        return "repeated" if result.repeated else "created"
    if isinstance(result, IdTaken):
        return "id_taken"
    return "id_contested" if isinstance(result, IdContested) else "request_reused"
