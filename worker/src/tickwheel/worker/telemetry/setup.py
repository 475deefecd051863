"""Starts what carries metrics and spans out of a process: a Prometheus endpoint, and OTLP.

OTLP is pushed over gRPC; the standard's own variables (OTEL_EXPORTER_OTLP_HEADERS, …) hold as well.
"""

import json
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.metrics import CallbackOptions, Meter, Observation
from opentelemetry.metrics import _Gauge as Gauge
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    MetricExporter,
    MetricReader,
    MetricsData,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBased
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    ProcessCollector,
    make_wsgi_app,  # pyright: ignore[reportUnknownVariableType]
    start_http_server,
)
from typing_extensions import override

from tickwheel.worker.about import versions
from tickwheel.worker.listeners import failures
from tickwheel.worker.telemetry.names import OBSERVING_FAILED, Metric
from tickwheel.worker.telemetry.scraping import ScrapedTimings
from tickwheel.worker.telemetry.spans import SCOPE
from tickwheel.worker.telemetry.timing import Timing, Timings

_log = structlog.get_logger(__name__)

#: How often metrics are pushed.
_PUSH_MS = 10_000
#: For so long what is left is pushed at the end, of spans and of metrics each.
_LAST_PUSH_S = 1.0
#: Spans are pushed at least this often.
_SPANS_MS = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class TelemetryOptions:
    """What a process is to tell, and where."""

    #: `tickwheel-api` and the like.
    service: str
    #: Tells one process from others of its service.
    instance: str
    version: str
    #: host:port at which metrics are served; none where empty.
    metrics_address: str = ""
    #: The metrics address was asked for: that it cannot be had is an error.
    metrics_required: bool = False
    #: The settings in effect, without secrets; served beside the metrics.
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    #: `http://host:port` of an OTLP receiver; none where empty.
    otlp_endpoint: str = ""

    def __bool__(self) -> bool:
        return bool(self.metrics_address or self.otlp_endpoint)


