"""One trace for each run, written once it has ended.

Its root has the identity that went with the run through all hops (`traceparent`), so that what
workers and executors have written of it hangs below. Whether it is written is decided at its end:
where its trace is sampled, and always where it was late, has failed or was skipped. What other
processes would have told of a run whose trace is not sampled is then told from its record.

Attributes are those of https://opentelemetry.io/docs/specs/semconv/messaging/ and `…/database/`
where they have one.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from opentelemetry.trace import SpanKind, StatusCode

from tickwheel.server.domain.clock import Clock
from tickwheel.server.domain.job import Job
from tickwheel.server.domain.names import JobName, RunName
from tickwheel.server.domain.run import Run, RunState
from tickwheel.server.scheduler.live import LiveRun
from tickwheel.server.scheduler.override import decode_override
from tickwheel.server.telemetry.store import database
from tickwheel.v1 import run_pb2
from tickwheel.worker.publisher.port import RunId
from tickwheel.worker.publisher.records import record_id, rfc3339
from tickwheel.worker.telemetry.setup import Telemetry
from tickwheel.worker.telemetry.spans import Context, SpanWriter

#: An attempt published later than this after it was due is late, in ms.
LATE_MS = 1_000
#: Traces a second that are kept though they are not sampled: an outage makes many late at once.
MOST_KEPT = 100
_NS = 1_000_000
#: Skipped stretches of which a trace is written; older ones may be written of once more.
_STRETCHES = 10_000

Attributes = dict[str, str | int | float | bool]


class RunTraces:
    """Writes the traces of runs as their ends are stored."""

    def __init__(
        self, telemetry: Telemetry, clock: Clock, *, engine: str, namespace: str, log: str
    ) -> None:
        """Writes none yet.

        Args:
            telemetry: where to.
            clock: says when a state was stored.
            engine: of the store.
            namespace: its keyspace, if it has one.
            log: which one runs are published to: `kafka` or `tickwheel` (the embedded one).
        """
        self._stored = database(engine, namespace, "runs.record")
        self._log = log
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
                self._skip(live, run, sampled)
            elif sampled is not None:
                self._write(live, run, sampled, is_sampled=True)
            elif run.state is RunState.FAILED or _late_ms(run) > LATE_MS:
                context = Context.of(run.traceparent)
                if context is not None and self._may_keep():
                    self._write(live, run, context, is_sampled=False)

    def _skip(self, live: LiveRun, run: Run, sampled: Context | None) -> None:
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
            _begun_ms(live, run) * _NS,
            run.end_ms * _NS,
            own=context,
            attributes={
                **_attributes(run),
                "tickwheel.run.skip_reason": run_pb2.SkipReason.Name(run.skip_reason),
                "tickwheel.run.skipped_count": run.skipped_count,
                "tickwheel.run.blocking_run": run.blocking_run,
                "tickwheel.kept": "skipped" if sampled is None else "sampled",
            },
            links=_links(live.job, run),
        )

    def _may_keep(self) -> bool:
        second = self._clock.steady_ms() // 1000
        if second != self._kept_second:
            self._kept_second, self._kept = second, 0
        self._kept += 1
        return self._kept <= MOST_KEPT

    def _write(self, live: LiveRun, run: Run, context: Context, *, is_sampled: bool) -> None:
        begun_ms = _begun_ms(live, run)
        failed = run.state is RunState.FAILED
        self._writer.write(
            "run",
            None,
            begun_ms * _NS,
            run.end_ms * _NS,
            own=context,
            attributes={
                **_attributes(run),
                "tickwheel.run.lateness": _late_ms(run) / 1000,
                "tickwheel.kept": "sampled" if is_sampled else "late or failed",
            },
            links=_links(live.job, run),
            status=StatusCode.ERROR if failed else StatusCode.UNSET,
            message=run.error if failed else "",
        )
        opened_ms = live.opened_ms or begun_ms
        handed = _handed(live, run, opened_ms)
        named = _named(run)
        assigned_ms = handed[0].from_ms if handed else run.end_ms
        self._child(context, "schedule", opened_ms, assigned_ms, named)
        for one in handed:
            heard: Attributes = {
                **named,
                "tickwheel.worker": one.worker,
                "tickwheel.run.attempt": one.attempt,
            }
            self._child(context, "assignment", one.from_ms, max(one.from_ms, one.to_ms), heard)
        if not is_sampled:
            self._from_record(context, run, begun_ms, handed[-1].from_ms if handed else begun_ms)
        stored_ms = self._clock.now_ms()
        stored: Attributes = {**named, **self._stored}
        self._child(context, "record", run.update_ms, stored_ms, stored, SpanKind.CLIENT)

    def _from_record(self, context: Context, run: Run, begun_ms: int, assigned_ms: int) -> None:
        """What the worker and the executor would have told."""
        for past in run.past_attempts:
            attributes: Attributes = {
                "tickwheel.run.attempt": past.attempt,
                "tickwheel.worker": past.worker,
                **_error(past.error_type),
            }
            due_ms = max(past.due_ms, begun_ms)
            self._child(context, "attempt", due_ms, past.end_ms, attributes, failed=True)
        if run.publish_ms:
            attributes = self._messaging(run, "send")
            given_ms = max(assigned_ms, run.attempt_due_ms or run.due_ms)
            name = f"send {run.topic}"
            self._child(context, name, given_ms, run.publish_ms, attributes, SpanKind.PRODUCER)
        if run.start_ms:
            failed = run.state is RunState.FAILED
            attributes = {
                **self._messaging(run, "process"),
                "tickwheel.executor": run.executor,
                **(_error(run.error_type) if failed else {}),
            }
            name, end_ms = f"process {run.topic}", run.end_ms
            self._child(
                context, name, run.start_ms, end_ms, attributes, SpanKind.CONSUMER, failed=failed
            )

    def _messaging(self, run: Run, operation: str) -> Attributes:
        attributes: Attributes = {
            "messaging.system": self._log,
            "messaging.operation.name": operation,
            "messaging.operation.type": operation,
            "messaging.destination.name": run.topic,
            "messaging.message.id": record_id(RunId(run.job_uid, run.run_id, run.attempt)),
            "tickwheel.run.attempt": run.attempt,
        }
        # Of one that was sent twice the log may know only that it has it.
        if run.partition >= 0:
            attributes["messaging.destination.partition.id"] = str(run.partition)
        if run.offset >= 0:
            attributes["messaging.kafka.offset"] = run.offset
        return attributes

    def _child(
        self,
        parent: Context,
        name: str,
        start_ms: int,
        end_ms: int,
        attributes: Mapping[str, str | int | float | bool],
        kind: SpanKind = SpanKind.INTERNAL,
        *,
        failed: bool = False,
    ) -> None:
        self._writer.write(
            name,
            parent,
            start_ms * _NS,
            end_ms * _NS,
            kind=kind,
            attributes=attributes,
            status=StatusCode.ERROR if failed else StatusCode.UNSET,
        )


class _Handed(NamedTuple):
    """An attempt in a worker's hands, until the log had it or it had failed."""

    attempt: int
    worker: str
    from_ms: int
    to_ms: int


