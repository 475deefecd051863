"""The model of cost: it adds up, and says what it cannot do."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
import typer

from scale.__main__ import app
from scale.coefficients import Coefficients, described
from scale.measured import kept, renewed
from scale.memory import Held
from scale.model import BUSY, MAX_SEGMENTS, Demand, fewest_clusters, need, scheduler_standing
from scale.slopes import SETTINGS, Idle, slopes
from scale.tables import dev_table, document, memory_table

FREE = Coefficients(
    **{name: 0.0 for name, *_ in described()},
)
ONE = Demand(jobs=0, runs_per_s=1_000, created_per_s=0, kept_days=0)


DOCUMENT = Path(__file__).parents[2] / "docs" / "scale.md"


@pytest.mark.parametrize(
    "words", sorted(set(re.findall(r'make bench-scale ARGS=("[^"]+"|\w+)', DOCUMENT.read_text())))
)
def test_the_commands_of_the_document_are_there(words: str) -> None:
    name, *rest = words.strip('"').split()
    assert typer.main.get_group(app).commands[name].make_context(name, rest)


def test_processes_are_as_many_as_their_work_takes() -> None:
    # 1,000 runs/s of 1.2 ms are 1.2 cores: two processes that are 60 % busy.
    found = need(ONE, replace(FREE, scheduler_run=0.0012, worker_run=0.0003))
    assert (found.schedulers, found.workers, found.apis) == (2, 1, 1)
    assert (found.cassandra_nodes, found.brokers, found.segments) == (3, 3, 64)


def test_what_a_scheduler_spends_on_being_there_is_taken_off() -> None:
    one = replace(FREE, scheduler_run=0.0006)
    assert need(ONE, one).schedulers == 1
    assert need(ONE, replace(one, scheduler_base=0.01)).schedulers == 2


def test_what_is_too_much_for_one_cluster_is_split() -> None:
    # 10 ms a second for each stream: 60 schedulers would have no time for anything else.
    of = replace(FREE, scheduler_run=0.001, worker_run=0.0001, worker_stream=0.01)
    much = replace(ONE, jobs=8e6, runs_per_s=60_000, created_per_s=80)
    with pytest.raises(ValueError, match="no time for runs"):
        need(much, of)
    quarter = replace(ONE, jobs=2e6, runs_per_s=15_000, created_per_s=20)
    half = replace(ONE, jobs=4e6, runs_per_s=30_000, created_per_s=40)
    assert fewest_clusters(much, of) == (2, need(half, of))
    assert fewest_clusters(quarter, of) == (1, need(quarter, of))
    with pytest.raises(ValueError, match="no time for runs"):
        fewest_clusters(much, replace(of, worker_stream=0.1))


def test_streams_of_many_workers_cost_schedulers_time() -> None:
    few = replace(FREE, scheduler_run=0.001, worker_run=0.0001)
    many = replace(few, worker_run=0.01)
    plain = need(ONE, many)
    streams = need(ONE, replace(many, scheduler_stream=0.01))
    assert plain.workers == streams.workers == 17
    assert streams.schedulers > plain.schedulers
    assert streams.scheduler_standing == pytest.approx(17 * 0.01)


def test_segments_grow_with_schedulers() -> None:
    assert (
        need(replace(ONE, runs_per_s=60_000), replace(FREE, scheduler_run=0.001)).segments == 1024
    )
    with pytest.raises(ValueError, match=f"more than {MAX_SEGMENTS} segments"):
        need(replace(ONE, runs_per_s=3_000_000), replace(FREE, scheduler_run=0.001))
    with pytest.raises(ValueError, match="no time for runs"):
        need(ONE, replace(FREE, scheduler_base=BUSY))


def test_disk_holds_jobs_payloads_and_runs_of_all_replicas() -> None:
    of = replace(FREE, job_bytes=500, run_bytes=200)
    demand = Demand(jobs=1e6, runs_per_s=10, created_per_s=0, kept_days=1, payload_bytes=500)
    assert need(demand, of).cassandra_bytes == 3 * (1e6 * 1000 + 10 * 86_400 * 200)
    assert need(replace(demand, jobs=1e10), of).cassandra_nodes == 16


def test_slopes_find_what_made_the_measurements() -> None:
    truth = replace(
        FREE,
        scheduler_base=4.0,
        owned_segment=0.02,
        any_segment=0.005,
        scheduler_stream=0.5,
        worker_base=1.5,
        worker_stream=0.25,
        store_scheduler=3.0,
    )
    found = slopes(
        [
            Idle(
                schedulers=each.schedulers,
                workers=each.workers,
                segments=each.segments,
                scheduler_ms=scheduler_standing(
                    each.schedulers, each.workers, each.segments, truth
                ),
                worker_ms=truth.worker_base + truth.worker_stream * each.schedulers,
                store_ms=20.0 + truth.store_scheduler * each.schedulers,
                statements=0,
                load_average=0,
            )
            for each in SETTINGS
        ]
    )
    assert found.base == pytest.approx(4.0)
    assert found.owned_segment == pytest.approx(0.02)
    assert found.any_segment == pytest.approx(0.005)
    assert found.stream == pytest.approx(0.5)
    assert (found.worker_base, found.worker_stream) == (1.5, 0.25)
    assert found.store == 3.0


def test_the_document_shows_what_was_measured_last() -> None:
    text = (Path(__file__).parents[2] / "docs" / "scale.md").read_text()
    assert document(text, kept()) == text


def test_memory_of_a_job_is_what_has_come_beside_its_payload() -> None:
    held = Held(
        process="scheduler-1",
        jobs=1024,
        empty_mib=80,
        stored_mib=81,
        ahead_mib=84,
        peak_mib=85,
        load_average=1.0,
    )
    assert (held.other_bytes, held.ahead_bytes, held.peak_bytes) == (1024, 2048, 3072)
    line = memory_table({"real": [held]}).splitlines()[-1]
    assert line == (
        "| real: scheduler-1 | 1,024 | 80 MiB | 81 MiB | 84, 85 MiB | 1,024 bytes "
        "| 2,048, 3,072 bytes |"
    )


def test_a_table_without_a_place_is_named() -> None:
    with pytest.raises(ValueError, match="no place for the table of needs"):
        document("", kept())


def test_reports_renew_what_they_have(tmp_path: Path) -> None:
    (tmp_path / "disk.json").write_text('{"job_bytes": 321.0, "run_bytes": 123.0}')
    sample = {
        "firing": {
            "scheduler-1": 0.9,
            "worker-1": 0.2,
            "worker-2": 0.3,
            "cassandra-1": 0.7,
            "kafka-1": 0.1,
        },
        "submitting": {"api-1": 0.25, "cassandra-1": 0.5},
    }
    (tmp_path / "stored-real.jsonl").write_text(json.dumps({"many": sample}) + "\n")
    dev = {
        "first_start_s": 1.5,
        "start_s": 1.25,
        "idle_share": 0.0075,
        "memory_mib": {"dev": 100, "gateway": 20},
        "load_average": 0.5,
    }
    (tmp_path / "dev.json").write_text(json.dumps(dev))
    former = kept()
    after = renewed(former, tmp_path)
    assert dev_table(after.dev).endswith(
        "| 1.50 s | 1.25 s | 0.75% of a core | 120 MiB (dev 100, gateway 20) | 0.5 |"
    )
    found = after.coefficients
    assert (found.job_bytes, found.run_bytes) == (321.0, 123.0)
    assert (found.scheduler_run, found.worker_run) == pytest.approx((0.0009, 0.0005))
    assert (found.api_job, found.store_job) == (0.00025, 0.0005)
    assert found.scheduler_base == former.coefficients.scheduler_base
