"""Puts what is observed around the ports, where telemetry is on."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Sequence
from typing import TYPE_CHECKING

import grpc.aio

from tickwheel.server.api.middleware import CallObserver
from tickwheel.server.domain.clock import Clock, SystemClock
from tickwheel.server.scheduler.runtime import Scheduler
from tickwheel.server.settings import Engine, Settings
from tickwheel.server.store.port import Store
from tickwheel.server.trace import keep_part
from tickwheel.server.wiring.version import program_version
from tickwheel.worker.about import visible
from tickwheel.worker.publisher.port import Publisher
from tickwheel.worker.runtime import Worker

if TYPE_CHECKING:
    from tickwheel.server.telemetry.runs import RunMetrics
    from tickwheel.server.telemetry.tracing import RunTraces
    from tickwheel.worker.telemetry.setup import Telemetry


class Observing:
    """Observes one process; where telemetry is off it gives back what it is given."""

    def __init__(self, telemetry: "Telemetry | None", settings: Settings) -> None:
        self._telemetry = telemetry
        is_cluster = settings.store is Engine.CASSANDRA
        self._namespace = settings.cassandra_keyspace if is_cluster else ""
        self.calls: CallObserver | None = None
        self._runs: RunMetrics | None = None
        self._traces: RunTraces | None = None
        if telemetry is not None:
            from tickwheel.server.telemetry import runs
            from tickwheel.server.telemetry.calls import ObservedCalls

            self._runs = runs.RunMetrics(telemetry)
            self.calls = ObservedCalls(telemetry)
            if telemetry.spans is not None:
                from tickwheel.server.telemetry import tracing

                self._traces = tracing.RunTraces(
                    telemetry,
                    SystemClock(),
                    engine=settings.store.value,
                    namespace=self._namespace,
                    log="kafka" if is_cluster else "tickwheel",
                )

    def interceptors(self, address: str) -> Sequence[grpc.aio.ClientInterceptor]:
        """What goes around calls to the server at `host:port`."""
        if self._telemetry is None:
            return ()
        from tickwheel.server.telemetry.calls import CallsOut

        return (CallsOut(self._telemetry, address),)

    def store(self, store: Store) -> Store:
        """The store, observed."""
        if self._telemetry is None:
            return store
        from tickwheel.server.telemetry.runs import JobMetrics
        from tickwheel.server.telemetry.store import ObservedStore

        heard = {"jobs.create": JobMetrics(self._telemetry).created}
        return ObservedStore(store, self._telemetry, self._namespace, heard)

    def publisher(self, publisher: Publisher, system: str) -> Publisher:
        """The publisher, observed."""
        if self._telemetry is None:
            return publisher
        from tickwheel.worker.telemetry.publisher import ObservedPublisher

        return ObservedPublisher(publisher, self._telemetry, system)

    @contextlib.asynccontextmanager
    async def holding(self, worker: Worker, clock: Clock) -> AsyncGenerator[None]:
        """Samples what a worker of this process holds while the block lasts."""
        if self._telemetry is None:
            yield
            return
        from tickwheel.worker.telemetry.holding import sampled

        async with sampled(worker, self._telemetry, clock):
            yield

    @contextlib.asynccontextmanager
    async def watching(self, scheduler: Scheduler, clock: Clock) -> AsyncGenerator[None]:
        """Samples what a scheduler holds while the block lasts."""
        if self._telemetry is None:
            yield
            return
        from tickwheel.server.telemetry.scheduler import sample

        if self._runs is not None:
            scheduler.on_recorded.append(self._runs.recorded)
            scheduler.on_ended.append(self._runs.ended)
        if self._traces is not None:
            scheduler.on_ended.append(self._traces.ended)
        sampler = asyncio.create_task(sample(scheduler.census, self._telemetry, clock))
        try:
            yield
        finally:
            sampler.cancel()
            await asyncio.gather(sampler, return_exceptions=True)


@contextlib.asynccontextmanager
async def observing(settings: Settings, part: str, instance: str) -> AsyncGenerator[Observing]:
    """Telemetry of a process while the block lasts.

    Args:
        settings: say whether, and where to.
        part: `api` and the like.
        instance: tells this process from others.

    Raises:
        OSError: the metrics address was asked for and cannot be had.
    """
    if not (settings.metrics_address or settings.otlp_endpoint):
        yield Observing(None, settings)
        return
    from tickwheel.worker.telemetry.setup import Telemetry, TelemetryOptions

    telemetry = Telemetry(
        TelemetryOptions(
            service=f"tickwheel-{part}",
            instance=instance,
            version=program_version(),
            metrics_address=settings.metrics_address,
            metrics_required="metrics_address" in settings.model_fields_set,
            otlp_endpoint=settings.otlp_endpoint,
            settings=visible(settings),
        )
    )
    if telemetry.spans is not None:
        keep_part(settings.trace_ratio)
    try:
        yield Observing(telemetry, settings)
    finally:
        await asyncio.to_thread(telemetry.close)
