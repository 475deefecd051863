"""The server around the methods: health, reflection, defects, stopping, sizes."""

import asyncio
from collections.abc import AsyncIterator, MutableMapping, Sequence
from typing import Any

import grpc
import grpc.aio
import pytest
from google.protobuf import descriptor_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from structlog.testing import capture_logs

from api.harness import ApiUnderTest, HandClock, Refusal, refused, serving
from tickwheel.internal.v1 import owner_service_pb2, owner_service_pb2_grpc
from tickwheel.server.api.build import build_api
from tickwheel.server.api.limits import ApiLimits
from tickwheel.server.api.server import Service, start_grpc_server
from tickwheel.server.domain.errors import StoreUnavailable
from tickwheel.server.domain.job import Job
from tickwheel.server.owner.schedulers import Schedulers
from tickwheel.server.store.port import Store
from tickwheel.v1 import (
    executor_service_pb2,
    job_service_pb2,
)

NAME = "users/7/jobs/a"
RUN = f"{NAME}/runs/20261123T120000000Z"
SERVICES = [
    "tickwheel.v1.ClusterService",
    "tickwheel.v1.ExecutorService",
    "tickwheel.v1.JobService",
]


async def call_in(logs: Sequence[MutableMapping[str, Any]]) -> MutableMapping[str, Any]:
    """The line about the only call; it comes when the caller has its answer."""
    async with asyncio.timeout(10):
        while not (found := [entry for entry in logs if entry["event"] == "call"]):
            await asyncio.sleep(0.001)
    (entry,) = found
    return entry


async def health(api: ApiUnderTest, service: str) -> int:
    stub = health_pb2_grpc.HealthStub(api.channel)
    request = health_pb2.HealthCheckRequest(service=service)
    return (await stub.Check(request)).status  # pyright: ignore


async def test_health_follows_readiness(api: ApiUnderTest) -> None:
    for service in ("", *SERVICES):
        assert await health(api, service) == health_pb2.HealthCheckResponse.NOT_SERVING
    await api.server.set_ready(True)
    for service in ("", *SERVICES):
        assert await health(api, service) == health_pb2.HealthCheckResponse.SERVING


async def test_reflection_lists_and_describes(api: ApiUnderTest) -> None:
    async def asked() -> AsyncIterator[reflection_pb2.ServerReflectionRequest]:
        yield reflection_pb2.ServerReflectionRequest(list_services="")
        yield reflection_pb2.ServerReflectionRequest(
            file_containing_symbol="tickwheel.v1.JobService"
        )

    stub = reflection_pb2_grpc.ServerReflectionStub(api.channel)  # pyright: ignore
    answers = [answer async for answer in stub.ServerReflectionInfo(asked())]  # pyright: ignore

    listed = [service.name for service in answers[0].list_services_response.service]  # pyright: ignore
    assert sorted(listed) == sorted(  # pyright: ignore
        [*SERVICES, "grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"]
    )
    files = [
        descriptor_pb2.FileDescriptorProto.FromString(raw)  # pyright: ignore
        for raw in answers[1].file_descriptor_response.file_descriptor_proto  # pyright: ignore
    ]
    assert any(file.service and file.service[0].name == "JobService" for file in files)


