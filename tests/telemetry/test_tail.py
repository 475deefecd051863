"""Which runs leave a trace: those that are sampled, and whatever went wrong."""

from dataclasses import replace
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from worker.making import record

from scheduler.making import NOW, make_job
from tickwheel.server.domain.job import Job
from tickwheel.server.domain.names import instant_id
from tickwheel.server.domain.occurrence import EntryKind
from tickwheel.server.domain.run import Limit, PastAttempt, Run, RunState, Trigger
from tickwheel.server.scheduler.live import LiveRun
from tickwheel.server.scheduler.override import asked_by
from tickwheel.server.telemetry.tracing import MOST_KEPT, RunTraces
from tickwheel.server.trace import keep_part, new_traceparent
from tickwheel.v1 import run_pb2
from tickwheel.worker.publisher.port import Ack, Unavailable
from tickwheel.worker.telemetry import sending
from tickwheel.worker.telemetry.sending import SendSpans
from tickwheel.worker.telemetry.setup import Telemetry, TelemetryOptions

TRACE, SPAN = "ab" * 16, "cd" * 8
SKIPPED: dict[str, Any] = {
    "state": RunState.SKIPPED,
    "publish_ms": 0,
    "skipped_count": 1,
    "skip_reason": run_pb2.SKIP_REASON_OVERLAP,
    "blocking_run": "r",
}


class Kept(SpanProcessor):
    """Keeps what is written."""

    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        self.spans.append(span)

    def names(self) -> list[str]:
        return [span.name for span in self.spans]

    def attributes(self, name: str) -> dict[str, Any]:
        (span,) = [span for span in self.spans if span.name == name]
        return dict(span.attributes or {})


class Still:
    """A clock that stands."""

    steady = 0

    def now_ms(self) -> int:
        return NOW + 60_000

    def now_us(self) -> int:
        return self.now_ms() * 1000

    def steady_ms(self) -> int:
        return self.steady

    async def sleep(self, seconds: float) -> None:
        raise AssertionError("nothing is waited for")


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def clock() -> Still:
    return Still()


@pytest.fixture
def traces(kept: Kept, clock: Still) -> RunTraces:
    telemetry = Telemetry(TelemetryOptions(service="s", instance="i", version="1"))
    telemetry.spans = kept
    return RunTraces(telemetry, clock, engine="cassandra", namespace="keyspace", log="kafka")


def ended(*, flags: str = "00", made: str = "", number: int = 0, **more: Any) -> LiveRun:
    """A run that has ended, 3 ms after it was due."""
    job: Job = replace(make_job(every_s=1), traceparent=made)
    at_ms = NOW + number
    fields: dict[str, Any] = {
        "state": RunState.SUCCEEDED,
        "publish_ms": at_ms + 3,
        "end_ms": at_ms + 3,
        "topic": "billing",
        "partition": 1,
        "offset": 7,
        "schedule_ms": at_ms,
        "due_ms": at_ms,
        "update_ms": at_ms + 5,
        "create_ms": at_ms + 5,
        **more,
    }
    record = Run(
        user=job.user,
        job_id=job.job_id,
        job_uid=job.uid,
        run_id=instant_id(at_ms),
        segment=0,
        trigger=Trigger.SCHEDULE,
        traceparent=f"00-{TRACE}-{SPAN}-{flags}",
        **fields,
    )
    return LiveRun(
        job=job,
        run_id=record.run_id,
        kind=EntryKind.SCHEDULE,
        schedule_ms=at_ms,
        due_ms=at_ms,
        ordinal=0,
        traceparent=record.traceparent,
        record=record,
        opened_ms=at_ms - 4_000,
        assigned_ms=at_ms - 3_990,
    )


