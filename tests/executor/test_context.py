"""What handlers are called with."""

import asyncio
import threading
from typing import Any

import pytest

from executor.records import attempt_record, delivery_of
from tickwheel.client import Cancellation, CancelReason, RunCancelled, RunContext
from tickwheel.client.executor.record import run_record
from tickwheel.v1 import run_pb2


def context(told: list[run_pb2.Progress] | None = None, **attributes: Any) -> RunContext:
    record, _ = attempt_record(1, **attributes)
    seen = told if told is not None else []
    return RunContext(run_record(delivery_of(record)), Cancellation(), None, seen.append)


@pytest.mark.parametrize(
    ("content_type", "payload", "expected"),
    [
        ("application/json", b'{"a":[1,2.5,null]}', {"a": [1, 2.5, None]}),
        ("application/json; charset=utf-8", b"1", 1),
        ("application/vnd.acme.report+json", b'"x"', "x"),
        ("APPLICATION/JSON", b"true", True),
        ("text/plain; charset=utf-8", "grüezi".encode(), "grüezi"),
        ("text/plain", "grüezi".encode(), "grüezi"),
        ("text/csv; charset=iso-8859-1", "grüezi".encode("latin-1"), "grüezi"),
        ("application/octet-stream", b"\x00\xff", b"\x00\xff"),
        ("nonsense", b"{}", "{}"),
        ("", b"", None),
        ("", b"x", b"x"),
    ],
)
def test_the_payload_by_its_media_type(content_type: str, payload: bytes, expected: object) -> None:
    ctx = context(content_type=content_type, payload=payload)
    assert ctx.payload == expected
    assert ctx.data == payload


@pytest.mark.parametrize(
    ("content_type", "payload"),
    [
        ("application/json", b"{"),
        ("application/json", b""),
        ("text/plain", b"\xff"),
        ("text/plain; charset=klingon", b"x"),
    ],
)
def test_a_payload_that_is_not_what_it_says(content_type: str, payload: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        _ = context(content_type=content_type, payload=payload).payload


def test_names_and_headers() -> None:
    ctx = context(headers={"x-team": "billing"}, traceparent="00-1-2-01", key="k", attempt=3)
    assert ctx.run == "users/7/jobs/nightly/runs/20261123T120001000Z"
    assert ctx.job == "users/7/jobs/nightly"
    assert ctx.event_id == f"{ctx.job_uid}/20261123T120001000Z/3"
    assert (ctx.attempt, ctx.topic, ctx.key) == (3, "billing", b"k")
    assert (ctx.traceparent, ctx.headers["x-team"]) == ("00-1-2-01", "billing")
    assert (ctx.due_time - ctx.schedule_time).microseconds == 5_000


@pytest.mark.parametrize("fraction", [-0.001, 1.001, float("nan"), float("inf")])
def test_progress_out_of_range_is_refused(fraction: float) -> None:
    with pytest.raises(ValueError, match="fraction"):
        context().progress(fraction)


def test_progress_is_cut() -> None:
    told: list[run_pb2.Progress] = []
    context(told).progress(0.5, "x" * 2_000 + "\ud800")
    (progress,) = told
    assert (progress.fraction, len(progress.message)) == (0.5, 1_024)


async def test_cancellation_for_tasks_and_threads() -> None:
    cancellation = Cancellation()
    assert not cancellation
    assert cancellation.reason is None
    assert not cancellation.wait(0)
    waiting = asyncio.ensure_future(_wait(cancellation))
    seen: list[bool] = []
    thread = threading.Thread(target=lambda: seen.append(cancellation.wait(20)))
    thread.start()
    await asyncio.sleep(0)
    cancellation.set(CancelReason.LOST)
    cancellation.set(CancelReason.STOPPING)
    assert await waiting is CancelReason.LOST
    await asyncio.to_thread(thread.join)
    assert seen == [True]
    assert cancellation
    assert await cancellation is CancelReason.LOST


async def _wait(cancellation: Cancellation) -> CancelReason:
    return await cancellation


def test_raise_if_cancelled() -> None:
    ctx = context()
    ctx.raise_if_cancelled()
    ctx.cancelled.set(CancelReason.REQUESTED)
    with pytest.raises(RunCancelled, match="requested"):
        ctx.raise_if_cancelled()
