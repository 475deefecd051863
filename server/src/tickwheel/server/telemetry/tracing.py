"""One trace for each run, written once it has ended.

Its root has the identity that went with the run through all hops (`traceparent`), so that what
workers and executors have written of it hangs below. Whether it is written is decided at its end:
where its trace is sampled, and always where it was late, has failed or was skipped. What other
processes would have told of a run whose trace is not sampled is then told from its record.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence

from opentelemetry.trace import SpanKind, StatusCode

from tickwheel.server.domain.clock import Clock
from tickwheel.server.domain.job import Job
from tickwheel.server.domain.names import JobName, RunName
from tickwheel.server.domain.run import Run, RunState
from tickwheel.server.scheduler.live import LiveRun
from tickwheel.v1 import run_pb2
from tickwheel.worker.telemetry.setup import Telemetry
from tickwheel.worker.telemetry.spans import Context, SpanWriter

#: Published later than this after it was due is late, in ms.
LATE_MS = 1_000
#: Traces a second that are kept though they are not sampled: an outage makes many late at once.
MOST_KEPT = 100
_NS = 1_000_000
#: Skipped stretches of which a trace is written; older ones may be written of once more.
_STRETCHES = 10_000

Attributes = dict[str, str | int | float | bool]


class RunTraces:
    """Writes the traces of runs as their ends are stored."""

    def __init__(self, telemetry: Telemetry, clock: Clock) -> None:
        self._writer = SpanWriter(telemetry)
        self._clock = clock
        self._kept_second = 0
        self._kept = 0
        self._skipped: OrderedDict[tuple[str, str], None] = OrderedDict()

    def ended(self, runs: Sequence[LiveRun]) -> None:
        """The final states of these are stored."""
        for live in runs:
            run = live.record
            if run is None:
                continue
            sampled = Context.sampled(run.traceparent)
            if run.state is RunState.SKIPPED:
                self._skip(live.job, run, sampled)
            elif sampled is not None:
                self._write(live, run, sampled, is_sampled=True)
            elif run.state is RunState.FAILED or _late_ms(live.job, run) > LATE_MS:
                context = Context.of(run.traceparent)
                if context is not None and self._may_keep():
                    self._write(live, run, context, is_sampled=False)

    def _skip(self, job: Job, run: Run, sampled: Context | None) -> None:
        """Tells of a skipped run, or stretch, once: nobody but its root has anything to tell."""
        name = (run.job_uid, run.run_id)
        context = sampled or Context.of(run.traceparent)
        if name in self._skipped or context is None:
            return
        if sampled is None and not self._may_keep():
            return
        self._skipped[name] = None
        if len(self._skipped) > _STRETCHES:
            self._skipped.popitem(last=False)
        self._writer.write(
            "run",
            None,
            run.due_ms * _NS,
            run.end_ms * _NS,
            own=context,
            attributes={
                **_attributes(run),
                "tickwheel.run.skip_reason": run_pb2.SkipReason.Name(run.skip_reason),
                "tickwheel.run.skipped_count": run.skipped_count,
                "tickwheel.run.blocking_run": run.blocking_run,
                "tickwheel.kept": "skipped" if sampled is None else "sampled",
            },
            links=_made_by(job),
        )

    def _may_keep(self) -> bool:
        second = self._clock.steady_ms() // 1000
        if second != self._kept_second:
            self._kept_second, self._kept = second, 0
        self._kept += 1
        return self._kept <= MOST_KEPT

    def _write(self, live: LiveRun, run: Run, context: Context, *, is_sampled: bool) -> None:
        opened_ms = live.opened_ms or run.create_ms
        begun_ms = min(opened_ms, run.due_ms)
        failed = run.state is RunState.FAILED
        self._writer.write(
            "run",
            None,
            begun_ms * _NS,
            run.end_ms * _NS,
            own=context,
            attributes={
                **_attributes(run),
                "tickwheel.run.lateness": _late_ms(live.job, run) / 1000,
                "tickwheel.kept": "sampled" if is_sampled else "late or failed",
            },
            links=_made_by(live.job),
            status=StatusCode.ERROR if failed else StatusCode.UNSET,
            message=run.error if failed else "",
        )
        assigned_ms = live.assigned_ms or opened_ms
        self._child(context, "schedule", opened_ms, assigned_ms, {})
        heard: Attributes = {"tickwheel.worker": run.worker, "tickwheel.run.attempt": run.attempt}
        answered_ms = max(run.publish_ms or run.update_ms, assigned_ms)
        self._child(context, "assignment", assigned_ms, answered_ms, heard)
        if not is_sampled:
            self._from_record(context, run, assigned_ms)
        stored_ms = self._clock.now_ms()
        self._child(context, "record", run.update_ms, stored_ms, {}, SpanKind.CLIENT)

    def _from_record(self, context: Context, run: Run, assigned_ms: int) -> None:
        """What the worker and the executor would have told."""
        for past in run.past_attempts:
            attributes: Attributes = {
                "tickwheel.run.attempt": past.attempt,
                "tickwheel.worker": past.worker,
                "error.type": past.error_type,
            }
            self._child(context, "attempt", past.due_ms, past.end_ms, attributes)
        if run.publish_ms:
            topic = run.topic
            attributes = {
                "messaging.destination.name": topic,
                "messaging.destination.partition.id": str(run.partition),
                "messaging.kafka.offset": run.offset,
            }
            begun_ms = max(assigned_ms, run.attempt_due_ms or run.due_ms)
            name = f"send {topic}"
            self._child(context, name, begun_ms, run.publish_ms, attributes, SpanKind.PRODUCER)
        if run.start_ms:
            attributes = {"tickwheel.executor": run.executor}
            name = f"process {run.topic}"
            self._child(context, name, run.start_ms, run.end_ms, attributes, SpanKind.CONSUMER)

    def _child(
        self,
        parent: Context,
        name: str,
        start_ms: int,
        end_ms: int,
        attributes: Mapping[str, str | int | float | bool],
        kind: SpanKind = SpanKind.INTERNAL,
    ) -> None:
        self._writer.write(
            name, parent, start_ms * _NS, end_ms * _NS, kind=kind, attributes=attributes
        )


def _made_by(job: Job) -> tuple[Context, ...]:
    """The call that made this version of the job, if it is known."""
    made = Context.of(job.traceparent)
    return () if made is None else (made,)


def _late_ms(job: Job, run: Run) -> int:
    """By how much the first attempt was late, by no limit's doing; 0 where none was published."""
    first = run.past_attempts[0] if run.past_attempts else run
    late_ms = first.publish_ms - job.could_run_ms(run.due_ms) - first.held_ms
    return max(0, late_ms) if first.publish_ms else 0


def _attributes(run: Run) -> Attributes:
    attributes: Attributes = {
        "tickwheel.job.name": str(JobName(run.user, run.job_id)),
        "tickwheel.run.name": str(RunName(JobName(run.user, run.job_id), run.run_id)),
        "tickwheel.run.state": run.state.name.lower(),
        "tickwheel.run.trigger": run.trigger.name.lower(),
        "tickwheel.run.attempt": run.attempt,
        "tickwheel.segment": run.segment,
        "tickwheel.epoch": run.epoch,
    }
    # The semantic conventions want it only of what has failed.
    return {**attributes, "error.type": run.error_type} if run.error_type else attributes