def test_a_sampled_run_has_its_own_identity_and_a_link(traces: RunTraces, kept: Kept) -> None:
    made = f"00-{'12' * 16}-{'34' * 8}-01"
    # It went well at last.
    traces.ended([ended(flags="01", made=made, error_type="ValueError")])
    assert kept.names() == ["run", "schedule", "assignment", "record"]
    root = kept.spans[0]
    assert root.context is not None
    assert (f"{root.context.trace_id:032x}", f"{root.context.span_id:016x}") == (TRACE, SPAN)
    assert root.parent is None
    assert "error.type" not in (root.attributes or {})
    (link,) = root.links
    assert f"{link.context.trace_id:032x}" == "12" * 16
    for child in kept.spans[1:]:
        assert child.parent is not None
        assert child.parent.span_id == root.context.span_id
    database = {
        "db.system.name": "cassandra",
        "db.operation.name": "runs.record",
        "db.namespace": "keyspace",
    }
    assert kept.attributes("record").items() >= database.items()


@pytest.mark.parametrize("state", [RunState.FAILED, RunState.SKIPPED])
def test_a_run_by_hand_is_linked_to_the_call_that_asked_for_it_too(
    traces: RunTraces, kept: Kept, state: RunState
) -> None:
    made, asked = f"00-{'12' * 16}-{'34' * 8}-01", f"00-{'56' * 16}-{'78' * 8}-00"
    more: dict[str, Any] = SKIPPED if state is RunState.SKIPPED else {"state": state}
    traces.ended([ended(made=made, detail=asked_by(asked), **more)])
    links = [f"{link.context.trace_id:032x}" for link in kept.spans[0].links]
    assert links == ["56" * 16, "12" * 16]


