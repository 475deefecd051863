"""The local cluster: all parts started, told where the others are, broken and mended by name."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from background.guard import processes
from background.process import alive
from localcluster import LocalCluster, NotReadyError, Size
from localcluster.health import grpc_obstacle, http_obstacle

# Stands for the real commands: serves health where the settings say, and prints those.
STAND_IN = f"""#!{sys.executable}
import os, signal, sys
command = sys.argv[1]
for name, value in sorted(os.environ.items()):
    if name.startswith("TICKWHEEL_"):
        print(name, value, flush=True)
if command == "migrate":
    sys.exit(os.environ.get("TICKWHEEL_BROKEN") == "migrate")
if command == os.environ.get("TICKWHEEL_BROKEN"):
    sys.exit("the disk is on fire")
if command in ("api", "scheduler", "worker"):
    import grpc
    from concurrent.futures import ThreadPoolExecutor
    from grpc_health.v1 import health, health_pb2_grpc
    server = grpc.server(ThreadPoolExecutor(1))
    health_pb2_grpc.add_HealthServicer_to_server(health.HealthServicer(), server)
    is_worker = command == "worker"
    variable = "TICKWHEEL_WORKER_HEALTH_ADDRESS" if is_worker else "TICKWHEEL_GRPC_ADDRESS"
    server.add_insecure_port(os.environ[variable])
    server.start()
signal.pause()
"""
GATEWAY = f"""#!{sys.executable}
import os
from http.server import BaseHTTPRequestHandler, HTTPServer
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/readyz" else 404)
        self.end_headers()
host, port = os.environ["TICKWHEEL_HTTP_ADDRESS"].split(":")
HTTPServer((host, int(port)), Handler).serve_forever()
"""


@pytest.fixture
def gateway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, content in {"tickwheel": STAND_IN, "tickwheel-gateway": GATEWAY}.items():
        (tmp_path / name).write_text(content)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setattr("localcluster.layout.TICKWHEEL", tmp_path / "tickwheel")
    monkeypatch.setattr("localcluster.cluster.TICKWHEEL", tmp_path / "tickwheel")
    return tmp_path / "tickwheel-gateway"


@pytest.fixture
def cluster(tmp_path: Path, gateway: Path) -> Iterator[LocalCluster]:
    with LocalCluster(
        tmp_path / "cluster",
        cassandra="127.1.2.3:9042",
        kafka="127.1.2.3:9092",
        gateway=gateway,
        size=Size(apis=1, schedulers=1, workers=2),
        settings={"TICKWHEEL_LEASE": "3s"},
    ) as running:
        yield running


def test_all_parts_run_and_serve(cluster: LocalCluster) -> None:
    assert list(cluster.parts) == ["api-1", "scheduler-1", "worker-1", "worker-2", "gateway"]
    assert all(cluster.process(name) for name in cluster.parts)
    assert grpc_obstacle(cluster.grpc_address) is None
    assert http_obstacle(cluster.http_address) is None

    told = dict(line.split() for line in cluster.log("worker-2").read_text().splitlines())
    assert told["TICKWHEEL_SCHEDULER_ADDRESSES"] == cluster.parts["scheduler-1"].address
    assert told["TICKWHEEL_CASSANDRA_CONTACT_POINTS"] == "127.1.2.3:9042"
    assert told["TICKWHEEL_KAFKA_BOOTSTRAP"] == "127.1.2.3:9092"
    assert told["TICKWHEEL_LEASE"] == "3s"


def test_a_killed_part_is_started_again_alone(cluster: LocalCluster) -> None:
    before = {name: cluster.process(name) for name in cluster.parts}
    cluster.kill("scheduler-1")
    assert cluster.process("scheduler-1") is None
    assert grpc_obstacle(cluster.parts["scheduler-1"].address) is not None
    cluster.start("scheduler-1")
    assert grpc_obstacle(cluster.parts["scheduler-1"].address) is None
    changed = {name for name in cluster.parts if cluster.process(name) != before[name]}
    assert changed == {"scheduler-1"}


def test_nothing_is_left_but_logs(tmp_path: Path, gateway: Path) -> None:
    home = tmp_path / "cluster"
    with LocalCluster(home, cassandra="c", kafka="k", gateway=gateway, size=Size(0, 0, 1)) as it:
        running = processes(home)
        assert len(running) == 2
    assert not any(alive(process) for process in running)
    assert "TICKWHEEL_KAFKA_BOOTSTRAP k" in it.tails()


@pytest.mark.parametrize(
    ("broken", "complaint"),
    [
        ("scheduler", r"scheduler-1 ended before it was ready[\s\S]*on fire"),
        ("migrate", "migrate failed"),
    ],
)
def test_what_does_not_start_says_why(
    tmp_path: Path, gateway: Path, broken: str, complaint: str
) -> None:
    cluster = LocalCluster(
        tmp_path / "cluster",
        cassandra="c",
        kafka="k",
        gateway=gateway,
        size=Size(apis=0, schedulers=1, workers=0),
        settings={"TICKWHEEL_BROKEN": broken},
    )
    with pytest.raises(NotReadyError, match=complaint), cluster:
        pytest.fail("it has started")
    assert processes(cluster.home) == []
