"""The main job on Cassandra and Kafka, every part a process of its own, some of them killed."""

import json
import os
import subprocess
import time
from collections.abc import Callable, Generator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from confluent_kafka.admin import AdminClient
from engines_fixtures import CassandraServer, KafkaServer
from localcluster import LocalCluster

from e2e.dev_process import TICKWHEEL
from e2e.kafka_reader import Seen, read_until

BATCH = 1_000


@pytest.fixture(scope="module")
def cluster(
    tmp_path_factory: pytest.TempPathFactory,
    cassandra_server: CassandraServer,
    kafka_server: KafkaServer,
    gateway: Path,
) -> Generator[LocalCluster]:
    running = LocalCluster(
        tmp_path_factory.mktemp("cluster"),
        cassandra=",".join(cassandra_server.contact_points),
        kafka=kafka_server.bootstrap,
        gateway=gateway,
    )
    with running:
        yield running
        print(running.tails())  # noqa: T201 - shown where a test has failed


class Jobs:
    """One-off jobs on a topic of their own, and when each is due."""

    def __init__(self, cluster: LocalCluster, topic: str) -> None:
        self._url = f"http://{cluster.http_address}/v1/users/e2e/jobs:batchCreate"
        self._topic = topic
        #: Due instant by uid, Unix milliseconds.
        self.due_ms: dict[str, int] = {}

    def create(self, instants_ms: list[int]) -> None:
        for start in range(0, len(instants_ms), BATCH):
            batch = instants_ms[start : start + BATCH]
            requests = [{"job": self._job(at)} for at in batch]
            answer = httpx.post(self._url, json={"requests": requests}, timeout=30)
            assert answer.status_code == 200, answer.text
            for result, at in zip(answer.json()["results"], batch, strict=True):
                self.due_ms[result["job"]["uid"]] = at

    def _job(self, at_ms: int) -> dict[str, Any]:
        at = datetime.fromtimestamp(at_ms / 1000, UTC).isoformat()
        target = {"topic": self._topic, "payload": {"text": "x" * 100}}
        return {"schedule": {"at": at}, "target": target}


