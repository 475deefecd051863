"""What is counted of runs: each kind is there as 0 before its first, and who is to blame is told."""

from dataclasses import replace
from typing import Any

import pytest

from scheduler.making import NOW, SECOND, assign, entry_of, load, make_job, make_owner, publish
from tickwheel.server.domain.job import Job
from tickwheel.server.domain.run import Limit, RunState
from tickwheel.server.scheduler.live import LiveRun
from tickwheel.server.scheduler.segment import SegmentOwner
from tickwheel.server.telemetry.runs import RunMetrics
from tickwheel.v1 import scheduler_service_pb2
from tickwheel.worker.telemetry.names import (
    DEAD_LETTERS,
    DUE,
    ENDED,
    HELD_BACK,
    LATENESS,
    RETRIED,
    SKIPPED,
    Metric,
)
from tickwheel.worker.telemetry.setup import Telemetry, TelemetryOptions


class _Counter:
    def __init__(self) -> None:
        self.added: list[tuple[Any, ...]] = []

    def add(self, count: int, *labels: str) -> None:
        self.added.append((count, *labels))


class _Duration:
    def __init__(self) -> None:
        self.recorded: list[tuple[Any, ...]] = []

    def record(self, seconds: float, *labels: str, sampled: object = None) -> None:
        self.recorded.append((seconds, *labels))


class _Kept(Telemetry):
    """Keeps its counters and histograms, as lists of what was added."""

    def __init__(self) -> None:
        super().__init__(TelemetryOptions(service="s", instance="i", version="1"))
        self.counters: dict[str, _Counter] = {}
        self.durations: dict[str, _Duration] = {}

    def counter(self, metric: Metric) -> Any:
        return self.counters.setdefault(metric.name, _Counter())

    def histogram(self, metric: Metric) -> Any:
        return self.durations.setdefault(metric.name, _Duration())


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
        (0, "updated"), (0, "deleted"), (0, "past_when_accepted"),
    }  # fmt: skip


LONG_AGO = NOW - 7200 * SECOND


def store(owner: SegmentOwner, metrics: RunMetrics, now_ms: int = NOW) -> list[LiveRun]:
    """The store takes what is to be recorded, and it is counted."""
    batch = owner.take_batch()
    metrics.recorded(batch.records)
    ended = owner.stored(batch, now_ms)
    metrics.ended(ended)
    return ended


@pytest.mark.parametrize(
    ("job", "late_s"),
    [
        (make_job(at_ms=LONG_AGO, window_s=None), 0.005),
        # It was accepted in time, and nobody ran it.
        (make_job(at_ms=LONG_AGO, create_ms=LONG_AGO - SECOND, window_s=None), 7200.005),
    ],
)
def test_lateness_begins_when_the_job_was_accepted(job: Job, late_s: float) -> None:
    kept = _Kept()
    metrics, owner = RunMetrics(kept), make_owner()
    (run,) = load(owner, job, entry_of(job, LONG_AGO))
    assert owner.runs.first_unpublished_ms() == max(LONG_AGO, job.create_ms if late_s < 1 else 0)
    publish(owner, run, NOW + 5)
    (ended,) = store(owner, metrics)
    assert ended.record is not None
    # Early and late of the run itself refer to its due instant all the same.
    assert ended.record.due_ms == LONG_AGO
    ((seconds, trigger),) = kept.durations[LATENESS.name].recorded
    assert (seconds, trigger) == (pytest.approx(late_s), "schedule")


@pytest.mark.parametrize(
    ("job", "reason"),
    [
        (make_job(at_ms=LONG_AGO), "past_when_accepted"),
        (make_job(at_ms=LONG_AGO, create_ms=LONG_AGO - SECOND), "catch_up_window"),
        (make_job(every_s=7200, create_ms=LONG_AGO), "catch_up_window"),
    ],
)
def test_what_was_past_already_is_not_counted_as_missed(job: Job, reason: str) -> None:
    kept = _Kept()
    metrics, owner = RunMetrics(kept), make_owner()
    load(owner, job, entry_of(job, LONG_AGO))
    (ended,) = store(owner, metrics)
    assert ended.record is not None
    assert ended.record.state is RunState.SKIPPED
    assert [add for add in kept.counters[SKIPPED.name].added if add[0]] == [(1, reason)]
    assert [add for add in kept.counters[DUE.name].added if add[0]] == [(1, "schedule")]


def test_attempts_that_are_followed_by_another_one_and_dead_letters() -> None:
    kept = _Kept()
    metrics, owner = RunMetrics(kept), make_owner()
    job = make_job(at_ms=NOW)
    job.spec.retry_policy.max_retry_count = 2
    job.spec.target.dead_letter_topic = "topic.dlq"
    runs = load(owner, job, entry_of(job, NOW))
    refusal = scheduler_service_pb2.PublishFailure(message="too large", refused=True)
    now_ms = NOW
    for _ in range(3):
        (run,) = runs
        assert owner.failed(run.key, "w", refusal, now_ms)
        store(owner, metrics, now_ms)
        if run.record is not None and run.record.state is RunState.PENDING:
            # As when a limit holds it back.
            metrics.recorded([replace(run.record, update_ms=now_ms + 1)])
        now_ms += 60 * SECOND
        owner.step(now_ms)
        runs = assign(owner)
    added = {name: sum(add[0] for add in counter.added) for name, counter in kept.counters.items()}
    assert (added[RETRIED.name], added[ENDED.name], added[DEAD_LETTERS.name]) == (2, 1, 0)
    (letter,) = runs
    publish(owner, letter, now_ms)
    store(owner, metrics, now_ms)
    assert [add for add in kept.counters[DEAD_LETTERS.name].added if add[0]] == [(1,)]
    assert [add for add in kept.counters[ENDED.name].added if add[0]] == [(1, "failed")]


def test_what_a_limit_has_held_back_is_told_apart_from_what_is_late() -> None:
    kept = _Kept()
    metrics, owner = RunMetrics(kept), make_owner()
    job = make_job(at_ms=NOW)
    (run,) = load(owner, job, entry_of(job, NOW))
    run.let_go(Limit.TOPIC_RATE, NOW + 7 * SECOND)
    publish(owner, run, NOW + 7 * SECOND + 5)
    store(owner, metrics)
    assert kept.durations[LATENESS.name].recorded == [(0.005, "schedule")]
    assert kept.durations[HELD_BACK.name].recorded == [(7, "rate_per_topic")]
