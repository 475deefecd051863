"""Histograms that cost next to nothing to record into.

One of the SDK takes 5 us a value (it makes a measurement, cleans and hashes its attributes, and
asks views and exemplar filters about it), and that for each reader; these are recorded into once
or twice for each run and each call. They are handed to the SDK's readers whole, when one collects.
"""

import time
from bisect import bisect_left
from collections.abc import Iterator

from opentelemetry.sdk.metrics import Exemplar
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Histogram,
    HistogramDataPoint,
    MetricsData,
    ResourceMetrics,
    ScopeMetrics,
)
from opentelemetry.sdk.metrics.export import Metric as SdkMetric
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from tickwheel.worker.telemetry.names import Metric
from tickwheel.worker.telemetry.spans import Context


class _Series:
    """The values under one set of labels."""

    __slots__ = ("counts", "exemplars", "largest", "smallest", "sum")

    def __init__(self, buckets: int) -> None:
        self.counts = [0] * buckets
        self.sum = 0.0
        self.smallest = float("inf")
        self.largest = float("-inf")
        #: By bucket the last value of a sampled trace, when, and which.
        self.exemplars: dict[int, tuple[float, int, Context]] = {}


class Timing:
    """One histogram. Recorded into by one thread, read by any."""

    def __init__(self, metric: Metric) -> None:
        self.metric = metric
        self._series: dict[tuple[str, ...], _Series] = {}

    def record(
        self, value: float, *labels: str, count: int = 1, sampled: Context | None = None
    ) -> None:
        """Takes a value in.

        Args:
            value: in the metric's unit.
            labels: in the order of the metric's; an empty one is left out, as are those at the
                end that are not given.
            count: how often it was seen.
            sampled: the sampled trace that it belongs to, if there is one.
        """
        series = self._series.get(labels)
        if series is None:
            series = self._series[labels] = _Series(len(self.metric.bounds) + 1)
        bucket = bisect_left(self.metric.bounds, value)
        series.counts[bucket] += count
        series.sum += value * count
        if value < series.smallest:
            series.smallest = value
        if value > series.largest:
            series.largest = value
        if sampled is not None:
            series.exemplars[bucket] = (value, time.time_ns(), sampled)

    def read(self, since_ns: int, now_ns: int) -> SdkMetric | None:
        """What there is so far, as the SDK has it; None for nothing."""
        points = self.points(since_ns, now_ns)
        if not points:
            return None
        metric = self.metric
        data = Histogram(points, AggregationTemporality.CUMULATIVE)
        return SdkMetric(metric.name, metric.description, metric.unit, data)

    def points(self, since_ns: int, now_ns: int) -> list[HistogramDataPoint]:
        """Likewise, one for each set of labels."""
        return [
            self._point(labels, series, since_ns, now_ns)
            for labels, series in list(self._series.items())
        ]

    def _point(
        self, labels: tuple[str, ...], series: _Series, since_ns: int, now_ns: int
    ) -> HistogramDataPoint:
        counts = list(series.counts)
        # Fewer labels than the metric has: the others do not apply.
        pairs = zip(self.metric.labels, labels, strict=False)
        return HistogramDataPoint(
            attributes={name: value for name, value in pairs if value},
            start_time_unix_nano=since_ns,
            time_unix_nano=now_ns,
            count=sum(counts),
            sum=series.sum,
            bucket_counts=counts,
            explicit_bounds=self.metric.bounds,
            min=series.smallest,
            max=series.largest,
            exemplars=[
                Exemplar({}, value, at_ns, context.span_id, context.trace_id)
                for value, at_ns, context in list(series.exemplars.values())
            ],
        )


class Timings:
    """All histograms of a process."""

    def __init__(self, resource: Resource, scope: InstrumentationScope) -> None:
        self._resource = resource
        self._scope = scope
        self._since_ns = time.time_ns()
        self._all: list[Timing] = []

    def make(self, metric: Metric) -> Timing:
        """A histogram."""
        timing = Timing(metric)
        self._all.append(timing)
        return timing

    def points(self, now_ns: int) -> Iterator[tuple[Metric, list[HistogramDataPoint]]]:
        """What there is so far of each that has something."""
        for timing in self._all:
            points = timing.points(self._since_ns, now_ns)
            if points:
                yield timing.metric, points

    def added_to(self, data: MetricsData) -> MetricsData:
        """What a reader has collected from the SDK, and all of these."""
        now_ns = time.time_ns()
        read = (timing.read(self._since_ns, now_ns) for timing in self._all)
        mine: list[SdkMetric] = [metric for metric in read if metric is not None]
        # Into the resource and scope that there are: exporters take equal ones for one another.
        scopes = [
            scope
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            if scope.scope != self._scope
        ]
        theirs = [
            metric
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            if scope.scope == self._scope
            for metric in scope.metrics
        ]
        whole = ScopeMetrics(self._scope, [*theirs, *mine], "")
        return MetricsData([ResourceMetrics(self._resource, [*scopes, whole], "")])