def test_a_trace_begins_when_the_run_was_first_dealt_with(traces: RunTraces, kept: Kept) -> None:
    """And not at its instant, years ago; nor is a backfill late by that."""
    long_ago = NOW - 10 * 365 * 86_400_000
    past = ended(due_ms=long_ago, schedule_ms=long_ago, attempt_due_ms=NOW)
    traces.ended([past])
    assert kept.spans == []
    skipped = ended(due_ms=long_ago, schedule_ms=long_ago, **SKIPPED)
    failed = ended(due_ms=long_ago, attempt_due_ms=NOW, state=RunState.FAILED)
    for run in (skipped, failed):
        kept.spans.clear()
        traces.ended([run])
        starts = [(span.start_time or 0) // 1_000_000 for span in kept.spans]
        assert min(starts) == starts[0] == run.opened_ms
        assert kept.attributes("run")["tickwheel.run.due_time"] == "2017-01-17T08:00:00.000Z"


def test_one_that_a_former_owner_began_begins_with_what_is_known_of_it(
    traces: RunTraces, kept: Kept
) -> None:
    run = ended(flags="01")
    run.opened_ms = run.assigned_ms = 0
    traces.ended([run])
    # It was published before its first state was made.
    assert kept.spans[0].start_time == (NOW + 3) * 1_000_000


@pytest.mark.parametrize(("late_ms", "is_kept"), [(5, False), (1_500, True)])
def test_a_retry_waits_by_intention(
    traces: RunTraces, kept: Kept, late_ms: int, is_kept: bool
) -> None:
    again = NOW + 300_000
    past = PastAttempt(attempt=1, state=RunState.FAILED, due_ms=NOW, publish_ms=NOW + 2)
    traces.ended(
        [
            ended(
                attempt=2,
                past_attempts=(past,),
                attempt_due_ms=again,
                publish_ms=again + late_ms,
                end_ms=again + late_ms,
            )
        ]
    )
    assert bool(kept.spans) is is_kept
    if is_kept:
        assert kept.attributes("run")["tickwheel.run.lateness"] == 1.5


def test_what_went_well_unsampled_leaves_none(traces: RunTraces, kept: Kept) -> None:
    traces.ended([ended()])
    assert kept.spans == []


def test_late_and_failed_runs_are_told_from_their_record(traces: RunTraces, kept: Kept) -> None:
    traces.ended([ended(publish_ms=NOW + 1_500, end_ms=NOW + 1_500)])
    assert kept.names() == ["run", "schedule", "assignment", "send billing", "record"]
    kept.spans.clear()
    past = PastAttempt(attempt=1, state=RunState.FAILED, due_ms=NOW, publish_ms=NOW + 2)
    failed = ended(
        state=RunState.FAILED,
        start_ms=NOW + 20,
        end_ms=NOW + 50,
        error="boom",
        error_type="ValueError",
        attempt=2,
        past_attempts=(past,),
    )
    traces.ended([failed])
    assert kept.names() == [
        "run", "schedule", "assignment", "attempt", "send billing", "process billing", "record",
    ]  # fmt: skip
    assert kept.spans[0].status.description == "boom"
    wrong = [span.name for span in kept.spans if not span.status.is_ok]
    assert wrong == ["run", "attempt", "process billing"]
    assert [span.name for span in kept.spans if "error.type" in (span.attributes or {})] == wrong
    # As the worker and the executor would have told it.
    common = {
        "messaging.system": "kafka",
        "messaging.destination.name": "billing",
        "messaging.destination.partition.id": "1",
        "messaging.kafka.offset": 7,
    }
    for operation in ("send", "process"):
        attributes = kept.attributes(f"{operation} billing")
        assert attributes.items() >= common.items()
        assert attributes["messaging.operation.name"] == operation
        assert attributes["messaging.operation.type"] == operation


def test_each_attempt_is_told_from_when_it_was_handed_out(traces: RunTraces, kept: Kept) -> None:
    past = PastAttempt(
        attempt=1,
        state=RunState.FAILED,
        due_ms=NOW,
        publish_ms=NOW + 2,
        end_ms=NOW + 90,
        worker="a",
    )
    run = ended(flags="01", publish_ms=NOW + 1_200, attempt=2, past_attempts=(past,), worker="b")
    run.handed_ms, run.assigned_ms = (NOW - 3_000,), NOW + 100
    traces.ended([run])
    told = [
        (
            span.name,
            (span.start_time or 0) // 1_000_000 - NOW,
            (span.end_time or 0) // 1_000_000 - NOW,
        )
        for span in kept.spans
        if span.name in ("schedule", "assignment")
    ]
    assert told == [
        ("schedule", -4_000, -3_000),
        ("assignment", -3_000, 2),
        ("assignment", 100, 1_200),
    ]
    hands = [span.attributes or {} for span in kept.spans if span.name == "assignment"]
    assert [(one["tickwheel.run.attempt"], one["tickwheel.worker"]) for one in hands] == [
        (1, "a"), (2, "b"),
    ]  # fmt: skip
    # All that is about a run names it.
    names = {str((span.attributes or {})["tickwheel.run.name"]) for span in kept.spans}
    assert len(names) == 1


def test_what_no_worker_was_given_was_scheduled_until_its_end(
    traces: RunTraces, kept: Kept
) -> None:
    cancelled: dict[str, Any] = {
        "state": RunState.CANCELLED,
        "publish_ms": 0,
        "end_ms": NOW + 700,
    }
    run = ended(flags="01", **cancelled)
    run.assigned_ms = 0
    traces.ended([run])
    assert kept.names() == ["run", "schedule", "record"]
    assert kept.spans[1].end_time == (NOW + 700) * 1_000_000


def test_a_skipped_stretch_is_told_of_once(traces: RunTraces, kept: Kept) -> None:
    made = f"00-{'12' * 16}-{'34' * 8}-00"
    skipped = ended(made=made, **SKIPPED)
    traces.ended([skipped])
    assert skipped.record is not None
    longer = replace(skipped.record, skipped_count=2, revision=2)
    traces.ended([replace(skipped, record=longer)])
    (span,) = kept.spans
    (link,) = span.links
    assert f"{link.context.trace_id:032x}" == "12" * 16
    assert span.attributes is not None
    assert span.attributes["tickwheel.run.skip_reason"] == "SKIP_REASON_OVERLAP"
    assert span.attributes["tickwheel.run.blocking_run"] == "r"


def test_skipped_runs_that_are_sampled_are_not_limited(traces: RunTraces, kept: Kept) -> None:
    traces.ended([ended(number=number, **SKIPPED) for number in range(2 * MOST_KEPT)])
    assert len(kept.spans) == MOST_KEPT
    traces.ended([ended(flags="01", number=3 * MOST_KEPT, **SKIPPED)])
    assert len(kept.spans) == MOST_KEPT + 1


def test_an_outage_makes_no_flood(traces: RunTraces, kept: Kept, clock: Still) -> None:
    late: dict[str, Any] = {"publish_ms": NOW + 99_000, "end_ms": NOW + 99_000}
    traces.ended([ended(number=number, **late) for number in range(5 * MOST_KEPT)])
    assert kept.names().count("run") == MOST_KEPT
    # What is sampled comes all the same, and the next second others.
    traces.ended([ended(flags="01", **late)])
    clock.steady = 1_000
    traces.ended([ended(**late)])
    assert kept.names().count("run") == MOST_KEPT + 2


def test_what_a_limit_has_held_back_is_not_late(traces: RunTraces, kept: Kept) -> None:
    at_ms = NOW + 99_000
    held: dict[str, Any] = {"held_by": Limit.TOPIC_RATE, "held_ms": 98_500}
    let_go = NOW + held["held_ms"]
    traces.ended([ended(publish_ms=at_ms, end_ms=at_ms, attempt_due_ms=let_go, **held)])
    assert not kept.names()


@pytest.mark.parametrize(("ratio", "low", "high"), [(0.0, 0, 0), (0.1, 60, 140), (1.0, 1000, 1000)])
def test_so_many_traces_that_begin_here_are_sampled(ratio: float, low: int, high: int) -> None:
    keep_part(ratio)
    try:
        sampled = sum(new_traceparent().endswith("-01") for _ in range(1000))
    finally:
        keep_part(1)
    assert low <= sampled <= high


@pytest.fixture
def sends(kept: Kept) -> SendSpans:
    telemetry = Telemetry(TelemetryOptions(service="s", instance="i", version="1"))
    telemetry.spans = kept
    return SendSpans(telemetry, "kafka")


def sent(kept: Kept) -> list[tuple[str, object]]:
    """The spans of sending, and where the log has put each record, or why it has not."""
    spans = [(span, span.attributes or {}) for span in kept.spans if span.name == "send t"]
    return [
        (
            span.status.status_code.name,
            attributes.get("messaging.kafka.offset", attributes.get("error.type")),
        )
        for span, attributes in spans
    ]


def test_of_records_beyond_those_that_can_be_held_their_sending_is_told(
    kept: Kept, sends: SendSpans, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "_MOST", 1)
    records = [record(name, topic="t") for name in ("a", "b", "c")]
    for each in (records, records[:1]):
        sends.received(each)
        sends.given(each)
        sends.answered(each, [Ack(0, number, NOW) for number, _ in enumerate(each)])
    assert sent(kept) == [("UNSET", 0), ("UNSET", 1), ("UNSET", 2), ("UNSET", 0)]


def test_a_record_that_is_given_to_the_log_again_is_told_of_again(
    kept: Kept, sends: SendSpans
) -> None:
    records = [record("a", topic="t")]
    sends.received(records)
    for answer in (Unavailable("away"), Ack(0, 7, NOW)):
        sends.given(records)
        sends.answered(records, [answer])
    assert sent(kept) == [("ERROR", "unavailable"), ("UNSET", 7)]
    run = "users/7/jobs/a/runs/a"
    assert {str((span.attributes or {})["tickwheel.run.name"]) for span in kept.spans} == {run}


def test_what_is_dropped_before_it_is_due_leaves_nothing_for_others(
    kept: Kept, sends: SendSpans
) -> None:
    """Python gives the place of an object that has gone, and so its id, to another one."""
    sends.received([record("dropped", topic="t")])
    other = record("other", topic="t")
    other.headers[:] = [header for header in other.headers if header[0] != "traceparent"]
    sends.given([other])
    sends.answered([other], [Ack(0, 1, NOW)])
    assert sent(kept) == []
