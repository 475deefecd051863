"""Our own histograms as Prometheus reads them.

Of the two formats that it may ask for the newer one (OpenMetrics) has exemplars.
https://prometheus.io/docs/specs/om/open_metrics_spec/#exemplars
"""

import time
from bisect import bisect_left
from collections.abc import Iterator
from itertools import accumulate
from typing import final

from opentelemetry.sdk.metrics.export import HistogramDataPoint
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar
from typing_extensions import override

from tickwheel.worker.telemetry.names import Metric
from tickwheel.worker.telemetry.timing import Timings

_NS = 1_000_000_000


@final
class ScrapedTimings(Collector):
    """Reads all histograms of a process whenever they are asked for."""

    def __init__(self, timings: Timings) -> None:
        self._timings = timings

    @override
    def collect(self) -> Iterator[HistogramMetricFamily]:
        now_ns = time.time_ns()
        for metric, points in self._timings.points(now_ns):
            yield _family(metric, points)


def _family(metric: Metric, points: list[HistogramDataPoint]) -> HistogramMetricFamily:
    labels = [label.replace(".", "_") for label in metric.labels]
    family = HistogramMetricFamily(metric.prometheus, metric.description, labels=labels)
    for point in points:
        # A label without a value is none to Prometheus.
        found = point.attributes or {}
        values = [str(found.get(label, "")) for label in metric.labels]
        family.add_metric(values, _buckets(metric, point), point.sum)
    return family


def _buckets(
    metric: Metric, point: HistogramDataPoint
) -> list[tuple[str, float] | tuple[str, float, Exemplar]]:
    exemplars = {
        bisect_left(metric.bounds, one.value): Exemplar(
            {"trace_id": f"{one.trace_id or 0:032x}", "span_id": f"{one.span_id or 0:016x}"},
            one.value,
            one.time_unix_nano / _NS,
        )
        for one in point.exemplars
    }
    bounds = [*(str(bound) for bound in metric.bounds), "+Inf"]
    totals = accumulate(point.bucket_counts)
    return [
        (bound, total, exemplars[at]) if at in exemplars else (bound, total)
        for at, (bound, total) in enumerate(zip(bounds, totals, strict=True))
    ]
