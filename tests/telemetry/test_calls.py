"""What the span of a call says of what the call is about."""

from collections.abc import Mapping
from typing import Any

import grpc
import grpc.aio
import pytest
from google.protobuf.message import Message
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor

from api.harness import HandClock
from tickwheel.internal.v1 import owner_service_pb2
from tickwheel.server.api.limits import ApiLimits
from tickwheel.server.api.server import Service, start_grpc_server
from tickwheel.server.telemetry.calls import ObservedCalls
from tickwheel.v1 import cluster_service_pb2, executor_service_pb2, job_pb2, job_service_pb2
from tickwheel.worker.telemetry.setup import Telemetry, TelemetryOptions

JOB = "users/7/jobs/a"
NAMES = [f"{JOB}/runs/20261123T1200{second:02}000Z" for second in range(12)]


class Kept(SpanProcessor):
    """Keeps what is written."""

    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        self.spans.append(span)


async def _about(method: str, request: Message) -> Mapping[str, Any]:
    """Of the span of a call, what it says in our own words."""
    kept = Kept()
    telemetry = Telemetry(TelemetryOptions(service="s", instance="i", version="1"))
    telemetry.spans = kept
    telemetry.tracers.add_span_processor(kept)

    async def serve(request: bytes, context: object) -> bytes:
        return b""

    name, _, short = method.partition("/")
    make: Any = grpc.unary_unary_rpc_method_handler
    handler = make(serve, request_deserializer=type(request).FromString)
    handlers = grpc.method_handlers_generic_handler(name, {short: handler})
    service = Service(name, lambda server: server.add_generic_rpc_handlers((handlers,)))
    server = await start_grpc_server(
        [service],
        "127.0.0.1:0",
        clock=HandClock(),
        limits=ApiLimits(),
        observer=ObservedCalls(telemetry),
    )
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        await channel.unary_unary(f"/{method}")(
            request.SerializeToString(),
            metadata=(("traceparent", f"00-{'a' * 32}-{'b' * 16}-01"),),
        )
        await server.stop(10)
    (span,) = kept.spans
    assert span.name == method
    return {
        key: value for key, value in (span.attributes or {}).items() if key.startswith("tickwheel.")
    }


def _start(name: str) -> executor_service_pb2.StartRun:
    attempt = executor_service_pb2.RunAttempt(run=name, attempt=3, fence=1)
    return executor_service_pb2.StartRun(attempt=attempt)


def _heartbeat(name: str) -> executor_service_pb2.HeartbeatRun:
    return executor_service_pb2.HeartbeatRun(attempt=_start(name).attempt)


def _finish(name: str) -> executor_service_pb2.FinishRun:
    return executor_service_pb2.FinishRun(attempt=_start(name).attempt)


ONE = {
    "tickwheel.job.name": JOB,
    "tickwheel.run.name": NAMES[0],
    "tickwheel.run.attempt": 3,
}


@pytest.mark.parametrize("count", [1, 12])
@pytest.mark.parametrize("method", ["StartRuns", "HeartbeatRuns", "FinishRuns", "ReportRuns"])
async def test_of_reports(method: str, count: int) -> None:
    names = NAMES[:count]
    service = "tickwheel.v1.ExecutorService"
    match method:
        case "StartRuns":
            request = executor_service_pb2.StartRunsRequest(runs=map(_start, names))
        case "HeartbeatRuns":
            request = executor_service_pb2.HeartbeatRunsRequest(runs=map(_heartbeat, names))
        case "FinishRuns":
            request = executor_service_pb2.FinishRunsRequest(runs=map(_finish, names))
        case _:
            service = "tickwheel.internal.v1.OwnerService"
            request = owner_service_pb2.ReportRunsRequest(
                reports=[owner_service_pb2.RunReport(finish=_finish(name)) for name in names]
            )
    about = await _about(f"{service}/{method}", request)
    # Of many as few as a reader can do with.
    many = {"tickwheel.run.names": tuple(NAMES[:10]), "tickwheel.run.count": 12}
    assert about == (ONE if count == 1 else many)


async def test_of_what_is_named_and_of_what_is_no_name() -> None:
    method = "tickwheel.v1.JobService/CancelRun"
    request = job_service_pb2.CancelRunRequest(name=NAMES[0], reason="secret")
    about = {"tickwheel.job.name": JOB, "tickwheel.run.name": NAMES[0]}
    assert await _about(method, request) == about
    long = job_service_pb2.CancelRunRequest(name=NAMES[0] + "x" * 10_000)
    assert len(str((await _about(method, long))["tickwheel.run.name"])) == 300


_REF = owner_service_pb2.JobRef(user="7", job_id="a", job_uid="u")
_RUN_ID = NAMES[0].rpartition("/")[2]
_ITS_JOB = {"tickwheel.job.name": JOB}
_ITS_RUN = {**_ITS_JOB, "tickwheel.run.name": NAMES[0]}


@pytest.mark.parametrize(
    ("request_", "about"),
    [
        (job_service_pb2.CreateJobRequest(parent="users/7", job_id="a"), _ITS_JOB),
        (job_service_pb2.CreateJobRequest(parent="users/7"), {}),
        (job_service_pb2.UpdateJobRequest(job=job_pb2.Job(name=JOB)), _ITS_JOB),
        (owner_service_pb2.TriggerRunRequest(job=_REF, run_id=_RUN_ID), _ITS_RUN),
        (owner_service_pb2.CancelRunRequest(job=_REF, run_id=_RUN_ID), _ITS_RUN),
        (owner_service_pb2.StartBackfillRequest(job=_REF), _ITS_JOB),
        (owner_service_pb2.NotifyJobsRequest(jobs=[_REF]), _ITS_JOB),
        (owner_service_pb2.NotifyJobsRequest(jobs=[_REF, _REF]), {}),
        # One that asks may be older.
        (owner_service_pb2.CancelRunRequest(job={"job_uid": "u"}, run_id=_RUN_ID), {}),
        (owner_service_pb2.StopWorkerRequest(worker_id="w1"), {"tickwheel.worker": "w1"}),
        (
            cluster_service_pb2.DrainWorkerRequest(name="cluster/workers/w1"),
            {"tickwheel.worker": "w1"},
        ),
    ],
)
async def test_of_what_names_it_in_another_way(request_: Message, about: dict[str, str]) -> None:
    package, _, short = request_.DESCRIPTOR.full_name.rpartition(".")
    method = f"{package}.AnyService/{short.removesuffix('Request')}"
    assert await _about(method, request_) == about


async def test_of_a_report_that_says_nothing() -> None:
    request = owner_service_pb2.ReportRunsRequest(reports=[owner_service_pb2.RunReport()])
    about = await _about("tickwheel.internal.v1.OwnerService/ReportRuns", request)
    assert about["tickwheel.run.name"] == ""
