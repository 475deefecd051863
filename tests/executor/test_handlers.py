"""Handlers of all kinds, on the embedded log: what they are given, and what is reported."""

import asyncio
import functools
import threading
import time
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from google.protobuf import json_format, struct_pb2
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanContext

from executor.conftest import running
from executor.records import JOB, UID
from executor.stand_in import STALE, UNOWNED, Attempt, Ledger, status
from tickwheel.client import CancelReason, Executor, NotRetryable, RunContext
from tickwheel.v1 import run_pb2

Make = Callable[..., Executor]

SUCCEEDED = run_pb2.RUN_STATE_SUCCEEDED
FAILED = run_pb2.RUN_STATE_FAILED
CANCELLED = run_pb2.RUN_STATE_CANCELLED


def result_of(attempt: Attempt) -> struct_pb2.Value:
    assert attempt.finish is not None
    return attempt.finish.result


def _given(number: int, ctx: RunContext) -> int:
    return number


async def test_results_of_async_and_plain_handlers(ledger: Ledger, make: Make) -> None:
    executor = make()
    threads: list[str] = []

    @executor.handler("async")
    async def awaited(ctx: RunContext) -> dict[str, Any]:
        await asyncio.sleep(0)
        return {"got": ctx.payload}

    class Called:
        async def __call__(self, ctx: RunContext) -> str:
            return "object"

    @executor.handler("plain")
    def plain(ctx: RunContext) -> list[int]:
        threads.append(threading.current_thread().name)
        return [1, 2]

    executor.handler("object")(Called())
    executor.handler("partial")(functools.partial(_given, 7))
    attempts = [
        await ledger.publish(number, topic=topic)
        for number, topic in enumerate(("async", "plain", "object", "partial"))
    ]
    async with running(executor):
        await ledger.ended(*attempts)
    assert [attempt.state for attempt in attempts] == [SUCCEEDED] * 4
    first, second, third, fourth = (result_of(attempt) for attempt in attempts)
    assert json_format.MessageToDict(first) == {"got": {"report": "daily"}}
    assert [value.number_value for value in second.list_value.values] == [1, 2]
    assert third.string_value == "object"
    assert fourth.number_value == 7
    assert threads[0].startswith("tickwheel-handler")


class _Mute(BaseException):
    def __str__(self) -> str:
        raise SystemExit


