"""The process's health for probes, and the collector that it keeps out of the way."""

import asyncio
import gc
from typing import Any, cast

import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tickwheel.worker.collector import collect_when_quiet
from tickwheel.worker.health import serve_health
from worker.making import NOW_MS
from worker.virtual import VirtualClock, VirtualTime


async def test_readiness_follows_the_worker() -> None:
    ready = False
    async with (
        serve_health("127.0.0.1:0", lambda: ready) as port,
        grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        stub = cast("Any", health_pb2_grpc).HealthStub(channel)

        async def becomes(service: str, status: int) -> None:
            request = health_pb2.HealthCheckRequest(service=service)
            async with asyncio.timeout(10):
                async for answer in stub.Watch(request):
                    if answer.status == status:
                        return

        await becomes("live", health_pb2.HealthCheckResponse.SERVING)
        await becomes("", health_pb2.HealthCheckResponse.NOT_SERVING)
        ready = True
        await becomes("", health_pb2.HealthCheckResponse.SERVING)
        ready = False
        await becomes("", health_pb2.HealthCheckResponse.NOT_SERVING)


class Knot:
    """Something that only the collector can free."""

    def __init__(self, freed: list[int]) -> None:
        self.itself = self
        self._freed = freed

    def __del__(self) -> None:
        self._freed.append(1)


async def test_garbage_is_collected_when_nothing_is_due() -> None:
    time = VirtualTime(NOW_MS)
    quiet: int | None = 0
    freed: list[int] = []
    task = asyncio.create_task(collect_when_quiet(lambda: quiet, VirtualClock(time)))
    try:
        await time.advance(1)
        assert not gc.isenabled()
        Knot(freed)
        await time.advance(70_000)
        assert not freed
        quiet = None
        await time.advance(1_000)
        assert freed
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert gc.isenabled()