def _handed(live: LiveRun, run: Run, opened_ms: int) -> list[_Handed]:
    """The attempts of which it is known when they were handed out, oldest first."""
    former = zip(reversed(run.past_attempts), reversed(live.handed_ms), strict=False)
    found = [
        _Handed(past.attempt, past.worker, at_ms, past.publish_ms or past.end_ms)
        for past, at_ms in former
        if at_ms
    ][::-1]
    # Where a former owner has handed it out there is only that it was published.
    if live.assigned_ms or run.publish_ms:
        at_ms = live.assigned_ms or (found[-1].to_ms if found else opened_ms)
        found.append(_Handed(run.attempt, run.worker, at_ms, run.publish_ms or run.update_ms))
    return found


def _links(job: Job, run: Run) -> list[Context]:
    """The calls that asked for the run, and that made this version of the job, where known."""
    # Those of the schedule have no detail.
    asked = decode_override(run.detail).traceparent if run.detail else ""
    found = (Context.of(asked), Context.of(job.traceparent))
    return [context for context in found if context is not None]


def _begun_ms(live: LiveRun, run: Run) -> int:
    """When the run was first dealt with: its instant may lie years before, as in a backfill."""
    first_ms = min(live.opened_ms or run.create_ms, run.create_ms)
    # Its worker may have published it before the present owner knew of it.
    published = [past.publish_ms for past in run.past_attempts] + [run.publish_ms]
    return min([first_ms, *filter(None, published)])


def _late_ms(run: Run) -> int:
    """By how much the latest of its attempts was; 0 where none was published.

    One counts from when it could go: after its backoff, when the run that it waited for had ended,
    and when the limit that held it back let it go.
    """
    late_ms = run.publish_ms - (run.attempt_due_ms or run.due_ms) if run.publish_ms else 0
    for past in run.past_attempts:
        if past.publish_ms:
            late_ms = max(late_ms, past.publish_ms - past.due_ms)
    return max(0, late_ms)


def _error(error_type: str) -> Attributes:
    return {"error.type": error_type or "_OTHER"}


def _named(run: Run) -> Attributes:
    job = JobName(run.user, run.job_id)
    return {
        "tickwheel.job.name": str(job),
        "tickwheel.run.name": str(RunName(job, run.run_id)),
        "tickwheel.run.attempt": run.attempt,
    }


def _attributes(run: Run) -> Attributes:
    attributes: Attributes = {
        **_named(run),
        "tickwheel.run.schedule_time": rfc3339(run.schedule_ms).decode(),
        "tickwheel.run.due_time": rfc3339(run.due_ms).decode(),
        "tickwheel.run.state": run.state.name.lower(),
        "tickwheel.run.trigger": run.trigger.name.lower(),
        "tickwheel.segment": run.segment,
        "tickwheel.epoch": run.epoch,
    }
    # The semantic conventions want it only of what has failed; a run that went well at last may
    # have the error of an attempt before.
    failed = run.state is RunState.FAILED
    return {**attributes, **_error(run.error_type)} if failed else attributes