def _pages(registry: CollectorRegistry, options: TelemetryOptions) -> Callable[..., Any]:
    """What is served: the metrics, and at `/about` what the process is and what it was told."""
    metrics: Callable[..., Any] = make_wsgi_app(registry)  # pyright: ignore[reportUnknownVariableType]
    about = {
        "service": options.service,
        "instance": options.instance,
        "version": options.version,
        "settings": options.settings,
        "versions": versions(),
    }
    text = json.dumps(about, indent=2, default=str).encode() + b"\n"

    def answer(request: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        if request["PATH_INFO"] != "/about":
            return metrics(request, start)
        start("200 OK", [("Content-Type", "application/json")])
        return [text]

    return answer


class Tally:
    """Counts, by the value of the one label that the metric has, if it has one.

    A counter of the SDK costs some microseconds each time; most of what is counted here happens
    once for each run.
    """

    def __init__(self, metric: Metric) -> None:
        self._label = metric.labels[0] if metric.labels else ""
        self._counts: dict[str, int] = {} if self._label else {"": 0}

    def add(self, count: int, value: str = "") -> None:
        """So many more."""
        self._counts[value] = self._counts.get(value, 0) + count

    def observe(self, _options: CallbackOptions) -> Iterable[Observation]:
        """What there is so far; called from a thread."""
        for value, count in list(self._counts.items()):
            yield Observation(count, {self._label: value} if self._label else {})


class _Pushed(PeriodicExportingMetricReader):
    """Pushes every few seconds, also our own histograms."""

    def __init__(self, timings: Timings, exporter: MetricExporter, **options: Any) -> None:
        self._timings = timings
        super().__init__(exporter, **options)

    @override
    def _receive_metrics(
        self, metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: Any
    ) -> None:
        data = self._timings.added_to(metrics_data)
        super()._receive_metrics(data, timeout_millis, **kwargs)  # pyright: ignore[reportUnknownMemberType]


class Telemetry:
    """The metrics and spans of one process."""

    def __init__(self, options: TelemetryOptions) -> None:
        """Begins to serve and to push.

        Raises:
            OSError: the metrics address was asked for and cannot be had.
        """
        self.options = options
        self.resource = Resource.create(
            {
                "service.name": options.service,
                "service.namespace": "tickwheel",
                "service.instance.id": options.instance,
                "service.version": options.version,
            }
        )
        self._timings = Timings(self.resource, InstrumentationScope(SCOPE, options.version))
        self._server = None
        self._registry = CollectorRegistry()
        readers: list[MetricReader] = []
        if options.metrics_address and self._serve():
            readers.append(
                PrometheusMetricReader(scope_info_enabled=False, registry=self._registry)
            )
            self._registry.register(ScrapedTimings(self._timings))
        self.spans: SpanProcessor | None = None
        self._span_exporter: OTLPSpanExporter | None = None
        self.tracers = TracerProvider(
            resource=self.resource,
            # What begins here was drawn before a span was made of it (`server.trace`).
            sampler=ParentBased(ALWAYS_ON),
            shutdown_on_exit=False,
        )
        if options.otlp_endpoint:
            insecure = not options.otlp_endpoint.startswith("https://")
            exporter = OTLPMetricExporter(endpoint=options.otlp_endpoint, insecure=insecure)
            readers.append(_Pushed(self._timings, exporter, export_interval_millis=_PUSH_MS))
            self._span_exporter = OTLPSpanExporter(
                endpoint=options.otlp_endpoint, insecure=insecure
            )
            self.spans = BatchSpanProcessor(self._span_exporter, schedule_delay_millis=_SPANS_MS)
            self.tracers.add_span_processor(self.spans)
        self._meters = MeterProvider(readers, self.resource, shutdown_on_exit=False)
        self._meter: Meter = self._meters.get_meter(SCOPE, options.version)
        self.tracer = self.tracers.get_tracer(SCOPE, options.version)
        self._meter.create_observable_counter(
            OBSERVING_FAILED.name,
            [lambda _: [Observation(failures())]],
            OBSERVING_FAILED.unit,
            OBSERVING_FAILED.description,
        )

    def _serve(self) -> bool:
        host, _, port = self.options.metrics_address.rpartition(":")
        # Before it is served: to look up what is installed takes a while, and until then any path
        # would be answered by the metrics.
        pages = _pages(self._registry, self.options)
        try:
            self._server, _ = start_http_server(int(port), host, self._registry)
            self._server.set_app(pages)
        except OSError as error:
            if self.options.metrics_required:
                address = self.options.metrics_address
                raise OSError(f"cannot serve metrics on {address}: {error.strerror}") from error
            _log.warning(
                "metrics are not served: their address is taken, and "
                "TICKWHEEL_METRICS_ADDRESS names no other",
                address=self.options.metrics_address,
            )
            return False
        ProcessCollector(registry=self._registry)
        GCCollector(registry=self._registry)
        return True

    @property
    def metrics_port(self) -> int:
        """The port at which metrics are served; 0 where they are not."""
        return int(self._server.server_port) if self._server is not None else 0

    def counter(self, metric: Metric) -> Tally:
        """The instrument of a counter: plain numbers, read whenever somebody asks for them."""
        tally = Tally(metric)
        self._meter.create_observable_counter(
            metric.name, [tally.observe], metric.unit, metric.description
        )
        return tally

    def gauge(self, metric: Metric) -> Gauge:
        """The instrument of a gauge."""
        return self._meter.create_gauge(metric.name, metric.unit, metric.description)

    def histogram(self, metric: Metric) -> Timing:
        """The instrument of a histogram."""
        return self._timings.make(metric)

    def close(self) -> None:
        """Pushes what is left, for a bounded time, and ends; blocks meanwhile."""
        # It tries for up to half a minute, and takes no shorter time to heart.
        closing = threading.Thread(target=self.tracers.shutdown, daemon=True)
        closing.start()
        closing.join(_LAST_PUSH_S)
        if closing.is_alive() and self._span_exporter is not None:
            _log.warning("the last spans are lost: their receiver does not answer")
            self._span_exporter.shutdown()  # pyright: ignore[reportUnknownMemberType]
            closing.join(_LAST_PUSH_S)
        self._meters.shutdown(timeout_millis=_LAST_PUSH_S * 1_000)
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
