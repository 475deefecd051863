"""Our own histograms, as the SDK's readers hand them on."""

from collections.abc import Iterator

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import Histogram, HistogramDataPoint, InMemoryMetricReader
from prometheus_client import Metric as Family
from prometheus_client.openmetrics import parser

from tickwheel.worker.telemetry.names import LATENESS, RETRIED, SEND
from tickwheel.worker.telemetry.setup import Telemetry, TelemetryOptions
from tickwheel.worker.telemetry.spans import Context
from tickwheel.worker.telemetry.timing import Timing

VALUES = st.lists(st.one_of(st.sampled_from(LATENESS.bounds), st.floats(0, 10_000)), max_size=50)


def point(timing: Timing) -> HistogramDataPoint:
    metric = timing.read(1, 2)
    assert metric is not None
    assert isinstance(metric.data, Histogram)
    (found,) = metric.data.data_points
    return found


@given(VALUES)
def test_the_sdk_would_have_the_same(values: list[float]) -> None:
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    theirs = provider.get_meter("x").create_histogram(
        "x", explicit_bucket_boundaries_advisory=LATENESS.bounds
    )
    mine = Timing(LATENESS)
    for value in values:
        theirs.record(value)
        mine.record(value, "schedule")
    data = reader.get_metrics_data()
    if not values:
        assert mine.read(1, 2) is None
        return
    assert data is not None
    expected = data.resource_metrics[0].scope_metrics[0].metrics[0].data
    assert isinstance(expected, Histogram)
    (other,) = expected.data_points
    found = point(mine)
    assert (found.count, found.min, found.max) == (other.count, other.min, other.max)
    assert list(found.bucket_counts) == list(other.bucket_counts)
    assert found.sum == other.sum
    provider.shutdown()


def test_labels_that_do_not_apply_are_left_out() -> None:
    timing = Timing(SEND)
    timing.record(0.1, "kafka", "send", "")
    assert point(timing).attributes == {
        "messaging.system": "kafka", "messaging.operation.name": "send",
    }  # fmt: skip


def test_a_sampled_value_leads_to_its_trace() -> None:
    timing = Timing(LATENESS)
    timing.record(0.02, "schedule", sampled=Context(7, 9))
    timing.record(0.021, "schedule")
    timing.record(0.022, "schedule", sampled=Context(8, 10))
    (exemplar,) = point(timing).exemplars
    assert (exemplar.value, exemplar.trace_id, exemplar.span_id) == (0.022, 8, 10)


@pytest.fixture
def telemetry() -> Iterator[Telemetry]:
    options = TelemetryOptions(
        service="s", instance="i", version="1", metrics_address="127.0.0.1:0", metrics_required=True
    )
    made = Telemetry(options)
    yield made
    made.close()


def scraped(telemetry: Telemetry, accept: str) -> httpx.Response:
    url = f"http://127.0.0.1:{telemetry.metrics_port}/metrics"
    return httpx.get(url, headers={"accept": accept})


def test_prometheus_is_led_to_traces(telemetry: Telemetry) -> None:
    lateness, send = telemetry.histogram(LATENESS), telemetry.histogram(SEND)
    lateness.record(0.3, "manual", sampled=Context(7, 9))
    lateness.record(9_999.0, "manual", sampled=Context(8, 9))
    lateness.record(0.001, "manual")
    send.record(0.02, "kafka", "send", "refused")
    send.record(0.02, "kafka", "send", "")
    telemetry.counter(RETRIED).add(2)
    answer = scraped(telemetry, "application/openmetrics-text; version=1.0.0")
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    families: list[Family] = list(parser.text_string_to_metric_families(answer.text))  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
    samples = [sample for family in families for sample in family.samples]
    led = {
        sample.labels["le"]: (sample.exemplar.labels["trace_id"], sample.exemplar.value)
        for sample in samples
        if sample.exemplar is not None
    }
    assert led == {"0.5": (f"{7:032x}", 0.3), "+Inf": (f"{8:032x}", 9_999.0)}
    counts = [sample for sample in samples if sample.name == f"{SEND.prometheus}_count"]
    assert [sample.value for sample in counts] == [1, 1]
    # Whoever asks for plain text gets what it can read.
    assert "trace_id" not in scraped(telemetry, "text/plain").text


def test_prometheus_reads_them_and_counters(telemetry: Telemetry) -> None:
    telemetry.counter(RETRIED).add(2)
    telemetry.histogram(LATENESS).record(0.3, "manual")
    text = scraped(telemetry, "text/plain").text
    assert 'tickwheel_run_lateness_seconds_bucket{le="0.25",trigger="manual"} 0.0' in text
    assert 'tickwheel_run_lateness_seconds_bucket{le="0.5",trigger="manual"} 1.0' in text
    assert "tickwheel_runs_retried_total 2.0" in text
    assert 'tickwheel_run_lateness_seconds_count{trigger="manual"} 1.0' in text
