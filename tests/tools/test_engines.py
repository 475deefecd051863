"""The engines that tests and drills run on: started, killed, and there again with their data."""

import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest
from background.process import alive
from background.wait import NotReadyError
from engines.address import free_network
from engines.cql import CONSISTENCY_ONE, refusal
from engines.engine import Engine, Node
from engines.instance import Instance
from engines.kafka_protocol import known_brokers
from engines_fixtures import CassandraServer, KafkaServer

# Listens, and adds a byte to its data at each start.
SERVER = """
import signal, socket, sys
with open("data", "ab") as data:
    data.write(b"x")
server = socket.create_server((sys.argv[1], int(sys.argv[2])))
print("listening", flush=True)
signal.pause()
"""


@dataclass(frozen=True, slots=True)
class Light(Engine):
    """An engine that starts at once, for what does not depend on the real ones."""

    program: str = SERVER

    kind: ClassVar[str] = "light"
    client_port: ClassVar[int] = 9999
    ports: ClassVar[tuple[int, ...]] = (client_port,)

    def fetch(self) -> None:
        """Nothing is needed."""

    def configure(self, node: Node, nodes: list[Node]) -> None:
        """Say who is there."""
        (node.folder / "nodes").write_text(" ".join(each.address for each in nodes))

    def command(self, node: Node) -> list[str | Path]:
        return [sys.executable, "-c", self.program, node.address, str(self.client_port)]

    def obstacle(self, node: Node, nodes: list[Node]) -> str | None:
        try:
            socket.create_connection((node.address, self.client_port), timeout=5).close()
        except OSError as error:
            return str(error)
        return None

    def logs(self, node: Node) -> list[Path]:
        return [node.folder / "output.log"]


def split(contact_point: str) -> tuple[str, int]:
    address, _, port = contact_point.rpartition(":")
    return address, int(port)


def test_cassandra_serves(cassandra_server: CassandraServer) -> None:
    address, port = split(cassandra_server.contact_points[0])
    assert refusal(address, port, "SELECT key FROM system.local", CONSISTENCY_ONE) is None
    error = refusal(address, port, "SELECT nothing FROM system.local", CONSISTENCY_ONE)
    assert error is not None
    assert "nothing" in error


def test_kafka_serves(kafka_server: KafkaServer) -> None:
    assert known_brokers(*split(kafka_server.bootstrap.split(",")[0])) >= 1


def test_a_killed_node_comes_back_with_its_data(tmp_path: Path) -> None:
    home = tmp_path / "light"
    with Instance(Light(), home=home, nodes=2) as instance:
        first, other = instance.process(1), instance.process(2)
        assert first is not None
        instance.kill(1)
        assert not alive(first)
        assert instance.process(1) is None
        with pytest.raises(ValueError, match=r"node 1 .* does not run"):
            instance.pause(1)

        instance.start_node(1)
        assert instance.process(1) not in {None, first}
        assert (home / "n1" / "data").read_bytes() == b"xx"
        assert instance.process(2) == other


def test_starting_what_runs_changes_nothing(tmp_path: Path) -> None:
    home = tmp_path / "light"
    with Instance(Light(), home=home, nodes=2) as instance:
        running = [instance.process(1), instance.process(2)]
        # Another description of the same folder is the same instance, at the same addresses.
        same = Instance(Light(), home=home, nodes=None)
        same.start()
        assert same.contact_points == instance.contact_points
        assert [same.process(1), same.process(2)] == running


def test_a_stopped_instance_keeps_its_data_and_addresses(tmp_path: Path) -> None:
    instance = Instance(Light(), home=tmp_path / "light", nodes=2)
    instance.start()
    try:
        instance.stop()
        assert [instance.process(1), instance.process(2)] == [None, None]
        again = Instance(Light(), home=tmp_path / "light", nodes=None)
        again.start()
        assert again.contact_points == instance.contact_points
        assert (tmp_path / "light" / "n2" / "data").read_bytes() == b"xx"
    finally:
        instance.wipe()
    assert not instance.home.exists()


def test_it_leaves_nothing_behind(tmp_path: Path) -> None:
    with Instance(Light(), home=tmp_path / "light", nodes=1) as instance:
        process = instance.process(1)
    assert process is not None
    assert not alive(process)
    assert not instance.home.exists()


def test_a_node_that_does_not_start_says_why(tmp_path: Path) -> None:
    instance = Instance(Light("raise OSError('no space')"), home=tmp_path / "light", nodes=1)
    with pytest.raises(NotReadyError, match=r"light node 1[^\n]* ended[\s\S]*no space"), instance:
        pytest.fail("it has started")
    assert not instance.home.exists()


def test_instances_are_apart(tmp_path: Path) -> None:
    one, two = (Instance(Light(), home=tmp_path / name, nodes=3) for name in ("one", "two"))
    assert not set(one.contact_points) & set(two.contact_points)


def test_a_taken_network_is_passed_over(tmp_path: Path) -> None:
    wanted = free_network(tmp_path, nodes=2, ports=[9042])
    with socket.create_server((f"{wanted}2", 9042)):
        assert free_network(tmp_path, nodes=2, ports=[9042]) != wanted
        assert free_network(tmp_path, nodes=1, ports=[9042]) == wanted


@pytest.mark.parametrize("held", ['"kind": "kafka", "nodes": 3', '"kind": "light", "nodes": 1'])
def test_a_home_holds_one_kind_of_instance(tmp_path: Path, held: str) -> None:
    (tmp_path / "instance.json").write_text(f'{{{held}, "network": "127.77.3."}}')
    with pytest.raises(ValueError, match="wipe it first"):
        Instance(Light(), home=tmp_path, nodes=3)