@pytest.mark.parametrize("is_async", [True, False])
@pytest.mark.parametrize(
    "error",
    [
        ValueError("x"),
        SystemExit(1),
        KeyboardInterrupt(),
        GeneratorExit(),
        StopIteration(),
        StopAsyncIteration(),
        asyncio.CancelledError(),
        _Mute(),
        NotRetryable("never"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_anything_at_all_may_be_raised(
    ledger: Ledger, make: Make, error: BaseException, is_async: bool
) -> None:
    executor = make()

    @executor.handler("async")
    async def awaited(ctx: RunContext) -> None:
        raise error

    @executor.handler("plain")
    def plain(ctx: RunContext) -> None:
        raise error

    attempt = await ledger.publish(1, topic="async" if is_async else "plain")
    async with running(executor):
        await ledger.ended(attempt)
    assert attempt.state == FAILED
    assert attempt.finish is not None
    assert attempt.finish.retryable != isinstance(error, NotRetryable)
    if not (is_async and isinstance(error, StopIteration)):  # PEP 479
        assert attempt.finish.error.type == type(error).__name__
    assert (
        "in awaited" in attempt.finish.error.details or "in plain" in attempt.finish.error.details
    )


async def test_too_large_a_result_is_reported_as_such(ledger: Ledger, make: Make) -> None:
    executor = make()

    @executor.handler("billing")
    async def bill(ctx: RunContext) -> str:
        return "x" * 70_000

    attempt = await ledger.publish(1)
    async with running(executor):
        await ledger.ended(attempt)
    assert attempt.finish is not None
    assert (attempt.state, attempt.finish.retryable) == (FAILED, False)
    assert attempt.finish.error.type == "result-too-large"


async def test_a_result_that_the_server_finds_too_large(ledger: Ledger, make: Make) -> None:
    executor = make()

    @executor.handler("billing")
    async def bill(ctx: RunContext) -> str:
        return "x"

    ledger.item_refusals["FinishRuns"].append(
        status(grpc.StatusCode.INVALID_ARGUMENT, "RESULT_TOO_LARGE")
    )
    attempt = await ledger.publish(1)
    async with running(executor):
        await ledger.ended(attempt)
    assert attempt.finish is not None
    assert (attempt.state, attempt.finish.retryable) == (FAILED, False)
    assert attempt.finish.error.type == "result-too-large"


async def test_no_more_at_once_than_allowed(ledger: Ledger, make: Make) -> None:
    executor = make(concurrency=5)
    now: dict[str, int] = {"a": 0, "b": 0}
    most: dict[str, int] = {"a": 0, "b": 0, "all": 0}

    def enter(topic: str) -> None:
        now[topic] += 1
        most[topic] = max(most[topic], now[topic])
        most["all"] = max(most["all"], sum(now.values()))

    async def work(ctx: RunContext) -> None:
        enter(ctx.topic)
        # Longer than it takes to be handed more.
        await asyncio.sleep(0.05)
        now[ctx.topic] -= 1

    executor.handler("a", concurrency=2)(work)
    executor.handler("b")(work)
    attempts = [await ledger.publish(number, topic="a") for number in range(20)]
    async with running(executor):
        await ledger.ended(*attempts)
        assert most["a"] == 2
        attempts = [await ledger.publish(n, topic="a" if n % 3 else "b") for n in range(30, 90)]
        await ledger.ended(*attempts)
        attempts = [await ledger.publish(number, topic="b") for number in range(100, 120)]
        await ledger.ended(*attempts)
    assert most == {"a": 2, "b": 5, "all": 5}
    # What was taken ahead is bounded as well.
    assert max(call.max for call in ledger.calls["PullRecords"]) <= 10


async def test_plain_handlers_run_at_the_same_time(ledger: Ledger, make: Make) -> None:
    executor = make(concurrency=8)
    barrier = threading.Barrier(8)

    @executor.handler("billing")
    def bill(ctx: RunContext) -> None:
        barrier.wait(10)

    attempts = [await ledger.publish(number) for number in range(8)]
    async with running(executor):
        await ledger.ended(*attempts)
    assert {attempt.state for attempt in attempts} == {SUCCEEDED}


@pytest.mark.parametrize(
    "refusal",
    [
        STALE,
        status(
            grpc.StatusCode.FAILED_PRECONDITION,
            "RUN_STATE_WRONG",
            metadata={"state": "RUN_STATE_FAILED", "completion": "COMPLETION_REPORTED"},
        ),
        status(grpc.StatusCode.NOT_FOUND, "RUN_NOT_FOUND"),
        status(grpc.StatusCode.INVALID_ARGUMENT, "FIELD_INVALID"),
    ],
    ids=["stale", "over", "unknown", "invalid"],
)
async def test_a_refused_start_is_not_executed(ledger: Ledger, make: Make, refusal: Any) -> None:
    executor = make(concurrency=1)
    called: list[str] = []

    @executor.handler("billing")
    async def bill(ctx: RunContext) -> None:
        called.append(ctx.run)

    ledger.item_refusals["StartRuns"].append(refusal)
    await ledger.publish(1, key="k")
    second = await ledger.publish(2, key="k")
    async with running(executor):
        await ledger.ended(second)
    assert called == [second.name]


async def test_reports_are_repeated_until_answered(ledger: Ledger, make: Make) -> None:
    executor = make()
    called: list[str] = []

    @executor.handler("billing")
    async def bill(ctx: RunContext) -> None:
        called.append(ctx.run)

    for method in ("StartRuns", "FinishRuns"):
        ledger.refusals[method].extend([UNOWNED] * 3)
        ledger.item_refusals[method].extend([UNOWNED] * 3)
        ledger.lost_answers[method] = 3
    attempt = await ledger.publish(1)
    async with running(executor):
        await ledger.ended(attempt)
    assert attempt.state == SUCCEEDED
    assert called == [attempt.name]


async def test_a_record_that_says_so_needs_nobody_to_be_asked(ledger: Ledger, make: Make) -> None:
    executor = make()
    done = asyncio.Event()

    @executor.handler("billing")
    async def bill(ctx: RunContext) -> None:
        assert ctx.deadline is None
        done.set()

    await ledger.publish(1, headers={"tickwheel-completion": "published"})
    async with running(executor):
        await done.wait()
    assert not ledger.calls["StartRuns"]
    assert not ledger.calls["FinishRuns"]


async def test_a_published_run_is_executed_and_not_reported(
    ledger: Ledger, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    executor = make()
    called: list[Any] = []
    done = asyncio.Event()

    @executor.handler("billing")
    async def bill(ctx: RunContext) -> None:
        ctx.progress(0.5)
        called.append((ctx.run, ctx.deadline))
        if len(called) == 2:
            done.set()
            raise ValueError("nobody waits to hear")

    published = {"completion": "COMPLETION_PUBLISHED"}
    first = await ledger.publish(1, state=SUCCEEDED, **published)
    # Its owner has not heard of the publication yet.
    second = await ledger.publish(2, state=run_pb2.RUN_STATE_PENDING, **published)
    async with running(executor):
        await done.wait()
    assert sorted(called) == [(first.name, None), (second.name, None)]
    assert not ledger.calls["FinishRuns"]
    assert "nobody waits to hear" in caplog.text


async def test_a_dead_letter_is_handled_and_not_reported(ledger: Ledger, make: Make) -> None:
    executor = make()
    reasons: list[str] = []
    done = asyncio.Event()

    @executor.handler("billing")
    async def bill(ctx: RunContext) -> None:
        raise ValueError("no luck")

    @executor.handler("billing.dlq")
    async def bury(ctx: RunContext) -> None:
        reasons.append(ctx.headers["tickwheel-dead-letter-reason"])
        done.set()

    attempt, record = ledger.add(1)
    _, letter = ledger.add(
        1,
        topic="billing.dlq",
        dead_letter=True,
        headers={
            "tickwheel-dead-letter-reason": "no luck",
            "tickwheel-dead-letter-run": attempt.name,
        },
    )
    ledger.attempts[attempt.name, 1] = attempt
    async with running(executor):
        await ledger.append([record])
        await ledger.ended(attempt)
        await ledger.append([letter])
        await done.wait()
    assert reasons == ["no luck"]
    assert len(ledger.calls["StartRuns"]) == 1


async def test_what_is_no_run_is_passed_over(
    ledger: Ledger, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    executor = make(concurrency=1)

    @executor.handler("billing")
    async def bill(ctx: RunContext) -> None:
        pass

    _, foreign = ledger.add(1, key="k")
    foreign.headers[:] = [(n, v) for n, v in foreign.headers if not n.startswith("ce_")]
    await ledger.append([foreign])
    second = await ledger.publish(2, key="k")
    async with running(executor):
        await ledger.ended(second)
    assert "header ce_id is missing" in caplog.text
    assert len(ledger.calls["StartRuns"]) == 1


async def test_a_duplicate_is_executed_once(ledger: Ledger, make: Make) -> None:
    executor = make()
    called: list[str] = []

    @executor.handler("billing")
    async def bill(ctx: RunContext) -> None:
        called.append(ctx.event_id)
        await asyncio.sleep(0.05)

    attempt, record = ledger.add(1, completion="COMPLETION_PUBLISHED", state=SUCCEEDED)
    await ledger.append([record, record])
    last = await ledger.publish(2)
    async with running(executor):
        await ledger.ended(last)
        await ledger.append([record])
        await ledger.ended(await ledger.publish(3))
    assert len([one for one in called if one.split("/")[1] in attempt.name]) == 1


async def test_of_two_records_of_an_attempt_the_one_with_the_valid_fence_counts(
    ledger: Ledger, make: Make
) -> None:
    executor = make()
    called: list[str] = []

    @executor.handler("billing")
    async def bill(ctx: RunContext) -> None:
        called.append(ctx.headers["ce_fence"])

    _, stale = ledger.add(1, fence=1, key="k")
    attempt, valid = ledger.add(1, fence=2, key="k")
    await ledger.append([stale, valid])
    async with running(executor):
        await ledger.ended(attempt)
    assert called == ["2"]


# -- heartbeats, progress, cancellation --------------------------------------------------------


async def test_a_long_handler_beats_and_shows_its_progress(ledger: Ledger, make: Make) -> None:
    executor = make()
    ledger.heartbeat_ms = 50
    go = asyncio.Event()

    @executor.handler("billing")
    async def bill(ctx: RunContext) -> None:
        ctx.progress(0.25, "a quarter")
        await go.wait()
        ctx.progress(1.0, "all")

    attempt = await ledger.publish(1)
    async with running(executor):
        await ledger.until(lambda: len(ledger.calls["HeartbeatRuns"]) >= 4)
        assert attempt.progress is not None
        assert (attempt.progress.fraction, attempt.progress.message) == (0.25, "a quarter")
        go.set()
        await ledger.ended(attempt)
    assert attempt.progress.message == "all"
    beats = len(ledger.calls["HeartbeatRuns"])
    await asyncio.sleep(0.15)
    assert len(ledger.calls["HeartbeatRuns"]) == beats


async def test_progress_does_not_wait_for_the_interval(ledger: Ledger, make: Make) -> None:
    executor = make()
    ledger.heartbeat_ms = 60_000
    go = threading.Event()

    @executor.handler("billing")
    def bill(ctx: RunContext) -> None:
        ctx.progress(0.5, "half")
        go.wait(10)

    attempt = await ledger.publish(1)
    async with running(executor):
        await ledger.until(lambda: attempt.progress is not None)
        assert not attempt.is_over
        go.set()


async def test_heartbeats_of_many_go_together(ledger: Ledger, make: Make) -> None:
    executor = make(concurrency=50)
    ledger.heartbeat_ms = 300
    go = asyncio.Event()

    @executor.handler("billing")
    async def bill(ctx: RunContext) -> None:
        await go.wait()

    attempts = [await ledger.publish(number) for number in range(50)]
    async with running(executor):
        await ledger.until(
            lambda: sum(len(call.runs) for call in ledger.calls["HeartbeatRuns"]) >= 150
        )
        go.set()
        await ledger.ended(*attempts)
    assert len(ledger.calls["HeartbeatRuns"]) < 30


async def test_unanswered_heartbeats_do_not_stop_the_handler(ledger: Ledger, make: Make) -> None:
    executor = make()
    ledger.heartbeat_ms = 20
    ledger.refusals["HeartbeatRuns"].extend([UNOWNED] * 2)

    @executor.handler("billing")
    async def bill(ctx: RunContext) -> bool:
        await ledger.until(lambda: len(ledger.calls["HeartbeatRuns"]) >= 4)
        return bool(ctx.cancelled)

    attempt = await ledger.publish(1)
    async with running(executor):
        await ledger.ended(attempt)
    assert attempt.state == SUCCEEDED
    assert result_of(attempt).bool_value is False


@pytest.mark.parametrize("kind", ["awaits", "polls", "raises", "plain", "deaf"])
async def test_a_cancelled_run_ends_as_cancelled(ledger: Ledger, make: Make, kind: str) -> None:
    executor = make(cancel_grace=0.1)
    ledger.heartbeat_ms = 30
    reasons: list[CancelReason | None] = []

    async def awaits(ctx: RunContext) -> None:
        reasons.append(await ctx.cancelled)

    async def polls(ctx: RunContext) -> str:
        while not ctx.cancelled:
            await asyncio.sleep(0.01)
        reasons.append(ctx.cancelled.reason)
        return "half of it"

    async def raises(ctx: RunContext) -> None:
        await ctx.cancelled
        reasons.append(ctx.cancelled.reason)
        ctx.raise_if_cancelled()

    def plain(ctx: RunContext) -> None:
        assert ctx.cancelled.wait(10)
        reasons.append(ctx.cancelled.reason)

    async def deaf(ctx: RunContext) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            reasons.append(ctx.cancelled.reason)

    kinds: dict[str, Any] = {
        "awaits": awaits,
        "polls": polls,
        "raises": raises,
        "plain": plain,
        "deaf": deaf,
    }
    executor.handler("billing")(kinds[kind])
    attempt = await ledger.publish(1)
    async with running(executor):
        await ledger.until(lambda: attempt.starts)
        attempt.cancel_requested = True
        await ledger.ended(attempt)
    assert reasons == [CancelReason.REQUESTED]
    assert attempt.state == CANCELLED
    assert attempt.finish is not None
    assert attempt.finish.error.message or attempt.finish.error.type == "CancelledError"
    if kind == "polls":
        assert result_of(attempt).string_value == "half of it"


async def test_a_run_that_was_cancelled_before_is_not_executed(ledger: Ledger, make: Make) -> None:
    executor = make()
    called: list[str] = []

    @executor.handler("billing")
    async def bill(ctx: RunContext) -> None:
        called.append(ctx.run)

    attempt = await ledger.publish(1, cancel_requested=True)
    async with running(executor):
        await ledger.ended(attempt)
    assert (attempt.state, called) == (CANCELLED, [])
    assert attempt.finish is not None
    assert attempt.finish.error.type == "cancelled"


async def test_without_a_grace_no_task_is_cancelled(ledger: Ledger, make: Make) -> None:
    executor = make(cancel_grace=None)
    ledger.heartbeat_ms = 20

    @executor.handler("billing")
    async def bill(ctx: RunContext) -> str:
        await ctx.cancelled
        await asyncio.sleep(0.2)
        return "to the end"

    attempt = await ledger.publish(1, cancel_requested=False)
    async with running(executor):
        await ledger.until(lambda: attempt.starts)
        attempt.cancel_requested = True
        await ledger.ended(attempt)
    assert attempt.state == CANCELLED
    assert result_of(attempt).string_value == "to the end"


@pytest.mark.parametrize("is_async", [True, False])
async def test_an_attempt_that_is_lost_is_stopped_and_not_reported(
    ledger: Ledger, make: Make, is_async: bool
) -> None:
    executor = make(cancel_grace=0.05)
    ledger.heartbeat_ms = 20
    reasons: list[CancelReason | None] = []
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()

    async def awaited(ctx: RunContext) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            reasons.append(ctx.cancelled.reason)
            ended.set()

    def plain(ctx: RunContext) -> str:
        ctx.cancelled.wait(10)
        reasons.append(ctx.cancelled.reason)
        loop.call_soon_threadsafe(ended.set)
        return "too late"

    executor.handler("billing")(awaited if is_async else plain)
    attempt = await ledger.publish(1, key="k")
    async with running(executor):
        await ledger.until(lambda: attempt.starts)
        attempt.fence = 2
        await ended.wait()
        await ledger.ended(attempt2 := await _instant(ledger, executor))
    assert reasons[0] is CancelReason.LOST
    reported = {item.attempt.run for call in ledger.calls["FinishRuns"] for item in call.runs}
    assert reported == {attempt2.name}


async def _instant(ledger: Ledger, executor: Executor) -> Any:
    """Another run that ends by itself: what came before it has been dealt with."""
    return await ledger.publish(2, key="k", cancel_requested=True)


async def test_a_handler_is_told_when_its_time_is_over(ledger: Ledger, make: Make) -> None:
    executor = make()
    # By its interval it would be told in a minute.
    ledger.heartbeat_ms = 60_000

    @executor.handler("billing")
    async def bill(ctx: RunContext) -> None:
        assert ctx.deadline is not None
        told.append((await ctx.cancelled, time.time() - ctx.deadline.timestamp()))
        done.set()

    told: list[Any] = []
    done = asyncio.Event()
    attempt = await ledger.publish(1, timeout=1.0)
    async with running(executor):
        await done.wait()
    ((reason, late),) = told
    assert reason is CancelReason.LOST
    assert 0 <= late < 5
    assert attempt.finish is None


async def test_an_outcome_that_comes_too_late_is_refused_and_dropped(
    ledger: Ledger, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    executor = make()
    ledger.item_refusals["HeartbeatRuns"].extend([UNOWNED] * 1_000)

    @executor.handler("billing")
    async def bill(ctx: RunContext) -> None:
        await asyncio.sleep(0.3)

    late = await ledger.publish(1, timeout=0.2, key="k", traceparent=TRACEPARENT)
    async with running(executor):
        await ledger.until(lambda: ledger.calls["FinishRuns"])
        await ledger.ended(await ledger.publish(2, key="k"))
    (line,) = [line for line in caplog.records if "was not taken" in line.message]
    assert "RUN_STATE_WRONG" in line.message
    fields = vars(line)
    assert (fields["job"], fields["run"], fields["trace"]) == (JOB, late.name, TRACEPARENT[3:35])
    assert f"{late.name} (attempt 1, trace {TRACEPARENT[3:35]})" in line.message


async def test_an_outcome_is_repeated_though_its_time_seems_to_be_over(
    ledger: Ledger, make: Make
) -> None:
    """The executor's clock is ahead: it is the server that knows."""
    executor = make()
    calls: list[str] = []

    @executor.handler("billing")
    async def bill(ctx: RunContext) -> None:
        calls.append(ctx.run)

    ledger.behind_s = 300.0
    ledger.refusals["FinishRuns"].append(UNOWNED)
    ledger.item_refusals["FinishRuns"].append(UNOWNED)
    attempt = await ledger.publish(1)
    async with running(executor):
        await ledger.ended(attempt, timeout=5.0)
    assert attempt.state == SUCCEEDED
    assert len(calls) == 1


# -- traces ------------------------------------------------------------------------------------

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize("is_async", [True, False])
async def test_the_trace_goes_on_in_the_handler_and_in_the_reports(
    ledger: Ledger, make: Make, is_async: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    executor = make()
    seen: list[str] = []

    def note(ctx: RunContext) -> None:
        assert ctx.traceparent == TRACEPARENT
        seen.append(f"{trace.get_current_span().get_span_context().trace_id:032x}")

    async def awaited(ctx: RunContext) -> None:
        note(ctx)

    executor.handler("billing")(awaited if is_async else note)
    attempt = await ledger.publish(1, traceparent=TRACEPARENT)
    async with running(executor):
        await ledger.ended(attempt)
    assert attempt.state == SUCCEEDED
    assert seen == ["0af7651916cd43dd8448eb211c80319c"]
    (span,) = exporter.get_finished_spans()
    assert span.name == "process billing"
    assert span.parent is not None
    assert f"{span.parent.span_id:016x}" == "b7ad6b7169203331"
    run_id = attempt.name.rpartition("/")[2]
    assert span.attributes is not None
    assert dict(span.attributes) == {
        "messaging.system": "tickwheel",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": "billing",
        "messaging.destination.partition.id": span.attributes["messaging.destination.partition.id"],
        "messaging.consumer.group.name": "tickwheel-executors",
        "messaging.kafka.offset": 0,
        "messaging.message.id": f"{UID}/{run_id}/1",
        "messaging.message.body.size": 18,
        "tickwheel.job.name": JOB,
        "tickwheel.run.name": attempt.name,
        "tickwheel.run.attempt": 1,
    }
    for method in ("StartRuns", "FinishRuns"):
        assert ledger.metadata[method][0]["traceparent"] == TRACEPARENT


async def test_the_trace_goes_on_where_nobody_keeps_spans(ledger: Ledger, make: Make) -> None:
    executor = make()
    seen: list[SpanContext] = []

    @executor.handler("billing")
    async def bill(ctx: RunContext) -> None:
        seen.append(trace.get_current_span().get_span_context())

    attempts = [
        await ledger.publish(1, traceparent=TRACEPARENT),
        await ledger.publish(2, traceparent=""),
    ]
    async with running(executor):
        await ledger.ended(*attempts)
    assert {(f"{each.trace_id:032x}", f"{each.span_id:016x}") for each in seen} == {
        ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"),
        ("0" * 32, "0" * 16),
    }


async def test_the_span_of_a_handler_that_fails_says_by_what(
    ledger: Ledger, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    executor = make()

    @executor.handler("billing")
    async def bill(ctx: RunContext) -> None:
        raise ValueError("no luck")

    attempt = await ledger.publish(1, traceparent=TRACEPARENT)
    async with running(executor):
        await ledger.ended(attempt)
    (span,) = exporter.get_finished_spans()
    assert (span.status.status_code.name, (span.attributes or {})["error.type"]) == (
        "ERROR",
        "ValueError",
    )
