"""What programs without Tickwheel do on this machine, in the same session."""

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, cast

from aiokafka import AIOKafkaProducer

from tickwheel.client.channel import open_channel
from tickwheel.server.bench.bench import in_parallel, until, whole_second_after
from tickwheel.server.bench.cluster import Addresses
from tickwheel.server.bench.program import running
from tickwheel.server.bench.stats import Lateness, lateness
from tickwheel.server.bench.topic import new_topic
from tickwheel.v1 import job_service_pb2, job_service_pb2_grpc

# aiokafka's own types are partial.
# pyright: reportUnknownMemberType=false

_VALUE = b"x" * 1_024
_ECHO = "tickwheel.server.bench.echo_program"


async def bare_calls(requests: Sequence[job_service_pb2.CreateJobRequest], clients: int) -> float:
    """How many of these calls a second a gRPC server in Python answers that does nothing at all.

    Args:
        requests: the first tenth only pays for what is done once.
        clients: make so many calls at once.
    """
    async with _echo() as address, open_channel(address) as channel:
        stub = job_service_pb2_grpc.JobServiceStub(channel)
        calls = [partial(stub.CreateJob, each) for each in requests]
        warm = len(calls) // 10
        await in_parallel(clients, calls[:warm])
        begun = time.perf_counter()
        await in_parallel(clients, calls[warm:])
        return (len(calls) - warm) / (time.perf_counter() - begun)


@asynccontextmanager
async def _echo() -> AsyncGenerator[str]:
    async with running(_ECHO, stdout=asyncio.subprocess.PIPE) as process:
        assert process.stdout is not None
        port = (await process.stdout.readline()).decode().strip()
        if not port:
            raise RuntimeError("the server of bare calls did not start")
        yield f"127.0.0.1:{port}"


async def bare(addresses: Addresses, per_s: int, seconds: float) -> Lateness:
    """How late a bare producer's records are by the broker's stamp (acks=all, 1 KiB).

    On the embedded engine, which nothing else can write to, how late a bare timer is.
    """
    count = int(per_s * seconds)
    start_s = whole_second_after(1)
    due_s = [start_s + number / per_s for number in range(count)]
    late = (
        await _timer(due_s)
        if addresses.kafka is None
        else await _producer(addresses, addresses.kafka, due_s)
    )
    found = lateness(late)
    if found is None:
        raise ValueError("a baseline of no records")
    return found


async def _timer(due_s: list[float]) -> list[float]:
    late: list[float] = []
    for at in due_s:
        await until(at)
        late.append((time.time() - at) * 1000)
    return late


async def _producer(addresses: Addresses, bootstrap: str, due_s: list[float]) -> list[float]:
    async with new_topic(addresses) as topic:
        producer = AIOKafkaProducer(
            bootstrap_servers=bootstrap, acks="all", enable_idempotence=True, linger_ms=0
        )
        await producer.start()
        try:
            sent: list[asyncio.Future[Any]] = []
            for at in due_s:
                await until(at)
                sent.append(cast("asyncio.Future[Any]", await producer.send(topic.name, _VALUE)))
            stamps: list[int] = [result.timestamp for result in await asyncio.gather(*sent)]
        finally:
            await producer.stop()
    # Stamps are whole milliseconds, rounded down.
    return [max(stamp - int(at * 1000), 0) for stamp, at in zip(stamps, due_s, strict=True)]