def _check(jobs: Jobs, seen: list[Seen], what: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing missing, nothing early, duplicates only with the same ce_id; prints the lateness."""
    ids = [record.headers["ce_id"] for record in seen]
    uids = [one.partition("/")[0] for one in ids]
    late = sorted(
        record.append_ms - jobs.due_ms[uid] for record, uid in zip(seen, uids, strict=True)
    )
    missing = jobs.due_ms.keys() - set(uids)
    early = sum(one < 0 for one in late)
    places = [int(len(late) * part) for part in (0.5, 0.99)]
    p50, p99 = (late[min(place, len(late) - 1)] for place in places)
    with capsys.disabled():
        print(  # noqa: T201 - the figures are what a reader wants to see
            f"\n{what}: due {len(jobs.due_ms)}, records {len(seen)}, missing {len(missing)}, "
            f"early {early}, twice {len(ids) - len(set(ids))}, "
            f"late p50 {p50} ms, p99 {p99} ms, max {late[-1]} ms"
        )
    assert not missing
    assert not early
    # One occurrence, one run and attempt, whoever fired it.
    assert len(set(ids)) == len(jobs.due_ms)


def test_a_plain_consumer_sees_a_cloud_event(
    cluster: LocalCluster, kafka_server: KafkaServer
) -> None:
    jobs = Jobs(cluster, "events")
    jobs.create([int(time.time() * 1000) + 3_000])
    (record,) = read_until(kafka_server.bootstrap, "events", set(jobs.due_ms), 20)
    (uid,) = jobs.due_ms
    name = f"users/e2e/jobs/{uid}"
    headers = record.headers
    assert headers["ce_specversion"] == "1.0"
    assert headers["ce_id"].startswith(f"{uid}/")
    assert (headers["ce_source"], record.key) == (name, name)
    assert headers["ce_type"] == "tickwheel.run"
    assert (headers["ce_user"], headers["ce_attempt"]) == ("e2e", "1")
    assert headers["content-type"].startswith("text/plain")
    assert headers["traceparent"].startswith("00-")
    assert headers["tickwheel-completion"] == "published"
    assert int(headers["ce_fence"]) >= 1
    assert record.value == b"x" * 100
    assert record.append_ms >= jobs.due_ms[uid]


def test_five_thousand_in_one_second(
    cluster: LocalCluster, kafka_server: KafkaServer, capsys: pytest.CaptureFixture[str]
) -> None:
    jobs = Jobs(cluster, "burst")
    jobs.create([(int(time.time()) + 15) * 1000] * 5_000)
    seen = read_until(kafka_server.bootstrap, "burst", set(jobs.due_ms), 60)
    _check(jobs, seen, "5,000 in one second", capsys)


@pytest.mark.parametrize("victim", ["worker-1", "scheduler-1"])
def test_a_killed_process_loses_nothing(
    cluster: LocalCluster,
    kafka_server: KafkaServer,
    capsys: pytest.CaptureFixture[str],
    victim: str,
) -> None:
    jobs = Jobs(cluster, f"killed-{victim}")
    begin = int(time.time() * 1000) + 6_000
    jobs.create([begin + n * 10 for n in range(2_000)])
    _until(lambda: time.time() * 1000 > begin + 7_000)
    cluster.kill(victim)
    try:
        seen = read_until(kafka_server.bootstrap, f"killed-{victim}", set(jobs.due_ms), 60)
        _check(jobs, seen, f"kill -9 of {victim}", capsys)
    finally:
        cluster.start(victim)


def test_a_worker_is_drained_over_rest(
    cluster: LocalCluster, kafka_server: KafkaServer, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"http://{cluster.http_address}/v1"

    def seen() -> dict[str, Any]:
        return httpx.get(f"{url}/cluster").json()

    both: dict[str, Any] = {}

    def all_are_served() -> bool:
        """A scheduler that has just begun owns its segments before workers are connected to it."""
        both.update(seen())
        served = [segment for one in both["workers"] for segment in one["segments"]]
        return len(both["workers"]) == 2 and sorted(served) == list(range(both["segmentCount"]))

    _until(all_are_served)
    assert not both.get("unownedSegments")
    assert both["engine"] == "cassandra-kafka"
    assert all(one["answering"] for one in both["schedulers"])
    assert sum(len(one["segments"]) for one in both["schedulers"]) == both["segmentCount"]
    process = cluster.process("worker-2")
    assert process is not None
    (victim,) = [one for one in both["workers"] if f"(pid {process.pid})" in one["host"]]
    jobs = Jobs(cluster, "drained")
    jobs.create([int(time.time() * 1000) + 3_000 + n for n in range(300)])
    answer = httpx.post(f"{url}/{victim['name']}:drain", json={})
    assert (answer.status_code, answer.json()["draining"]) == (200, True)
    try:
        _until(lambda: cluster.process("worker-2") is None)
        seen_records = read_until(kafka_server.bootstrap, "drained", set(jobs.due_ms), 30)
        _check(jobs, seen_records, "a worker drained", capsys)
        (left,) = seen()["workers"]
        assert len(left["segments"]) == both["segmentCount"]
        gone = httpx.post(f"{url}/{victim['name']}:drain", json={})
        assert gone.json()["details"][0]["reason"] == "WORKER_NOT_FOUND"
    finally:
        cluster.start("worker-2")


def test_all_runs_are_recorded(cluster: LocalCluster, kafka_server: KafkaServer) -> None:
    jobs = Jobs(cluster, "recorded")
    jobs.create([int(time.time() * 1000) + 2_000])
    (uid,) = jobs.due_ms
    read_until(kafka_server.bootstrap, "recorded", set(jobs.due_ms), 20)
    url = f"http://{cluster.http_address}/v1/users/e2e/jobs/{uid}/runs"
    runs: list[dict[str, Any]] = []

    def recorded() -> bool:
        runs[:] = httpx.get(url).json()["runs"]
        return bool(runs) and runs[0]["state"] == "RUN_STATE_SUCCEEDED"

    _until(recorded)
    assert len(runs) == 1
    assert json.loads(runs[0]["offset"]) >= 0
    url = f"http://{cluster.http_address}/v1/users/e2e/jobs/{uid}:explain"
    (told,) = httpx.get(url, params={"start_time": runs[0]["scheduleTime"]}).json()["occurrences"]
    assert (told["outcome"], told["run"]) == ("OCCURRENCE_OUTCOME_SUCCEEDED", runs[0]["name"])
    assert f"by worker {runs[0]['worker']} to topic recorded, partition" in told["text"]


def test_an_audit_finds_nothing_and_then_what_was_taken_away(
    cluster: LocalCluster, kafka_server: KafkaServer, cassandra_server: CassandraServer
) -> None:
    begun = datetime.now(UTC).isoformat()
    jobs = Jobs(cluster, "audited")
    jobs.create([int(time.time() * 1000) + 1_000] * 200)
    read_until(kafka_server.bootstrap, "audited", set(jobs.due_ms), 30)
    due_ms = max(jobs.due_ms.values())
    # The last ten seconds are left alone.
    _until(lambda: time.time() * 1000 > due_ms + 11_000)

    def audit(code: int) -> dict[str, Any]:
        told = subprocess.run(
            [TICKWHEEL, "audit", "--start-time", begun, "--user", "e2e", "-o", "json"],
            env=os.environ
            | {
                "TICKWHEEL_STORE": "cassandra",
                "TICKWHEEL_CASSANDRA_CONTACT_POINTS": ",".join(cassandra_server.contact_points),
                "TICKWHEEL_KAFKA_BOOTSTRAP": kafka_server.bootstrap,
            },
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert told.returncode == code, told.stdout + told.stderr
        return json.loads(told.stdout.splitlines()[-1])["summary"]

    summary = audit(0)
    assert (summary["occurrences"], summary["published"]) == (200, 200)
    assert summary["producersStamps"] == []
    assert summary["findings"] == {}
    # The client's types are partial.
    admin: Any = AdminClient({"bootstrap.servers": kafka_server.bootstrap})
    admin.delete_topics(["audited"])["audited"].result()
    assert audit(1)["findings"] == {"VANISHED": 200}


def _until(condition: Callable[[], bool], timeout_s: float = 30) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
