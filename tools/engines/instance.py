"""A named set of one engine's nodes: started, ended, broken and mended together or one by one."""

import json
import os
import shutil
import signal
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from background.guard import RECORD, guard, processes, unguard
from background.process import Process, end, kill, recorded, send, spawn
from background.wait import until_ready
from bootstrap.cache import exclusive
from bootstrap.command import ToolMissingError

from engines.address import free_network
from engines.engine import Engine, Node

# Generous, since a machine that runs all tests at once may be very busy.
READY_S = 180.0
GRACE_S = 30.0

_DESCRIPTION = "instance.json"


def state_home() -> Path:
    """Where instances live unless they are told otherwise (XDG Base Directory Specification)."""
    base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(base) / "tickwheel" / "engines"


@dataclass(frozen=True, slots=True)
class _Description:
    """What is kept of an instance, so that it is the same one when it is started again."""

    kind: str
    nodes: int
    network: str


class Instance:
    """An engine's nodes under one folder, which holds all that is known about them.

    As a context manager it starts the nodes, has them killed should this program die, and at the
    end kills them and removes their data. ``start`` and ``stop`` leave both to the caller.

    Attributes:
        engine: The engine that the nodes run.
        home: The folder of the instance.
        nodes: Its nodes, in order.
    """

    def __init__(self, engine: Engine, *, home: Path, nodes: int | None) -> None:
        """Describe an instance; nothing is started or written.

        Args:
            engine: What its nodes run.
            home: Its folder. An instance that is there already keeps its addresses.
            nodes: How many; None for as many as are there already, else one.

        Raises:
            ValueError: ``home`` holds an instance of another kind or number of nodes.
            ToolMissingError: The system is not Linux.
        """
        if sys.platform != "linux":
            raise ToolMissingError("Cassandra and Kafka are started by this tool on Linux only")
        self.engine = engine
        self.home = home.absolute()
        known = self._known()
        count = nodes or (known.nodes if known else 1)
        if known is None:
            network = free_network(self.home, nodes=count, ports=engine.ports)
            known = _Description(engine.kind, count, network)
        if (known.kind, known.nodes) != (engine.kind, count):
            held = f"{known.kind} with {known.nodes} node(s)"
            raise ValueError(f"{self.home} holds {held}: wipe it first")
        self._description = known
        self.nodes = [
            Node(number, f"{known.network}{number}", self.home / f"n{number}")
            for number in range(1, count + 1)
        ]

    def __enter__(self) -> Self:
        self.home.mkdir(parents=True)
        guard(self.home, remove=True)
        try:
            self.start()
        except BaseException:
            self._abandon()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._abandon()

    @property
    def port(self) -> int:
        """The port for clients, the same on each node."""
        return self.engine.client_port

    @property
    def contact_points(self) -> tuple[str, ...]:
        """Where clients connect, ``address:port`` of each node."""
        return tuple(f"{node.address}:{self.port}" for node in self.nodes)

    @property
    def bootstrap(self) -> str:
        """The contact points as one comma-separated text."""
        return ",".join(self.contact_points)

    def start(self) -> None:
        """Start the nodes that do not run and wait until all serve clients.

        Raises:
            ToolMissingError: What the engine needs cannot be had on this machine.
            NotReadyError: A node ended or was not ready in time; the text has its log's end.
        """
        self.engine.fetch()
        with exclusive(self.home):
            self.home.mkdir(parents=True, exist_ok=True)
            (self.home / _DESCRIPTION).write_text(json.dumps(asdict(self._description)))
            for node in self.nodes:
                self._launch(node)
        for node in self.nodes:
            self._await(node)

    def start_node(self, number: int) -> None:
        """Start one node, with the data it has, and wait until it serves clients.

        The other nodes have to run: a node counts as ready when it sees them all.

        Raises:
            NotReadyError: The node ended or was not ready in time.
        """
        node = self.nodes[number - 1]
        self._launch(node)
        self._await(node)

    def stop(self) -> None:
        """End the nodes properly, together; their data stays."""
        end(processes(self.home), grace_s=GRACE_S)

    def stop_node(self, number: int) -> None:
        """End one node properly."""
        end([self._process(number)], grace_s=GRACE_S)

    def kill(self, number: int) -> None:
        """End one node with SIGKILL and wait until it is gone."""
        kill([self._process(number)])

    def pause(self, number: int) -> None:
        """Hang one node (SIGSTOP): its connections stay open and nothing answers."""
        send(self._process(number), signal.SIGSTOP)

    def resume(self, number: int) -> None:
        """Let a hung node go on (SIGCONT)."""
        send(self._process(number), signal.SIGCONT)

    def process(self, number: int) -> Process | None:
        """The process of one node; None when it does not run."""
        return recorded(self.nodes[number - 1].folder / RECORD)

    def wipe(self) -> None:
        """Kill the nodes and remove everything about the instance."""
        kill(processes(self.home))
        shutil.rmtree(self.home, ignore_errors=True)

    def _abandon(self) -> None:
        unguard(self.home)
        self.wipe()

    def _process(self, number: int) -> Process:
        process = self.process(number)
        if process is None:
            raise ValueError(f"node {number} of {self.home} does not run")
        return process

    def _launch(self, node: Node) -> None:
        if recorded(node.folder / RECORD) is not None:
            return
        node.folder.mkdir(exist_ok=True)
        self.engine.configure(node, self.nodes)
        spawn(
            self.engine.command(node),
            folder=node.folder,
            log=node.folder / "output.log",
            record=node.folder / RECORD,
            # Each of glibc's arenas may hold 64 MiB, and a server makes many.
            env={"MALLOC_ARENA_MAX": "2"},
        )

    def _await(self, node: Node) -> None:
        until_ready(
            lambda: self.engine.obstacle(node, self.nodes),
            running=lambda: recorded(node.folder / RECORD) is not None,
            what=f"{self.engine.kind} node {node.number} ({node.address})",
            logs=self.engine.logs(node),
            timeout_s=READY_S,
        )

    def _known(self) -> _Description | None:
        try:
            content = json.loads((self.home / _DESCRIPTION).read_text())
        except FileNotFoundError:
            return None
        return _Description(content["kind"], content["nodes"], content["network"])