async def test_a_defect_is_logged_not_told(
    api: ApiUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def defective(user: str, job_id: str) -> Job | None:
        raise RuntimeError(f"secret of {user}/{job_id}")

    monkeypatch.setattr(api.store.jobs, "find", defective)
    with capture_logs() as logs:
        refusal = await refused(api.jobs.GetJob(job_service_pb2.GetJobRequest(name=NAME)))

    assert refusal.summary == ("INTERNAL", "INTERNAL_DEFECT", [])
    assert "secret" not in refusal.message
    (defect,) = [entry for entry in logs if entry["log_level"] == "error"]
    assert defect["defect"] == refusal.info.metadata["defect"]
    assert isinstance(defect["exc_info"], RuntimeError)


async def test_each_call_is_logged_with_its_trace(api: ApiUnderTest) -> None:
    trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"
    with capture_logs() as logs:
        await refused(
            api.jobs.GetJob(
                job_service_pb2.GetJobRequest(name=NAME),
                metadata=(("traceparent", f"00-{trace_id}-00f067aa0ba902b7-01"),),
            )
        )
        entry = await call_in(logs)
    assert entry["method"] == "/tickwheel.v1.JobService/GetJob"
    assert entry["code"] == "NOT_FOUND"
    assert entry["trace"] == trace_id
    assert entry["log_level"] == "info"


@pytest.mark.parametrize("count", [1, 12])
async def test_a_call_by_which_an_executor_reports_names_its_runs(
    api: ApiUnderTest, count: int
) -> None:
    trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"
    names = [f"{NAME}/runs/20261123T1200{second:02}000Z" for second in range(count)]
    request = executor_service_pb2.StartRunsRequest(executor="me")
    for name in names:
        request.runs.add(
            attempt=executor_service_pb2.RunAttempt(
                run=name, job_uid="0192f0c4-7a3b-7c55-9d1e-3f1a2b4c5d6e", attempt=1, fence=1
            )
        )
    with capture_logs() as logs:
        await api.executors.StartRuns(
            request, metadata=(("traceparent", f"00-{trace_id}-00f067aa0ba902b7-01"),)
        )
        entry = await call_in(logs)
    assert entry["trace"] == trace_id
    if count == 1:
        assert (entry["job"], entry["run"]) == (NAME, names[0])
    else:
        # As many as a reader can do with.
        assert (entry["runs"], entry["count"]) == (names[:10], count)


async def test_a_call_that_went_well_is_logged_at_debug(api: ApiUnderTest) -> None:
    with capture_logs() as logs:
        await api.create(api.at())
        entry = await call_in(logs)
    assert (entry["code"], entry["log_level"]) == ("OK", "debug")


async def test_what_parts_say_to_each_other_is_logged_at_debug() -> None:
    name, request = "tickwheel.internal.v1.OwnerService", owner_service_pb2.NotifyJobsRequest()

    async def notify(request: object, context: object) -> object:
        raise StoreUnavailable("away")

    handlers = grpc.method_handlers_generic_handler(
        name, {"NotifyJobs": grpc.unary_unary_rpc_method_handler(notify)}
    )
    service = Service(name, lambda server: server.add_generic_rpc_handlers((handlers,)))
    server = await start_grpc_server(
        [service], "127.0.0.1:0", clock=HandClock(), limits=ApiLimits()
    )
    with capture_logs() as logs:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            await refused(owner_service_pb2_grpc.OwnerServiceStub(channel).NotifyJobs(request))
        entry = await call_in(logs)
    await server.stop(1.0)
    assert (entry["code"], entry["log_level"]) == ("UNAVAILABLE", "debug")


async def test_a_job_keeps_the_trace_of_the_call_that_made_or_changed_it(
    api: ApiUnderTest,
) -> None:
    trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"
    traced = (("traceparent", f"00-{trace_id}-00f067aa0ba902b7-01"),)
    request = job_service_pb2.CreateJobRequest(parent="users/7", job=api.at())
    made = await api.jobs.CreateJob(request, metadata=traced)
    first = await api.stored(made.name)
    assert first.traceparent.split("-")[1] == trace_id
    await api.jobs.PauseJob(job_service_pb2.PauseJobRequest(name=made.name))
    paused = await api.stored(made.name)
    assert paused.traceparent.split("-")[1] not in ("", trace_id)
    (former,) = await api.store.jobs.history(paused.key)
    assert former.job == first


async def test_a_message_of_nearly_sixteen_megabytes_is_taken(api: ApiUnderTest) -> None:
    items = [job_service_pb2.CreateJobRequest(job=api.at()) for _ in range(60)]
    for item in items:
        item.job.target.payload.data = b"x" * 262_144
    request = job_service_pb2.BatchCreateJobsRequest(parent="users/7", requests=items)
    assert 15 * 1024 * 1024 < request.ByteSize() < 16 * 1024 * 1024

    response = await api.jobs.BatchCreateJobs(request)

    assert all(result.HasField("job") for result in response.results)


async def test_two_servers_do_not_share_a_port(
    api: ApiUnderTest, store: Store, clock: HandClock
) -> None:
    schedulers = Schedulers(store.leases, clock, api.owners.dial)
    services = build_api(store, api.owners, clock, ApiLimits(), schedulers).services

    with pytest.raises(OSError, match="cannot listen"):
        await start_grpc_server(services, api.address, clock=clock, limits=ApiLimits())


@pytest.mark.parametrize(
    "limits",
    [ApiLimits(max_calls=2), ApiLimits(max_calls_bytes=40)],
    ids=["calls", "bytes"],
)
async def test_more_calls_than_can_be_carried_out_are_told_to_come_again(
    store: Store, clock: HandClock, monkeypatch: pytest.MonkeyPatch, limits: ApiLimits
) -> None:
    begun, go_on = asyncio.Semaphore(0), asyncio.Event()

    async def slow(user: str, job_id: str) -> Job | None:
        del user, job_id
        begun.release()
        await go_on.wait()
        return None

    request = job_service_pb2.GetJobRequest(name=NAME)
    assert request.ByteSize() < 20
    async with serving(store, clock, limits) as api:
        monkeypatch.setattr(api.store.jobs, "find", slow)
        first = [asyncio.create_task(refused(api.jobs.GetJob(request))) for _ in range(2)]
        await begun.acquire()
        await begun.acquire()

        refusal = await refused(api.jobs.GetJob(request))
        assert refusal.summary == ("RESOURCE_EXHAUSTED", "OVERLOADED", [])
        assert refusal.retry.retry_delay.ToMilliseconds() > 0

        go_on.set()
        assert {(await each).summary[0] for each in first} == {"NOT_FOUND"}
        assert (await refused(api.jobs.GetJob(request))).summary[0] == "NOT_FOUND"


async def test_a_call_in_progress_ends_before_the_server_does(
    api: ApiUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow(user: str, job_id: str) -> Job | None:
        del user, job_id
        begun.set()
        await go_on.wait()
        return None

    monkeypatch.setattr(api.store.jobs, "find", slow)
    call = asyncio.ensure_future(refused(api.jobs.GetJob(job_service_pb2.GetJobRequest(name=NAME))))
    await begun.wait()
    stopping = asyncio.ensure_future(api.server.stop(5, api.api.end_streams))
    while await health(api, "") != health_pb2.HealthCheckResponse.NOT_SERVING:
        await asyncio.sleep(0)

    late = await refused(api.jobs.ListJobs(job_service_pb2.ListJobsRequest(parent="users/7")))
    assert late.summary == ("UNAVAILABLE", "SERVER_STOPPING", [])
    assert not stopping.done()
    go_on.set()

    assert (await call).reason == "JOB_NOT_FOUND"
    await stopping


async def test_watches_end_when_the_server_stops(api: ApiUnderTest) -> None:
    watch = aiter(api.jobs.WatchRuns(job_service_pb2.WatchRunsRequest(parent="users/-/jobs/-")))
    await anext(watch)

    stopping = asyncio.ensure_future(api.server.stop(5, api.api.end_streams))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await anext(watch)

    assert Refusal.of(caught.value).summary == ("UNAVAILABLE", "SERVER_STOPPING", [])
    async with asyncio.timeout(2):
        await stopping


async def test_a_call_that_never_ends_is_cut_off_after_the_grace(
    api: ApiUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = asyncio.Event()

    async def stuck(user: str, job_id: str) -> Job | None:
        del user, job_id
        begun.set()
        await asyncio.Event().wait()
        return None

    monkeypatch.setattr(api.store.jobs, "find", stuck)
    call = api.jobs.GetJob(job_service_pb2.GetJobRequest(name=NAME))
    await begun.wait()

    async with asyncio.timeout(3):
        await api.server.stop(0.1, api.api.end_streams)

    with pytest.raises((grpc.aio.AioRpcError, asyncio.CancelledError)):
        await call
