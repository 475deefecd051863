"""W1: how many jobs a second clients can hand in."""

import json
import time
import uuid
from collections.abc import Awaitable, Callable
from functools import partial

from google.protobuf.json_format import MessageToJson

from tickwheel.server.bench.baseline import bare_calls
from tickwheel.server.bench.bench import Bench, in_parallel
from tickwheel.server.bench.cluster import NotPossible
from tickwheel.server.bench.jobs import PARENT, once
from tickwheel.server.bench.measure import Bill
from tickwheel.server.bench.rest import RestClients, names
from tickwheel.server.bench.result import Figure, Result
from tickwheel.server.bench.stats import percentile
from tickwheel.server.bench.workloads import Submit
from tickwheel.v1 import job_service_pb2

_TOPIC = "tickwheel-bench-submit"
_HOUR_MS = 3_600_000
#: The first calls pay for connections and for what is prepared once.
_WARM_UP = 64
#: So many calls tell how fast this machine is.
_BARE = 5_000


async def submit(work: Submit, bench: Bench) -> Result:
    """Runs the workload."""
    rest = None
    if work.api == "rest":
        if bench.cluster.addresses.http is None:
            raise NotPossible("the cluster has no gateway")
        rest = RestClients(bench.cluster.addresses.http, work.clients)
    try:
        return await _submit(work, bench, rest)
    finally:
        if rest is not None:
            rest.close()


async def _submit(work: Submit, bench: Bench, rest: RestClients | None) -> Result:
    took_ms: list[float] = []
    answers: list[list[str]] = []

    def timed(call: Callable[[], Awaitable[list[str]]]) -> Callable[[], Awaitable[None]]:
        async def run() -> None:
            begun = time.perf_counter()
            answers.append(await call())
            took_ms.append((time.perf_counter() - begun) * 1000)

        return run

    warm = -(-min(_WARM_UP, work.jobs) // work.batch)
    calls = [timed(call) for call in _calls(work, warm * work.batch + work.jobs, bench, rest)]
    await in_parallel(work.clients, calls[:warm])
    took_ms.clear()
    repeated = bench.repeats.count
    begin = await bench.reading()
    await in_parallel(work.clients, calls[warm:])
    end = await bench.reading()
    bench.made(name for some in answers for name in some)
    bill = Bill()
    bill.add(begin, end)
    ordered = sorted(took_ms)
    return Result(
        workload="W1",
        title=work.title,
        engine=bench.cluster.engine,
        alike=work.alike,
        figures={
            "jobs": work.jobs,
            "repeated": bench.repeats.count - repeated,
            "jobs/s": round(work.jobs / bill.seconds, 1),
            **await _bare(work),
            "request p50 ms": round(percentile(ordered, 0.5), 2),
            "request p99 ms": round(percentile(ordered, 0.99), 2),
            "CPU-s per 1,000": round(bill.ours_cpu_s / work.jobs * 1000, 4),
            "statements per job": _per(bill.statements, work.jobs),
        },
        costs=bill.costs(work.jobs),
    )


async def _bare(work: Submit) -> dict[str, Figure]:
    """What this machine does without Tickwheel, for calls one by one."""
    if work.api != "grpc" or work.batch > 1:
        return {}
    requests = _requests(work, min(work.jobs, _BARE))
    return {"bare calls/s": round(await bare_calls(requests, work.clients), 1)}


def _calls(
    work: Submit, count: int, bench: Bench, rest: RestClients | None
) -> list[Callable[[], Awaitable[list[str]]]]:
    requests = _requests(work, count)
    if work.batch == 1:
        if rest is not None:
            return [partial(_post, rest, *_rest_call(each)) for each in requests]
        return [partial(_create, bench, each) for each in requests]
    chunks = [
        job_service_pb2.BatchCreateJobsRequest(
            parent=PARENT, requests=requests[start : start + work.batch]
        )
        for start in range(0, count, work.batch)
    ]
    if rest is not None:
        path = f"/v1/{PARENT}/jobs:batchCreate"
        bodies = [MessageToJson(chunk, indent=None).encode() for chunk in chunks]
        return [partial(_post, rest, path, body) for body in bodies]
    return [partial(_create_batch, bench, chunk) for chunk in chunks]


def _requests(work: Submit, count: int) -> list[job_service_pb2.CreateJobRequest]:
    first_ms = int(time.time()) * 1000 + _HOUR_MS
    apart_ms = 24 * _HOUR_MS / count if work.due == "24h" else 0.0
    return [
        job_service_pb2.CreateJobRequest(
            parent=PARENT if work.batch == 1 else "",
            job=once(_TOPIC, first_ms + int(number * apart_ms)),
            job_id=f"b{uuid.uuid4().hex}" if work.ids == "client" else "",
            request_id=str(uuid.uuid4()) if work.ids == "request" else "",
        )
        for number in range(count)
    ]


async def _create(bench: Bench, request: job_service_pb2.CreateJobRequest) -> list[str]:
    return [(await bench.create(request)).name]


async def _create_batch(bench: Bench, batch: job_service_pb2.BatchCreateJobsRequest) -> list[str]:
    return [job.name for job in await bench.create_batch(batch)]


def _rest_call(request: job_service_pb2.CreateJobRequest) -> tuple[str, bytes]:
    query = "&".join(
        f"{name}={value}"
        for name, value in (("job_id", request.job_id), ("request_id", request.request_id))
        if value
    )
    path = f"/v1/{PARENT}/jobs{'?' if query else ''}{query}"
    return path, MessageToJson(request.job, indent=None).encode()


async def _post(rest: RestClients, path: str, body: bytes) -> list[str]:
    return names([json.loads(await rest.post(path, body))])


def _per(statements: int | None, jobs: int) -> float | None:
    return None if statements is None else round(statements / jobs, 3)
