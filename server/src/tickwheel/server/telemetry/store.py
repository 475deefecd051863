"""A store that tells how long each call of its port took, around any engine."""

import time
from abc import ABC
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar, cast

from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode
from typing_extensions import override

from tickwheel.server.store.port import (
    JobStore,
    LeaseStore,
    OpenRunStore,
    RunStore,
    ScheduleStore,
    Store,
)
from tickwheel.worker.listeners import Listeners
from tickwheel.worker.telemetry.names import DB_CLIENT
from tickwheel.worker.telemetry.setup import Telemetry

P = TypeVar("P", bound=ABC)

#: Told of a call that succeeded: its arguments and what it answered.
Heard = Callable[[tuple[Any, ...], Any], None]


def database(engine: str, namespace: str, operation: str) -> dict[str, str]:
    """Attributes of a call of the store.

    The operation is our port's: most touch several tables, and so have no `db.collection.name`.
    https://opentelemetry.io/docs/specs/semconv/database/database-spans/
    """
    attributes = {"db.system.name": engine, "db.operation.name": operation}
    return attributes | ({"db.namespace": namespace} if namespace else {})


class ObservedStore(Store):
    """The same store, observed."""

    def __init__(
        self, inner: Store, telemetry: Telemetry, namespace: str, heard: Mapping[str, Heard]
    ) -> None:
        """Around another one.

        Args:
            inner: the engine.
            telemetry: where to.
            namespace: its keyspace, if it has one.
            heard: by operation (`jobs.create`), who is told of its successful calls.
        """
        self._inner = inner
        self.engine = inner.engine
        observer = _Observer(telemetry, inner.engine, namespace, heard)
        self.jobs = _observed(JobStore, "jobs", inner.jobs, observer)
        self.schedule = _observed(ScheduleStore, "schedule", inner.schedule, observer)
        self.runs = _observed(RunStore, "runs", inner.runs, observer)
        self.open_runs = _observed(OpenRunStore, "open_runs", inner.open_runs, observer)
        self.leases = _observed(LeaseStore, "leases", inner.leases, observer)

    @override
    async def ping(self) -> None:
        await self._inner.ping()

    @override
    async def close(self) -> None:
        await self._inner.close()


class _Observer:
    def __init__(
        self, telemetry: Telemetry, system: str, namespace: str, heard: Mapping[str, Heard]
    ) -> None:
        self._duration = telemetry.histogram(DB_CLIENT)
        self._tracer = telemetry.tracer
        self._system = system
        self._namespace = namespace
        self._heard = {operation: Listeners(hear) for operation, hear in heard.items()}

    async def call(
        self, operation: str, method: Callable[..., Awaitable[Any]], args: Any, kwargs: Any
    ) -> Any:
        failure = ""
        begun = time.perf_counter()
        # Only what belongs to a traced call: loops of their own would make a trace each time.
        span = None
        if trace.get_current_span().is_recording():
            labels = database(self._system, self._namespace, operation)
            span = self._tracer.start_span(operation, kind=SpanKind.CLIENT, attributes=labels)
        try:
            result = await method(*args, **kwargs)
        except BaseException as error:
            failure = type(error).__name__
            if span is not None:
                span.set_attribute("error.type", type(error).__name__)
                span.set_status(StatusCode.ERROR, str(error))
            raise
        finally:
            self._duration.record(time.perf_counter() - begun, self._system, operation, failure)
            if span is not None:
                span.end()
        heard = self._heard.get(operation)
        if heard is not None:
            heard(args, result)
        return result


def _observed(port: type[P], name: str, inner: P, observer: _Observer) -> P:
    """An object of the port whose every method goes through the observer."""

    def method(called: str) -> Callable[..., Awaitable[Any]]:
        target = getattr(inner, called)
        operation = f"{name}.{called}"

        async def call(_self: object, *args: Any, **kwargs: Any) -> Any:
            return await observer.call(operation, target, args, kwargs)

        return call

    methods = {called: method(called) for called in cast("Any", port).__abstractmethods__}
    return cast("P", type(f"Observed{port.__name__}", (port,), methods)())
