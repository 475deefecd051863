"""What is counted of runs is there as 0 before the first one."""

from typing import Any

from tickwheel.server.telemetry.runs import RunMetrics
from tickwheel.worker.telemetry.names import DUE, ENDED, SKIPPED, Metric
from tickwheel.worker.telemetry.setup import Telemetry, TelemetryOptions


class _Counter:
    def __init__(self) -> None:
        self.added: list[tuple[Any, ...]] = []

    def add(self, count: int, *labels: str) -> None:
        self.added.append((count, *labels))


class _Kept(Telemetry):
    """Keeps its counters, as a list of what was added."""

    def __init__(self) -> None:
        super().__init__(TelemetryOptions(service="s", instance="i", version="1"))
        self.counters: dict[str, _Counter] = {}

    def counter(self, metric: Metric) -> Any:
        return self.counters.setdefault(metric.name, _Counter())


def test_each_label_begins_with_nothing() -> None:
    kept = _Kept()
    RunMetrics(kept)
    assert set(kept.counters[DUE.name].added) == {
        (0, "schedule"), (0, "manual"), (0, "backfill"), (0, "retry")
    }  # fmt: skip
    assert set(kept.counters[ENDED.name].added) == {
        (0, "succeeded"), (0, "failed"), (0, "cancelled")
    }  # fmt: skip
    assert set(kept.counters[SKIPPED.name].added) == {
        (0, "overlap"), (0, "buffer_full"), (0, "catch_up_window"), (0, "paused"),
        (0, "updated"), (0, "deleted"),
    }  # fmt: skip
